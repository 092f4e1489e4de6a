"""Nothing lost, nothing twice: a real worker and broker, killed by kill -9 while they work."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils import timezone

import tests.worker_jobs  # noqa: F401 (registers the kinds in this process too)
from apps.core import jobs
from apps.core.models import Counter, Job
from tests.worker import Worker

pytestmark = [pytest.mark.worker, pytest.mark.django_db(transaction=True)]
OPTIONS = ("--include", "tests.worker_jobs")
SHORT_LEASE = {"JOB_LEASE_SECONDS": "2"}


@dataclass
class Subject:
    pk: int
    subject_kind: str = "test.subject"


@pytest.fixture
def sender(world: object) -> Callable[..., list[Job]]:
    """`sender(kind, count)` enqueues jobs as an act does: the row in a transaction, word of it after the commit."""
    user = get_user_model().objects.order_by("pk").first()

    def send(kind: str, count: int = 1) -> list[Job]:
        sent = []
        for number in range(count):
            with transaction.atomic():
                sent.append(jobs.enqueue(kind, Subject(number), user))
        return sent

    return send


def wait_until(condition: Callable[[], bool], seconds: float, worker: Worker | None = None) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            states = list(Job.objects.values_list("state", "attempt", "error"))[:5]
            raise AssertionError(f"not within {seconds} s: {states}\n{worker.said() if worker else ''}")
        time.sleep(0.05)


def open_jobs() -> int:
    return Job.objects.filter(state__in=[Job.State.QUEUED, Job.State.RUNNING]).count()


def effects() -> list[int]:
    return list(Counter.objects.filter(kind__startswith="test.subject:").values_list("last", flat=True))


def test_a_job_travels_through_the_broker(sender, real_worker):
    worker = real_worker(*OPTIONS)
    (job,) = sender("test.quick")
    wait_until(lambda: open_jobs() == 0, 20, worker)
    job.refresh_from_db()
    assert (job.state, job.attempt, effects()) == (Job.State.DONE, 1, [1])
    assert job.sent_at is not None


def test_a_broker_that_is_down_loses_nothing(sender, real_worker, broker_in_use, settings):
    settings.CELERY_BROKER_URL = ""
    (job,) = sender("test.quick")
    assert (job.state, Job.objects.get(pk=job.pk).sent_at) == (Job.State.QUEUED, None)
    settings.CELERY_BROKER_URL = broker_in_use
    worker = real_worker(*OPTIONS)
    assert jobs.sweep() == 1
    wait_until(lambda: effects() == [1], 20, worker)


@pytest.mark.parametrize("victim", ["head", "pool"])
def test_killed_in_the_middle_another_finishes_it_once(sender, real_worker, settings, victim):
    settings.JOB_LEASE_SECONDS = 2
    worker = real_worker(*OPTIONS, **SHORT_LEASE)
    (job,) = sender("test.slow")
    wait_until(lambda: Job.objects.get(pk=job.pk).done >= 5, 20, worker)
    began_by = int(Job.objects.get(pk=job.pk).log.split("process ")[1].split()[0])
    assert began_by in worker.pool()
    if victim == "head":
        worker.kill()
        wait_until(lambda: not Path(f"/proc/{began_by}").exists() or _zombie(began_by), 3)
        worker = real_worker(*OPTIONS, **SHORT_LEASE)
    else:
        os.kill(began_by, signal.SIGKILL)

    def swept_and_done() -> bool:
        jobs.sweep()
        return open_jobs() == 0

    wait_until(swept_and_done, 30, worker)
    job.refresh_from_db()
    assert (job.state, effects()) == (Job.State.DONE, [1])
    assert job.attempt == 2
    ended_by = int(job.log.rsplit("process ", 1)[1].split()[0])
    assert ended_by != began_by


def _zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def run_under_fire(sender, real_worker, count: int, kills: int) -> None:
    """`count` quick jobs while the worker is killed `kills` times; the seed of the pauses is printed."""
    seed = int(os.environ.get("PYTEST_SEED", "20261121"))
    print(f"seed {seed}")
    pauses = random.Random(seed)
    worker = real_worker(*OPTIONS, **SHORT_LEASE)
    began = timezone.now()
    sender("test.quick", count)
    for _ in range(kills):
        time.sleep(pauses.uniform(0.2, 0.8))
        worker.kill()
        worker = real_worker(*OPTIONS, **SHORT_LEASE)
        jobs.sweep()

    def swept_and_done() -> bool:
        jobs.sweep()
        return open_jobs() == 0

    wait_until(swept_and_done, 120, worker)
    assert Job.objects.filter(state=Job.State.DONE, created_at__gte=began).count() == count
    assert sorted(effects()) == [1] * count  # none lost, none twice


def test_thirty_quick_jobs_under_three_kills(sender, real_worker, settings):
    settings.JOB_LEASE_SECONDS = 2
    run_under_fire(sender, real_worker, 30, 3)


@pytest.mark.soak
def test_two_hundred_quick_jobs_under_ten_kills(sender, real_worker, settings):
    settings.JOB_LEASE_SECONDS = 2
    run_under_fire(sender, real_worker, 200, 10)
