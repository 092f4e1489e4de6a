"""Plans, runs, comparisons and results, read once for a whole page (`apps.access.sharing`), whoever looks."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Count, Q

from apps.access.sharing import gathered, grouped
from apps.core import registries
from apps.validations.models import Comparison, Plan, Result, Run
from apps.validations.states import Verdict


def plans_of_versions(version_ids: Collection[int]) -> dict[int, list[Plan]]:
    """Version id -> all its plans, newest first."""

    def load(ids: list[int]) -> dict[int, list[Plan]]:
        rows = Plan.objects.filter(version_id__in=ids).select_related(
            "test_data__dataset", "written_by", "replaces"
        )
        for give in registries.alongside["validations.plans"]:
            rows = rows.annotate(**give())
        return grouped(rows, lambda plan: plan.version_id)

    return {pk: rows or [] for pk, rows in gathered("plans", version_ids, load).items()}


def runs_of_versions(version_ids: Collection[int]) -> dict[int, list[Run]]:
    """Version id -> the runs of all its plans, newest first, with jobs and how many criteria there are and are met."""

    def load(ids: list[int]) -> dict[int, list[Run]]:
        met = Count("results", filter=Q(results__verdict=Verdict.MET))
        rows = Run.objects.filter(plan__version_id__in=ids).select_related("plan", "job")
        rows = rows.annotate(criteria=Count("results"), criteria_met=met)
        for give in registries.alongside["validations.runs"]:
            rows = rows.annotate(**give())
        rows = rows.order_by("-number")  # a query that counts forgets the order of Meta
        return grouped(rows, lambda run: run.plan.version_id)

    return {pk: rows or [] for pk, rows in gathered("runs", version_ids, load).items()}


def comparisons_of_plans(plan_ids: Collection[int]) -> dict[int, list[Comparison]]:
    """Plan id -> its comparisons with their dataset versions."""

    def load(ids: list[int]) -> dict[int, list[Comparison]]:
        rows = Comparison.objects.filter(plan_id__in=ids).select_related("dataset_version__dataset")
        return grouped(rows.order_by("id"), lambda row: row.plan_id)

    return {pk: rows or [] for pk, rows in gathered("comparisons", plan_ids, load).items()}


def comparisons_of(plan: Plan) -> list[Comparison]:
    return comparisons_of_plans([plan.pk])[plan.pk]


def results_of_run(run: Run) -> list[Result]:
    """The results of a run in the order of its criteria."""

    def load(ids: list[int]) -> dict[int, list[Result]]:
        return grouped(Result.objects.filter(run_id__in=ids), lambda row: row.run_id)

    return gathered("results", [run.pk], load)[run.pk] or []
