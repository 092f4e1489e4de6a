"""The verification of every night: run, entered in the trail, and told to people when something was found."""

from __future__ import annotations

import logging
import time

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import send_mail

from apps.access import clockwork
from apps.access.actors import Actor
from apps.access.acts.logs import enter_verification, raise_trail_alarm
from apps.access.duties import ORGANISATION, ORGANISATION_ID, Duty
from apps.access.models import Assignment
from apps.accounts.models import User
from apps.trail import destinations, sealer, verifier

log = logging.getLogger("countersign.trail")
# Lines of findings that the entry and the mail carry; verify_trail tells them all.
LINES, LINE = 20, 300


def verify() -> list[str]:
    """Verify the whole trail and every stored file; returns the findings, one line each.

    A verification that cannot be carried out is a finding, never a silence.
    """
    began = time.monotonic()
    counted: dict[str, int] = {}
    try:
        sealer.seal(wait=False)
        result = verifier.verify(read_files=True)
        counted = result.checked
        lines = [finding.line()[:LINE] for finding in result.findings]
    except Exception as error:
        log.exception("the trail could not be verified")
        lines = [f"The verification could not be carried out: {type(error).__name__}: {error}"[:LINE]]
    worker = Actor.service("worker")
    enter_verification(
        worker,
        counted=counted,
        findings=len(lines),
        first=lines[:LINES],
        seconds=f"{time.monotonic() - began:.1f}",
    )
    if lines:
        told, missed = _tell(lines, "The nightly verification of the trail")
        raise_trail_alarm(worker, findings=len(lines), first=lines[:LINES], told=told, missed=missed)
    return lines


def _people() -> list[User]:
    """Compliance officers and administrators of the organisation, by name."""
    held = Assignment.objects.on(ORGANISATION, ORGANISATION_ID).active()
    held = held.filter(duty__in=[Duty.COMPLIANCE, Duty.ADMINISTRATOR], person__is_active=True)
    return list(User.objects.filter(pk__in=held.values("person_id")).order_by("username"))


def watch() -> list[str]:
    """Between two nights: sealing that stands still, places outside that are silent or contradict the log.

    Each is told once, until it was well in between. Returns what was told.
    """
    try:
        found = destinations.untold()
    except ImproperlyConfigured as error:
        log.error("the trail cannot be told outside: %s", error)
        return []
    lines = [fault[:LINE] for _, fault in found]
    lines += _clock_untold()
    if lines:
        told, missed = _tell(lines, "The watch over the trail")
        first = lines[:LINES]
        raise_trail_alarm(Actor.service("worker"), findings=len(lines), first=first, told=told, missed=missed)
        destinations.alarmed(row for row, _ in found)
    return lines


_clock_told = False


def _clock_untold() -> list[str]:
    """A clock that was set back, told once until it was right in between."""
    global _clock_told
    fault = clockwork.told()
    new, _clock_told = bool(fault) and not _clock_told, bool(fault)
    return [fault] if new else []


def _tell(lines: list[str], who: str) -> tuple[list[str], list[str]]:
    """Mail each of them; (usernames told, usernames not reached). No mail server stops the alarm's entry."""
    shown = "\n".join(lines[:LINES])
    more = f"\n… and {len(lines) - LINES} more." if len(lines) > LINES else ""
    text = (
        f"{who} has {len(lines)} finding{'s' if len(lines) > 1 else ''}.\n\n"
        f"{shown}{more}\n\n"
        "Keep the database, the folders keys and witness, and the backups as they are. Run "
        "`manage.py verify_trail --files` for the whole list, and have somebody look who did not change anything."
    )
    told: list[str] = []
    missed: list[str] = []
    for person in _people():
        try:
            if person.email:
                subject = f"Countersign {settings.ENVIRONMENT_LABEL}: the trail does not verify"
                send_mail(subject, text, None, [person.email])
        except OSError:  # a refused or failing mail server (smtplib's errors among them)
            log.exception("%s was not told of the alarm", person.username)
            missed.append(person.username)
        else:
            (told if person.email else missed).append(person.username)
    return told, missed
