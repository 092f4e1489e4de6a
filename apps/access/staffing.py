"""Who holds which duty on one model or dataset, who could take it, and what one leaver would block.

What the place has in common for all people and duties is read once: the number of queries does not grow with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from apps.access import duties, factors
from apps.access.assigning import (
    PARENTS,
    SEATED,
    Near,
    Place,
    family_of,
    foreseen,
    opening,
    relation,
    told_of,
)
from apps.access.duties import Duty
from apps.access.gate import Judge
from apps.access.models import Assignment, Waiver
from apps.access.policy import TABLE
from apps.access.rulebook import rules_in_force, tier_of, waivers_in_force
from apps.access.separation import Deed, past_conflict, static_conflicts
from apps.access.training import Trainings
from apps.accounts.models import User
from apps.core import registries
from apps.core.subjects import Subject

State = Assignment.State
NAMED = 3  # people who could take a duty, by name; the others are counted


@dataclass(frozen=True)
class Candidate:
    """A person who might be given a duty; `because` says why not, `warnings` what should be known."""

    person: User
    because: str = ""
    warnings: tuple[str, ...] = ()
    rule: str = ""  # the rule that says why not; empty for what is no rule of separation


@dataclass(frozen=True)
class Extra:
    """A duty that somebody is taken to hold besides what is recorded; `told` names it, such as `row 2`."""

    person_id: int
    duty: str
    place: Place
    told: str


class Ground:
    """One model, dataset or the organisation with everybody who could hold a duty there."""

    def __init__(self, parent: Subject, extras: Sequence[Extra] = ()) -> None:
        self.parent = parent
        self.place: Place = (parent.subject_kind, parent.pk)
        self.extras = extras

    @cached_property
    def rules(self):  # type: ignore[no-untyped-def]
        return rules_in_force()

    @cached_property
    def tier(self) -> str:
        return tier_of(*self.place)

    @cached_property
    def family(self) -> set[Place]:
        return family_of(*self.place)

    @cached_property
    def judge(self) -> Judge | None:
        return Judge(self.parent) if self.place[0] in PARENTS else None

    @cached_property
    def people(self) -> list[User]:
        return list(User.objects.filter(is_active=True, is_service=False).order_by("printed_name", "pk"))

    @cached_property
    def _waivers(self) -> dict[int, list[Waiver]]:
        found: dict[int, list[Waiver]] = {}
        for waiver in waivers_in_force(self.family):
            found.setdefault(waiver.person_id, []).append(waiver)
        return found

    def opened(self, person: User, rule_id: str, there: Place | None = None) -> bool:
        """Whether a waiver opens this rule for the person's duty here besides the one held there."""
        mine = self._waivers.get(person.pk, ())
        return opening(mine, self.rules, rule_id, self.place, there) is not None

    @cached_property
    def held(self) -> dict[int, list[Assignment]]:
        """Assignments in force, to come or asked for, anywhere, by person."""
        found: dict[int, list[Assignment]] = {}
        for each in Assignment.objects.still_open():
            found.setdefault(each.person_id, []).append(each)
        return found

    @cached_property
    def sitting(self) -> set[int]:
        """Who has a seat on a review board, or is proposed for one."""
        found: set[int] = registries.seat["sitting"](None)
        return found

    @cached_property
    def deeds(self) -> dict[str, list[Deed]]:
        found: dict[str, list[Deed]] = {}
        for deed in self.judge.deeds if self.judge else ():
            found.setdefault(deed.person, []).append(deed)
        return found

    def near_to(self, duty: str, place: Place) -> Near:
        """How near another duty is to this place."""
        return Near(duty, relation(self.place, place, self.family), place)

    def near(self, person: User, *, besides: Extra | None = None) -> list[tuple[Near, str]]:
        """(duty and how near, what tells of it) of everything the person holds or is taken to hold."""
        known = [(self.near_to(a.duty, (a.scope_kind, a.scope_id)), "") for a in self.held.get(person.pk, [])]
        if person.pk in self.sitting:
            known.append((SEATED, ""))
        return known + [
            (self.near_to(e.duty, e.place), e.told)
            for e in self.extras
            if e.person_id == person.pk and e is not besides
        ]

    def candidate(self, person: User, duty: Duty, *, besides: Extra | None = None) -> Candidate:
        """Whether `duty` could be asked for here, for this person; the first thing that stands against it."""
        for own in self.held.get(person.pk, []):
            if (own.duty, own.scope_kind, own.scope_id) == (duty, *self.place):
                word = "was requested for" if own.state == State.REQUESTED else "holds"
                return Candidate(person, f"{word} this duty already")
        near = self.near(person, besides=besides)
        mine = self.deeds.get(str(person.uuid), [])
        for each, told in near:
            for rule, other in static_conflicts(self.rules, duty, [each.pair], self.tier):
                if not self.opened(person, rule.id, each.place):
                    words = duties.told(other)
                    holds = f"{told} asks for {words}" if told else f"holds or was requested {words}"
                    said = f"{rule.id}: {rule.text}"
                    return Candidate(person, f"{holds}; {said}", rule=said)
        closure = self.judge.facts.closures.get("family", frozenset()) if self.judge else frozenset()
        past = past_conflict(self.rules, person=str(person.uuid), duty=duty, family=closure, deeds=mine)
        if past and not self.opened(person, past[0].id):
            said = f"{past[0].id}: {past[0].text}"
            return Candidate(person, f"{past[1].told}; {said}", rule=said)
        pairs = [each.pair for each, _ in near]
        told_rules = static_conflicts(self.rules, duty, pairs, self.tier, warn=True)
        warnings = tuple(f"{r.id}: {r.text}" for r, _ in told_rules)
        if self.judge and mine:
            warnings += told_of(foreseen(self.judge, person, duty, mine))
        return Candidate(person, "", warnings)

    def candidates(self, duty: Duty) -> list[Candidate]:
        """Every active person, with the reason where the duty cannot be requested for them here."""
        return [self.candidate(person, duty) for person in self.people]


