"""The job of this app: fetch, compute outside any transaction, end by an act."""

from __future__ import annotations

from apps.access.actors import Actor
from apps.core import registries
from apps.core.jobs import Running
from apps.core.models import Job
from apps.robustness.acts import fail_report, finish_report
from apps.robustness.acts.reports import PROBE
from apps.robustness.computing import compute
from apps.robustness.models import ProbeReport
from apps.robustness.queries import REPORTS


def _worker(job: Job) -> Actor:
    return Actor.service("worker", on_behalf=job.requested_by)


@registries.job(PROBE)
def make_probes(running: Running) -> None:
    job = running.job
    report = ProbeReport.objects.select_related(*REPORTS).get(pk=job.subject_id)
    finish_report(_worker(job), report.pk, job=job, outcome=compute(report, running.report))


@registries.job_failed(PROBE)
def probes_failed(job: Job, message: str) -> None:
    fail_report(_worker(job), job.subject_id, job=job, message=message)
