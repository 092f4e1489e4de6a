"""The jobs of this app: mails to people."""

from __future__ import annotations

from apps.access import enrolment
from apps.access.actors import Actor
from apps.access.acts.enrolment import SEND, fail_enrolment, finish_enrolment
from apps.access.acts.locks import TELL
from apps.accounts.models import Enrolment, User
from apps.core import jobs, registries
from apps.core.jobs import Running
from apps.core.models import Job


def _worker(job: Job) -> Actor:
    return Actor.service("worker", on_behalf=job.requested_by)


@registries.job(SEND)
def send_enrolment(running: Running) -> None:
    """Mail the link, then keep its hash. Who has a password meanwhile, or has left, gets none."""
    job = running.job
    row = Enrolment.objects.select_related("person").get(pk=job.subject_id)
    wanted = row.ended_at is None and row.person.is_active and not row.person.has_usable_password()
    secret = enrolment.post(row.person) if wanted else ""
    finish_enrolment(_worker(job), row.pk, job=job, hashed=enrolment.hash_of(secret) if secret else "")


@registries.job_failed(SEND)
def enrolment_failed(job: Job, message: str) -> None:
    fail_enrolment(_worker(job), job.subject_id, job=job, message=message)


@registries.job(TELL)
def tell_lockout(running: Running) -> None:
    person = User.objects.get(pk=running.job.subject_id)
    if person.email:
        enrolment.tell_of_lock(person)
    jobs.end(running.job)


@registries.job_failed(TELL)
def lockout_untold(job: Job, message: str) -> None:
    jobs.end(job, state=Job.State.FAILED, error=message)