def only_by(duty: Duty, kind: str, *, signing: bool = False) -> tuple[str, ...]:
    """Labels of the acts that this duty alone may do (on a dataset: acts on datasets); `signing`: those that sign."""
    prefix = "datasets." if kind == duties.DATASET else ""
    rows = [r for r in TABLE.values() if r.duties == {duty} and r.label and r.act.startswith(prefix)]
    if kind == duties.MODEL:
        rows = [r for r in rows if not r.act.startswith("datasets.")]
    return tuple(r.label for r in rows if r.signs or not signing)


@dataclass(frozen=True)
class Lack:
    """What keeps a holder from the acts of a duty: `told` in words; from all of them, or from those that sign."""

    told: str
    signing: bool


def lack_of(assignment: Assignment, trainings: Trainings) -> Lack | None:
    """The same facts, in the same order, as the gate asks of an act: training, identity, second factor."""
    person, signs = assignment.person, assignment.duty in factors.SIGNING_DUTIES
    missing = [s for s in trainings.needed(assignment) if not s.good and (signs or not s.kind.signing)]
    whole = [s for s in missing if not s.kind.signing]
    if whole:
        return Lack("training " + "; ".join(s.told() for s in whole), signing=False)
    if missing:
        return Lack("training " + "; ".join(s.told() for s in missing), signing=True)
    if signs and person.identity_confirmed_at is None:
        return Lack("the identity behind the account is not confirmed", signing=True)
    if signs and factors.lacks(person):
        return Lack("the account has no second factor", signing=True)
    return None


@dataclass(frozen=True)
class Takers:
    """Who could be given a duty without a conflict: some by name, how many more, and who with a warning."""

    free: tuple[User, ...]
    more: int
    warned: int

    @property
    def nobody(self) -> bool:
        return not self.free and not self.warned


def takers(ground: Ground, duty: Duty, *, besides: int = 0) -> Takers:
    """`besides`: the person who leaves."""
    fit = [c for c in ground.candidates(duty) if not c.because and c.person.pk != besides]
    free = [c.person for c in fit if not c.warnings]
    return Takers(tuple(free[:NAMED]), max(0, len(free) - NAMED), len(fit) - len(free))


@dataclass(frozen=True)
class Leaver:
    """One holder: the duties here that nobody else holds, and what would stand still."""

    person: User
    duties: tuple[str, ...]
    stopped: tuple[str, ...]
    waiting: tuple[str, ...] = field(default=())  # signatures that nobody else could give


def leavers(kind: str, held: Iterable[Assignment]) -> list[Leaver]:
    """Holders whose leaving would leave a duty of this place without anybody, by name."""
    holders: dict[str, dict[int, User]] = {}
    for each in held:
        holders.setdefault(each.duty, {})[each.person_id] = each.person
    found: dict[int, Leaver] = {}
    for duty in Duty:
        people = holders.get(duty, {})
        if len(people) != 1:
            continue
        person = next(iter(people.values()))
        known = found.get(person.pk, Leaver(person, (), ()))
        found[person.pk] = replace(
            known,
            duties=(*known.duties, duties.WORDS[duty]),
            stopped=(*known.stopped, *only_by(duty, kind)),
        )
    return sorted(found.values(), key=lambda each: each.person.printed_name)
