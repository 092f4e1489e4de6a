"""Gates with their slots and minutes, read once for a whole page (`apps.access.sharing`)."""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet, Subquery

from apps.access import duties
from apps.access.facts import facts_of
from apps.access.models import Waiver
from apps.access.recorded import recorded
from apps.access.sharing import came_along, gathered, grouped
from apps.approvals.models import Gate, Minute, Slot
from apps.core import registries
from apps.explanation.queries import reports_of_versions as explanations_of_versions
from apps.fairness.queries import reports_of_versions
from apps.quality.queries import deviations_of_versions
from apps.quality.review_queries import review_pairs, reviews_of_versions
from apps.registry.checks import signatures_on_uses
from apps.registry.facts import kin_of
from apps.registry.loading import authors_of_versions, data_of_versions
from apps.registry.models import Version
from apps.robustness.loading import plans_of_versions as probe_plans_of_versions
from apps.trail.models import Entry, Kind
from apps.validations.loading import comparisons_of_plans, plans_of_versions, runs_of_versions
from apps.verification.loading import dossiers_of


def gates_of_versions(version_ids: Collection[int]) -> dict[int, list[Gate]]:
    """Version id -> its gates, newest first, each with its minute. One query, which reads along their slots and the
    newest verification of the trail: a gate has a slot, since every template wants a signature.
    """

    def load(ids: list[int]) -> dict[int, list[Gate]]:
        newest = _verifications()
        rows = _slots().filter(gate__version_id__in=ids)
        slots: list[Any] = list(
            rows.annotate(
                verified=Subquery(newest.values("body")[:1]), verified_at=Subquery(newest.values("at")[:1])
            )
        )
        by_gate = grouped(slots, lambda slot: slot.gate_id)
        came_along("slots", by_gate)
        if slots:
            told = (slots[0].verified, slots[0].verified_at)
            came_along("verification", {"last": told if slots[0].verified else None})
        gates = [found[0].gate for found in by_gate.values()]
        gates.sort(key=lambda gate: gate.pk, reverse=True)
        return grouped(gates, lambda gate: gate.version_id)

    return {pk: rows or [] for pk, rows in gathered("gates", version_ids, load).items()}


def _slots() -> QuerySet[Slot]:
    """Slots with signature and gate, each with `waived`: whether its signer ever had a waiver on the model."""
    waivers = Waiver.objects.filter(
        scope_kind=duties.MODEL,
        scope_id=OuterRef("gate__version__model_id"),
        person_id=OuterRef("signature__signer_id"),
    )
    rows = Slot.objects.select_related("signature", "gate__minute").order_by("position")
    return rows.annotate(waived=Exists(waivers))


def slots_of_gates(gates: Collection[Gate]) -> dict[int, list[Slot]]:
    """Gate id -> its slots with their signatures, by position; each knows the gate at hand."""

    def load(ids: list[int]) -> dict[int, list[Slot]]:
        return grouped(_slots().filter(gate_id__in=ids), lambda slot: slot.gate_id)

    found = gathered("slots", [gate.pk for gate in gates], load)
    for gate in gates:
        for slot in found[gate.pk] or []:
            slot.gate = gate
    return {pk: rows or [] for pk, rows in found.items()}


def slots_of(gate: Gate | None) -> list[Slot]:
    return slots_of_gates([gate])[gate.pk] if gate else []


def live_gate(version: Version) -> Gate | None:
    """The newest gate of the version, whatever became of it; it knows the version at hand."""
    gate = next(iter(gates_of_versions([version.pk])[version.pk]), None)
    if gate is not None:
        gate.version = version
    return gate


@registries.decided(Version.subject_kind)
def decided_at(version: Version) -> datetime | None:
    """When the newest gate of the version was decided; None while it is open or there is none."""
    gate = live_gate(version)
    return gate.decided_at if gate else None


def _verifications() -> QuerySet[Entry]:
    """Verifications of the trail, newest first."""
    return Entry.objects.filter(act="approvals.record_verification", kind=Kind.ACT).order_by("-id")


def last_verification() -> tuple[dict[str, Any], datetime] | None:
    """(facts, time) of the newest verification of the trail, or None."""

    def load(_keys: list[str]) -> dict[str, Any]:
        return {"last": _verifications().values_list("body", "at").first()}

    found = gathered("verification", ["last"], load)["last"]
    return (json.loads(found[0])["facts"], found[1]) if found else None


def minute_of(gate: Gate) -> Minute | None:
    """The board's minute of a gate."""
    return getattr(gate, "minute", None)


def prime_content(version_ids: Collection[int]) -> None:
    """Read what the content of the gates of these versions names: ten queries at most, however many there are."""
    authors_of_versions(version_ids)
    data_of_versions(version_ids)
    deviations_of_versions(version_ids)
    plans_of_versions(version_ids)
    runs_of_versions(version_ids)
    reports_of_versions(version_ids)
    probe_plans_of_versions(version_ids)
    explanations_of_versions(version_ids)
    dossiers_of(version_ids)
    gates_of_versions(version_ids)  # when each was decided: verification counts as it stood then


def prime(versions: Collection[Version]) -> None:
    """Read what the gates of these versions rest on, all at once: inside `shared()` the checks ask no more."""
    ids = [version.pk for version in versions]
    families = set(ids).union(*(kin.family for kin in kin_of(ids).values()))
    prime_content(families)
    plans = plans_of_versions(ids)
    comparisons_of_plans([plan.pk for pk in ids for plan in plans[pk]])
    signatures_on_uses({version.model_id for version in versions})
    reviews_of_versions(ids)
    closures = [found for version in versions for found in facts_of(version).closures.values()]
    recorded(frozenset().union(*closures, *(review_pairs(version) for version in versions)))
