"""What stands beside the main story: a pipeline's service account that asked the gate, and a colleague who asks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from django.test import Client

from apps.access import acts as access
from apps.access.models import Ask
from apps.accounts.models import User
from apps.accounts.services import ServiceAccount
from apps.core.clock import now
from apps.registry.models import Version
from apps.validations.models import Plan
from apps.validations.states import PlanState
from portal.demo import people

SERVICE, TOKEN = "build-pipeline", "Runner of the repository"


def pipeline(released: Version, everybody: Mapping[str, User], say: Callable[[str], None]) -> None:
    """A service of the developer, approved, with a token; its last use is a question to the gate, over the API."""
    if ServiceAccount.objects.filter(name=SERVICE).exists():
        return
    say("Connecting a pipeline")
    owner = everybody[people.by_duty("developer").username]
    compliance = everybody[people.by_duty("compliance").username]
    service = access.request_service(
        everybody[people.by_duty("owner").username],
        name=SERVICE,
        owner_id=owner.pk,
        purpose="Registers what the repository built, and asks the gate before it deploys.",
        only_acts=["registry.register_version", "registry.add_author"],
        objects=[(released.model.subject_kind, released.model.pk)],
        ends_at=now() + timedelta(days=90),
    )
    access.approve_service(compliance, service.pk)
    token = access.create_service_token(owner, service.pk, name=TOKEN, days=30)
    # In this process, through every middleware: what a runner would do over the network.
    answer = Client(SERVER_NAME="localhost").get(
        "/api/v1/gate",
        {"digest": released.artefact_digest},
        headers={"Authorization": f"Bearer {token.secret}"},
    )
    if answer.status_code != 200:
        raise RuntimeError(f"the gate answered the demo's pipeline {answer.status_code}, not 200")


def ask(version: Version, everybody: Mapping[str, User]) -> None:
    """The developer asks the QA officer for the signature that a plan waits for: it stands in her work."""
    plan = Plan.objects.filter(version=version, state=PlanState.AUTHORED).first()
    asker = everybody[people.by_duty("developer").username]
    if plan is None or Ask.objects.filter(asker=asker).exists():
        return
    approver = everybody[people.by_duty("approver").username]
    access.ask(asker, "validations.sign_plan_approval", plan.pk, person_id=approver.pk)
