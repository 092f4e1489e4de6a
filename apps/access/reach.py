"""What a token reaches, and whether the service behind it stands: asked by the gate before any duty is.

A service does what its owner may do, of the acts it was given, on the objects it was given, and nothing else. It fills
no duty and takes no decision (engine rule 7): the acts below are those that propose, compute or fetch.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.models import QuerySet

from apps.access import duties
from apps.access.models import Assignment
from apps.access.policy import TABLE, Policy
from apps.accounts.models import ApiToken
from apps.accounts.services import ServiceAccount, TokenScope
from apps.core.clock import iso, now
from apps.core.errors import NotAllowed, Refused

Place = tuple[str, int]
ORGANISATION: Place = (duties.ORGANISATION, duties.ORGANISATION_ID)
LABELS = {duties.MODEL: "registry.Model", duties.DATASET: "datasets.Dataset"}
State = ServiceAccount.State

# An act that is not here is for people, however the policy table has it: a new act is nobody's but theirs until
# somebody has thought about it. A test proves that none of these signs, approves, or gives anything.
PROPOSALS = frozenset(
    {
        "registry.write_intended_use",
        "registry.register_version",
        "registry.add_author",
        "registry.freeze",
        "registry.download_artefact",
        "datasets.upload_version",
        "datasets.upload_test_version",
        "datasets.read_test_profile",
        "datasets.download_version",
        "validations.write_plan",
        "validations.compare_again",
        "validations.start_run",
        "validations.read_cases",
        "fairness.request_report",
        "verification.attach_evidence",
        "verification.submit_claim",
        "explanation.request_report",
        "robustness.write_plan",
        "robustness.request_report",
        "robustness.cancel_report",
        "robustness.submit_evidence",
        "explanation.submit_report",
        "quality.open_deviation",
        "approvals.open_gate",
        "approvals.request_verification",
        "packs.request_pack",
        "packs.download_pack",
    }
)


@dataclass(frozen=True)
class Reach:
    """None: not narrowed. acts: names of the policy table. objects: (kind, id) of models and datasets."""

    acts: frozenset[str] | None = None
    objects: frozenset[Place] | None = None

    def within(self, other: Reach) -> Reach:
        return Reach(_both(self.acts, other.acts), _both(self.objects, other.objects))


WHOLE = Reach()


def _both(one: Any, other: Any) -> Any:
    if one is None or other is None:
        return other if one is None else one
    return one & other


def _places(pairs: Iterable[Collection[Any]]) -> frozenset[Place] | None:
    found = frozenset((str(kind), int(pk)) for kind, pk in pairs)
    return None if not found or ORGANISATION in found else found


def narrowed_by(token: ApiToken | None) -> TokenScope | None:
    """The row that narrows the token; None for a token that does all its owner may do by token."""
    return getattr(token, "narrowed", None) if token is not None else None


def reach_of_service(service: ServiceAccount) -> Reach:
    return Reach(frozenset(service.acts) & PROPOSALS, _places(service.objects_reached))


def reach_of(token: ApiToken | None, service: ServiceAccount | None = None) -> Reach:
    """What the token reaches: its own narrowing, within that of its service."""
    narrowed = narrowed_by(token)
    service = service or (narrowed.service if narrowed else None)
    given = reach_of_service(service) if service else WHOLE
    if narrowed is None:
        return given
    return Reach(frozenset(narrowed.acts) or None, _places(narrowed.objects_reached)).within(given)


def model_named(label: str) -> Any:
    """The model of an app above this one."""
    return apps.get_model(label)


def names_of(places: Iterable[Place]) -> dict[Place, str]:
    """`model lotx`, `dataset trial`, `the organisation`; one query for each kind."""
    wanted: dict[str, set[int]] = {}
    for kind, pk in places:
        wanted.setdefault(kind, set()).add(pk)
    found: dict[Place, str] = {ORGANISATION: "the organisation"}
    for kind, label in LABELS.items():
        if kind in wanted:
            rows = model_named(label)._default_manager.filter(pk__in=wanted[kind])
            word = label.rpartition(".")[2].lower()
            found |= {(kind, pk): f"{word} {slug}" for pk, slug in rows.values_list("pk", "slug")}
    return {place: found.get(place, f"{place[0]} no. {place[1]}") for place in places}


def acts_told(names: Iterable[str]) -> list[str]:
    """Labels of acts in the order of the policy table."""
    wanted = set(names)
    return [row.label for row in TABLE.values() if row.act in wanted]


def told(reach: Reach) -> str:
    """`This token is for: Register version, Freeze; on model lotx.`"""
    said = []
    if reach.acts is not None:
        said.append(", ".join(acts_told(reach.acts)) or "no act")
    if reach.objects is not None:
        said.append("on " + (", ".join(sorted(names_of(reach.objects).values())) or "no object"))
    return f"This token is for: {'; '.join(said)}."


def refuse_act(reach: Reach, row: Policy, *, service: bool) -> Refused | None:
    """403 for an act that the token was not made for."""
    if reach.acts is None or row.act in reach.acts:
        return None
    return _outside(reach, service=service)


def refuse_place(reach: Reach, parents: Iterable[Place]) -> Refused | None:
    """403 for an object that the token was not made for. `parents`: where duties on the subject are held."""
    if reach.objects is None or reach.objects & set(parents):
        return None
    return _outside(reach, service=False)


def refuse_unnamed(token: ApiToken | None, act: str) -> Refused | None:
    """403 for what a grant opens to a person, asked for through a token.

    A grant on sensitive data is for its person in the browser. A token, of the person or of a service they answer
    for, has it only where its scope names the act and the objects: not because it may do all that its owner may.
    """
    if token is None:
        return None
    reached = reach_of(token)
    if reached.acts is not None and act in reached.acts and reached.objects is not None:
        return None
    return NotAllowed(
        "This token cannot do this.",
        fact="The access to these sensitive data was granted to the person, and this token's scope does not name the "
        "act and the objects it is for.",
        rule="token-scope",
        who=["the person, signed in", "a token whose scope names this act and these objects"],
    )


def _outside(reach: Reach, *, service: bool) -> NotAllowed:
    who = ["a person with the duty, signed in", "a token whose scope has it"]
    return NotAllowed(
        "This token cannot do this.",
        fact=told(reach),
        rule="service-never-decides" if service else "token-scope",
        who=who[:1] if service else who,
    )


# ------------------------------------------------------------ whether a service stands


@dataclass(frozen=True)
class Standing:
    """word: one of requested, in force, suspended, not begun, run out, refused, ended. why: a sentence, or empty."""

    word: str
    why: str = ""

    @property
    def stands(self) -> bool:
        return self.word == "in force"


def place_kind(row: Policy) -> str:
    """On what an act's duty is held: the organisation, a model, or a dataset."""
    if row.subject == duties.ORGANISATION:
        return duties.ORGANISATION
    return duties.DATASET if row.subject.startswith("datasets.") else duties.MODEL


