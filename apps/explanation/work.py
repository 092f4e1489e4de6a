"""The job of this app: fetch, compute outside any transaction, end by an act."""

from __future__ import annotations

from apps.access.actors import Actor
from apps.core import registries
from apps.core.jobs import Running
from apps.core.models import Job
from apps.explanation.acts import COMPUTE, fail_report, finish_report
from apps.explanation.computing import compute
from apps.explanation.models import Report
from apps.explanation.queries import RELATED


def _worker(job: Job) -> Actor:
    return Actor.service("worker", on_behalf=job.requested_by)


@registries.job(COMPUTE)
def compute_report(running: Running) -> None:
    job = running.job
    report = Report.objects.select_related(*RELATED).get(pk=job.subject_id)
    finish_report(_worker(job), report.pk, job=job, outcome=compute(report, running.report))


@registries.job_failed(COMPUTE)
def report_failed(job: Job, message: str) -> None:
    fail_report(_worker(job), job.subject_id, job=job, message=message)
