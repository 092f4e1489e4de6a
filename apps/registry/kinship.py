"""What separation asks of risk assessments, tiers and derived data: further parts of a version's closures."""

from __future__ import annotations

from collections.abc import Collection

from apps.access.facts import pairs
from apps.access.sharing import grouped
from apps.core import registries
from apps.datasets.lineage import KIND as DATA
from apps.datasets.lineage import sources_of
from apps.registry.checks import in_force, signatures_on_uses
from apps.registry.facts import data_of_versions, kin_of, model_facts
from apps.registry.models import IntendedUse, Model, Version

USE = IntendedUse.subject_kind
Pairs = frozenset[tuple[str, str]]


@registries.tier(Version.subject_kind)
def tier_of_version(pk: int) -> str:
    return IntendedUse.objects.filter(versions=pk).values_list("tier", flat=True).first() or ""


@registries.tier(Model.subject_kind)
def tier_of_model(pk: int) -> str:
    """By its newest intended use in force; empty, the strictest, where none is: writing one down eases no rule."""
    signed = grouped(signatures_on_uses([pk])[pk], lambda row: row.number)
    if not signed:
        return ""
    uses = IntendedUse.objects.filter(model=pk, number__in=signed).select_related("model", "written_by")
    return next((use.tier for use in uses.order_by("-number") if in_force(use, signed[use.number])), "")


@registries.closure("registry.versions:version")
@registries.closure("registry.versions:family")
def uses_of(version_ids: Collection[int]) -> Pairs:
    """The intended uses with risk that these versions name (DY11, DY13)."""
    return pairs(USE, {kin.use for kin in kin_of(version_ids).values()})


@registries.closure("registry.model:family")
def uses_of_model(model: Model) -> Pairs:
    """Before a model's first version: who approved its risk may not start one (DY11)."""
    return pairs(USE, IntendedUse.objects.filter(model=model).values_list("pk", flat=True))


@registries.closure("registry.intended_use:family")
def versions_of_its_model(use: IntendedUse) -> Pairs:
    """Who developed any version of the model may not approve its risk (DY11)."""
    return model_facts(use.model).closures["family"]


@registries.closure("registry.versions:lineage")
def sources_of_data(version_ids: Collection[int]) -> Pairs:
    """What the data of these versions were derived from: a derived dataset inherits curators (DY5)."""
    used = [row.dataset_version for rows in data_of_versions(version_ids).values() for row in rows]
    return pairs(DATA, sources_of([each.pk for each in used if each.derived_from_id is not None]))
