"""What separation asks of risk assessments, tiers and derived data: further parts of a version's closures."""

from __future__ import annotations

from collections.abc import Collection

from apps.access import duties
from apps.access.facts import Pair, pairs
from apps.access.sharing import grouped
from apps.core import registries
from apps.datasets.lineage import KIND as DATA
from apps.datasets.lineage import derived_of, sources_of, sources_with
from apps.datasets.models import DatasetVersion
from apps.registry.checks import in_force, signatures_on_uses
from apps.registry.facts import ancestors, kin_of, model_facts
from apps.registry.lineage import models_inheriting
from apps.registry.loading import data_of_versions
from apps.registry.models import IntendedUse, Model, Version, VersionData

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
    used = [row for rows in data_of_versions(version_ids).values() for row in rows]
    inherit = [each for each in used if each.twinned or each.dataset_version.derived_from_id is not None]
    return pairs(DATA, sources_of([each.dataset_version_id for each in inherit]))


# Where duties are kept apart: a model and the data it, or what it was derived from, was made of. The two answer alike:
# a dataset is near a model exactly where that model is near the dataset.


@registries.parents("registry.model:family")
def datasets_of_model(model_id: int) -> set[Pair]:
    """Datasets with a version that the model was made of, or that one of those was derived from."""
    line = ancestors(Version.objects.filter(model=model_id).values_list("pk", flat=True))
    rows = VersionData.objects.filter(version_id__in=line).order_by()
    datasets = sources_with(rows.values_list("dataset_version_id", flat=True), "dataset_id")[1]
    return {(duties.DATASET, pk) for pk in datasets}


@registries.parents("datasets.dataset:family")
def models_of_dataset(dataset_id: int) -> set[Pair]:
    """Models made of the dataset, or of what was derived from it."""
    data = derived_of(DatasetVersion.objects.filter(dataset=dataset_id).values_list("pk", flat=True))
    made = Version.objects.filter(
        pk__in=VersionData.objects.filter(dataset_version_id__in=data).values("version_id")
    )
    return {(duties.MODEL, pk) for pk in models_inheriting(made)}
