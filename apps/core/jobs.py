"""Claim, report, end and sweep jobs.

Nothing lost, nothing twice: a claim is a conditional update with owner and lease; the end is written in the
transaction of its effect with the claim checked again; a sweep resends what was never sent or never ended.
"""

from __future__ import annotations

import logging
import threading
import uuid
from datetime import timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import OperationalError, connection, transaction
from django.db.models import F, Q, QuerySet

from apps.core import registries
from apps.core.clock import now
from apps.core.errors import Conflict
from apps.core.models import Job
from apps.core.subjects import Subject

if TYPE_CHECKING:
    from apps.accounts.models import User

log = logging.getLogger("countersign.jobs")
MAX_ATTEMPTS = 5
RESEND_AFTER = timedelta(seconds=30)
TASK = "core.run_job"


def enqueue(kind: str, subject: Subject, requested_by: User) -> Job:
    """Write the job's row (inside the act) and send word of it after the commit."""
    if kind not in registries.job:
        raise LookupError(f"no job is registered as {kind!r}")
    job = Job.objects.create(
        kind=kind,
        subject_kind=subject.subject_kind,
        subject_id=subject.pk,
        requested_by=requested_by,
        created_at=now(),
    )
    registries.guard["job.bind"](job)
    transaction.on_commit(lambda: send(job.pk, job.kind))
    return job


def send(job_id: int, kind: str) -> None:
    """Tell the broker, in the queue of this kind of job. A broker that is down is no loss: the sweep tells it again."""
    if not settings.CELERY_BROKER_URL:
        return
    from celery import current_app  # the core stays importable without a configured application

    try:
        queue = settings.JOB_QUEUES.get(kind, settings.CELERY_TASK_DEFAULT_QUEUE)
        current_app.send_task(TASK, args=[job_id], queue=queue, retry=False)
    except Exception as error:  # any broker failure: the row waits for the sweep
        log.warning("job %s could not be sent (%s); the sweep will send it again", job_id, error)
        return
    Job.objects.filter(pk=job_id).update(sent_at=now())


def lease() -> timedelta:
    return timedelta(seconds=settings.JOB_LEASE_SECONDS)


def claim(job_id: int) -> Job | None:
    """Take the job if it is free: queued, or running with a lease that ran out. None when it is not."""
    moment, token = now(), uuid.uuid4().hex
    free = Q(state=Job.State.QUEUED) | Q(state=Job.State.RUNNING, lease_until__lt=moment)
    taken = Job.objects.filter(free, pk=job_id).update(
        state=Job.State.RUNNING,
        attempt=F("attempt") + 1,
        claim=token,
        lease_until=moment + lease(),
        started_at=moment,
        done=0,
        error="",
    )
    return Job.objects.select_related("requested_by").get(pk=job_id) if taken else None


class Lost(Conflict):
    """Another worker holds the job now."""


