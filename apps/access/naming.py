"""Naming the owner of a new model or dataset: a request that another person approves."""

from __future__ import annotations

from apps.access.acting import Act
from apps.access.assigning import refuse_unfit
from apps.access.duties import Duty
from apps.access.models import Assignment
from apps.access.rules import refuse_bad_request
from apps.accounts.models import User
from apps.core.clock import now
from apps.core.errors import BadInput
from apps.core.subjects import Subject


def name_owner(act: Act, parent: Subject, owner_id: int, duty: Duty) -> Assignment:
    """Request the owner's duty on `parent` inside the registering act (the registrar requests, compliance approves)."""
    rows = User.objects.select_for_update()  # two requests that together conflict are put in order
    owner = rows.filter(pk=owner_id, is_service=False, is_active=True).first()
    if owner is None:
        raise BadInput(
            "An owner is needed.",
            rule="owner",
            fields={"owner_id": ["Choose a person with an active account."]},
        )
    refuse_bad_request(owner, duty, parent.subject_kind, now(), None, now())
    fit = refuse_unfit(owner, duty, parent.subject_kind, parent.pk)
    return act.create(
        Assignment,
        person=owner,
        duty=duty,
        scope_kind=parent.subject_kind,
        scope_id=parent.pk,
        starts_at=now(),
        reason=f"Named as owner when {parent.ref} was registered",
        requester=act.user,
        requested_at=now(),
        waiver=fit.waiver,
    )
