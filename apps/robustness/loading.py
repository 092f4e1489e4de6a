"""Probe plans with their reports, read once for a whole page (`apps.access.sharing`), whoever looks: one
query where a version was probed, none beside that of its validation plans where it was not."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db.models import F

from apps.access.sharing import gathered, grouped
from apps.core.models import Job
from apps.robustness.models import ProbePlan, ProbeReport
from apps.validations.loading import plans_of_versions as validation_plans

_REPORT = {f"r_{f.attname}": F(f"reports__{f.attname}") for f in ProbeReport._meta.concrete_fields}
_JOB = {f"j_{f.attname}": F(f"reports__job__{f.attname}") for f in Job._meta.concrete_fields}


def plans_of_versions(version_ids: Collection[int]) -> dict[int, list[ProbePlan]]:
    """Version id -> its probe plans, newest first, each with `reports_read`: its reports with jobs, newest first."""

    def load(ids: list[int]) -> dict[int, list[ProbePlan]]:
        validation = validation_plans(ids)
        if not any(getattr(plan, "probed", True) for pk in ids for plan in validation[pk]):
            return {}
        rows: Any = ProbePlan.objects.filter(validation_plan__version_id__in=ids)
        rows = rows.select_related("validation_plan__test_data__dataset", "written_by")
        found: dict[int, Any] = {}
        for row in rows.annotate(**_REPORT, **_JOB).order_by("-number", "-r_number"):
            plan = found.setdefault(row.pk, row)
            if plan is row:
                plan.reports_read = []
            if row.r_id is not None:
                plan.reports_read.append(_report_of(row, plan))
        return grouped(found.values(), lambda plan: plan.validation_plan.version_id)

    return {pk: rows or [] for pk, rows in gathered("probe plans", version_ids, load).items()}


def _report_of(row: Any, plan: ProbePlan) -> ProbeReport:
    """The report that came along with a plan's row."""
    report = _made(ProbeReport, row, "r_")
    report.plan = plan
    if report.job_id is not None:
        report.job = _made(Job, row, "j_")
    return report


def _made(model: Any, row: Any, prefix: str) -> Any:
    names = [field.attname for field in model._meta.concrete_fields]
    return model.from_db(row._state.db, names, [getattr(row, f"{prefix}{name}") for name in names])


def reports_of_versions(version_ids: Collection[int]) -> dict[int, list[ProbeReport]]:
    """Version id -> the reports of all its probe plans, newest first."""
    plans = plans_of_versions(version_ids)
    return {
        pk: sorted((r for plan in found for r in reports_read(plan)), key=lambda r: -r.number)
        for pk, found in plans.items()
    }


def reports_read(plan: ProbePlan) -> list[ProbeReport]:
    """The reports that came along with a plan of `plans_of_versions`."""
    found: list[ProbeReport] = plan.reports_read  # type: ignore[attr-defined]  # set above
    return found
