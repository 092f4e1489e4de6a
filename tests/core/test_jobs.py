"""Jobs: claimed once, kept by a lease, ended once, given up after some attempts; numbers without gaps."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

import pytest
from django.db import connection, transaction

from apps.core import jobs, registries
from apps.core.clock import now
from apps.core.errors import BadInput
from apps.core.models import Counter, Job
from apps.core.numbers import next_number

KIND = "tests.count"
pytestmark = pytest.mark.django_db


@pytest.fixture
def told(monkeypatch) -> list:
    """What the registered test job did: ("ran", job) and ("failed", job, message)."""
    happened: list = []

    def ran(running):
        happened.append(("ran", running.job))
        jobs.end(running.job)

    def failed(job, message):
        happened.append(("failed", job, message))
        jobs.end(job, state=Job.State.FAILED, error=message)

    monkeypatch.setitem(registries.job._functions, KIND, ran)
    monkeypatch.setitem(registries.job_failed._functions, KIND, failed)
    return happened


@pytest.fixture(autouse=True)
def long_lease(settings):
    """The heartbeat's own connection cannot write while a test's transaction holds the database."""
    settings.JOB_LEASE_SECONDS = 3600


def new_job(world, **fields) -> Job:
    given = {"kind": KIND, "subject_kind": "registry.model", "subject_id": world.model.pk}
    job = Job.objects.create(**given | {"requested_by": world.owner, "created_at": now()} | fields)
    registries.guard["job.bind"](job)
    return job


def lapse(job: Job) -> None:
    Job.objects.filter(pk=job.pk).update(lease_until=now() - timedelta(seconds=1))


def test_a_job_runs_once_to_its_end(world, told):
    job = new_job(world)
    assert jobs.run(job.pk) == "done"
    job.refresh_from_db()
    assert (job.state, job.attempt, job.lease_until, job.ended) == ("done", 1, None, True)
    assert jobs.run(job.pk) == "not free"
    assert len(told) == 1


def test_a_claim_is_refused_while_the_lease_lasts_and_given_after(world):
    job = new_job(world)
    first = jobs.claim(job.pk)
    assert jobs.claim(job.pk) is None
    lapse(job)
    second = jobs.claim(job.pk)
    assert (first.attempt, second.attempt) == (1, 2)
    assert first.claim != second.claim


def test_who_lost_the_claim_writes_nothing(world):
    job = new_job(world)
    first = jobs.claim(job.pk)
    lapse(job)
    second = jobs.claim(job.pk)
    with pytest.raises(jobs.Lost):
        jobs.Running(first).report(5, 10, "half")
    with pytest.raises(jobs.Lost):
        jobs.end(first)
    job.refresh_from_db()
    assert (job.state, job.done, job.stage, job.log, job.claim) == ("running", 0, "", "", second.claim)
    jobs.end(second)
    with pytest.raises(jobs.Lost):
        jobs.end(second)


def test_an_effect_written_with_a_lost_claim_is_rolled_back(world):
    job = new_job(world)
    first = jobs.claim(job.pk)
    lapse(job)
    jobs.claim(job.pk)

    @transaction.atomic
    def effect():
        Counter.objects.create(kind="the effect")
        jobs.end(first)

    with pytest.raises(jobs.Lost):
        effect()
    assert not Counter.objects.filter(kind="the effect").exists()


def test_a_job_taken_over_while_it_runs_is_lost_not_failed(world, told, monkeypatch):
    def slow(running):
        lapse(running.job)
        jobs.claim(running.job.pk)
        running.report(1, 2)

    monkeypatch.setitem(registries.job._functions, KIND, slow)
    job = new_job(world)
    assert jobs.run(job.pk) == "lost"
    assert told == []
    job.refresh_from_db()
    assert (job.state, job.attempt) == ("running", 2)


def test_progress_is_seen_and_keeps_the_lease(world):
    job = new_job(world)
    running = jobs.Running(jobs.claim(job.pk))
    Job.objects.filter(pk=job.pk).update(lease_until=now() + timedelta(seconds=5))
    running.report(1, 4, "reading")
    running.report(2, 4, "reading")
    running.report(3, 4, "writing")
    job.refresh_from_db()
    assert (job.done, job.total, job.percent, job.stage) == (3, 4, 75, "writing")
    assert [line.split(" UTC ")[1] for line in job.log.splitlines()] == ["reading", "writing"]
    assert job.lease_until > now() + timedelta(seconds=3000)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (BadInput("Bad file.", fact="Row 3.", rule="rows"), "Bad file. Row 3. Rule rows."),
        (ZeroDivisionError("secret path /etc"), "unexpected ZeroDivisionError"),
    ],
)
def test_a_failure_is_told_without_secrets(world, told, monkeypatch, error, said):
    def breaks(_running):
        raise error

    monkeypatch.setitem(registries.job._functions, KIND, breaks)
    job = new_job(world)
    assert jobs.run(job.pk) == "failed"
    job.refresh_from_db()
    assert job.state == "failed"
    assert said in job.error
    assert "secret" not in job.error


def test_an_unregistered_kind_is_refused_when_asked_for(world):
    with pytest.raises(LookupError):
        jobs.enqueue("tests.nothing", world.model, world.owner)
    assert not Job.objects.filter(kind="tests.nothing").exists()


def test_the_sweep_gives_up_after_some_attempts(world, told):
    job = new_job(world, state=Job.State.RUNNING, attempt=jobs.MAX_ATTEMPTS, lease_until=now() - timedelta(1))
    assert jobs.sweep() == 1
    job.refresh_from_db()
    assert (job.state, job.error) == ("failed", f"Given up after {jobs.MAX_ATTEMPTS} attempts.")
    assert [what for what, *_ in told] == ["failed"]
    assert jobs.sweep() == 0


def test_a_job_that_cannot_even_be_given_up_does_not_stop_the_sweep(world, told, caplog):
    past = now() - timedelta(seconds=1)
    given = {"state": Job.State.RUNNING, "attempt": jobs.MAX_ATTEMPTS, "lease_until": past}
    stuck = new_job(world, kind="tests.nobody_knows", **given)
    job = new_job(world, **given)
    assert jobs.sweep() == 2
    job.refresh_from_db()
    assert job.state == "failed"
    assert f"job {stuck.pk} could not be given up" in caplog.text


def test_the_sweep_sends_what_was_never_sent_or_never_ended(world, monkeypatch):
    sent: list[int] = []
    monkeypatch.setattr(jobs, "send", lambda pk, kind: sent.append(pk))
    moment = now()
    never = new_job(world)
    unheard = new_job(world, sent_at=moment - jobs.RESEND_AFTER - timedelta(seconds=1))
    new_job(world, sent_at=moment)
    orphan = new_job(world, state=Job.State.RUNNING, attempt=1, lease_until=moment - timedelta(seconds=1))
    new_job(world, state=Job.State.RUNNING, attempt=1, lease_until=moment + timedelta(hours=1))
    new_job(world, state=Job.State.DONE)
    assert jobs.sweep() == 3
    assert sent == [never.pk, unheard.pk, orphan.pk]


def test_a_broker_that_is_down_loses_nothing(world, monkeypatch, caplog, settings):
    from celery import current_app

    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"  # nobody listens on port 1
    with current_app.connection_for_write(settings.CELERY_BROKER_URL) as nobody:
        real = current_app.send_task
        monkeypatch.setattr(
            current_app, "send_task", lambda *args, **rest: real(*args, **rest, connection=nobody)
        )
        job = new_job(world)
        jobs.send(job.pk, job.kind)
    job.refresh_from_db()
    assert (job.state, job.sent_at) == ("queued", None)
    assert "the sweep will send it again" in caplog.text


def test_long_analyses_go_to_a_queue_of_their_own(world, monkeypatch, settings):
    from celery import current_app

    from apps.core import registries

    assert [kind for kind in settings.JOB_QUEUES if kind not in registries.job] == []
    assert set(settings.JOB_QUEUES.values()) <= {queue.name for queue in settings.CELERY_TASK_QUEUES}
    settings.CELERY_BROKER_URL = "redis://127.0.0.1:1/0"
    queues = []
    monkeypatch.setattr(current_app, "send_task", lambda *args, queue, **rest: queues.append(queue))
    for kind in ("validations.run", "packs.build"):
        jobs.send(new_job(world).pk, kind)
    assert queues == ["analysis", "work"]


@pytest.mark.django_db(transaction=True)
def test_many_workers_claim_one_job_once(world):
    job = new_job(world)
    barrier, taken = threading.Barrier(5), []

    def worker():
        barrier.wait()
        try:
            taken.append(jobs.claim(job.pk))
        finally:
            connection.close()

    threads = [threading.Thread(target=worker) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(taken) == 5
    assert sum(each is not None for each in taken) == 1
    assert Job.objects.get(pk=job.pk).attempt == 1


@pytest.mark.django_db(transaction=True)
def test_the_heartbeat_keeps_a_long_job(world, settings):
    settings.JOB_LEASE_SECONDS = 1
    job = new_job(world)
    claimed = jobs.claim(job.pk)
    with jobs.Running(claimed):
        time.sleep(1.6)
        assert jobs.claim(job.pk) is None, "longer than a lease, and still held"
    time.sleep(1.1)
    assert jobs.claim(job.pk) is not None


# Numbers


def test_numbers_begin_at_one_and_a_rollback_gives_the_number_back(world):
    with transaction.atomic():
        assert [next_number("tests.kind"), next_number("tests.kind")] == [1, 2]
    with transaction.atomic():
        assert next_number("tests.kind") == 3
        transaction.set_rollback(True)
    with transaction.atomic():
        assert next_number("tests.kind") == 3
        assert next_number("tests.other") == 1


@pytest.mark.django_db(transaction=True)
def test_numbers_drawn_at_once_have_no_gap_and_no_twin(world):
    barrier, drawn = threading.Barrier(4), []

    def draw():
        barrier.wait()
        try:
            for turn in range(3):
                with transaction.atomic():
                    number = next_number("tests.crowd")
                    if turn == 1:
                        transaction.set_rollback(True)
                    else:
                        drawn.append(number)
        finally:
            connection.close()

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(drawn) == list(range(1, 9))
