"""Four questions, asked here and nowhere else: may, visible, offers, eligible."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.apps import apps
from django.db.models import F, Q, QuerySet

from apps.access import duties, factors, reach
from apps.access.actors import Actor, as_actor
from apps.access.facts import Facts, facts_of
from apps.access.looking import refused_to_inspector
from apps.access.models import Assignment, Waiver
from apps.access.policy import Policy, acts_on, policy
from apps.access.recorded import recorded_deeds
from apps.access.rulebook import opened_by, rules_in_force, tier_of, waivers_in_force
from apps.access.separation import ANY, Broken, Deed, Rules, conflicts
from apps.access.sharing import once
from apps.access.training import Gap, Trainings
from apps.accounts.models import User
from apps.core import registries
from apps.core.errors import Conflict, NotAllowed, NotVisible, Refused, WrongState
from apps.core.subjects import Subject

# Of these, who sees all records sees no more than their visibility says.
PERSONAL = frozenset(
    {
        "access.Copy",
        "access.Inspection",
        "access.InspectionPlace",
        "accounts.ApiToken",
        "accounts.TokenScope",
        "accounts.SignedIn",
        "accounts.Enrolment",
        "accounts.Factor",
        "accounts.RecoveryCode",
        "accounts.Reset",
        "accounts.SignOnLink",
    }
)
ORGANISATION_PAIR = (duties.ORGANISATION, duties.ORGANISATION_ID)


class Organisation:
    """The organisation as a subject: there is one per installation."""

    subject_kind = duties.ORGANISATION
    pk = duties.ORGANISATION_ID
    ref = "the organisation"
    scope = duties.scope_text(duties.ORGANISATION, duties.ORGANISATION_ID)


ORGANISATION_SUBJECT = Organisation()


@registries.facts(duties.ORGANISATION)
def organisation_facts(_subject: Organisation) -> Facts:
    return Facts(parents=(ORGANISATION_PAIR,))


@dataclass(frozen=True)
class Verdict:
    """Whether a person may do an act on a subject; when not, the four parts of the refusal."""

    allowed: bool
    act: str
    label: str
    what: str = ""
    fact: str = ""
    rule: str = ""
    who: tuple[str, ...] = ()
    status: int = 200
    signs: bool = False
    needs_reason: bool = False
    wrong_state: bool = False  # the record's state forbids it, not the person
    waivers: tuple[Waiver, ...] = ()  # allowed only under these
    under: tuple[str, ...] = ()  # what opened a record that is shut to everybody else

    @property
    def waived(self) -> tuple[str, ...]:
        """`DY1 waived by … until …`, for page, API and trail."""
        return tuple(waiver.told() for waiver in self.waivers)

    def refusal(self) -> Refused:
        kinds = {403: NotAllowed, 404: NotVisible, 409: WrongState if self.wrong_state else Conflict}
        return kinds.get(self.status, Refused)(
            self.what, fact=self.fact, rule=self.rule, who=self.who, status=self.status
        )


class Scopes:
    """What a person's duties in force open for reading; handed to each app's visibility function."""

    own = True  # whether what a person sees for being that person is seen

    def __init__(self, user: User) -> None:
        self.user = user

    def of(self, kind: str) -> QuerySet[Assignment, Any]:
        """Ids of the parents of `kind` on which the person holds any duty now, as a subquery."""
        return Assignment.objects.active().filter(person=self.user, scope_kind=kind).values("scope_id")

    @cached_property
    def organisation_duties(self) -> frozenset[str]:
        return once(("organisation duties", self.user.pk), self._organisation_duties)

    def _organisation_duties(self) -> frozenset[str]:
        held = Assignment.objects.active().filter(person=self.user, scope_kind=duties.ORGANISATION)
        return frozenset(held.values_list("duty", flat=True))

    @property
    def sees_all(self) -> bool:
        return bool(self.organisation_duties & duties.SEES_ALL)


class NarrowScopes(Scopes):
    """What of that a token opens that was made for some models and datasets only."""

    own = False

    def __init__(self, user: User, places: Iterable[reach.Place]) -> None:
        super().__init__(user)
        self.places = frozenset(places)
        self._whole = Scopes(user)

    def of(self, kind: str) -> QuerySet[Any, Any]:
        ids = [pk for place_kind, pk in self.places if place_kind == kind]
        if self._whole.sees_all and kind in reach.LABELS:
            whole = apps.get_model(reach.LABELS[kind])._default_manager.filter(pk__in=ids)
            return whole.annotate(scope_id=F("pk")).values("scope_id")
        return super().of(kind).filter(scope_id__in=ids)

    @cached_property
    def organisation_duties(self) -> frozenset[str]:
        return frozenset()


def _scopes_of(actor: Actor) -> Scopes:
    places = reach.reach_of(actor.token).objects
    return Scopes(actor.user) if places is None else NarrowScopes(actor.user, places)


def visible(actor: Actor | User, model: type[Any]) -> QuerySet[Any]:
    """Rows of `model` the person may see. Deny by default: a model nobody registered shows nothing."""
    actor = as_actor(actor)
    user = actor.user
    everything: QuerySet[Any] = model._default_manager.all()
    if not user.usable:
        return everything.none()
    givers = registries.visibility[model._meta.label]
    if not givers:
        raise LookupError(f"no visibility is registered for {model._meta.label}")
    if user.is_service:
        return everything
    if actor.through is not None and model._meta.label in PERSONAL:
        return everything.none()  # a service sees its owner's work, not their own affairs
    scopes = _scopes_of(actor)
    scopes.own = scopes.own and actor.through is None
    if scopes.sees_all and model._meta.label not in PERSONAL:
        return everything
    condition = Q(pk__in=[])
    for give in givers:
        condition |= give(scopes)
    return everything.filter(condition)


def is_visible(actor: Actor | User, subject: Subject) -> bool:
    if isinstance(subject, Organisation):
        return True
    return visible(actor, subject.__class__).filter(pk=subject.pk).exists()  # request.user is a proxy


class Judge:
    """Verdicts on one subject. Facts, deeds, and holders are read once, however many acts and people are asked."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject
        self._preconditions: dict[str, Refused | None] = {}

    @cached_property
    def facts(self) -> Facts:
        return facts_of(self.subject)

    @cached_property
    def rules(self) -> Rules:
        return rules_in_force()

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
        return list(
            Assignment.objects.active()
            .filter(condition)
            .select_related("person")
            .order_by("person__printed_name")
        )

    @cached_property
    def deeds(self) -> list[Deed]:
        """Recorded deeds on every record in any closure, in one query, and the declared ones."""
        wanted: dict[str, set[str]] = {}
        for closure in self.facts.closures.values():
            for kind, pk in closure:
                wanted.setdefault(kind, set()).add(pk)
        key = (self.rules.version, frozenset((kind, frozenset(ids)) for kind, ids in wanted.items()))
        return [*self.facts.declared, *once(("deeds", key), lambda: recorded_deeds(self.rules, wanted))]

    @cached_property
    def every_act(self) -> list[Deed]:
        """Each recorded act on the record itself, whatever it counts as: what a reviewer of its trail may not hold.

        A record that is itself a review says what it reviews: by its declared deeds, and its closure `reviewed`.
        """
        wanted: dict[str, set[str]] = {}
        closures = self.facts.closures
        for kind, pk in closures.get("reviewed", closures.get("record", frozenset())):
            wanted.setdefault(kind, set()).add(pk)
        return recorded_deeds(self.rules, wanted, every=True)

    def tier(self) -> str:
        """The tier of the model version this hangs on; empty where there is none."""
        itself = next(iter(self.facts.closures.get("itself", ())), None)
        return tier_of(*itself) if itself else ""

    @cached_property
    def waivers(self) -> list[Waiver]:
        """Waivers in force on this version or its model, for anybody. Asked only once a rule is broken."""
        itself = next(iter(self.facts.closures.get("itself", ())), None)
        version = int(itself[1]) if itself else None
        key = ("waivers", frozenset(self.facts.parents), version)
        return once(key, lambda: waivers_in_force(self.facts.parents, version=version))

    def separation(self, person: User, row: Policy) -> Broken | None:
        """The first rule that `person` would break by doing this and that no waiver in force opens."""
        return self.judged(person, row.verbs)[0]

    def judged(self, person: User, verbs: frozenset[str]) -> tuple[Broken | None, tuple[Waiver, ...]]:
        """(what stands in the way, the waivers that opened the rest)."""
        used: dict[int, Waiver] = {}
        if not verbs:
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

    def counts(self, assignment: Assignment, row: Policy) -> bool:
        """Whether this duty allows the act here. An administrator's counts on records of the organisation only."""
        if assignment.duty == duties.Duty.INSPECTOR and not row.reads:
            return False  # whatever the table says, an inspector reads
        here = getattr(self.subject, "scope", "") == ORGANISATION_SUBJECT.scope
        return assignment.duty in row.duties and (here or assignment.duty != duties.Duty.ADMINISTRATOR)

    @cached_property
    def trainings(self) -> Trainings:
        return Trainings(self.holders)

    def untrained(self, person: User, row: Policy) -> Gap | None:
        """The training that `person` lacks for this act; None when a duty that allows it has all it needs."""
        held = [a for a in self.holders if a.person_id == person.pk and self.counts(a, row)]
        return self.trainings.gap(held, row)

    def holds(self, person: User, row: Policy) -> bool:
        return any(a.person_id == person.pk and self.counts(a, row) for a in self.holders)

    def eligible(self, row: Policy) -> list[User]:
        people: dict[int, User] = {}
        for assignment in self.holders:
            person = assignment.person
            fits = self.counts(assignment, row) and person.pk not in people and not person.is_service
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
        words = " or ".join(sorted(duties.WORDS[duties.Duty(d)] for d in row.duties))
        return (f"nobody yet: an owner or compliance officer can give somebody the duty {words}",)

    def trainers(self, person: User, gap: Gap) -> tuple[str, ...]:
        """Who may record what this person lacks."""
        if gap.own:
            return ("you, by accepting it on your account page",)
        return Judge(person).who(policy("access.record_training"), person)

    def confirmers(self, person: User) -> tuple[str, ...]:
        """Who may confirm the identity behind this person's account."""
        return Judge(person).who(policy("access.confirm_identity"), person)

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

    def outside(self, actor: Actor) -> Refused | None:
        """The refusal of a token that was made for other objects."""
        reached = reach.reach_of(actor.token)
        return None if reached.objects is None else reach.refuse_place(reached, self.facts.parents)

    def allowance(self, person: User, act: str) -> tuple[tuple[str, ...], Refused | None]:
        """What opens a shut record (sensitive data) to this person for this act, or the refusal."""
        open_to = registries.allowance.get(act)
        if open_to is None:
            return (), None
        try:
            return tuple(open_to(person, self.subject)), None
        except Refused as refused:
            return (), refused

    def verdict(self, actor: Actor, row: Policy) -> Verdict:
        """Duty, state, separation, in this order. Visibility is asked by `may`, once per subject."""
        common: dict[str, Any] = {
            "act": row.act,
            "label": row.label,
            "signs": row.signs,
            "needs_reason": row.reason,
        }
        cannot = row.cannot(self.subject.ref)
        if (front := front_refusal(actor, row)) is not None:
            return Verdict(
                False, what=cannot, fact=front.fact, rule=front.rule, who=front.who, status=403, **common
            )
        if row.service:
            return Verdict(True, **common)
        if (outside := self.outside(actor)) is not None:
            return Verdict(
                False,
                what=cannot,
                fact=outside.fact,
                rule=outside.rule,
                who=outside.who,
                status=403,
                **common,
            )
        if (looks := refused_to_inspector(actor.user, row)) is not None:
            return Verdict(
                False, what=cannot, fact=looks.fact, rule=looks.rule, who=looks.who, status=403, **common
            )
        if not row.anyone and not self.holds(actor.user, row):
            words = " or ".join(sorted(duties.WORDS[duties.Duty(d)] for d in row.duties))
            return Verdict(
                False,
                what=cannot,
                fact=f"It needs the duty {words} here, and you do not hold it.",
                rule="duty",
                who=self.who(row, actor.user),
                status=403,
                **common,
            )
        if not row.anyone and (gap := self.untrained(actor.user, row)) is not None:
            return Verdict(
                False,
                what=cannot,
                fact=gap.fact,
                rule=gap.rule,
                who=self.trainers(actor.user, gap),
                status=403,
                **common,
            )
        if row.signs and actor.user.identity_confirmed_at is None:
            return Verdict(
                False,
                what=cannot,
                fact=factors.unconfirmed(actor.user),
                rule="21 CFR 11.100(b): identity is confirmed by a second person before the first signature",
                who=self.confirmers(actor.user),
                status=403,
                **common,
            )
        if row.signs and factors.lacks(actor.user):
            lacking = factors.none_to_sign_with()
            return Verdict(
                False,
                what=cannot,
                fact=lacking.fact,
                rule=lacking.rule,
                who=lacking.who,
                status=403,
                **common,
            )
        under, shut = self.allowance(actor.user, row.act)
        if under and shut is None:
            shut = reach.refuse_unnamed(actor.token, row.act)
        if shut is not None:
            return Verdict(
                False, what=cannot, fact=shut.fact, rule=shut.rule, who=shut.who, status=shut.status, **common
            )
        broken, waivers = self.judged(actor.user, row.verbs)
        if broken is not None:
            return Verdict(
                False,
                what=cannot,
                fact=f"You {broken.deed.told}.",
                rule=f"{broken.rule.id}: {broken.rule.text}",
                who=self.who(row, actor.user),
                status=409,
                **common,
            )
        if (refused := self.state_refusal(row.act)) is not None:
            return Verdict(
                False,
                what=refused.what,
                fact=refused.fact,
                rule=refused.rule,
                who=refused.who,
                status=refused.status,
                wrong_state=isinstance(refused, WrongState),
                **common,
            )
        return Verdict(True, waivers=waivers, under=under, **common)


