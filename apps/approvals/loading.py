"""Gates with their slots and minutes, read once for a whole page (`apps.access.sharing`)."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Prefetch

from apps.access.sharing import gathered, grouped
from apps.approvals.models import Gate, Minute, Slot
from apps.fairness.queries import reports_of_versions
from apps.quality.queries import deviations_of_versions
from apps.quality.review_queries import prime_reviews
from apps.registry.checks import signatures_on_uses
from apps.registry.facts import kin_of
from apps.registry.loading import authors_of_versions, data_of_versions
from apps.registry.models import Version
from apps.validations.loading import comparisons_of_plans, plans_of_versions, runs_of_versions


def gates_of_versions(version_ids: Collection[int]) -> dict[int, list[Gate]]:
    """Version id -> its gates, newest first, each with its minute and its slots with their signatures. Two queries."""

    def load(ids: list[int]) -> dict[int, list[Gate]]:
        slots = Slot.objects.select_related("signature").order_by("position")
        rows = Gate.objects.filter(version_id__in=ids).select_related("minute").order_by("-pk")
        return grouped(rows.prefetch_related(Prefetch("slots", queryset=slots)), lambda gate: gate.version_id)

    return {pk: rows or [] for pk, rows in gathered("gates", version_ids, load).items()}


def live_gate(version: Version) -> Gate | None:
    """The newest gate of the version, whatever became of it; gate and slots know the version at hand."""
    gate = next(iter(gates_of_versions([version.pk])[version.pk]), None)
    if gate is not None:
        gate.version = version
        for slot in gate.slots.all():
            slot.gate = gate
    return gate


def minute_of(gate: Gate) -> Minute | None:
    """The board's minute of a gate."""
    return getattr(gate, "minute", None)


def prime_content(version_ids: Collection[int]) -> None:
    """Read what the content of the gates of these versions names: six queries, however many there are."""
    authors_of_versions(version_ids)
    data_of_versions(version_ids)
    deviations_of_versions(version_ids)
    plans_of_versions(version_ids)
    runs_of_versions(version_ids)
    reports_of_versions(version_ids)


def prime(versions: Collection[Version]) -> None:
    """Read what the gates of these versions rest on, all at once: inside `shared()` the checks ask no more."""
    ids = [version.pk for version in versions]
    families = set(ids).union(*(kin.family for kin in kin_of(ids).values()))
    prime_content(families)
    gates_of_versions(families)
    plans = plans_of_versions(ids)
    comparisons_of_plans([plan.pk for pk in ids for plan in plans[pk]])
    signatures_on_uses({version.model_id for version in versions})
    prime_reviews(versions)
