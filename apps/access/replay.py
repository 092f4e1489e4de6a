"""What other separation rules would have made of what happened: acts, refused attempts and duties, judged anew.

Both versions judge the same recorded facts, with lineage and tiers as they are today and waivers left out. Only what
the two judge differently is a case.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from apps.access import duties
from apps.access.assigning import PARENTS, family_of, parent_of, relation
from apps.access.duties import Duty
from apps.access.facts import Facts, facts_of
from apps.access.models import Assignment
from apps.access.organisation import ORGANISATION_SUBJECT
from apps.access.policy import TABLE, Policy
from apps.access.recorded import counted_verbs
from apps.access.rulebook import tier_of
from apps.access.rulesdiff import only_in
from apps.access.separation import (
    ALONE,
    ANY,
    Deed,
    DynamicRule,
    Rules,
    StaticRule,
    first_conflict,
    past_conflict,
    static_conflict,
)
from apps.access.sharing import shared
from apps.accounts.models import User
from apps.core import registries
from apps.core.clock import iso, now
from apps.core.subjects import models_by_kind
from apps.trail.models import Entry, Kind

LOOKED_BACK = timedelta(days=365)
REFUSED, ALLOWED = "refused", "allowed"
REQUESTS = (
    "access.request_assignment",
    "access.request_organisation_assignment",
    "access.request_assignments",
    "approvals.request_seat",
)
State = Assignment.State  # a seat has the same
SEAT_PLACE = (duties.SEAT, 0)  # near to no place where duties are held
# When, duty, place, and the duties asked for with it for the same person: (duty, kind, id).
Wanted = tuple[datetime, str, tuple[str, int], list[tuple[str, str, int]]]


@dataclass(frozen=True)
class Case:
    """One thing that the two versions judge differently. before, after: the rule that refuses it; empty: allowed.

    sort: act (it was done), attempt (it was refused), duty (it was asked for), open (the duties held allow it).
    """

    sort: str
    person: str  # username
    name: str
    at: str  # RFC 3339; empty for `open`
    act: str
    record: str
    scope: str
    before: str
    after: str

    @property
    def result(self) -> str:
        return REFUSED if self.after else ALLOWED


@dataclass(frozen=True)
class Line:
    """One entry of a person: an act, or an attempt that a separation rule refused."""

    id: int
    at: datetime
    kind: str
    act: str
    subject: tuple[str, str]
    ref: str
    scope: str


@dataclass(frozen=True)
class Given:
    """A duty or a seat that was asked for, whatever became of it. `word`: its state."""

    duty: str
    place: tuple[str, int]
    state: str
    word: str
    requested_at: datetime
    decided_at: datetime | None
    ends_at: datetime | None
    order: tuple[datetime, str, int]

    @classmethod
    def of(cls, row: Any) -> Given:
        """From an assignment or a member of a review board."""
        seat = not isinstance(row, Assignment)
        return cls(
            duties.SEAT if seat else row.duty,
            SEAT_PLACE if seat else (row.scope_kind, row.scope_id),
            row.state,
            row.get_state_display().lower(),
            row.requested_at,
            row.decided_at,
            row.ends_at,
            (row.requested_at, row.subject_kind, row.pk),
        )


@dataclass
class Comparison:
    """Two versions of the rules over what happened since a moment. `looser`: only what the new ones newly allow."""

    old: Rules
    new: Rules
    since: datetime
    looser: bool = False
    acts: int = 0
    attempts: int = 0
    given: int = 0

    @cached_property
    def differing(self) -> tuple[DynamicRule | StaticRule, ...]:
        lost = only_in(self.old.every, self.new.every)
        return lost if self.looser else (*lost, *only_in(self.new.every, self.old.every))

    @cached_property
    def verbs(self) -> frozenset[str]:
        dynamic = [rule for rule in self.differing if isinstance(rule, DynamicRule)]
        return frozenset(verb for rule in dynamic for verb in (rule.first, rule.second))

    @cached_property
    def _statics(self) -> tuple[StaticRule, ...]:
        return tuple(rule for rule in self.differing if isinstance(rule, StaticRule))

    @cached_property
    def _counted(self) -> dict[str, list[str]]:
        return counted_verbs(Rules(0, (), (*self.old.dynamic, *self.new.dynamic)))

    def cases(self, person: User) -> Iterator[Case]:
        """Every case of one person, oldest first; what could be done now comes last."""
        if not self.differing:
            return
        lines = list(self._lines(person)) if self.verbs or any(r.past for r in self._statics) else []
        deeds = [
            (line, deed) for line in lines if line.kind == Kind.ACT for deed in self._deeds(person, line)
        ]
        with shared():
            if self.verbs:
                yield from self._done(person, lines, deeds)
            if self._statics:
                yield from self._duties(person, [deed for _, deed in deeds])
            if self.verbs:
                yield from self._open(person, deeds)

    def gains(self, person: User) -> list[Case]:
        return [case for case in self.cases(person) if case.result == ALLOWED]

    # ------------------------------------------------------------ acts and attempts

    def _lines(self, person: User) -> Iterator[Line]:
        rows = Entry.objects.filter(actor_uuid=str(person.uuid), kind__in=[Kind.ACT, Kind.REFUSAL])
        if ANY not in self.verbs:
            rows = rows.filter(act__in=self._counted)
        wanted = ("id", "at", "kind", "act", "subject_kind", "subject_id", "scope", "body")
        for pk, at, kind, act, of, key, scope, body in (
            rows.order_by("id").values_list(*wanted).iterator(chunk_size=500)
        ):
            told = json.loads(body)
            if kind == Kind.REFUSAL and str(told["facts"].get("rule", ""))[:2] not in ("DY", "ST", "EN"):
                continue  # refused for another reason: no rule of separation decides it
            yield Line(pk, at, kind, act, (of, key), (told.get("subject") or {}).get("ref", ""), scope)

    def _deeds(self, person: User, line: Line) -> Iterator[Deed]:
        done = TABLE[line.act].sentence if line.act in TABLE else f"did {line.act}"
        told = f"{done} ({line.ref}) on {line.at:%Y-%m-%d}"
        for verb in self._counted.get(line.act, ["act"]):
            yield Deed(str(person.uuid), verb, *line.subject, told, line.at)

    def _facts(self, subject: tuple[str, str]) -> Facts | None:
        model: Any = models_by_kind().get(subject[0])
        row = model._default_manager.filter(pk=subject[1]).first() if model else None
        return facts_of(row) if row is not None else None

    def _verdicts(self, person: User, row: Policy, facts: Facts, deeds: Iterable[Deed]) -> tuple[str, str]:
        known = [*facts.declared, *deeds]
        itself = next(iter(facts.closures.get("itself", ())), None)
        said = []
        for rules in (self.old, self.new):
            broken = first_conflict(
                rules,
                person=str(person.uuid),
                verbs=row.verbs,
                closures=facts.closures,
                deeds=known,
                tier=lambda: tier_of(*itself) if itself else "",
            )
            said.append(f"{broken.rule.id}: {broken.rule.text} ({broken.deed.told})" if broken else "")
        return said[0], said[1]

    def _done(self, person: User, lines: list[Line], deeds: list[tuple[Line, Deed]]) -> Iterator[Case]:
        for line in lines:
            row = TABLE.get(line.act)
            if row is None or line.at < self.since or not row.verbs & self.verbs:
                continue
            facts = self._facts(line.subject)
            if facts is None:
                continue
            attempt = line.kind == Kind.REFUSAL
            self.attempts += attempt
            self.acts += not attempt
            before, after = self._verdicts(
                person, row, facts, (deed for past, deed in deeds if past.id < line.id)
            )
            # An attempt that the new rules would refuse as well is none of theirs.
            if bool(before) != bool(after) and (before or not attempt):
                sort = "attempt" if attempt else "act"
                yield self._case(sort, person, iso(line.at), row, line, before, after)

    def _case(
        self, sort: str, person: User, at: str, row: Policy, line: Line, before: str, after: str
    ) -> Case:
        label = row.label or row.sentence
        return Case(
            sort, person.username, person.printed_name, at, label, line.ref, line.scope, before, after
        )

    # ------------------------------------------------------------ what could be done now

    def _open(self, person: User, deeds: list[tuple[Line, Deed]]) -> Iterator[Case]:
        """Acts that the duties of today allow, that the old rules refuse for a recorded deed, and the new do not."""
        mine = list(Assignment.objects.active().filter(person=person))
        lost = [r for r in only_in(self.old.dynamic, self.new.dynamic) if isinstance(r, DynamicRule)]
        every = [deed for _, deed in deeds]
        judged: set[tuple[Any, ...]] = set()
        for line, deed in deeds:
            met = [rule for rule in lost if rule.other(frozenset({deed.verb}))]
            if not met or (facts := self._facts(line.subject)) is None:
                continue
            for row in _opposite(met, deed, facts):
                place, record = (row.act, line.scope, deed.verb), (row.act, *line.subject)
                if {place, record} & judged or not any(self._counts(a, row, facts, line) for a in mine):
                    continue
                judged.add(record)
                before, after = self._verdicts(person, row, facts, every)
                if before and not after:
                    judged.add(place)  # one of a kind for each model is enough
                    yield self._case("open", person, "", row, line, before, after)

    def _counts(self, given: Assignment, row: Policy, facts: Facts, line: Line) -> bool:
        if given.duty not in row.duties:
            return False
        if given.scope_kind == duties.ORGANISATION:
            return given.duty != Duty.ADMINISTRATOR or line.scope == given.scope
        return (given.scope_kind, given.scope_id) in facts.parents or given.duty in facts.anywhere

    # ------------------------------------------------------------ duties

    def _duties(self, person: User, deeds: list[Deed]) -> Iterator[Case]:
        rows = [*Assignment.objects.filter(person=person), *registries.seat["rows"](person.pk)]
        known = sorted((Given.of(row) for row in rows), key=lambda each: each.order)
        for one in known:
            over = one.ends_at is not None and one.ends_at <= self.since
            if one.requested_at < self.since and (one.state != State.APPROVED or over):
                continue
            held = [(b.duty, *b.place) for b in known if _open_at(b, one)]
            label = f"{duties.word(one.duty)} ({one.word})"
            yield from self._duty(person, one.duty, one.place, held, deeds, one.requested_at, label)
        for at, duty, place, beside in self._refused_requests.get(person.username, []):
            held = beside + [
                (b.duty, *b.place)
                for b in known
                if b.requested_at < at and (b.ends_at is None or b.ends_at > at)
            ]
            label = f"{duties.word(duty)} (the request was refused)"
            yield from self._duty(person, duty, place, held, deeds, at, label)

    @cached_property
    def _refused_requests(self) -> dict[str, list[Wanted]]:
        """Username -> (when, duty, place, what was asked for with it) of requests that were refused at once.

        The entry says what was asked; of several duties asked for together, each row counts, whichever was at fault.
        """
        found: dict[str, list[Wanted]] = {}
        rows = Entry.objects.filter(act__in=REQUESTS, kind=Kind.REFUSAL, at__gte=self.since).order_by("id")
        wanted = rows.values_list("at", "subject_kind", "subject_id", "body")
        for at, of, key, body in wanted.iterator():
            facts = json.loads(body)["facts"]
            if not str(facts.get("rule", "")).startswith("ST"):
                continue
            asked = facts.get("asked", {})
            if "rows" in asked:
                told = [tuple(row.rsplit(": ", 1)) for row in asked["rows"]]
                places = [(username, duty, (of, int(key))) for username, duty in told]
            elif asked.get("duty") == duties.SEAT:
                places = [(asked["person"], duties.SEAT, SEAT_PLACE)]
            else:
                kind, _, pk = str(asked.get("on", "")).rpartition(":")
                places = [(asked.get("person", ""), asked.get("duty", ""), (kind, int(pk or 0)))]
            for number, (username, duty, place) in enumerate(places):
                others = [*places[:number], *places[number + 1 :]]
                beside = [(d, *p) for name, d, p in others if name == username and d in list(Duty)]
                if duty in (*Duty, duties.SEAT):
                    found.setdefault(username, []).append((at, duty, place, beside))
        return found

    def _duty(
        self,
        person: User,
        duty: str,
        place: tuple[str, int],
        held: list[tuple[str, str, int]],
        deeds: list[Deed],
        at: datetime,
        label: str,
    ) -> Iterator[Case]:
        self.given += 1
        if place[0] in PARENTS:
            parent = parent_of(*place)
            facts, ref = facts_of(parent), parent.ref
            family_deeds = [*facts.declared, *(d for d in deeds if d.when < at)]
            closure = facts.closures.get("family", frozenset())
        else:
            family_deeds, closure = [], frozenset()
            ref = "a review board" if place == SEAT_PLACE else "the organisation"
        family, tier = family_of(*place), tier_of(*place)
        near = [(d, relation(place, (kind, pk), family)) for d, kind, pk in held]
        said = []
        for rules in (self.old, self.new):
            broken = static_conflict(rules, duty, near, tier)
            past = past_conflict(
                rules, person=str(person.uuid), duty=duty, family=closure, deeds=family_deeds
            )
            told = ""
            if broken:
                told = f"{broken[0].id}: {broken[0].text} (held {duties.word(broken[1])})"
            elif past:
                told = f"{past[0].id}: {past[0].text} ({past[1].told})"
            said.append(told)
        if bool(said[0]) != bool(said[1]):
            scope = ORGANISATION_SUBJECT.scope if place == SEAT_PLACE else duties.scope_text(*place)
            yield Case(
                "duty", person.username, person.printed_name, iso(at), label, ref, scope, said[0], said[1]
            )


def _opposite(rules: Iterable[DynamicRule], deed: Deed, facts: Facts) -> list[Policy]:
    """Acts of people that one of `rules` sets against the deed; on one record, those that act on such a record."""
    kinds = {kind for kind, _ in facts.closures["record"]}
    found: dict[str, Policy] = {}
    for rule in rules:
        verbs = rule.other(frozenset({deed.verb}))
        for row in TABLE.values():
            fits = rule.scope not in ALONE or row.subject in kinds
            if row.verbs & verbs and fits and not row.service:
                found[row.act] = row
    return list(found.values())


def _open_at(other: Given, one: Given) -> bool:
    """Whether `other` was asked for before `one` and stood when `one` was asked for."""
    if other.order >= one.order:
        return False
    ended = other.ends_at or (other.decided_at if other.state == State.REFUSED else None)
    if other.state == State.ENDED and ended is None:
        return False
    return ended is None or ended > one.requested_at


def replay(old: Rules, new: Rules, report: Callable[[int, int, str], None]) -> dict[str, Any]:
    """Everybody's cases of the last year, as canonical data. `report(done, total, stage)` counts people."""
    until = now()
    comparison = Comparison(old, new, until - LOOKED_BACK)
    people = User.objects.filter(is_service=False).order_by("username")
    total = people.count()
    cases: list[Case] = []
    for number, person in enumerate(people.iterator(chunk_size=200)):
        report(number, total, "Judging what each person did")
        cases.extend(comparison.cases(person))
    report(total, total, "Writing the result")
    return {
        "schema": "access.rules_replay/1",
        "old_version": old.version,
        "new_version": new.version,
        "since": iso(comparison.since),
        "until": iso(until),
        "judged": {"acts": comparison.acts, "attempts": comparison.attempts, "duties": comparison.given},
        "newly_refused": sum(case.result == REFUSED for case in cases),
        "newly_allowed": sum(case.result == ALLOWED for case in cases),
        "cases": [asdict(case) | {"result": case.result} for case in cases],
    }