class Running:
    """A claimed job while it is worked on: progress, log, and a heartbeat that keeps the lease."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"lease-{job.pk}", daemon=True)

    def __enter__(self) -> Running:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._stop.set()
        self._thread.join(timeout=10)

    def _mine(self) -> QuerySet[Job]:
        return Job.objects.filter(pk=self.job.pk, claim=self.job.claim, state=Job.State.RUNNING)

    def _beat(self) -> None:
        try:
            while not self._stop.wait(settings.JOB_LEASE_SECONDS / 3):
                try:
                    self._mine().update(lease_until=now() + lease())
                except OperationalError as error:  # a busy database is asked again at the next beat
                    log.warning("job %s: the lease was not renewed this time (%s)", self.job.pk, error)
        finally:
            connection.close()

    def report(self, done: int, total: int, stage: str = "") -> None:
        """Write progress (whole units of work) and keep the lease; Lost when the job is no longer ours."""
        fields = {"done": done, "total": total, "lease_until": now() + lease()}
        if stage and stage != self.job.stage:
            self.job.stage = stage
            stamp = now().strftime("%H:%M:%S")
            self.job.log = f"{self.job.log}{stamp} UTC {stage}\n"
            fields |= {"stage": stage[:120], "log": self.job.log}
        if not self._mine().update(**fields):
            raise Lost(f"Job {self.job.pk} was taken over by another worker.", rule="job-lease")


def end(job: Job, *, state: str = Job.State.DONE, error: str = "") -> None:
    """End the job inside the act that writes its effect; Lost when another attempt holds or ended it."""
    ended = Job.objects.filter(
        pk=job.pk, claim=job.claim, attempt=job.attempt, state=Job.State.RUNNING
    ).update(state=state, error=error, finished_at=now(), lease_until=None)
    if not ended:
        raise Lost(f"Job {job.pk} was ended or taken over by another worker.", rule="job-lease")


def cancel(job: Job, reason: str) -> None:
    """Stop a job inside the act that cancels its record; Lost when it ended. Its worker notices at its next report."""
    stopped = Job.objects.filter(pk=job.pk, state__in=[Job.State.QUEUED, Job.State.RUNNING]).update(
        state=Job.State.CANCELLED, error=reason, finished_at=now(), lease_until=None
    )
    if not stopped:
        raise Lost(f"Job {job.pk} has ended.", rule="job-lease")


def run(job_id: int) -> str:
    """Claim and work one job to its end; the body of the Celery task, of the seed and of tests alike."""
    job = claim(job_id)
    if job is None:
        return "not free"
    if not registries.guard["job.holds"](job):
        return _refuse(job)
    try:
        with Running(job) as running:
            registries.job[job.kind](running)
    except Lost:
        log.info("job %s was taken over", job_id)
        return "lost"
    except Exception as error:
        log.exception("job %s failed", job_id)
        try:
            registries.job_failed[job.kind](job, failure_sentence(error))
        except Lost:
            log.info("job %s was taken over", job_id)
            return "lost"
        return "failed"
    return "done"


def _refuse(job: Job) -> str:
    """End a job whose row was altered, without asking the work it names."""
    log.error("job %s is not the one an act queued: it is not run", job.pk)
    try:
        registries.guard["job.refuse"](job)
    except Lost:
        return "lost"
    return "refused"


def failure_sentence(error: Exception) -> str:
    """What a person may read of a failure: our own refusals in full, anything else by its kind."""
    sentence = getattr(error, "sentence", None)
    if callable(sentence):
        return sentence()
    if getattr(error, "for_people", False):
        return str(error)
    return f"The job ended with an unexpected {type(error).__name__}. The operator's log has the details."


def sweep() -> int:
    """Send again what was queued and never sent, or taken and never ended; give up after MAX_ATTEMPTS."""
    moment = now()
    waiting = Q(state=Job.State.QUEUED) & (Q(sent_at=None) | Q(sent_at__lt=moment - RESEND_AFTER))
    orphaned = Q(state=Job.State.RUNNING, lease_until__lt=moment)
    count = 0
    for job in Job.objects.filter(waiting | orphaned).order_by("id")[:500]:
        if job.attempt >= MAX_ATTEMPTS:
            _give_up(job)
        else:
            send(job.pk, job.kind)
        count += 1
    return count


def _give_up(job: Job) -> None:
    """End a job as failed. One that cannot even be ended must not keep the sweep from the others."""
    taken = claim(job.pk)
    if taken is None:
        return
    if not registries.guard["job.holds"](taken):
        _refuse(taken)
        return
    try:
        registries.job_failed[job.kind](taken, f"Given up after {MAX_ATTEMPTS} attempts.")
    except Exception:
        log.exception("job %s could not be given up", job.pk)


def run_queued() -> int:
    """Work every queued job in this process, oldest first (the seed and tests; no worker needed)."""
    count = 0
    while (
        job_id := Job.objects.filter(state=Job.State.QUEUED)
        .order_by("id")
        .values_list("pk", flat=True)
        .first()
    ):
        run(job_id)
        count += 1
    return count
