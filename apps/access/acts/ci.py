"""Trust in identities of CI systems, and their exchange for a token of a few minutes."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import timedelta

from django.conf import settings
from django.db import transaction

from apps.access import ci_identity, issuers, reach
from apps.access.acting import Act, act
from apps.access.actors import Actor
from apps.access.acts.services import locked, refuse_stranger
from apps.access.acts.tokens import make_token
from apps.access.ci_identity import LEEWAY, Identity, Untrusted
from apps.access.sign_in import REFUSALS, enter_folded
from apps.access.throttle import hit, key_of, network
from apps.accounts.models import ApiToken, User
from apps.accounts.services import CiTrust, ServiceAccount
from apps.core import registries
from apps.core.clock import iso, now
from apps.core.errors import BadInput, Conflict, Refused, TooMany, WrongState
from apps.core.rulewords import stands
from apps.trail.writer import Subject, Who, record

State = CiTrust.State
# Claims that say which job it was: kept in the trail with each token.
TELLING = (
    "sub", "repository", "repository_id", "ref", "sha", "run_id", "run_attempt", "workflow_ref", "environment", "actor",
    "project_path", "project_id", "pipeline_id", "job_id", "user_login",
)  # fmt: skip


@act("access.request_trust")
def request_trust(
    act: Act, service_id: int, *, issuer: str, audience: str, claims: Mapping[str, str]
) -> CiTrust:
    """Ask that jobs with exactly these claims are this service; by its owner. The reason says why these."""
    service = locked(act, service_id)
    act.allow(service)
    problems: dict[str, list[str]] = {}
    if problem := issuers.url_problem(issuer) or ("At most 200 characters." if len(issuer) > 200 else ""):
        problems["issuer"] = [problem]
    if not audience.isprintable() or not 0 < len(audience.strip()) <= 200:
        problems["audience"] = [
            "Name the audience that the CI system writes into the token, at most 200 characters."
        ]
    if problem := ci_identity.claims_problem(claims):
        problems["claims"] = [problem]
    if problems:
        raise BadInput("The trust was not asked for.", rule="ci-trust", fields=problems)
    trust = act.create(
        CiTrust,
        service=service,
        issuer=issuer,
        audience=audience.strip(),
        claims=dict(sorted(claims.items())),
        reason=act.reason,
        requester=act.user,
        requested_at=now(),
    )
    act.event(service=service.name, issuer=issuer, audience=trust.audience, claims=trust.claims)
    act.about(trust)
    return trust


def _locked(act: Act, trust_id: int) -> CiTrust:
    return act.lock(CiTrust.objects.select_related("service__owner", "requester"), pk=trust_id)


@act("access.approve_trust")
def approve_trust(act: Act, trust_id: int) -> CiTrust:
    """Approve a trust; not by its requester or the service's owner (DY17)."""
    trust = _locked(act, trust_id)
    act.allow(trust)
    act.event(service=trust.service.name, issuer=trust.issuer, claims=trust.claims)
    return act.write(trust, state=State.APPROVED, approver=act.user, decided_at=now())


@act("access.refuse_trust")
def refuse_trust(act: Act, trust_id: int) -> CiTrust:
    """Refuse a trust that was asked for, with a reason."""
    trust = _locked(act, trust_id)
    act.allow(trust)
    return act.end(trust, state=State.REFUSED, decided_at=now())


@act("access.end_trust")
def end_trust(act: Act, trust_id: int) -> CiTrust:
    """End a trust at once: tokens that were given under it are refused from now on."""
    trust = _locked(act, trust_id)
    act.allow(trust)
    return act.end(trust, state=State.ENDED)


@registries.allowance("access.end_trust")
def refuse_stranger_to_trust(person: User, trust: CiTrust) -> tuple[str, ...]:
    return refuse_stranger(person, trust.service)


@registries.precondition("access.approve_trust")
@registries.precondition("access.refuse_trust")
def refuse_unless_requested(trust: CiTrust) -> None:
    _refuse_unless(trust, (State.REQUESTED,))
    if trust.service.state in (State.ENDED, State.REFUSED):
        raise WrongState(
            f"{trust.ref} cannot be decided.", fact=f"{trust.service.ref} ended.", rule="ci-trust-state"
        )