Held = Collection[tuple[str, str, int]]  # (duty, kind, id)


def lacking(acts: Iterable[str], places: Iterable[Place], held: Held) -> list[tuple[Policy, Place]]:
    """Each act with an object on which `held` has no duty that allows it; with the whole organisation: on nothing."""
    places = set(places)
    missing = []
    for row in (TABLE[name] for name in acts if name in TABLE):
        mine = [(kind, pk) for duty, kind, pk in held if duty in row.duties]
        if ORGANISATION in mine:
            continue
        if ORGANISATION in places:
            missing += [] if mine else [(row, ORGANISATION)]
            continue
        wanted = sorted(place for place in places if place[0] == place_kind(row))
        missing += [(row, place) for place in wanted if place not in mine]
    return missing


def held_by(people: Iterable[int]) -> dict[int, set[tuple[str, str, int]]]:
    """Person -> duties in force now. One query."""
    found: dict[int, set[tuple[str, str, int]]] = {pk: set() for pk in people}
    rows = Assignment.objects.active().filter(person__in=list(found))
    for person, duty, kind, pk in rows.values_list("person_id", "duty", "scope_kind", "scope_id"):
        found[person].add((duty, kind, pk))
    return found


def standings(services: Collection[ServiceAccount]) -> dict[int, Standing]:
    """Key of each service -> how it stands now. `owner` is joined; one query for the duties of all owners."""
    held = held_by({service.owner_id for service in services})
    names: dict[Place, str] = {}
    return {service.pk: _standing(service, held[service.owner_id], names) for service in services}


