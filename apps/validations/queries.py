"""Reads of plans and runs for pages, API and packs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from apps.access import gate
from apps.access.actors import Actor
from apps.access.signing import Standing, standings
from apps.accounts.models import User
from apps.core.errors import NotVisible
from apps.core.models import Job
from apps.datasets.models import Dataset, DatasetVersion
from apps.datasets.states import Partition, State
from apps.quality.models import Deviation
from apps.quality.queries import opened_by
from apps.registry.models import Version
from apps.validations.comparing import missing_comparisons
from apps.validations.models import Comparison, Plan, Result, Run
from apps.validations.states import PlanState, RunState

PLANS = ("version__model", "version__intended_use", "test_data__dataset", "written_by", "replaces")
RUNS = (
    "plan__version__model",
    "plan__version__intended_use",
    "plan__test_data__dataset",
    "requested_by",
    "job",
)


@dataclass(frozen=True)
class PlanPage:
    """job: the newest comparison job; missing: data versions not compared yet."""

    plan: Plan
    comparisons: list[Comparison]
    missing: list[DatasetVersion]
    job: Job | None
    signatures: list[Standing]
    runs: list[Run]
    deviations: list[Deviation]


@dataclass(frozen=True)
class RunPage:
    """job: progress, stage and log while it runs."""

    run: Run
    job: Job | None
    results: list[Result]
    deviations: list[Deviation]
    others: list[Run]  # other finished runs of the same plan


def newest_job(subject: Any) -> Job | None:
    """The last job queued for a record."""
    return (
        Job.objects.filter(subject_kind=subject.subject_kind, subject_id=subject.pk).order_by("-id").first()
    )


def test_data_choices(actor: Actor | User) -> QuerySet[DatasetVersion]:
    """Fixed vault versions a plan may name: of datasets the person may see. Their rows stay unseen."""
    return DatasetVersion.objects.filter(
        dataset__in=gate.visible(actor, Dataset), partition=Partition.TEST, state=State.FIXED
    ).select_related("dataset")


def plans(actor: Actor | User, version: Version | None = None) -> QuerySet[Plan]:
    """Plans the person may see, newest first."""
    rows = gate.visible(actor, Plan).select_related(*PLANS)
    return rows if version is None else rows.filter(version=version)


def runs(actor: Actor | User, version: Version | None = None) -> QuerySet[Run]:
    """The register of runs the person may see, newest first, failed ones among them."""
    rows = gate.visible(actor, Run).select_related(*RUNS)
    return rows if version is None else rows.filter(plan__version=version)


def plan_page(actor: Actor | User, plan_id: int) -> PlanPage:
    plan = plans(actor).filter(pk=plan_id).first()
    if plan is None:
        raise NotVisible
    return PlanPage(
        plan=plan,
        comparisons=list(plan.comparisons.select_related("dataset_version__dataset").order_by("id")),
        missing=missing_comparisons(plan),
        job=newest_job(plan),
        signatures=standings(plan),
        runs=list(runs(actor).filter(plan=plan)),
        deviations=list(opened_by(plan)),
    )


def run_page(actor: Actor | User, run_id: int) -> RunPage:
    run = runs(actor).filter(pk=run_id).first()
    if run is None:
        raise NotVisible
    return RunPage(
        run=run,
        job=run.job,
        results=list(run.results.all()),
        deviations=list(opened_by(run)),
        others=list(other_runs(run)),
    )


def other_runs(run: Run) -> QuerySet[Run]:
    """The other finished runs of the same plan, oldest first."""
    rows = Run.objects.filter(plan_id=run.plan_id, state=RunState.DONE).exclude(pk=run.pk)
    return rows.order_by("number")


def same_bytes(run: Run, others: Iterable[Run] | None = None) -> list[Run]:
    """Those of them whose results and per-case results have the same digests as this one's."""
    mine = (run.results_digest, run.cases_digest)
    found = other_runs(run) if others is None else others
    return [each for each in found if (each.results_digest, each.cases_digest) == mine]


def plan_in_force(version: Version) -> Plan | None:
    """The locked plan of a version, or the one being written."""
    rows = Plan.objects.select_related(*PLANS).filter(version=version)
    locked = rows.filter(state=PlanState.LOCKED).first()
    return locked or rows.exclude(state__in=[PlanState.SUPERSEDED]).order_by("-number").first()


def last_done_run(version: Version) -> Run | None:
    """The newest run that came to its end."""
    return (
        Run.objects.filter(plan__version=version, plan__state=PlanState.LOCKED, state=RunState.DONE)
        .select_related(*RUNS)
        .order_by("-number")
        .first()
    )
