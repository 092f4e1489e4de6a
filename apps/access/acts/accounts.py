"""Accounts, sign-in and access tokens."""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import timedelta
from zoneinfo import available_timezones

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from apps.access.acting import Act, act
from apps.access.acts.assignments import project_grant
from apps.access.acts.names import name_problem
from apps.access.gate import ORGANISATION_SUBJECT
from apps.access.models import Assignment
from apps.accounts import passwords
from apps.accounts.models import ApiToken, User
from apps.core import registries
from apps.core.clock import now
from apps.core.errors import BadInput, Conflict, WrongState

USERNAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,79}")
USERNAME_FORM = "2 to 80 small letters, digits, dot, dash or underscore, starting with a letter or digit."
TOKEN_DAYS = 365


@act("access.create_account")
def create_account(
    act: Act,
    *,
    username: str,
    printed_name: str,
    email: str = "",
    title: str = "",
    time_zone: str = "UTC",
    is_demo: bool = False,
) -> User:
    """Make a personal account without a password: its person sets one by the enrolment link."""
    act.allow(ORGANISATION_SUBJECT)
    problems: dict[str, list[str]] = {}
    if not USERNAME.fullmatch(username):
        problems["username"] = [USERNAME_FORM]
    elif User.objects.filter(username__iexact=username).exists():
        problems["username"] = [
            "This username is or was in use. A username is never given to another person (21 CFR 11.100(a))."
        ]
    if problem := name_problem(printed_name):
        problems["printed_name"] = [problem]
    if email:
        try:
            validate_email(email)
        except ValidationError:
            problems["email"] = ["Enter a full e-mail address, or leave it empty."]
    if is_demo and not settings.DEMO:
        problems["username"] = ["Demo accounts exist under demo settings only."]
    if problems:
        raise BadInput("The account was not created.", fields=problems)
    user = User(
        username=username,
        printed_name=printed_name.strip(),
        email=email,
        title=title,
        time_zone=time_zone,
        is_demo=is_demo,
        created_at=now(),
    )
    user.set_unusable_password()
    act.write(user)
    act.about(user)
    return user


@act("access.deactivate_account")
def deactivate_account(act: Act, user_id: int) -> User:
    """A leaver in one act: account off, duties and tokens ended. Signatures and the username stay for ever."""
    user = act.lock(User.objects.all(), pk=user_id)
    act.allow(user)
    act.write(user, is_active=False, deactivated_at=now())
    ended = []
    for assignment in Assignment.objects.select_for_update().filter(
        person=user, state__in=["requested", "approved"]
    ):
        # Not ended in the future: deactivation alone stops every duty at once.
        act.write(assignment, state=Assignment.State.ENDED, end_reason=act.reason)
        project_grant(assignment, granted=False)
        ended.append(assignment.ref)
    for token in ApiToken.objects.select_for_update().filter(owner=user, ended_at=None):
        act.write(token, ended_at=now())
    act.event(ended=ended)
    return user


@act("access.set_password")
def set_password(act: Act, user_id: int, *, password: str) -> User:
    """The person chooses their own password: at enrolment, or again later. Nobody chooses another's."""
    user = act.lock(User.objects.all(), pk=user_id)
    act.own(user)
    act.allow(user)
    refuse_if_altered(user)
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise BadInput("The password was not set.", fields={"password": list(error.messages)}) from None
    user.set_password(password)
    act.write(user)
    return user


@registries.precondition("access.deactivate_account")
def refuse_if_deactivated(user: User) -> None:
    if not user.is_active:
        raise WrongState("This account is deactivated already.", rule="account-state")


def refuse_if_altered(user: User) -> None:
    """A hash taken away or an account changed behind the portal is not made good by an act on it."""
    if wrong := passwords.fault(user):
        raise Conflict(
            "Nothing was changed: this account was altered behind the portal.",
            fact=f"{wrong[:1].upper()}{wrong[1:]}.",
            rule="account-integrity",
            who=["an administrator, after the alarm was looked into; the trail names the field"],
        )


@registries.precondition("access.renew_enrolment")
def refuse_if_enrolled(user: User) -> None:
    """A new link for somebody who has a password would let another person sign as them (21 CFR 11.100)."""
    refuse_if_deactivated(user)
    if user.has_usable_password():
        raise WrongState(
            "There is no new enrolment link for this account.",
            fact=f"{user.printed_name} has set a password already.",
            rule="account-state",
            who=[f"{user.printed_name} changes it, on the account page"],
        )


@act("access.renew_enrolment")
def renew_enrolment(act: Act, user_id: int) -> User:
    """Enter in the trail that a link was handed out for an account whose person has not set a password yet."""
    user = act.lock(User.objects.all(), pk=user_id)
    act.allow(user)
    refuse_if_altered(user)
    return user


@act("access.set_preferences")
def set_preferences(act: Act, user_id: int, *, time_zone: str) -> User:
    """The zone in which a person reads times, beside UTC. `time_zone` is an IANA name."""
    user = act.lock(User.objects.all(), pk=user_id)
    act.own(user)
    act.allow(user)
    if time_zone not in available_timezones():
        raise BadInput(
            "The preferences were not set.",
            fields={"time_zone": ["Choose a zone by its IANA name, for example Europe/Zurich."]},
        )
    return act.write(user, time_zone=time_zone)


@act("access.sign_in")
def sign_in(act: Act, user_id: int) -> User:
    """Enter a successful sign-in in the trail."""
    user = act.lock(User.objects.all(), pk=user_id)
    act.own(user)
    act.allow(user)
    return user


@act("access.sign_out")
def sign_out(act: Act, user_id: int, *, cause: str = "signed out") -> User:
    """Enter the end of a session in the trail: by the person, by idleness, or by the absolute limit."""
    user = act.lock(User.objects.all(), pk=user_id)
    act.own(user)
    act.allow(user)
    act.event(cause=cause)
    return user


def hashed(secret: str) -> str:
    """How a token is kept: SHA-256 of 256 random bits needs no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


@act("access.create_token")
def create_token(act: Act, *, name: str, days: int = 90) -> ApiToken:
    """Make a personal access token. Its secret is `token.secret`, once, and is kept nowhere."""
    act.allow(act.user)
    problems: dict[str, list[str]] = {}
    if not name.strip():
        problems["name"] = ["Give the token a name that says what uses it."]
    if not 1 <= days <= TOKEN_DAYS:
        problems["days"] = [f"Between 1 and {TOKEN_DAYS} days."]
    if problems:
        raise BadInput("The token was not created.", fields=problems)
    prefix = secrets.token_hex(4)
    secret = f"cs_{prefix}_{secrets.token_urlsafe(32)}"
    token = act.create(
        ApiToken,
        owner=act.user,
        name=name.strip()[:80],
        prefix=prefix,
        hashed=hashed(secret),
        created_at=now(),
        expires_at=now() + timedelta(days=days),
    )
    act.about(token)
    token.secret = secret
    return token


@act("access.end_token")
def end_token(act: Act, token_id: int) -> ApiToken:
    """End one's own token at once."""
    token = act.lock(ApiToken.objects.select_related("owner"), pk=token_id)
    act.own(token.owner)
    act.allow(token)
    if token.ended_at is not None:
        raise WrongState("This token has ended already.", rule="token-state")
    return act.write(token, ended_at=now())