def front_refusal(actor: Actor, row: Policy) -> Refused | None:
    """What can be said before any record is looked at: the account, the token, service and person."""
    if not actor.user.usable:
        return NotAllowed(
            "You cannot do this.",
            fact="This account is deactivated, or it is a demo account and this is no demo.",
            rule="account",
            who=["an active account"],
        )
    if row.service and not actor.is_service:
        return NotAllowed(
            "You cannot do this.",
            fact="Only the portal's own service does this.",
            rule="service",
            who=["the portal's worker"],
        )
    if actor.is_service and not row.service:
        return NotAllowed(
            "A service cannot do this.",
            fact="A service may never fill a human duty.",
            rule="service-never-decides",
            who=["a person with the duty"],
        )
    if actor.token is not None and not row.token:
        return NotAllowed(
            "A token cannot do this.",
            fact="It needs a person in a signed-in session, not an access token.",
            rule="21 CFR 11.200(a)(2)",
            who=["the person, signed in"],
        )
    if row.act == "access.issue_ci_token" and actor.token is None:
        return None  # the exchange itself: the service has no token yet
    return reach.refuse_act(
        reach.reach_of(actor.token, actor.through), row, service=actor.through is not None
    )


def may(actor: Actor | User, act: str, subject: Subject) -> Verdict:
    """Whether `actor` may do `act` on `subject` now, and if not, why not."""
    actor, row = as_actor(actor), policy(act)
    if row.subject not in ("*", "", subject.subject_kind):
        raise LookupError(f"{act} acts on {row.subject}, not on {subject.subject_kind}")
    lapsed = reach.refuse_lapsed(actor.token)
    if lapsed is not None:
        parts: dict[str, Any] = {
            "what": lapsed.what,
            "fact": lapsed.fact,
            "rule": lapsed.rule,
            "who": lapsed.who,
        }
        return Verdict(False, act, row.label, status=lapsed.status, **parts)
    if not row.service and not is_visible(actor, subject):
        hidden = NotVisible()
        return Verdict(False, act, row.label, what=hidden.what, rule=hidden.rule, status=404)
    return Judge(subject).verdict(actor, row)


def would_conflict(person: User, verbs: frozenset[str], subject: Subject) -> Broken | None:
    """The rule `person` would break by counting as having done `verbs` on `subject`; None when in order."""
    return Judge(subject).judged(person, verbs)[0]


def offers(actor: Actor | User, subject: Subject, judge: Judge | None = None) -> list[Verdict]:
    """Every act that exists on this kind of subject, with its verdict for `actor`."""
    actor = as_actor(actor)
    if not is_visible(actor, subject):
        return []
    judge = judge or Judge(subject)
    return [judge.verdict(actor, row) for row in acts_on(subject.subject_kind) if row.offered]


def eligible(act: str, subject: Subject) -> list[User]:
    """The people who could do `act` on `subject`: duty in force and no conflict."""
    return Judge(subject).eligible(policy(act))


__all__ = [
    "ORGANISATION_PAIR",
    "ORGANISATION_SUBJECT",
    "Judge",
    "Organisation",
    "Scopes",
    "Verdict",
    "eligible",
    "front_refusal",
    "is_visible",
    "may",
    "offers",
    "rules_in_force",
    "visible",
    "would_conflict",
]
