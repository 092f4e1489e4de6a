"""What separation asks of shared test sets, and which records count as one."""

from __future__ import annotations

from collections.abc import Collection

from apps.access import duties
from apps.access.facts import Pair, pairs
from apps.core import registries
from apps.datasets.lineage import KIND as DATA
from apps.datasets.lineage import kin_of, kin_with
from apps.datasets.models import DatasetVersion
from apps.registry.facts import families_of, version_closures
from apps.registry.hanging import of_kind
from apps.registry.lineage import models_inheriting
from apps.registry.models import Version
from apps.validations.facts import test_data_of
from apps.validations.models import Plan, Run

Pairs = frozenset[tuple[str, str]]


@registries.as_one("registry.versions")
def runs_as_their_plans(version_ids: Collection[int]) -> dict[tuple[str, str], tuple[str, str]]:
    """A run is part of its plan: who runs the tests may not approve the plan (DY10)."""
    runs = of_kind(Run, version_ids)
    return {(Run.subject_kind, str(run.pk)): (Plan.subject_kind, str(run.made_for)) for run in runs}


@registries.closure("registry.versions:family")
def readers_of_shared_sets(version_ids: Collection[int]) -> Pairs:
    """A test set's kin and every run on them, of whatever model: a shared test set inherits its readers (DY6)."""
    sets = test_data_of(version_ids)
    if not sets:
        return frozenset()
    kin, runs = kin_with(sets, "plans__runs")
    return pairs(DATA, kin) | pairs(Run.subject_kind, runs)


def _families(test_data_id: int, besides: int | None = None) -> Pairs:
    """The families of the models tested with these data, their sources or what was derived of them."""
    tested = Plan.objects.filter(test_data_id__in=kin_of([test_data_id])).values("version__model_id")
    versions = Version.objects.filter(model_id__in=tested).exclude(model_id=besides).order_by()
    ids = list(versions.values_list("pk", flat=True))
    return version_closures(ids)[0]["family"] if ids else frozenset()


@registries.closure("validations.run:family")
def families_of_its_test_set(run: Run) -> Pairs:
    """For who reads per-case results: every other model that is tested with the same data."""
    return _families(run.plan.test_data_id, run.plan.version.model_id)


@registries.closure("datasets.version:family")
def families_of_kin(version: DatasetVersion) -> Pairs:
    """For who reads test data: every model that is tested with these or their kin."""
    return _families(version.pk)


# Where duties are kept apart: a model and the data it, or what it was derived from, is tested with. Who read one has
# read of its kin, so each of them is as near; and a dataset is near a model exactly where that model is near it.


@registries.parents("registry.model:family")
def test_datasets_of_model(model_id: int) -> set[Pair]:
    family = families_of(Version.objects.filter(model=model_id).values_list("pk", flat=True))
    sets = Plan.objects.filter(version_id__in=family).order_by().values_list("test_data_id", flat=True)
    return {(duties.DATASET, pk) for pk in kin_with(sets, "dataset_id")[1]}


@registries.parents("datasets.dataset:family")
def models_tested_with_dataset(dataset_id: int) -> set[Pair]:
    kin = kin_of(DatasetVersion.objects.filter(dataset=dataset_id).values_list("pk", flat=True))
    tested = Plan.objects.filter(test_data_id__in=kin).order_by().values("version__model_id")
    return {(duties.MODEL, pk) for pk in models_inheriting(Version.objects.filter(model_id__in=tested))}
