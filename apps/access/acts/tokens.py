"""Tokens of services, what a token is narrowed to, and new secrets for old ones."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from apps.access import reach
from apps.access.acting import Act, act
from apps.access.acts.services import locked
from apps.access.gate import visible
from apps.access.policy import TABLE
from apps.accounts.models import ApiToken, User
from apps.accounts.services import CiTrust, ServiceAccount, TokenScope
from apps.core import registries
from apps.core.clock import iso, now
from apps.core.errors import BadInput, WrongState

Places = Sequence[tuple[str, int]]


def make_token(
    act: Act,
    *,
    owner: User,
    name: str,
    expires_at: datetime,
    service: ServiceAccount | None = None,
    trust: CiTrust | None = None,
    replaces: ApiToken | None = None,
    only_acts: Collection[str] = (),
    objects: Places = (),
) -> ApiToken:
    """A token with its scope, inside an act. Its secret is `token.secret`, once, and is kept nowhere."""
    prefix = secrets.token_hex(4)
    secret = f"cs_{prefix}_{secrets.token_urlsafe(32)}"
    token = act.create(
        ApiToken,
        owner=owner,
        name=name.strip()[:80],
        prefix=prefix,
        # SHA-256 of 256 random bits needs no slow hash.
        hashed=hashlib.sha256(secret.encode()).hexdigest(),
        created_at=now(),
        expires_at=expires_at,
    )
    if service is not None or trust is not None or replaces is not None or only_acts or objects:
        act.create(
            TokenScope,
            token=token,
            service=service,
            trust=trust,
            replaces=replaces,
            acts=sorted(set(only_acts)),
            objects_reached=[[kind, pk] for kind, pk in sorted(set(objects))],
        )
        act.event(acts=sorted(set(only_acts)), objects=sorted(reach.names_of(objects).values()))
    token.secret = secret
    return token


def scope_problems(
    act: Act, only_acts: Collection[str], objects: Places, allowed: Collection[str]
) -> dict[str, list[str]]:
    """What is wrong with a scope: acts that no token does, objects the person does not see."""
    problems: dict[str, list[str]] = {}
    if bad := sorted(set(only_acts) - set(allowed)):
        labels = ", ".join(TABLE[one].label if one in TABLE else repr(one) for one in bad)
        problems["acts"] = [f"This token cannot do this: {labels}."]
    for kind, pk in objects:
        label = reach.LABELS.get(kind)
        if label is None or not visible(act.actor, reach.model_named(label)).filter(pk=pk).exists():
            problems["objects"] = ["There is no such object, or you may not see it."]
    return problems


def by_token() -> frozenset[str]:
    """Acts that a personal token may be narrowed to."""
    rows = [row for row in TABLE.values() if row.token and row.label]
    return frozenset(row.act for row in rows if not row.service and not row.signs)


def _days_problem(days: int, most: int) -> dict[str, list[str]]:
    return {} if 1 <= days <= most else {"days": [f"Between 1 and {most} days."]}


@act("access.create_service_token")
def create_service_token(
    act: Act,
    service_id: int,
    *,
    name: str,
    days: int = 30,
    only_acts: Collection[str] = (),
    objects: Places = (),
) -> ApiToken:
    """Make a token of a service, by its owner: for all the service may do, or for less. It ends with the service."""
    service = locked(act, service_id)
    act.allow(service)
    problems = _days_problem(days, settings.SERVICE_TOKEN_DAYS)
    if not name.strip():
        problems["name"] = ["Give the token a name that says what uses it."]
    problems |= scope_problems(act, only_acts, objects, service.acts)
    whole = reach.reach_of_service(service).objects
    if "objects" not in problems and whole is not None and not set(objects) <= whole:
        problems["objects"] = ["The service does not reach these objects."]
    if problems:
        raise BadInput("The token was not created.", fields=problems)
    token = make_token(
        act,
        owner=service.owner,
        name=name,
        expires_at=min(now() + timedelta(days=days), service.ends_at),
        service=service,
        only_acts=only_acts,
        objects=objects,
    )
    act.event(service=service.name, until=iso(token.expires_at))
    act.about(token)
    return token


@registries.precondition("access.create_service_token")
@registries.precondition("access.request_trust")
def refuse_unless_standing(service: ServiceAccount) -> None:
    if (refused := reach.refuse_standing(service)) is not None:
        raise WrongState(refused.what, fact=refused.fact, rule="service-account-state", who=refused.who)


@act("access.rotate_token")
def rotate_token(act: Act, token_id: int, *, overlap_hours: int = 24) -> ApiToken:
    """A new secret for one's own token or one's service's: same scope, same length; the old one works on for a while.

    overlap_hours: 0 ends the old secret at once; at most TOKEN_OVERLAP_HOURS.
    """
    rows = ApiToken.objects.select_related("owner", "narrowed__service__owner")
    old = act.lock(rows, pk=token_id)
    act.own(old.owner)
    act.allow(old)
    if not 0 <= overlap_hours <= settings.TOKEN_OVERLAP_HOURS:
        raise BadInput(
            "The token has no new secret.",
            fields={"overlap_hours": [f"Between 0 and {settings.TOKEN_OVERLAP_HOURS} hours."]},
        )
    narrowed = reach.narrowed_by(old)
    service = narrowed.service if narrowed else None
    most = timedelta(days=settings.SERVICE_TOKEN_DAYS if service else settings.TOKEN_DAYS)
    until = now() + min(old.expires_at - old.created_at, most)
    token = make_token(
        act,
        owner=old.owner,
        name=old.name,
        expires_at=min(until, service.ends_at) if service else until,
        service=service,
        replaces=old,
        only_acts=narrowed.acts if narrowed else (),
        objects=[(kind, pk) for kind, pk in narrowed.objects_reached] if narrowed else (),
    )
    # The new row keeps what the old one lasted; the old one ends after the overlap, or when it would have ended.
    act.write(old, expires_at=min(old.expires_at, now() + timedelta(hours=overlap_hours)))
    act.event(replaces=old.ref, old_until=iso(old.expires_at), until=iso(token.expires_at))
    act.about(token)
    return token


@registries.precondition("access.rotate_token")
def refuse_rotation(token: ApiToken) -> None:
    narrowed = reach.narrowed_by(token)
    fact = ""
    if token.ended_at is not None or token.expires_at <= now():
        fact = "It has ended or expired."
    elif narrowed and narrowed.trust_id:
        fact = "It belongs to one job of a CI system, and lasts no longer."
    elif TokenScope.objects.filter(replaces=token).exists():
        fact = "It was replaced already."
    elif narrowed and narrowed.service:
        refused = reach.refuse_standing(narrowed.service)
        fact = refused.fact if refused else ""
    if fact:
        raise WrongState(
            f"{token.ref} cannot be given a new secret.",
            fact=fact,
            rule="token-state",
            who=["its owner, with a new token"],
        )


def scope_told(token: ApiToken) -> dict[str, Any]:
    """What page and API say of a token's scope; the rows that narrow it are joined by the caller."""
    reached = reach.reach_of(token)
    narrowed = reach.narrowed_by(token)
    return {
        "service": narrowed.service.name if narrowed and narrowed.service else "",
        "acts": sorted(reached.acts) if reached.acts is not None else [],
        "objects": sorted(reached.objects) if reached.objects is not None else [],
    }
