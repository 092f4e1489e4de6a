"""The link by which the person behind a new account chooses a password: mailed to them, used once, for a limited time.

The secret is made by the worker that sends the mail. The database keeps its hash; nobody else ever sees it.
"""

from __future__ import annotations

import hashlib
import secrets

from django.conf import settings
from django.core.mail import send_mail
from django.urls import reverse

from apps.accounts.factors import Reset
from apps.accounts.models import Enrolment, User
from apps.core.clock import now
from apps.trail import past


def hash_of(secret: str) -> str:
    """SHA-256 of 256 random bits needs no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def current(person: User) -> Enrolment | None:
    """The newest link of an account."""
    return Enrolment.objects.filter(person=person).order_by("-pk").first()


def found(uid: str, secret: str) -> Enrolment | None:
    """The link that may be used with this secret now; None for any other reason."""
    row = (
        Enrolment.objects.select_related("person").filter(hashed=hash_of(secret)).first() if secret else None
    )
    if row is None or row.state != "sent" or row.person.uuid.hex != uid:
        return None
    return row if row.person.is_active and not row.person.has_usable_password() else None


def chosen(person: User) -> bool | None:
    """Whether the person has set a password; None as of a moment past: no history is kept of passwords."""
    return person.has_usable_password() if past.world() is None else None


def mail_stays_here() -> bool:
    """Whether mail goes into a folder of the portal because no mail server is set."""
    return settings.EMAIL_BACKEND.endswith("filebased.EmailBackend")


def post(person: User) -> str:
    """Send the person a new link; returns its secret, which the caller keeps as a hash only."""
    secret = secrets.token_urlsafe(32)
    link = settings.PORTAL_URL.rstrip("/") + reverse("web:enrol", args=[person.uuid.hex, secret])
    days = max(1, settings.PASSWORD_RESET_TIMEOUT // 86400)
    send_mail(
        "Your account in Countersign",
        f"Dear {person.printed_name},\n\n"
        f"{_why(person)} Choose your password here:\n\n{link}\n\n"
        f"The link works once, for {days} day{'' if days == 1 else 's'}. Give it to nobody: your password is part of "
        "your signature. Before your first signature a compliance officer or registrar confirms who you are.\n\n"
        "If you did not expect this, tell your administrator and do not use the link.\n",
        settings.DEFAULT_FROM_EMAIL,
        [person.email],
    )
    return secret


def _why(person: User) -> str:
    """Why the person gets a link: the account is new, or its password was reset."""
    if Reset.objects.filter(person=person, what=Reset.What.PASSWORD, state=Reset.State.APPROVED).exists():
        return f"the password of your account (@{person.username}) was reset."
    return f"an account (@{person.username}) was made for you."


def tell_of_lock(person: User) -> None:
    """Tell a person that their account was locked by failed sign-ins from several addresses."""
    send_mail(
        "Your account in Countersign was locked",
        f"Dear {person.printed_name},\n\n"
        f"somebody tried many wrong passwords for your account (@{person.username}), "
        f"until {now():%Y-%m-%d %H:%M} UTC. Sign-in is locked for {settings.LOCKOUT_SECONDS // 60} minutes, except "
        "from addresses you signed in from in the last 30 days. Your access tokens and sessions have ended.\n\n"
        "If this was not you, tell your administrator, and change your password.\n",
        settings.DEFAULT_FROM_EMAIL,
        [person.email],
    )
