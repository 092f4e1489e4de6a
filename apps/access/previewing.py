"""What an act would change, field by field, told before it is done: the act is carried out and undone.

So nothing is computed twice: what is shown is what the act wrote. Times and the row's own key are left out, since they
differ each time. The digest of what was shown comes back with the confirmation, and the act compares.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from apps.access.models import TrainingMatrix
from apps.access.policy import Policy
from apps.accounts.corrections import Correction
from apps.core import registries
from apps.core.digests import digest, plain
from apps.core.errors import BadInput, Conflict
from apps.trail.history import record_of
from apps.trail.watched import history_models

RULE = "preview"


@dataclass(frozen=True)
class Change:
    """One field: of which record, its name in words, what it was (None: nothing) and what it will be."""

    record: str
    field: str
    before: Any
    after: Any

    def as_data(self) -> dict[str, Any]:
        return {"record": self.record, "field": self.field, "before": self.before, "after": self.after}


@dataclass(frozen=True)
class Preview:
    changes: tuple[Change, ...]

    @property
    def digest(self) -> str:
        return digest([plain(each.as_data()) for each in self.changes])

    def as_data(self) -> dict[str, Any]:
        return {"changes": [each.as_data() for each in self.changes], "digest": self.digest}


class Undone(Exception):
    """Carries a preview out of the transaction that it undoes."""

    def __init__(self, preview: Preview) -> None:
        super().__init__("previewed")
        self.preview = preview


def of_rows(rows: Iterable[tuple[str, int, str]], act_id: str) -> Preview:
    """What the history rows of an act under way changed: (table, row, digest) as the act collected them."""
    tables = {model._meta.db_table: model for model in history_models()}
    newest: dict[tuple[Any, Any], Any] = {}
    for table, row_id, _ in rows:
        past: Any = tables.get(table)
        if past is not None:
            row = past.objects.get(pk=row_id)
            newest[past, getattr(row, record_of(past)._meta.pk.attname)] = row
    keys = frozenset(str(pk) for _, pk in newest)
    return Preview(
        tuple(
            change for (past, pk), row in newest.items() for change in _changes(past, pk, row, act_id, keys)
        )
    )


def _changes(past: Any, pk: Any, row: Any, act_id: str, keys: frozenset[str]) -> Iterator[Change]:
    """`keys` of the records written: PostgreSQL gives a new record another key each time, also where it is undone."""
    record = record_of(past)
    key = record._meta.pk
    earlier = past.objects.filter(**{key.attname: pk}).exclude(act_id=act_id).order_by("-history_id").first()
    before: Any = earlier
    find = registries.predecessor.get(record._meta.label)
    if before is None and find is not None:
        before = _as_it_was(find(row.instance), act_id)
    ref = str(getattr(row.instance, "ref", row.instance)) if earlier is not None else ""
    name = f"{record._meta.verbose_name!s} {ref}".strip()
    for field in past.tracked_fields:
        if field.primary_key or isinstance(field, models.DateTimeField) or field.name == "reason":
            continue
        if before is not None and not hasattr(before, field.attname):
            continue
        if field.name.endswith(("_id", "_pk")) and str(getattr(row, field.attname)) in keys:
            continue
        was = None if before is None else _told(before, field)
        now = _told(row, field)
        if isinstance(was, dict) and isinstance(now, dict):
            for part in sorted({*was, *now}):
                if was.get(part) != now.get(part):
                    yield Change(name, f"{field.verbose_name}: {part}", was.get(part), now.get(part))
        elif was != now and not (before is None and now in ("", None, [], {})):
            yield Change(name, str(field.verbose_name), was, now)


def _as_it_was(earlier: Any, act_id: str) -> Any:
    """A predecessor before this act: the act may have written it too."""
    history = getattr(earlier, "history", None)
    return (
        earlier
        if history is None
        else history.exclude(act_id=act_id).order_by("-history_id").first() or earlier
    )


def _told(row: Any, field: models.Field) -> Any:
    """A field's value for a person: choices in words, records by their name."""
    value = getattr(row, field.attname)
    if value is None:
        return None
    if isinstance(field, models.ForeignKey):
        related = field.related_model
        found = related._base_manager.filter(pk=value).first() if isinstance(related, type) else None
        return str(getattr(found, "printed_name", None) or getattr(found, "ref", None) or found)
    if isinstance(field, models.BooleanField):
        return "yes" if value else "no"
    if field.choices:
        return str(dict(field.flatchoices).get(value, value))
    return json.loads(json.dumps(value, cls=DjangoJSONEncoder))


def cannot(row: Policy) -> BadInput:
    """For acts that use up a second factor: they show the record itself before it is signed."""
    return BadInput("This act has no preview.", rule=RULE, fields={"dry_run": [f"Not for {row.act}."]})


def refuse_if_other(preview: Preview, confirmed: str) -> None:
    """Refuse what would change something else than was shown."""
    if preview.digest != confirmed:
        raise Conflict(
            "Nothing was changed: it would change something else than was shown to you.",
            fact="Your input, or the record, is not as it was when the changes were shown.",
            rule=RULE,
            who=["you, after looking at the changes again"],
        )


@registries.predecessor("access.TrainingMatrix")
def earlier_matrix(matrix: TrainingMatrix) -> TrainingMatrix | None:
    return TrainingMatrix.objects.filter(version__lt=matrix.version).order_by("-version").first()


@registries.predecessor("accounts.Correction")
def as_it_is(correction: Correction) -> SimpleNamespace:
    """Name and address of today, of those that would be corrected."""
    return SimpleNamespace(
        printed_name=correction.name_before if correction.printed_name else "",
        email=correction.email_before if correction.email else "",
    )
