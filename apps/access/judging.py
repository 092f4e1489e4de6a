"""Verdicts on one subject: who holds what there, who did what, and what stands in the way of an act."""

from __future__ import annotations

from functools import cached_property

from django.db.models import Q

from apps.access import duties, factors, past, reach
from apps.access.actors import Actor
from apps.access.facts import Facts, facts_of
from apps.access.inforce import Marks, marked
from apps.access.looking import refused_to_inspector
from apps.access.models import Assignment, Waiver
from apps.access.organisation import ORGANISATION_SUBJECT
from apps.access.policy import Policy, policy
from apps.access.recorded import deeds_of, recorded
from apps.access.rulebook import opened_by, rules_in_force, tier_of, waivers_in_force
from apps.access.separation import ANY, Broken, Deed, Rules, conflicts
from apps.access.sharing import once
from apps.access.training import Gap, Held, Trainings
from apps.access.verdict import Verdict, front_refusal
from apps.accounts.models import User
from apps.core import clock, registries
from apps.core.errors import Conflict, NotAllowed, Refused
from apps.core.subjects import Subject

UNCONFIRMED = "21 CFR 11.100(b): identity is confirmed by a second person before the first signature"


def named(row: Policy) -> str:
    """The duties that allow an act, in words."""
    return " or ".join(sorted(duties.WORDS[duties.Duty(d)] for d in row.duties))


