"""Whether second factors are required, as the trail tells it: entered at each start of the portal that changed it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings

from apps.access import factors
from apps.access.actors import Actor
from apps.access.acts.logs import enter_second_factors
from apps.accounts.models import User
from apps.trail.models import Entry, Kind

ACT = "access.enter_second_factors"
SERVICE = "worker"
NO_REASON = "no reason is stated"


@dataclass(frozen=True)
class Entered:
    """What the newest entry says: whether they are required, why not, since when, and its number."""

    required: bool
    because: str
    since: datetime
    entry: int

    @property
    def setting(self) -> tuple[bool, str]:
        return self.required, self.because

    def told(self) -> str:
        """In one sentence."""
        return told(*self.setting)


def told(required: bool, because: str) -> str:
    if required:
        return "Required of everybody who holds a duty that signs, and for every signature."
    return (
        f"Not required ({because or NO_REASON}). Who has none signs in and signs with a password alone; "
        "who has one is asked for it."
    )


def configured() -> tuple[bool, str]:
    """(required, why not) as the settings of this process say."""
    required = factors.required()
    return required, "" if required else settings.SECOND_FACTOR_REASON.strip()


def entered(at: datetime | None = None) -> Entered | None:
    """What the trail says, of now or of a moment; None where nothing had been entered."""
    rows = Entry.objects.filter(act=ACT, kind=Kind.ACT)
    if at is not None:
        rows = rows.filter(at__lte=at)
    found = rows.order_by("-id").first()
    if found is None:
        return None
    facts = json.loads(found.body)["facts"]["second_factors"]
    return Entered(facts["required"], facts["because"], found.at, found.pk)


def enter_if_changed() -> bool:
    """At start-up: enter the setting where it is not what the trail says. Returns whether anything was entered.

    Before the organisation is installed there is nobody who could enter it: the next start does. Several processes
    that start together enter it once.
    """
    setting, before = configured(), entered()
    known = before is not None and before.setting == setting
    if known or not User.objects.filter(username=SERVICE, is_service=True).exists():
        return False
    required, because = setting
    enter_second_factors(
        Actor.service(SERVICE, via="command"),
        required=required,
        because=because,
        idempotency_key=f"second-factors-after-{before.entry if before else 0}",
    )
    return True
