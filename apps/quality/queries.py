"""Reads of deviations for gates, pages, API and packs."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from apps.access import gate
from apps.access.actors import Actor
from apps.accounts.models import User
from apps.core.clock import now
from apps.quality.models import Deviation
from apps.quality.states import State
from apps.registry.models import Version


def _unsettled() -> Q:
    """Open, or accepted with an acceptance that has run out."""
    return Q(state=State.OPEN) | Q(state=State.ACCEPTED, expires_at__lte=now())


def blocking(version: Version) -> QuerySet[Deviation]:
    """The blocking deviations of `version` that nobody has settled, oldest first."""
    found = Deviation.objects.filter(_unsettled(), version=version, blocking=True)
    return found.select_related("version__model", "raised_by", "raised_on_behalf_of").order_by("number")


def accepted_for(source: Any) -> dict[str, Deviation]:
    """criterion -> deviation whose acceptance is in force, of those a run, report or plan opened."""
    found = Deviation.objects.filter(
        source_kind=source.subject_kind, source_id=str(source.pk), state=State.ACCEPTED
    ).exclude(expires_at__lte=now())
    return {deviation.criterion: deviation for deviation in found}


def opened_by(source: Any) -> QuerySet[Deviation]:
    """All deviations that a run, report or plan opened, oldest first."""
    return Deviation.objects.filter(source_kind=source.subject_kind, source_id=str(source.pk)).order_by(
        "number"
    )


def register(
    actor: Actor | User, *, version: Version | None = None, unsettled: bool = False
) -> QuerySet[Deviation]:
    """Deviations the person may see, newest first."""
    rows = gate.visible(actor, Deviation).select_related("version__model", "raised_by", "raised_on_behalf_of")
    if version is not None:
        rows = rows.filter(version=version)
    return rows.filter(_unsettled()) if unsettled else rows


def unsettled_of_model() -> Coalesce:
    """Annotation for rows of models: how many of their deviations nobody has settled."""
    rows = Deviation.objects.filter(_unsettled(), version__model=OuterRef("pk")).order_by()
    counted = rows.values("version__model").annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counted), 0)
