"""kill -9 of the worker in the middle of a real run and of a real bias report: another one finishes it, once."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from apps.core import jobs
from apps.core.models import Job
from apps.fairness.acts import request_report
from apps.fairness.models import Report
from apps.trail.models import Entry
from apps.validations.acts import start_run
from apps.validations.models import Result, Run
from tests.factories.data import table_csv
from tests.factories.evidence import validated_world
from tests.worker import Worker

pytestmark = [pytest.mark.worker, pytest.mark.django_db(transaction=True)]
# Many rows, so that there is a middle to be killed in; a short lease, so that the takeover is quick.
ROWS = 60_000
LEASE = {"JOB_LEASE_SECONDS": "2"}


def wait(condition: Callable[[], bool], seconds: float, worker: Worker) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        states = list(
            Job.objects.order_by("-pk").values_list("kind", "state", "attempt", "stage", "error")[:3]
        )
        assert time.monotonic() < deadline, f"not within {seconds} s: {states}\n{worker.said()}"
        time.sleep(0.02)


def killed_and_finished(job: Job, start: Callable[..., Worker], settings: Any) -> Job:
    """Let a worker begin, kill it, let another finish."""
    settings.JOB_LEASE_SECONDS = 2
    first = start(**LEASE)
    wait(lambda: Job.objects.get(pk=job.pk).state == Job.State.RUNNING, 60, first)
    wait(lambda: bool(Job.objects.get(pk=job.pk).stage), 60, first)
    first.kill()
    job.refresh_from_db()
    assert (job.state, job.attempt) == (Job.State.RUNNING, 1), "it was killed in the middle"
    second = start(**LEASE)

    def swept_and_done() -> bool:
        jobs.sweep()
        return Job.objects.get(pk=job.pk).state == Job.State.DONE

    wait(swept_and_done, 120, second)
    job.refresh_from_db()
    assert job.attempt == 2
    return job


def page_of(user: Any, name: str, number: int) -> str:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client.get(reverse(name, args=[number])).content.decode()


def test_a_validation_run_survives_its_worker(world, real_worker, settings):
    evidence = validated_world(world, until="locked", test=table_csv(23, ROWS, first_patient=10_001))
    run = start_run(world.validator, evidence.plan.pk)
    killed_and_finished(run.job, real_worker, settings)
    run.refresh_from_db()
    assert (run.state, Run.objects.count()) == ("done", 1)
    assert Result.objects.filter(run=run).count() == len(evidence.plan.criteria)
    assert Entry.objects.filter(kind="act", act="validations.finish_run").count() == 1
    assert "Training against test" in page_of(world.validator, "web:run", run.number)


def test_a_bias_report_survives_its_worker(world, real_worker, settings):
    evidence = validated_world(world, until="run", test=table_csv(23, ROWS, first_patient=10_001))
    report = request_report(world.bias_tester, evidence.run.pk)
    killed_and_finished(report.job, real_worker, settings)
    report.refresh_from_db()
    assert (report.state, Report.objects.count()) == ("done", 1)
    assert Entry.objects.filter(kind="act", act="fairness.finish_report").count() == 1
    assert "Locked limits" in page_of(world.bias_tester, "web:bias_report", report.number)
