"""What waits for somebody to decide it: queues of records, each app's own, gathered by one query whatever their number.

A queue says which records wait, which acts decide them, and how one reads. Whether an item is this person's is the
gate's verdict on its act: theirs, or shut to them by a rule, which is told with who can instead; who holds no duty for
it does not see it here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from django.db.models import BigIntegerField, CharField, DateTimeField, F, Model, Q, QuerySet, Value
from django.db.models.functions import Cast

from apps.access.actors import Actor
from apps.access.facts import Facts, facts_of
from apps.access.gate import ORGANISATION_PAIR, Judge, Verdict, visible
from apps.access.models import Assignment
from apps.access.policy import policy
from apps.access.recorded import recorded
from apps.access.sharing import once, shared
from apps.accounts.models import User
from apps.core.clock import now
from apps.core.errors import Refused

MOST = 200  # judged at a time, and shown of one queue
ROUNDS = 5  # of one queue, for one page; mails leave nothing off
# The columns of the one query. A queue puts fields of its records into them, by name of the column.
NUMBERS = ("n1", "n2", "n3", "n4", "n5")
TEXTS = ("t1", "t2", "t3", "t4", "t5")
TIMES = ("d1", "d2", "d3")
COLUMNS = ("queue", "id", "since", "due", *NUMBERS, *TEXTS, *TIMES)
Row = dict[str, Any]


@dataclass(frozen=True)
class Queue:
    """One kind of thing that waits.

    columns: column -> field or expression of the record; what is read again from there stands in `make`.
    make: rows -> records with what their facts, state and words ask for. people: columns that hold ids of people.
    acts: the acts that would decide a record, any of them. otherwise: what is left to do where its state forbids them
    (refusing what can no longer be approved). further: what the acts refuse besides
    the gate, as (person, record, act) -> Refused or None.
    """

    key: str
    one: str  # "waiver to sign"
    many: str  # "waivers to sign"
    record: type[Model]
    waits: Callable[[], Q]
    since: Any
    acts: Callable[[Any], Sequence[str]]
    make: Callable[[list[Row], Mapping[int, User]], list[Any]]
    what: Callable[[Any], str]  # of one item, in one line
    path: Callable[[Any], str]  # of the page where it is decided
    asked_by: Callable[[Any], User | None] = lambda _record: None
    due: Any = None
    due_after: Callable[[datetime], datetime] | None = None  # of `since`, where a query cannot say it
    otherwise: str = ""
    columns: Mapping[str, Any] = field(default_factory=dict)
    people: tuple[str, ...] = ()
    further: Callable[[User, Any, str], Refused | None] = lambda _person, _record, _act: None
    able: Callable[[Any, str], list[User]] | None = None  # who may, where no duty says it
    told_again: bool = False  # waits anew after it was decided: its mails are told apart by since when

    def count(self, number: int) -> str:
        """`1 waiver to sign`, `3 waivers to sign`."""
        return f"{number} {self.one if number == 1 else self.many}"


QUEUES: dict[str, Queue] = {}


def queue(found: Queue) -> Queue:
    """Register; asked for in the order of registration, so lower apps first."""
    QUEUES[found.key] = found
    return found


@dataclass(frozen=True)
class Item:
    """One record that waits. `refused`: why not by this person, empty where it is theirs to decide."""

    queue: Queue
    record: Any
    since: datetime
    due: datetime | None  # none where it was asked for at once
    verdict: Verdict

    @property
    def mine(self) -> bool:
        return self.verdict.allowed

    @property
    def what(self) -> str:
        return self.queue.what(self.record)

    @property
    def path(self) -> str:
        return self.queue.path(self.record)

    @property
    def asked_by(self) -> User | None:
        return self.queue.asked_by(self.record)

    @property
    def late(self) -> bool:
        """Whether it should have been decided by now; what was asked for at once has no date to be late for."""
        return self.due is not None and self.due <= now()

    @property
    def stuck(self) -> bool:
        """Nobody can decide it now."""
        return not self.mine and all(name.startswith("nobody") for name in self.verdict.who)


@dataclass(frozen=True)
class Waiting:
    """The items of one queue for one person: theirs, and those that a rule shuts to them. `more`: not all are here."""

    queue: Queue
    mine: tuple[Item, ...]
    blocked: tuple[Item, ...]
    more: bool = False

    @property
    def heading(self) -> str:
        """`2 waivers to sign`; where none is theirs, `Waivers to sign: none is yours to decide`."""
        if self.mine:
            return self.queue.count(len(self.mine))
        return f"{self.queue.many[0].upper()}{self.queue.many[1:]}: none is yours to decide"


def queues_for(actor: Actor) -> list[Waiting]:
    """Every queue with something for this person, in the order of the registry; oldest items first.

    Each queue is cut for itself, and after it was judged: what floods one of them, or is not this person's, hides
    nothing else; and what was left off is said.
    """
    with shared():
        found, left = _for(actor, _by_queue(_rows(actor)))
    return [
        Waiting(
            each,
            tuple(item for item in found[key] if item.mine),
            tuple(item for item in found[key] if not item.mine),
            more=key in left,
        )
        for key, each in QUEUES.items()
        if found.get(key) or key in left
    ]


def _for(actor: Actor, waiting: dict[str, list[Row]]) -> tuple[dict[str, list[Item]], set[str]]:
    """The items by queue, and the queues of which something was left off."""
    found: dict[str, list[Item]] = {key: [] for key in waiting}
    looked = dict.fromkeys(waiting, 0)
    for _round in range(ROUNDS):
        rows: list[Row] = []
        for key, every in waiting.items():
            if len(found[key]) < MOST:
                rows += every[looked[key] : looked[key] + MOST]
                looked[key] += MOST
        for item in _judged(actor, rows):
            if item is not None:
                found[item.queue.key].append(item)
    left = {key for key, every in waiting.items() if looked[key] < len(every) or len(found[key]) > MOST}
    return {key: items[:MOST] for key, items in found.items()}, left


def deciders() -> Iterator[tuple[Queue, Any, datetime, list[User]]]:
    """Every record that waits, whoever looks, with the people who could decide it: for mails."""
    with shared():
        waiting = _rows(None)
    for start in range(0, len(waiting), MOST):
        with shared():
            found = _able(waiting[start : start + MOST])
        yield from found


def _able(rows: list[Row]) -> list[tuple[Queue, Any, datetime, list[User]]]:
    found = []
    for each, record, row in _records(rows):
        act = each.acts(record)[0]
        able = each.able(record, act) if each.able else Judge(record).eligible(policy(act))
        able = [person for person in able if each.further(person, record, act) is None]
        found.append((each, record, row["since"], able))
    return found


# ---------------------------------------------------------------- one query for all


def _rows(actor: Actor | None) -> list[Row]:
    branches = [_branch(each, actor) for each in QUEUES.values()]
    if not branches:
        return []
    rows = branches[0].union(*branches[1:], all=True) if len(branches) > 1 else branches[0]
    return [dict(zip(COLUMNS, row, strict=True)) for row in rows.order_by("q_since")]


def _by_queue(rows: list[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row["queue"], []).append(row)
    return found


def _branch(each: Queue, actor: Actor | None) -> QuerySet[Any, Any]:
    seen: QuerySet[Any] = each.record._default_manager.all() if actor is None else visible(actor, each.record)
    rows = seen.filter(each.waits()).order_by()
    given: dict[str, Any] = {"since": each.since, "due": each.due, **each.columns}
    made: dict[str, Any] = {"q_queue": Value(each.key, CharField()), "q_id": F("pk")}
    for name in COLUMNS[2:]:
        value = given.get(name)
        if value is None:
            value = Cast(Value(None), _type_of(name))
        made[f"q_{name}"] = F(value) if isinstance(value, str) else value
    return rows.annotate(**made).values_list(*(f"q_{name}" for name in COLUMNS))


def _type_of(column: str) -> Any:
    if column in NUMBERS:
        return BigIntegerField()
    return CharField() if column in TEXTS else DateTimeField()


def _records(rows: list[Row]) -> list[tuple[Queue, Any, Row]]:
    """The records that the rows tell of, with their people; what the gate asks of them read along."""
    wanted = {
        row[column] for row in rows for column in QUEUES[row["queue"]].people if row[column] is not None
    }
    people = User.objects.in_bulk(wanted) if wanted else {}
    found: list[tuple[Queue, Any, Row]] = []
    for key, mine in _by_queue(rows).items():
        records = {record.pk: record for record in QUEUES[key].make(mine, people)}
        found += [(QUEUES[key], records[row["id"]], row) for row in mine if row["id"] in records]
    _read_along([record for _queue, record, _row in found])
    return found


def _read_along(records: Collection[Any]) -> None:
    """Holders and recorded acts of all these records, in one query each."""
    if not records:
        return
    facts = [facts_of(record) for record in records]
    whole = _Everywhere(facts)
    for each in facts:
        once(("holders", frozenset(each.parents), each.anywhere), partial(whole.of, each))
    recorded(frozenset().union(*(pairs for each in facts for pairs in each.closures.values())))


class _Everywhere(Judge):
    """The places of many records as those of one: who holds what there is asked once."""

    def __init__(self, facts: Collection[Facts]) -> None:
        self.facts = Facts(
            parents=tuple({place for each in facts for place in each.parents}),
            anywhere=frozenset().union(*(each.anywhere for each in facts)),
        )

    def of(self, facts: Facts) -> list[Assignment]:
        """Of those, who holds something on the places of one record, on the organisation, or what counts anywhere."""
        places = {*facts.parents, ORGANISATION_PAIR}
        return [
            held
            for held in self.holders
            if (held.scope_kind, held.scope_id) in places or held.duty in facts.anywhere
        ]


def _judged(actor: Actor, rows: list[Row]) -> Iterable[Item | None]:
    for each, record, row in _records(rows):
        yield _item(actor, each, record, row)


def _item(actor: Actor, each: Queue, record: Any, row: Row) -> Item | None:
    judge = Judge(record)
    verdicts = [_verdict(actor, each, record, act, judge) for act in each.acts(record)]
    theirs = [verdict for verdict in verdicts if not _no_business(verdict)]
    if each.otherwise and theirs and all(verdict.wrong_state for verdict in theirs):
        theirs = [_verdict(actor, each, record, each.otherwise, judge)]
    # What any of the acts allows is theirs; else the first rule that shuts it to them is told.
    told = next((v for v in theirs if v.allowed), next((v for v in theirs if not v.wrong_state), None))
    return Item(each, record, row["since"], _due(row), told) if told else None


def _due(row: Row) -> datetime | None:
    reckoned = QUEUES[row["queue"]].due_after
    due = reckoned(row["since"]) if reckoned else row["due"]
    return due if due is not None and due > row["since"] else None


def _verdict(actor: Actor, each: Queue, record: Any, act: str, judge: Judge) -> Verdict:
    row = policy(act)
    verdict = judge.verdict(actor, row)
    if not verdict.allowed or (refused := each.further(actor.user, record, act)) is None:
        return verdict
    return Verdict(
        False,
        act,
        row.label,
        what=refused.what,
        fact=refused.fact,
        rule=refused.rule,
        who=tuple(refused.who),
        status=refused.status,
        signs=row.signs,
    )


def _no_business(verdict: Verdict) -> bool:
    """Refused for what the person is (no duty, no vote, an inspector), not for what they did or lack."""
    if verdict.allowed:
        return False
    return verdict.status == 404 or verdict.rule.startswith(("duty", "PC07", "service", "account", "board:"))


def loaded(rows: list[Row], queryset: QuerySet[Any]) -> list[Any]:
    """`make` of a queue that reads its records whole: one query more while something waits."""
    return list(queryset.filter(pk__in=[row["id"] for row in rows]))


def columns(told: str, **more: Any) -> dict[str, Any]:
    """Column -> field, of `"n1=person_id t1=state"`; `more` are expressions."""
    return dict(each.split("=") for each in told.split()) | more


def partly(record: type[Model], row: Row, given_in: Mapping[str, Any], **times: str) -> Any:
    """A record with the fields that stand in these columns; any other is read when it is asked for.

    times: "since" and "due" -> their fields. What a column holds of another record is left to the caller.
    """
    own = {column: name for column, name in {**given_in, **times}.items() if isinstance(name, str)}
    given = {"id": row["id"], **{name: row[column] for column, name in own.items() if "__" not in name}}
    known = [f.attname for f in record._meta.concrete_fields if f.attname in given]
    return record.from_db("default", known, [given[name] for name in known])


__all__ = [
    "QUEUES",
    "Item",
    "Queue",
    "Waiting",
    "columns",
    "deciders",
    "loaded",
    "partly",
    "queue",
    "queues_for",
]
