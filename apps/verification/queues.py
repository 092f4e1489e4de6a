"""The queue of this app: requirements to approve."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import Q

from apps.access.waiting import Queue, Row, loaded, queue
from apps.accounts.models import User
from apps.registry.facts import version_closures
from apps.verification.facts import versions_of_models
from apps.verification.models import Requirement
from apps.verification.states import State


def _drafts(rows: list[Row], _people: Mapping[int, User]) -> list[Requirement]:
    found = loaded(rows, Requirement.objects.select_related("model", "intended_use__model", "written_by"))
    versions = versions_of_models({row.model_id for row in found}).values()
    version_closures(
        {pk for each in versions for pk in each}
    )  # read along: the facts of each ask for its own
    return found


queue(
    Queue(
        key="requirements",
        one="requirement to approve",
        many="requirements to approve",
        record=Requirement,
        waits=lambda: Q(state=State.DRAFT),
        since="written_at",
        acts=lambda _r: ("verification.approve_requirement",),
        make=_drafts,
        what=lambda r: f"{r.ref} of {r.model.slug}",
        asked_by=lambda r: r.written_by,
        path=lambda r: f"/requirements/{r.number}/{r.revision}/",
    )
)
