"""Service accounts, their tokens and trusts, made by acts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from apps.access import acts
from apps.access.actors import Actor
from apps.accounts.models import ApiToken
from apps.accounts.services import CiTrust, ServiceAccount
from apps.core.clock import now
from tests.cast import World

ACTS = ("registry.register_version", "registry.freeze", "approvals.open_gate")


def asked_service(
    world: World, by: str = "colleague", owner: str = "author", **changes: Any
) -> ServiceAccount:
    given = {
        "name": "lotx-ci",
        "owner_id": world.people[owner].pk,
        "purpose": "Trains and registers versions",
        "only_acts": ACTS,
        "objects": [("registry.model", world.model.pk)],
        "ends_at": now() + timedelta(days=90),
    }
    return acts.request_service(world.people[by], **given | changes)


def service(world: World, **changes: Any) -> ServiceAccount:
    made = asked_service(world, **changes)
    acts.approve_service(world.compliance, made.pk)
    return ServiceAccount.objects.select_related("owner").get(pk=made.pk)


def service_token(world: World, made: ServiceAccount, **given: Any) -> ApiToken:
    """A token as its owner makes it, with `.secret`."""
    return acts.create_service_token(made.owner, made.pk, **{"name": "runner"} | given)


def as_service(token: ApiToken) -> Actor:
    """Who the API takes the token for."""
    fresh = ApiToken.objects.select_related("owner", "narrowed__service__owner").get(pk=token.pk)
    return Actor.of(fresh.owner, "api", token=fresh, address="192.0.2.7")


CLAIMS = {"repository_id": "4711", "ref": "refs/heads/main"}
AUDIENCE = "countersign.example"


def asked_trust(made: ServiceAccount, issuer: str, **changes: Any) -> CiTrust:
    given = {"issuer": issuer, "audience": AUDIENCE, "claims": CLAIMS, "reason": "The training workflow"}
    return acts.request_trust(made.owner, made.pk, **given | changes)


def trust(world: World, made: ServiceAccount, issuer: str, **changes: Any) -> CiTrust:
    asked = asked_trust(made, issuer, **changes)
    return acts.approve_trust(world.compliance, asked.pk)
