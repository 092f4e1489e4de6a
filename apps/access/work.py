"""The jobs of this app: mails to people."""

from __future__ import annotations

from django.conf import settings
from django.core.mail import send_mail

from apps.access import enrolment
from apps.access.actors import Actor
from apps.access.acts.enrolment import SEND, fail_enrolment, finish_enrolment
from apps.access.acts.locks import TELL
from apps.access.acts.reminders import MAIL
from apps.access.acts.review_opening import (
    OPENING,
    chosen_of,
    fail_review_opening,
    finish_review_opening,
    lines_of,
)
from apps.access.acts.rule_changes import REPLAY, fail_rules_replay, finish_rules_replay
from apps.access.alerts import tell_of_alarm
from apps.access.models import AccessReview, Reminder, RulesChange, SeparationRules
from apps.access.replay import replay
from apps.access.separation import parse
from apps.accounts.models import Enrolment, User
from apps.core import blobs, jobs, registries
from apps.core.digests import canonical_json
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
    tell_of_alarm(User.objects.get(pk=running.job.subject_id))
    jobs.end(running.job)


@registries.job_failed(TELL)
def lockout_untold(job: Job, message: str) -> None:
    jobs.end(job, state=Job.State.FAILED, error=message)


@registries.job(REPLAY)
def replay_rules(running: Running) -> None:
    """Judge the last year by the rules in force and by the proposed ones."""
    change = RulesChange.objects.get(pk=running.job.subject_id)
    base = SeparationRules.objects.get(version=change.base_version)
    found = replay(parse(base.rules), parse(change.rules), running.report)
    stored = blobs.put(canonical_json(found), area="results")
    finish_rules_replay(
        _worker(running.job),
        change.pk,
        job=running.job,
        replay_digest=stored.digest,
        size=stored.size,
        refused=found["newly_refused"],
        allowed=found["newly_allowed"],
    )


@registries.job_failed(REPLAY)
def rules_replay_failed(job: Job, message: str) -> None:
    fail_rules_replay(_worker(job), job.subject_id, job=job, message=message)


@registries.job(MAIL)
def mail_reminder(running: Running) -> None:
    """Mail what is coming. Who has no address, or has left, is told on the page only."""
    row = Reminder.objects.select_related("person").get(pk=running.job.subject_id)
    if row.person.email and row.person.is_active:
        send_mail(row.title, row.text, settings.DEFAULT_FROM_EMAIL, [row.person.email])
    jobs.end(running.job)


@registries.job_failed(MAIL)
def reminder_untold(job: Job, message: str) -> None:
    jobs.end(job, state=Job.State.FAILED, error=message)


@registries.job(OPENING)
def prepare_review(running: Running) -> None:
    """Go through everything that is held on the chosen objects, then open the campaign."""
    review = AccessReview.objects.get(pk=running.job.subject_id)
    held = lines_of(chosen_of(review), running.report)
    finish_review_opening(_worker(running.job), review.pk, job=running.job, held=held)


@registries.job_failed(OPENING)
def review_not_opened(job: Job, message: str) -> None:
    fail_review_opening(_worker(job), job.subject_id, job=job, message=message)
