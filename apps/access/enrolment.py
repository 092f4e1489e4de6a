"""The link by which the person behind a new account chooses a password: once, and for a limited time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from apps.accounts.models import User
from apps.core.clock import now


@dataclass(frozen=True)
class Enrolment:
    """What the doors make a link of. `token` is bound to the account as it is: a password set, it is void."""

    uid: str
    token: str
    expires_at: datetime


def enrolment_of(user: User) -> Enrolment:
    return Enrolment(
        uid=urlsafe_base64_encode(force_bytes(str(user.uuid))),
        token=default_token_generator.make_token(user),
        expires_at=now() + timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT),
    )
