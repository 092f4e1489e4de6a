"""Service accounts: asked for by one person, approved by another, stopped by whoever answers for them."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from django.conf import settings

from apps.access import duties, reach
from apps.access.acting import Act, act
from apps.access.gate import ORGANISATION_SUBJECT, Judge, visible
from apps.access.models import Assignment
from apps.access.policy import TABLE
from apps.accounts.models import ApiToken, User
from apps.accounts.services import CiTrust, ServiceAccount
from apps.core import registries
from apps.core.clock import iso, now
from apps.core.errors import BadInput, NotAllowed, WrongState
from apps.core.rulewords import stands

State = ServiceAccount.State
NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,39}")
RESERVED = frozenset({"new", "trusts"})  # pages of their own
MAX_PURPOSE = 4000
MOST_OBJECTS = 50
OFFICERS = (duties.Duty.COMPLIANCE, duties.Duty.ADMINISTRATOR)
Places = Sequence[tuple[str, int]]


@act("access.request_service")
def request_service(
    act: Act,
    *,
    name: str,
    owner_id: int,
    purpose: str,
    only_acts: Collection[str],
    objects: Places,
    starts_at: datetime | None = None,
    ends_at: datetime | None,
) -> ServiceAccount:
    """Ask for a service account. The requester sees every object; the owner holds a duty for every act on them.

    only_acts: acts of `reach.PROPOSALS`. objects: (kind, id) of models and datasets, or the organisation.
    starts_at: now when left out. ends_at: within SERVICE_ACCOUNT_DAYS of the start.
    """
    act.allow(ORGANISATION_SUBJECT)
    starts_at = starts_at or now()
    problems = _problems(name, purpose, only_acts, starts_at, ends_at)
    owner = User.objects.select_for_update().filter(pk=owner_id, is_service=False, is_active=True).first()
    if owner is None:
        problems["owner"] = ["Choose a person with an active account: they answer for what the service does."]
    if unseen := _object_problem(act, objects):
        problems["objects"] = [unseen]
    elif owner is not None and not problems.get("acts"):
        problems |= _unfit(owner, sorted(only_acts), objects)
    if problems or owner is None or ends_at is None:
        raise BadInput("The service account was not asked for.", rule="service-account", fields=problems)
    service = act.create(
        ServiceAccount,
        name=name,
        owner=owner,
        purpose=purpose.strip(),
        acts=sorted(set(only_acts)),
        objects_reached=[[kind, pk] for kind, pk in sorted(set(objects))],
        starts_at=starts_at,
        ends_at=ends_at,
        requester=act.user,
        requested_at=now(),
    )
    act.event(
        service=name, owner=owner.username, acts=service.acts, objects=_told(objects), until=iso(ends_at)
    )
    act.about(service)
    return service


def _told(objects: Places) -> list[str]:
    return sorted(reach.names_of(objects).values())


def _problems(
    name: str, purpose: str, only_acts: Collection[str], starts_at: datetime, ends_at: datetime | None
) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    if not NAME.fullmatch(name) or name in RESERVED:
        found["name"] = ["2 to 40 small letters, digits and dashes, starting with a letter or digit."]
    elif ServiceAccount.objects.filter(name__iexact=name).exclude(state=State.REFUSED).exists():
        found["name"] = ["A service account has or had this name. A name is never given to another service."]
    if not purpose.strip() or len(purpose) > MAX_PURPOSE or "\0" in purpose:
        found["purpose"] = [f"Say what the service is for, in at most {MAX_PURPOSE} characters."]
    bad = sorted(set(only_acts) - reach.PROPOSALS)
    if bad:
        human = [TABLE[one].label if one in TABLE else repr(one) for one in bad]
        found["acts"] = [f"A service may not do this, it is for people: {', '.join(human)}."]
    elif not only_acts:
        found["acts"] = ["Choose what the service may do."]
    longest = timedelta(days=settings.SERVICE_ACCOUNT_DAYS)
    if ends_at is None or not now() < ends_at or not starts_at < ends_at <= starts_at + longest:
        found["ends_at"] = [
            f"The end lies in the future, after the start and within {settings.SERVICE_ACCOUNT_DAYS} days of it."
        ]
    return found


def _object_problem(act: Act, objects: Places) -> str:
    """Nobody asks for a service on what they do not see themselves."""
    if not objects or len(set(objects)) > MOST_OBJECTS:
        return f"Choose 1 to {MOST_OBJECTS} models and datasets, or the organisation."
    wanted = set(objects) - {reach.ORGANISATION}
    if wanted and len(wanted) != len(set(objects)):
        return "The organisation holds every model and dataset: choose it alone, or choose some of them."
    for kind, label in reach.LABELS.items():
        ids = {pk for place_kind, pk in wanted if place_kind == kind}
        if ids and visible(act.actor, reach.model_named(label)).filter(pk__in=ids).count() != len(ids):
            return "There is no such object, or you may not see it."
        wanted -= {(kind, pk) for pk in ids}
    return "Only models, datasets and the organisation can be chosen." if wanted else ""


def _unfit(owner: User, only_acts: Sequence[str], objects: Places) -> dict[str, list[str]]:
    """Every act has objects of its kind, and the owner a duty for it on each; other objects may be seen only."""
    places = set(objects)
    if reach.ORGANISATION not in places:
        idle = [
            name for name in only_acts if reach.place_kind(TABLE[name]) not in {kind for kind, _ in places}
        ]
        if idle:
            labels = ", ".join(TABLE[name].label for name in idle)
            return {"acts": [f"None of the objects is of the kind these acts work on: {labels}."]}
    missing = reach.lacking(only_acts, objects, reach.held_by([owner.pk])[owner.pk])
    if not missing:
        return {}
    names = reach.names_of([place for _row, place in missing])
    said = [
        f"{owner.printed_name} holds no duty for “{row.label}” on {names[place]}"
        f" ({' or '.join(sorted(duties.WORDS[duties.Duty(d)] for d in row.duties))})."
        for row, place in missing[:5]
    ]
    return {"owner": [*said, "A service does nothing that its owner may not do."]}


# ------------------------------------------------------------ decisions


def locked(act: Act, service_id: int) -> ServiceAccount:
    return act.lock(ServiceAccount.objects.select_related("owner", "requester"), pk=service_id)


@registries.allowance("access.suspend_service")
@registries.allowance("access.end_service")
def refuse_stranger(person: User, service: ServiceAccount) -> tuple[str, ...]:
    """Its owner, a compliance officer or an administrator may stop a service: asked by the gate, before the state."""
    held = Assignment.objects.active().filter(
        person=person, scope_kind=duties.ORGANISATION, duty__in=OFFICERS
    )
    if person.pk == service.owner_id or held.exists():
        return ()
    officers = Judge(ORGANISATION_SUBJECT).eligible(TABLE["access.refuse_service"])
    raise NotAllowed(
        f"You cannot do this to {service.ref}.",
        fact="You are not its owner.",
        rule="service-account: who answers for it stops it",
        who=[service.owner.printed_name, *(p.printed_name for p in officers if p.pk != service.owner_id)],
    )


@registries.allowance("access.create_service_token")
@registries.allowance("access.request_trust")
def refuse_unless_owner(person: User, service: ServiceAccount) -> tuple[str, ...]:
    """Only who answers for a service holds its secrets and says which jobs are it."""
    if person.pk != service.owner_id:
        raise NotAllowed(
            f"You cannot do this to {service.ref}.",
            fact="You are not its owner: only who answers for a service holds its secrets.",
            rule="service-account: owner",
            who=[service.owner.printed_name],
        )
    return ()


@act("access.approve_service")
def approve_service(act: Act, service_id: int) -> ServiceAccount:
    """Approve a service account; not by its requester or owner (DY17)."""
    service = locked(act, service_id)
    act.allow(service)
    missing = _unfit(service.owner, service.acts, sorted(service.reaches()))
    if missing or not service.owner.usable:
        told = " ".join(line for lines in missing.values() for line in lines)
        raise WrongState(
            f"{service.ref} cannot be approved.",
            fact=told or f"The account of {service.owner.printed_name} is deactivated.",
            rule="service-account",
            who=["nobody; it can be refused, and asked for anew"],
        )
    act.write(service, state=State.APPROVED, approver=act.user, decided_at=now())
    act.event(service=service.name, owner=service.owner.username, acts=service.acts)
    return service


@act("access.refuse_service")
def refuse_service(act: Act, service_id: int) -> ServiceAccount:
    """Refuse a service account that was asked for, with a reason."""
    service = locked(act, service_id)
    act.allow(service)
    return act.end(service, state=State.REFUSED, decided_at=now())


@act("access.suspend_service")
def suspend_service(act: Act, service_id: int) -> ServiceAccount:
    """Stop a service at once, with a reason; a compliance officer resumes it."""
    service = locked(act, service_id)
    act.allow(service)
    return act.end(service, state=State.SUSPENDED)


@act("access.resume_service")
def resume_service(act: Act, service_id: int) -> ServiceAccount:
    """Let a suspended service act again; not by its requester or owner (DY17)."""
    service = locked(act, service_id)
    act.allow(service)
    return act.write(service, state=State.APPROVED, ended_by=None, ended_at=None, end_reason="")


@act("access.end_service")
def end_service(act: Act, service_id: int) -> ServiceAccount:
    """End a service for good: its tokens and trusts end with it, its name is not given again."""
    service = locked(act, service_id)
    act.allow(service)
    act.event(ended=end_now(act, service, act.reason))
    return service


def end_now(act: Act, service: ServiceAccount, reason: str) -> list[str]:
    """End a locked service inside the act that ends it; references of the tokens and trusts that ended with it."""
    moment, ended = now(), []
    act.end(service, state=State.ENDED, why=reason)
    tokens = ApiToken.objects.filter(narrowed__service=service, ended_at=None).values("pk")
    for token in ApiToken.objects.select_for_update().filter(pk__in=tokens):
        act.write(token, ended_at=moment)
        ended.append(token.ref)
    open_ones = CiTrust.objects.select_for_update().filter(
        service=service, state__in=[State.REQUESTED, State.APPROVED]
    )
    for trust in open_ones:
        act.end(trust, state=State.ENDED, why=f"{service.ref} ended")
        ended.append(trust.ref)
    return ended


def _refuse_unless(service: ServiceAccount, states: Collection[str], verb: str) -> None:
    if service.state not in states:
        raise WrongState(
            f"{service.ref} cannot be {verb}.",
            fact=stands(service.get_state_display()),
            rule="service-account-state",
            who=["nobody, in this state"],
        )


@registries.precondition("access.approve_service")
def refuse_unless_requested(service: ServiceAccount) -> None:
    _refuse_unless(service, [State.REQUESTED], "approved")
    if service.ends_at <= now():
        raise WrongState(
            f"{service.ref} cannot be approved.",
            fact="The time it was asked for is over.",
            rule="service-account-state",
            who=["nobody; it can be refused, and asked for anew"],
        )


@registries.precondition("access.refuse_service")
def refuse_unless_open(service: ServiceAccount) -> None:
    _refuse_unless(service, [State.REQUESTED], "refused")


@registries.precondition("access.suspend_service")
def refuse_unless_approved(service: ServiceAccount) -> None:
    _refuse_unless(service, [State.APPROVED], "suspended")


@registries.precondition("access.resume_service")
def refuse_unless_suspended(service: ServiceAccount) -> None:
    _refuse_unless(service, [State.SUSPENDED], "resumed")


@registries.precondition("access.end_service")
def refuse_if_ended(service: ServiceAccount) -> None:
    _refuse_unless(service, [State.REQUESTED, State.APPROVED, State.SUSPENDED], "ended")
