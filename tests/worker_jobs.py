"""Job kinds for the tests of the job machinery; a worker loads them by `--include tests.worker_jobs`.

The effect of one is a row of core.Counter, written in the transaction that ends the job, so that an effect that
happened twice or not at all can be counted.
"""

from __future__ import annotations

import os
import time

from django.db import transaction
from django.db.models import F

from apps.core import jobs, registries
from apps.core.models import Counter, Job


def _finish(job: Job) -> None:
    with transaction.atomic():
        jobs.end(job)
        counter, _ = Counter.objects.get_or_create(kind=f"{job.subject_kind}:{job.subject_id}")
        Counter.objects.filter(pk=counter.pk).update(last=F("last") + 1)


@registries.job("test.quick")
def quick(running: jobs.Running) -> None:
    time.sleep(0.02)
    _finish(running.job)


@registries.job("test.slow")
def slow(running: jobs.Running) -> None:
    """Two seconds of work with progress; says which process works on it."""
    for step in range(20):
        running.report(step, 20, f"step by process {os.getpid()}" if step == 0 else "")
        time.sleep(0.1)
    _finish(running.job)


@registries.job_failed("test.quick")
@registries.job_failed("test.slow")
def failed(job: Job, sentence: str) -> None:
    jobs.end(job, state=Job.State.FAILED, error=sentence)
