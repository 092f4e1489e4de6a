"""A job's row that a database owner changed is not run, and is named by the trail and by verify_trail."""

from __future__ import annotations

import pytest
from django.db import connection

from apps.core import jobs, registries
from apps.core.models import Job
from apps.trail import verifier
from tests.access.telling import body_of, last

pytestmark = pytest.mark.django_db
KIND = "tests.marked"


@pytest.fixture
def ran(monkeypatch, settings):
    settings.JOB_LEASE_SECONDS = 3600
    happened = []

    def run(running):
        happened.append(running.job.requested_by.username)
        jobs.end(running.job)

    monkeypatch.setitem(registries.job._functions, KIND, run)
    monkeypatch.setitem(
        registries.job_failed._functions, KIND, lambda job, message: happened.append("failed")
    )
    return happened


def findings():
    return {(each.detector, each.table, each.row, each.field) for each in verifier.verify().findings}


def test_a_queued_job_has_its_mark_and_runs(world, ran):
    job = jobs.enqueue(KIND, world.model, world.author)
    assert findings() == set()
    assert jobs.run(job.pk) == "done"
    assert ran == ["author"]
    assert findings() == set()


@pytest.mark.parametrize("column", ["requested_by_id", "subject_id", "kind", "created_at", "mark"])
def test_an_altered_job_is_not_run(world, ran, column, monkeypatch):
    monkeypatch.setitem(registries.job._functions, "tests.other", lambda running: ran.append("other"))
    job = jobs.enqueue(KIND, world.model, world.author)
    value = {
        "requested_by_id": world.approver.pk,
        "subject_id": world.other_model.pk,
        "kind": "tests.other",
        "created_at": "2026-01-01 00:00:00+00:00",
        "mark": "",
    }[column]
    with connection.cursor() as cursor:
        cursor.execute(f"UPDATE core_job SET {column} = %s WHERE id = %s", [value, job.pk])
        assert cursor.rowcount == 1
    assert findings() == {("job", "core_job", str(job.pk), "mark")}
    assert jobs.run(job.pk) == "refused"
    assert ran == []
    job = Job.objects.get(pk=job.pk)
    assert (job.state, job.error) == (
        "failed",
        "The job's row is not the one that an act queued: it was changed behind the portal and is not run.",
    )
    entry = last("core.run_job", "refusal")
    assert entry.subject_id == str(job.pk)
    assert body_of(entry)["facts"]["rule"] == "job-mark"


def test_a_copied_job_is_not_run(world, ran):
    job = jobs.enqueue(KIND, world.model, world.author)
    columns = ", ".join(f'"{field.column}"' for field in Job._meta.concrete_fields if not field.primary_key)
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO core_job ({columns}) SELECT {columns} FROM core_job WHERE id = %s", [job.pk]
        )
    copy = Job.objects.latest("pk")
    assert copy.mark == job.mark
    assert jobs.run(copy.pk) == "refused"
    assert findings() == {("job", "core_job", str(copy.pk), "mark")}


def test_the_sweep_gives_up_an_altered_job_without_asking_its_work(world, ran):
    job = jobs.enqueue(KIND, world.model, world.author)
    Job.objects.filter(pk=job.pk).update(attempt=jobs.MAX_ATTEMPTS, requested_by=world.approver)
    jobs.sweep()
    assert ran == []
    assert Job.objects.get(pk=job.pk).state == "failed"
    assert last("core.run_job", "refusal").subject_id == str(job.pk)
