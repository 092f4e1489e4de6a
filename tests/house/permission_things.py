"""Records and forms besides those of the matrix, for permissions that no post without a body comes to.

What is signed is asked with a form that is filled in, since the page of a signature asks nobody before it is; duties of
the organisation and a service that waits are records of their own.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse

from apps.access.acts import approve_organisation_assignment, request_organisation_assignment
from apps.access.models import Assignment, RulesChange, Waiver
from apps.approvals.models import Slot
from apps.registry.models import IntendedUse, Version
from tests.access.test_training import record
from tests.cast import PASSWORD, World
from tests.factories.services import asked_service
from tests.house.matrix_door import Form

SIGNED = (
    ("digest", "x"),
    ("password", PASSWORD),
    ("decision", "approved"),
    ("reason", "Read"),
    ("idempotency_key", "k"),
)


@dataclass(frozen=True)
class Place:
    address: str
    form: Form = ()


Places = dict[tuple[str, str], Place]  # name of the URL, thing


def _of_the_organisation(world: World, person: str) -> Assignment:
    asked = request_organisation_assignment(
        world.administrator, person_id=world.people[person].pk, duty="registrar", reason="Needed"
    )
    return Assignment.objects.get(pk=asked.pk)


def more_places(world: World) -> Places:
    """Made by acts, as everything in the matrix."""
    record(world, "monitor")  # the training that the matrix of trainings asks of monitors
    asked = _of_the_organisation(world, "stranger")
    given = approve_organisation_assignment(world.compliance, _of_the_organisation(world, "ended").pk)
    waiting = asked_service(world, name="lotx-other")
    kinds = {
        "access.sign_waiver_approver": Waiver,
        "access.sign_waiver_compliance": Waiver,
        "access.sign_rules_approver": RulesChange,
        "access.sign_rules_compliance": RulesChange,
        "approvals.sign_responsibility": Slot,
        "approvals.sign_review": Slot,
        "approvals.sign_security": Slot,
        "approvals.sign_suspension": Version,
        "registry.sign_intended_use_expert": IntendedUse,
    }
    signed = {
        ("web:sign", act): Place(reverse("web:sign", args=[act, kind.objects.latest("pk").pk]), SIGNED)
        for act, kind in kinds.items()
    }
    return signed | {
        ("api:assignment-approve", "organisation"): Place(reverse("api:assignment-approve", args=[asked.pk])),
        ("api:assignment-refuse", "organisation"): Place(reverse("api:assignment-refuse", args=[asked.pk])),
        ("api:assignment-end", "organisation"): Place(reverse("api:assignment-end", args=[given.pk])),
        ("web:service_decide", "asked"): Place(reverse("web:service_decide", args=[waiting.pk, "approve"])),
        ("web:renew_enrolment", "visitor"): Place(reverse("web:renew_enrolment", args=["visitor"])),
    }
