"""The job that profiles an uploaded version: compute outside any transaction, end by an act."""

from __future__ import annotations

from apps.access.actors import Actor
from apps.core import registries
from apps.core.jobs import Running
from apps.core.models import Job
from apps.datasets.acts import PROFILE, fail_profile, finish_profile
from apps.datasets.models import DatasetVersion
from apps.datasets.profiling import compute


def _worker(job: Job) -> Actor:
    return Actor.service("worker", on_behalf=job.requested_by)


@registries.job(PROFILE)
def profile_version(running: Running) -> None:
    job = running.job
    version = DatasetVersion.objects.select_related("dataset").get(pk=job.subject_id)
    finish_profile(_worker(job), version.pk, job=job, found=compute(version, running.report))


@registries.job_failed(PROFILE)
def profiling_failed(job: Job, message: str) -> None:
    fail_profile(_worker(job), job.subject_id, job=job, message=message)
