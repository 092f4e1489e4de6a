"""What separation, visibility and lineage ask of plans and runs."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Q

from apps.access import duties
from apps.access.facts import Closures, Facts, pairs
from apps.access.gate import Scopes
from apps.accounts.models import User
from apps.core import registries
from apps.datasets.models import DatasetVersion
from apps.datasets.sensitive import opened_to
from apps.registry.facts import facts_on_version, version_closures
from apps.registry.hanging import ON, Hanging, of_kind
from apps.validations.models import Plan, Run


@registries.facts("validations.plan")
def plan_facts(plan: Plan) -> Facts:
    """The plan's own closure `record` holds its runs: who runs its tests may not approve it (DY10)."""

    def record() -> Closures:
        runs = [each.pk for each in of_kind(Run, [plan.version_id]) if each.made_for == plan.pk]
        return {"record": pairs(Run.subject_kind, runs)}

    return facts_on_version(plan.version).besides(record)


@registries.facts("validations.run")
def run_facts(run: Run) -> Facts:
    return facts_on_version(run.plan.version)


@registries.allowance("validations.read_cases")
def cases_opened(person: User, run: Run) -> tuple[str, ...]:
    """Per-case results show rows of the test set: of a sensitive one only under a grant."""
    return opened_to(person, run.plan.test_data.dataset)


@registries.closure("datasets.versions:runs")
def runs_on_test_sets(version_ids: Collection[int]) -> frozenset[tuple[str, str]]:
    """Runs on these test sets: reading their per-case results is reading the set."""
    runs = Run.objects.filter(plan__test_data_id__in=version_ids).values_list("pk", flat=True)
    return pairs(Run.subject_kind, runs)


@registries.hanging(ON)
def plans_and_runs() -> tuple[Hanging, ...]:
    return (
        Hanging(Plan, "version_id", made_for="test_data_id"),
        Hanging(Run, "plan__version_id", made_for="plan_id"),
    )


@registries.closure("registry.versions:family")
def test_sets_of(version_ids: Collection[int]) -> frozenset[tuple[str, str]]:
    """Test sets of the family and the runs whose per-case results may have been read (DY6)."""
    runs = [each.pk for each in of_kind(Run, version_ids)]
    return pairs("datasets.version", test_data_of(version_ids)) | pairs(Run.subject_kind, runs)


def test_data_of(version_ids: Collection[int]) -> set[int]:
    """The dataset versions that plans of these versions name as test data."""
    return {each.made_for for each in of_kind(Plan, version_ids)}


@registries.closure("datasets.version:family")
def families_tested_with(dataset_version: DatasetVersion) -> frozenset[tuple[str, str]]:
    """For who reads test data: every version of the models it tests, where having developed refuses."""
    versions = list(Plan.objects.filter(test_data=dataset_version).values_list("version_id", flat=True))
    if not versions:
        return frozenset()
    closures, _declared = version_closures(versions)
    return closures["family"]


@registries.parents("datasets.version")
def models_tested_with(dataset_version: DatasetVersion) -> tuple[tuple[str, int], ...]:
    ids = (
        Plan.objects.filter(test_data=dataset_version).values_list("version__model_id", flat=True).distinct()
    )
    return tuple((duties.MODEL, pk) for pk in ids)


@registries.visibility("validations.Plan")
def plans_seen(scopes: Scopes) -> Q:
    return Q(version__model_id__in=scopes.of(duties.MODEL))


@registries.visibility("validations.Run")
@registries.visibility("validations.Comparison")
def on_plan_seen(scopes: Scopes) -> Q:
    return Q(plan__version__model_id__in=scopes.of(duties.MODEL))


@registries.visibility("validations.Result")
def results_seen(scopes: Scopes) -> Q:
    return Q(run__plan__version__model_id__in=scopes.of(duties.MODEL))


@registries.visibility("datasets.DatasetVersion")
def test_data_seen(scopes: Scopes) -> Q:
    """Who has a duty on a model sees that its test set exists, its source and digest; never its rows."""
    return Q(pk__in=Plan.objects.filter(version__model_id__in=scopes.of(duties.MODEL)).values("test_data_id"))


@registries.visibility("datasets.Dataset")
def test_datasets_seen(scopes: Scopes) -> Q:
    return Q(
        pk__in=Plan.objects.filter(version__model_id__in=scopes.of(duties.MODEL)).values(
            "test_data__dataset_id"
        )
    )
