"""What a verification found, and the state its detectors share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Min

from apps.trail.keys import Keys
from apps.trail.models import Checkpoint, Leaf

ROWS_AT_A_TIME = 2000
# What is counted, in the order it is looked at.
COUNTED = (
    *("checkpoints", "witnessed", "leaves", "entries", "pending"),
    *("row entries", "history rows", "records", "signatures", "jobs", "files"),
    *("witnesses asked", "cosignatures", "time stamps"),
)


@dataclass(frozen=True)
class Finding:
    """One fault: which detector, in which table, row and field, and what is wrong in words."""

    detector: str
    table: str
    row: str
    field: str
    detail: str

    def line(self) -> str:
        place = f"{self.table} row {self.row}" if self.row else self.table
        return f"{place}{f', field {self.field}' if self.field else ''}: {self.detail} [{self.detector}]"


@dataclass
class Result:
    """`ok` when nothing was found. `checked`: how many of what were looked at."""

    checked: dict[str, int] = field(default_factory=lambda: dict.fromkeys(COUNTED, 0))
    findings: list[Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.findings

    def as_json(self) -> dict[str, Any]:
        return {"ok": self.ok, "checked": self.checked, "findings": [asdict(one) for one in self.findings]}


@dataclass
class Session:
    """One verification under way. `skip_act`: the act that is asking, whose entry is not written yet."""

    connection: BaseDatabaseWrapper
    keys: Keys
    skip_act: str = ""
    since: int = 0
    progress: Callable[[str, int], None] | None = None
    result: Result = field(default_factory=Result)
    # Sums of row digests named by act entries and of those found in the tables (detectors/accounts.py).
    named: int = 0
    found: int = 0

    @property
    def vendor(self) -> str:
        return self.connection.vendor

    @property
    def alias(self) -> str:
        return self.connection.alias

    def report(self, detector: str, table: str, row: Any, field_name: str, detail: str) -> None:
        self.result.findings.append(
            Finding(detector, table, "" if row is None else str(row), field_name, detail)
        )

    def count(self, what: str, number: int = 1) -> None:
        self.result.checked[what] += number
        if self.progress is not None:
            self.progress(what, self.result.checked[what])

    def stream(self, sql: str, parameters: list[Any] | None = None) -> Iterator[tuple]:
        """Rows of a query, read in pieces by a cursor of the database."""
        with self.connection.chunked_cursor() as cursor:
            cursor.execute(sql, parameters or [])
            while rows := cursor.fetchmany(ROWS_AT_A_TIME):
                yield from rows

    def first_entry(self) -> int:
        """Entries before this id are left out when only what came since a checkpoint is asked."""
        if not self.since:
            return 0
        assert Checkpoint.objects.using(self.alias).filter(size=self.since).exists()
        since = Leaf.objects.using(self.alias).filter(index__gte=self.since)
        return since.aggregate(first=Min("entry_id"))["first"] or 0

    def one(self, sql: str, parameters: list[Any] | None = None) -> Any:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, parameters or [])
            row = cursor.fetchone()
            return row[0] if row else None


def short(value: Any) -> str:
    """A value for a finding's detail, cut to a readable length."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "…"