def standing(service: ServiceAccount) -> Standing:
    return standings([service])[service.pk]


def word_of(service: ServiceAccount) -> str:
    """The word alone, for lists: from `owner.held_now`, which the query of the list has brought along."""
    held = {(a.duty, a.scope_kind, a.scope_id) for a in service.owner.held_now}  # type: ignore[attr-defined]
    return _standing(service, held, None).word


# Every word that `_standing` gives, in the order of a service's life.
STANDING_WORDS = ("requested", "refused", "not begun", "in force", "suspended", "run out", "ended")


def standing_now(rows: QuerySet[ServiceAccount], word: str) -> QuerySet[ServiceAccount]:
    """Those that stand so now. It follows their owners' duties, so each is judged; services are few."""
    return rows.filter(pk__in=[each.pk for each in rows if word_of(each) == word])


def _standing(service: ServiceAccount, held: Held, names: dict[Place, str] | None) -> Standing:
    moment = now()
    if service.state == State.REQUESTED:
        return Standing("requested", "Nobody has approved it yet.")
    if service.state in (State.REFUSED, State.ENDED):
        when = service.ended_at or service.decided_at
        told_when = f" on {iso(when)[:10]}" if when else ""
        return Standing(service.state, f"It was {service.state}{told_when}: {service.end_reason}")
    if service.ends_at <= moment:
        return Standing("run out", f"Its time ended at {iso(service.ends_at)}.")
    if service.state == State.SUSPENDED:
        return Standing("suspended", f"It was suspended: {service.end_reason}")
    owner = service.owner
    if not owner.usable:
        return Standing("suspended", f"The account of its owner {owner.printed_name} is deactivated.")
    if missing := lacking(service.acts, service.reaches(), held):
        row, place = missing[0]
        if names is None:
            return Standing("suspended")
        if place not in names:
            names |= names_of([place])
        words = " or ".join(sorted(duties.WORDS[duties.Duty(each)] for each in row.duties))
        return Standing(
            "suspended",
            f"Its owner {owner.printed_name} no longer holds a duty for “{row.label}” on {names[place]} ({words}).",
        )
    if service.starts_at > moment:
        return Standing("not begun", f"It begins at {iso(service.starts_at)}.")
    return Standing("in force")


def refuse_standing(service: ServiceAccount) -> Refused | None:
    """403 while the service does not stand, with the reason."""
    found = standing(service)
    if found.stands:
        return None
    return NotAllowed(
        f"The service account {service.name} cannot be used: it is {found.word}.",
        fact=found.why,
        rule="service-account",
        who=["a compliance officer, for a new or resumed service account"],
    )


def refuse_lapsed(token: ApiToken | None) -> Refused | None:
    """401 or 403 for a token that ended, ran out or lost its owner since the call began: read afresh."""
    if token is None:
        return None
    fresh = (
        ApiToken.objects.select_related("owner", "narrowed__service__owner", "narrowed__trust")
        .filter(pk=token.pk)
        .first()
    )
    if (refused := refuse_token(fresh)) is not None:
        return refused
    narrowed = narrowed_by(fresh)
    return refuse_standing(narrowed.service) if narrowed and narrowed.service else None


def refuse_token(token: ApiToken | None) -> Refused | None:
    """401 for a token that nobody may use any more."""
    what, who = "This token can no longer be used.", ["its owner, with a new token"]
    narrowed = narrowed_by(token)
    if token is None or token.ended_at is not None or token.expires_at <= now():
        fact = "It has ended or expired."
    elif (narrowed is None or narrowed.service is None) and not token.owner.usable:
        fact = "The account of its owner is deactivated."  # a service says so itself
    elif narrowed and narrowed.trust is not None and narrowed.trust.state != State.APPROVED:
        fact = "The trust it was given under has ended."
    else:
        return None
    return NotAllowed(what, fact=fact, rule="token", who=who, status=401)