@registries.precondition("access.end_trust")
def refuse_if_ended(trust: CiTrust) -> None:
    _refuse_unless(trust, (State.REQUESTED, State.APPROVED))


def _refuse_unless(trust: CiTrust, states: tuple[str, ...]) -> None:
    if trust.state not in states:
        raise WrongState(
            f"{trust.ref} was decided already.",
            fact=stands(trust.get_state_display()),
            rule="ci-trust-state",
            who=["nobody, in this state"],
        )


# ------------------------------------------------------------ the exchange


@act("access.issue_ci_token")
def issue_ci_token(act: Act, service_id: int, *, identity: Identity) -> ApiToken:
    """A token of a few minutes for one job whose identity was proved; each identity is good for one token."""
    service = locked(act, service_id)
    act.own(service.owner)
    act.allow(service)
    if (refused := reach.refuse_standing(service)) is not None:
        raise refused
    trust = act.lock(CiTrust.objects.all(), pk=identity.trust.pk, service=service)
    if trust.state != State.APPROVED:
        raise Untrusted("The trust has ended.")
    issuer, jti = identity.replay_key
    if hit(key_of("ci-jti", issuer, jti), identity.seconds_left + 2 * LEEWAY).count > 1:
        raise Conflict(
            "This identity was not exchanged for a token.",
            fact="It was exchanged already: the identity of a job is good for one token.",
            rule="ci-identity",
            who=["the job, with a new identity of its own"],
            status=401,
        )
    token = make_token(
        act,
        owner=service.owner,
        name=f"CI {identity.claims.get('sub', '')}",
        expires_at=min(now() + timedelta(seconds=settings.CI_TOKEN_SECONDS), service.ends_at),
        service=service,
        trust=trust,
    )
    said = {name: str(identity.claims[name])[:300] for name in TELLING if name in identity.claims}
    act.event(trust=trust.ref, claims=said, made=token.prefix, until=iso(token.expires_at))
    return token


def exchange(service_name: str, text: str, *, address: str) -> ApiToken:
    """The token for a job of this service; Refused with 401, 403, or 429 when too much bad came from the address."""
    failures = key_of("failures", network(address))
    # The service's name tells nothing: one that is unknown and one that trusts nobody are refused alike.
    service = (
        ServiceAccount.objects.select_related("owner")
        .filter(name=service_name)
        .exclude(state="refused")
        .first()
    )
    trusts = list(CiTrust.objects.filter(service=service, state=State.APPROVED)) if service else []
    try:
        identity = ci_identity.identify(text, trusts)
    except Untrusted as refused:
        count = hit(failures, settings.LOCKOUT_SECONDS)
        _enter(service, refused, address)
        if count.count > settings.ADDRESS_FAILURES:
            raise TooMany(
                "Too many bad tokens from this address.",
                fact=f"Try again in {count.left} seconds.",
                who=["whoever has a good token"],
                retry_after=count.left,
            ) from None
        raise
    found = identity.trust.service
    actor = Actor(found.owner, "api", address=address, through=found)
    return issue_ci_token(actor, found.pk, identity=identity)


def _enter(service: ServiceAccount | None, refused: Refused, address: str) -> None:
    """One entry of a refused identity, as long as few came from this address; then they are only counted."""
    enter_folded()
    window = int(time.time()) // settings.LOCKOUT_SECONDS
    seen = hit(f"{REFUSALS}{window}:{network(address)}", settings.LOCKOUT_SECONDS)
    if seen.count > settings.ADDRESS_ENTRIES:
        return
    with transaction.atomic():
        record(
            kind="refusal",
            act="access.issue_ci_token",
            actor=Who(),
            subject=Subject.of(service) if service else None,
            scope="organisation:0",
            body={**refused.parts(), "status": refused.status, "cause": refused.cause, "address": address},
            via="api",
        )


__all__ = [
    "approve_trust",
    "end_trust",
    "exchange",
    "issue_ci_token",
    "refuse_trust",
    "request_trust",
]