class Judge:
    """Verdicts on one subject. Facts, deeds, and holders are read once, however many acts and people are asked."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self._preconditions: dict[str, Refused | None] = {}

    # ------------------------------------------------------------ what is known

    @cached_property
    def facts(self) -> Facts:
        return facts_of(self.subject)

    @cached_property
    def holders(self) -> list[Assignment]:
        """Assignments in force on the subject's parents or on the organisation."""
        return once(("holders", frozenset(self.facts.parents), self.facts.anywhere), self._holders)

    def _holders(self) -> list[Assignment]:
        condition = Q(scope_kind=duties.ORGANISATION)
        for kind, pk in self.facts.parents:
            condition |= Q(scope_kind=kind, scope_id=pk)
        if self.facts.anywhere:
            condition |= Q(duty__in=self.facts.anywhere)
        rows = Assignment.objects.active().filter(condition).select_related("person")
        return list(marked(rows).order_by("person__printed_name"))

    @property
    def marks(self) -> Marks | None:
        """Which rules and which matrix are in force, as the query of the holders told; None where nobody holds."""
        return Marks.of(self.holders[0]) if self.holders else None

    @cached_property
    def rules(self) -> Rules:
        return once("rules", lambda: rules_in_force(self.marks))

    @cached_property
    def deeds(self) -> list[Deed]:
        """Recorded deeds on every record in any closure, in one query, and the declared ones."""
        found = frozenset().union(*self.facts.closures.values())
        key = ("deeds", self.rules.version, found)
        return [*self.facts.declared, *once(key, lambda: deeds_of(self.rules, recorded(found)))]

    @cached_property
    def every_act(self) -> list[Deed]:
        """Each recorded act on the record itself, whatever it counts as: what a reviewer of its trail may not hold.

        A record that is itself a review says what it reviews: by its declared deeds, and its closure `reviewed`.
        """
        closures = self.facts.closures
        found = closures.get("reviewed", closures.get("record", frozenset()))
        return deeds_of(self.rules, recorded(found), every=True)

    @property
    def _version(self) -> tuple[str, str] | None:
        """The one model version that the record hangs on, if any."""
        return next(iter(self.facts.closures.get("itself", ())), None)

    def tier(self) -> str:
        """The tier of the model version this hangs on; empty where there is none."""
        return tier_of(*self._version) if self._version else ""

    @cached_property
    def waivers(self) -> list[Waiver]:
        """Waivers in force on this version or its model, for anybody. Asked only once a rule is broken."""
        version = int(self._version[1]) if self._version else None
        key = ("waivers", frozenset(self.facts.parents), version)
        return once(key, lambda: waivers_in_force(self.facts.parents, version=version))

    @cached_property
    def trainings(self) -> Trainings:
        return Trainings(self.holders, self.marks)

    # ------------------------------------------------------------ separation

    def separation(self, person: User, row: Policy) -> Broken | None:
        """The first rule that `person` would break by doing this and that no waiver in force opens."""
        return self.judged(person, row.verbs)[0]

    def judged(self, person: User, verbs: frozenset[str]) -> tuple[Broken | None, tuple[Waiver, ...]]:
        """(what stands in the way, the waivers that opened the rest)."""
        used: dict[int, Waiver] = {}
        if not any(rule.other(verbs) for rule in self.rules.dynamic):
            return None, ()
        reviews = any(rule.first == ANY and rule.second in verbs for rule in self.rules.dynamic)
        for broken in conflicts(
            self.rules,
            person=str(person.uuid),
            verbs=verbs,
            closures=self.facts.closures,
            deeds=[*self.deeds, *self.every_act] if reviews else self.deeds,
            tier=self.tier,
        ):
            waiver = opened_by(self.waivers, person.pk, self.rules, broken.rule.id)
            if waiver is None:
                return broken, ()
            used[waiver.pk] = waiver
        return None, tuple(used.values())

    # ------------------------------------------------------------ who

    def counts(self, assignment: Assignment, row: Policy) -> bool:
        """Whether this duty allows the act here. An administrator's counts on records of the organisation only."""
        if assignment.duty == duties.Duty.INSPECTOR and not row.reads:
            return False  # whatever the table says, an inspector reads
        here = getattr(self.subject, "scope", "") == ORGANISATION_SUBJECT.scope
        return assignment.duty in row.duties and (here or assignment.duty != duties.Duty.ADMINISTRATOR)

    def holds(self, person: User, row: Policy) -> bool:
        return any(a.person_id == person.pk and self.counts(a, row) for a in self.holders)

    def untrained(self, person: User, row: Policy) -> Gap | None:
        """The training that `person` lacks for this act; None when a duty that allows it has all it needs."""
        held = [a for a in self.holders if a.person_id == person.pk and self.counts(a, row)]
        return self.trainings.gap(held, row)

    def untrained_in_seat(self, person: User, row: Policy) -> Gap | None:
        """The training that a member of a review board lacks; None for who has no seat here: the act says so."""
        if not self.trainings.book.binding:
            return None
        place = registries.seat[self.subject.subject_kind](person.pk, self.subject)
        if place is None:
            return None
        held = [Held(person.pk, *place)]
        return Trainings(held, self.marks).gap(held, row)

    def eligible(self, row: Policy) -> list[User]:
        people: dict[int, User] = {}
        for assignment in self.holders:
            person = assignment.person
            fits = self.counts(assignment, row) and person.pk not in people
            fits = fits and person.usable and not person.is_service
            fits = fits and (not row.signs or person.identity_confirmed_at is not None)
            fits = fits and not (row.signs and factors.lacks(person))
            fits = fits and self.untrained(person, row) is None
            if fits and self.separation(person, row) is None:
                people[person.pk] = person
        return list(people.values())

    def who(self, row: Policy, besides: User) -> tuple[str, ...]:
        names = tuple(p.printed_name for p in self.eligible(row) if p.pk != besides.pk)
        if names:
            return names
        untrained = {a.person.printed_name for a in self.holders if self.untrained(a.person, row) is not None}
        if untrained := untrained - {besides.printed_name}:
            return tuple(f"{name}, once their training is recorded" for name in sorted(untrained))
        return (f"nobody yet: an owner or compliance officer can give somebody the duty {named(row)}",)

    def trainers(self, person: User, gap: Gap) -> tuple[str, ...]:
        """Who may record what this person lacks."""
        if gap.own:
            return ("you, by accepting it on your account page",)
        return Judge(person).who(policy("access.record_training"), person)

    def confirmers(self, person: User) -> tuple[str, ...]:
        """Who may confirm the identity behind this person's account."""
        return Judge(person).who(policy("access.confirm_identity"), person)

    # ------------------------------------------------------------ verdicts

    def verdict(self, actor: Actor, row: Policy) -> Verdict:
        """Duty, state, separation, in this order. Visibility is asked by `may`, once per subject."""
        cannot = row.cannot(self.subject.ref)
        if (moment := clock.as_of()) is not None:
            return Verdict.no(row, past.nothing_can_be_done(moment), cannot)
        front = front_refusal(actor, row)
        if front is None and row.service:
            return Verdict.yes(row)
        for refuse in (self._outside, self._looking, self._duty, self._training, self._signing):
            if front is None:
                front = refuse(actor, row)
        if front is not None:
            return Verdict.no(row, front, cannot)
        under, shut = self.allowance(actor.user, row.act)
        if under and shut is None:
            shut = reach.refuse_unnamed(actor.token, row.act)
        if shut is not None:
            return Verdict.no(row, shut, cannot)
        broken, waivers = self.judged(actor.user, row.verbs)
        if broken is not None:
            return Verdict.no(row, self.conflict(actor.user, row, broken))
        if (refused := self.state_refusal(row.act)) is not None:
            return Verdict.no(row, refused, by_state=True)
        return Verdict.yes(row, waivers=waivers, under=under)

    def conflict(self, person: User, row: Policy, broken: Broken) -> Conflict:
        """The refusal of who did what the rules keep apart from this act."""
        return Conflict(
            row.cannot(self.subject.ref),
            fact=f"You {broken.deed.told}.",
            rule=f"{broken.rule.id}: {broken.rule.text}",
            who=self.who(row, person),
        )

    def _outside(self, actor: Actor, _row: Policy) -> Refused | None:
        """The refusal of a token that was made for other objects."""
        reached = reach.reach_of(actor.token)
        return None if reached.objects is None else reach.refuse_place(reached, self.facts.parents)

    def _looking(self, actor: Actor, row: Policy) -> Refused | None:
        return refused_to_inspector(actor.user, row)

    def _duty(self, actor: Actor, row: Policy) -> Refused | None:
        if row.anyone or self.holds(actor.user, row):
            return None
        return NotAllowed(
            "",
            fact=f"It needs the duty {named(row)} here, and you do not hold it.",
            rule="duty",
            who=self.who(row, actor.user),
        )

    def _training(self, actor: Actor, row: Policy) -> Refused | None:
        lacks = self.untrained_in_seat if row.seat else self.untrained
        if (row.anyone and not row.seat) or (gap := lacks(actor.user, row)) is None:
            return None
        return NotAllowed("", fact=gap.fact, rule=gap.rule, who=self.trainers(actor.user, gap))

    def _signing(self, actor: Actor, row: Policy) -> Refused | None:
        if not row.signs:
            return None
        if actor.user.identity_confirmed_at is None:
            return NotAllowed(
                "",
                fact=factors.unconfirmed(actor.user),
                rule=UNCONFIRMED,
                who=self.confirmers(actor.user),
            )
        return factors.none_to_sign_with() if factors.lacks(actor.user) else None

    def allowance(self, person: User, act: str) -> tuple[tuple[str, ...], Refused | None]:
        """What opens a shut record (sensitive data) to this person for this act, or the refusal."""
        open_to = registries.allowance.get(act)
        if open_to is None:
            return (), None
        try:
            return tuple(open_to(person, self.subject)), None
        except Refused as refused:
            return (), refused

    def state_refusal(self, act: str) -> Refused | None:
        if act not in self._preconditions:
            judge = registries.precondition.get(act)
            refusal: Refused | None = None
            if judge is not None:
                try:
                    judge(self.subject)
                except Refused as refused:
                    refusal = refused
            self._preconditions[act] = refusal
        return self._preconditions[act]
