"""Mails about accounts: to their person, and to those who watch over accounts (21 CFR 11.300(d)).

Watchers are the administrators and compliance officers of the organisation and the addresses of `SECURITY_MAIL`.
"""

from __future__ import annotations

import json

from django.conf import settings
from django.core.mail import send_mail

from apps.access import enrolment
from apps.access.acts.corrections import TELL as TELL_CORRECTION
from apps.access.acts.factors import TELL as TELL_FACTOR
from apps.access.acts.resets import TELL as TELL_RESET
from apps.access.duties import ORGANISATION, ORGANISATION_ID, Duty
from apps.access.models import Assignment
from apps.access.policy import TABLE
from apps.accounts.corrections import Correction
from apps.accounts.factors import Factor, Reset
from apps.accounts.models import User
from apps.core import jobs, registries
from apps.core.clock import now
from apps.core.jobs import Running
from apps.core.models import Job
from apps.trail.models import Entry, Kind

ALARMS = ("access.lock_account", "access.report_misuse", "access.sign_in")


def watchers(besides: User) -> list[str]:
    """Addresses of those who are told of alarms, each once; never the person's own."""
    held = Assignment.objects.on(ORGANISATION, ORGANISATION_ID).active()
    held = held.filter(duty__in=[Duty.COMPLIANCE, Duty.ADMINISTRATOR])
    people = User.objects.filter(pk__in=held.values("person_id")).exclude(pk=besides.pk).exclude(email="")
    mails = [*people.order_by("username").values_list("email", flat=True), *settings.SECURITY_MAIL]
    return list(dict.fromkeys(mails))


def _cause(person: User) -> tuple[str, str]:
    """(act, what happened) of the newest alarm about an account."""
    about = Entry.objects.filter(
        kind=Kind.ACT, act__in=ALARMS, subject_kind=person.subject_kind, subject_id=str(person.pk)
    )
    for entry in about.order_by("-id")[:20]:
        facts = json.loads(entry.body).get("facts", {})
        if facts.get("alarm"):
            what = facts.get("what") or TABLE[entry.act].sentence
            return entry.act, "signed in with a recovery code" if entry.act == "access.sign_in" else what
    return "", "an alarm was raised"


def tell_of_alarm(person: User) -> None:
    """Mail the person and the watchers what was noticed on an account."""
    act, what = _cause(person)
    if person.email:
        if act == "access.lock_account":
            enrolment.tell_of_lock(person)
        else:
            _mail(
                "Something was noticed on your account in Countersign",
                f"Dear {person.printed_name},\n\n"
                f"on your account (@{person.username}), {now():%Y-%m-%d %H:%M} UTC: {what}.\n\n"
                "If this was not you, tell your administrator at once, and change your password.\n",
                person.email,
            )
    for address in watchers(person):
        _mail(
            f"Countersign {settings.ENVIRONMENT_LABEL}: alarm on the account @{person.username}",
            f"{person.printed_name} (@{person.username}), {now():%Y-%m-%d %H:%M} UTC: {what}.\n\n"
            f"The account: {settings.PORTAL_URL.rstrip('/')}/people/{person.username}/\n"
            "The trail holds every attempt. Ask the person, on a way you know to be theirs, whether it was them.\n",
            address,
        )


def _mail(subject: str, text: str, to: str) -> None:
    send_mail(subject, text, settings.DEFAULT_FROM_EMAIL, [to])


@registries.job(TELL_FACTOR)
def tell_factor(running: Running) -> None:
    """Tell a person that a factor was added to their account, or ended; of a copied one the watchers too."""
    factor = Factor.objects.select_related("person").get(pk=running.job.subject_id)
    person, kind = factor.person, factor.get_kind_display().lower()
    what = f"“{factor.name}” ({kind}) was added to your account"
    if factor.ended_at is not None:
        what = f"“{factor.name}” ({kind}) was ended: {factor.end_cause}"
    if person.email:
        _mail(
            "Your second factors in Countersign",
            f"Dear {person.printed_name},\n\n{what} (@{person.username}).\n\n"
            "If this was not you, tell your administrator at once, and change your password.\n",
            person.email,
        )
    if "counter" in factor.end_cause:
        for address in watchers(person):
            _mail(
                f"Countersign {settings.ENVIRONMENT_LABEL}: a passkey of @{person.username} may have been copied",
                f"{person.printed_name} (@{person.username}): {factor.end_cause}. The passkey was ended.\n",
                address,
            )
    jobs.end(running.job)


@registries.job(TELL_RESET)
def tell_reset(running: Running) -> None:
    """Tell a person that their account was reset, by whom, and what follows."""
    reset = Reset.objects.select_related("person", "requested_by", "decided_by").get(
        pk=running.job.subject_id
    )
    person = reset.person
    if person.email and reset.decided_by is not None:
        follows = (
            "You get a link to choose a new password in a mail of its own."
            if reset.what == Reset.What.PASSWORD
            else "Add a new second factor under Security on your account page."
        )
        _mail(
            "Your account in Countersign was reset",
            f"Dear {person.printed_name},\n\n"
            f"{reset.requested_by.printed_name} asked for a reset of your {reset.get_what_display().lower()}, and "
            f"{reset.decided_by.printed_name} approved it. Your sessions and access tokens have ended. {follows} "
            "Before you sign again, somebody else makes sure who you are.\n\n"
            "If you did not ask for this, tell your compliance officer at once.\n",
            person.email,
        )
    jobs.end(running.job)


@registries.job(TELL_CORRECTION)
def tell_correction(running: Running) -> None:
    """Tell a person, at the old address and at the new one, what was corrected and by whom."""
    row = Correction.objects.select_related("person", "requested_by", "decided_by").get(
        pk=running.job.subject_id
    )
    follows = " Before you sign again, somebody else makes sure who you are." if row.printed_name else ""
    for address in sorted({row.email_before, row.email} - {""}):
        _mail(
            "Your account in Countersign was corrected",
            f"Dear {row.person.printed_name},\n\n"
            f"on your account (@{row.person.username}): {row.told}. {row.requested_by.printed_name} asked for it, and "
            f"{row.decided_by} approved it.{follows}\n\n"
            "If this is not right, tell your compliance officer at once.\n",
            address,
        )
    jobs.end(running.job)


@registries.job_failed(TELL_CORRECTION)
@registries.job_failed(TELL_FACTOR)
@registries.job_failed(TELL_RESET)
def untold(job: Job, message: str) -> None:
    jobs.end(job, state=Job.State.FAILED, error=message)
