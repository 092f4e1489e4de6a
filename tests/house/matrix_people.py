"""Who asks in the matrix besides the cast: people named for how they stand to the objects, and bearers of tokens.

conflicted  developed the version (is declared its author) and holds every duty now that judges it
expired     held owner, approver and validator on model and data; the time ran out
ended       held the same; an owner ended each
"""

from __future__ import annotations

import time
from datetime import timedelta

from django.test import Client, override_settings
from django.urls import reverse

from apps.access import issuers
from apps.access.acts import (
    approve_assignment,
    create_token,
    end_assignment,
    end_token,
    request_assignment,
)
from apps.access.models import Assignment
from apps.accounts.models import ApiToken
from apps.accounts.services import ServiceAccount
from apps.core.clock import now
from apps.datasets.models import Dataset
from apps.registry.acts import add_author
from apps.registry.models import Model, Version
from tests.access.people import crowd
from tests.cast import World
from tests.factories.ci_issuer import running
from tests.factories.services import trust

JUDGES = ("validator", "bias_tester", "approver", "process_expert", "owner", "security")
FORMER = ("owner", "approver", "validator")
SECONDS = 2.0  # how long the duties of `expired` last, at least


def _give(world: World, name: str, duty: str, parent: Model | Dataset, **rest: object) -> Assignment:
    asked = request_assignment(
        world.registrar,
        person_id=world.people[name].pk,
        duty=duty,
        scope_kind=parent.subject_kind,
        scope_id=parent.pk,
        reason="For the matrix",
        **rest,
    )
    return approve_assignment(world.owner, asked.pk)


def relate(world: World, version: Version) -> None:
    """Add them to the world, by acts; returns when what expires has expired."""
    crowd(world, ("conflicted", "expired", "ended"))
    developed = _give(world, "conflicted", "developer", world.model)
    add_author(world.owner, version.pk, person_id=world.conflicted.pk, reason="Wrote half of it")
    end_assignment(world.owner, developed.pk, reason="Judges now")
    began = time.monotonic()
    for duty in JUDGES:
        _give(world, "conflicted", duty, world.model)
    # A busy machine gives a duty slowly: what is to run out must outlive its own approval.
    seconds = max(SECONDS, 6 * (time.monotonic() - began) / len(JUDGES))
    ends_at = now()
    for parent, duties in ((world.model, FORMER), (world.dataset, ("owner", "validator"))):
        for duty in duties:
            ends_at = now() + timedelta(seconds=seconds)
            _give(world, "expired", duty, parent, ends_at=ends_at)
            end_assignment(world.owner, _give(world, "ended", duty, parent).pk, reason="No longer needed")
    time.sleep(max(0.0, (ends_at - now()).total_seconds()) + 0.01)


def bearers(world: World, pipeline: ServiceAccount, runner: ApiToken) -> dict[str, str]:
    """A secret for every kind of bearer: their own token, a service's, that of a CI job, one that was ended, none."""
    own = create_token(world.validator, name="own", days=30)
    ended = create_token(world.validator, name="ended", days=30)
    end_token(world.validator, ended.pk)
    with running() as issuer, override_settings(CI_PLAIN_ISSUERS=[issuer.url.removeprefix("http://")]):
        issuers.forget()
        trust(world, pipeline, issuer.url)
        identity = issuer.token()
        answer = Client().post(reverse("api:ci_token"), {"service": pipeline.name, "token": identity})
        issuers.forget()
    return {
        "token": own.secret,
        "service": runner.secret,
        "ci_job": answer.json()["token"],
        "job_itself": identity,
        "ended_token": ended.secret,
    }
