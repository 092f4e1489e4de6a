"""Reads of deviations for gates, pages, API and packs."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from apps.access import gate
from apps.access.actors import Actor
from apps.access.sharing import gathered, grouped
from apps.accounts.models import User
from apps.core.clock import now
from apps.quality.models import Deviation
from apps.quality.states import State
from apps.registry.models import Version


def _unsettled() -> Q:
    """Open, or accepted with an acceptance that has run out."""
    return Q(state=State.OPEN) | Q(state=State.ACCEPTED, expires_at__lte=now())


def is_unsettled(deviation: Deviation, at: datetime) -> bool:
    """As `_unsettled`, of one deviation."""
    over = deviation.expires_at is not None and deviation.expires_at <= at
    return deviation.state == State.OPEN or (deviation.state == State.ACCEPTED and over)


def deviations_of_versions(version_ids: Collection[int]) -> dict[int, list[Deviation]]:
    """Version id -> its deviations, oldest first; for gates and closures, whoever looks."""

    def load(ids: list[int]) -> dict[int, list[Deviation]]:
        rows = Deviation.objects.filter(version_id__in=ids).select_related(
            "version__model", "raised_by", "raised_on_behalf_of"
        )
        return grouped(rows.order_by("number"), lambda row: row.version_id)

    return {pk: rows or [] for pk, rows in gathered("deviations", version_ids, load).items()}


def blocking(version: Version) -> list[Deviation]:
    """The blocking deviations of `version` that nobody has settled, oldest first."""
    at = now()
    found = deviations_of_versions([version.pk])[version.pk]
    return [each for each in found if each.blocking and is_unsettled(each, at)]


def accepted_for(source: Any, version: Version) -> dict[str, Deviation]:
    """criterion -> deviation whose acceptance is in force, of those that a run, report or plan of `version` opened."""
    at = now()
    return {
        each.criterion: each
        for each in deviations_of_versions([version.pk])[version.pk]
        if (each.source_kind, each.source_id) == (source.subject_kind, str(source.pk))
        and each.state == State.ACCEPTED
        and not is_unsettled(each, at)
    }


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


def unsettled_of_model(actor: Actor | User) -> Coalesce:
    """Annotation for rows of models: how many of the deviations the person may see nobody has settled."""
    seen = gate.visible_within(actor, Deviation)
    rows = seen.filter(_unsettled(), version__model=OuterRef("pk")).order_by()
    counted = rows.values("version__model").annotate(n=Count("pk")).values("n")
    return Coalesce(Subquery(counted), 0)
