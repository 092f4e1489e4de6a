"""Jobs of this app, and what it answers about artefacts: fetch, compute outside any transaction, end by an act."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from apps.access.actors import Actor
from apps.core import registries
from apps.core.jobs import Running
from apps.core.models import Job
from apps.validations.acts import fail_comparison, fail_run, finish_comparison, finish_run
from apps.validations.comparing import compare
from apps.validations.execution import execute
from apps.validations.failures import in_words
from apps.validations.models import Plan, Run
from apps.validations.queries import RUNS
from apps.validations.sandbox import detect_format, inspect_model


def _worker(job: Job) -> Actor:
    return Actor.service("worker", on_behalf=job.requested_by)


@registries.job("validations.compare")
def compare_partitions(running: Running) -> None:
    job = running.job
    plan = Plan.objects.select_related("version", "test_data__dataset").get(pk=job.subject_id)
    finish_comparison(_worker(job), plan.pk, job=job, found=compare(plan, running.report))


@registries.job_failed("validations.compare")
def comparison_failed(job: Job, message: str) -> None:
    fail_comparison(_worker(job), job.subject_id, job=job, message=message)


@registries.job("validations.run")
def run_validation(running: Running) -> None:
    job = running.job
    run = Run.objects.select_related(*RUNS).get(pk=job.subject_id)
    finish_run(_worker(job), run.pk, job=job, outcome=execute(run, running.report))


@registries.job_failed("validations.run")
def run_failed(job: Job, message: str) -> None:
    fail_run(_worker(job), job.subject_id, job=job, message=message)


@registries.inspection("artefact")
def inspect_artefact(path: Path) -> dict[str, Any]:
    """{"format", "interface"} of a model file, loaded in the sandbox. Raises `CannotCompute` with a sentence."""
    with in_words():
        found = detect_format(path)
        info = inspect_model(path, found)
    said = info.as_json()
    interface = {
        key: said[key]
        for key in ("inputs", "outputs", "producer", "ir_version", "opset", "estimator", "classes")
    }
    return {"format": found, "interface": interface | {"columns": info.columns}}
