"""Celery entry points of the job machinery."""

from celery import shared_task

from apps.core import jobs


@shared_task(name="core.run_job")
def run_job(job_id: int) -> str:
    return jobs.run(job_id)


@shared_task(name="core.sweep")
def sweep() -> int:
    return jobs.sweep()
