"""Accounts, sign-in and access tokens."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any
from zoneinfo import available_timezones

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from apps.access import sessions
from apps.access.acting import Act, act
from apps.access.acts.enrolment import ask_for_link
from apps.access.acts.locks import TELL, end_tokens
from apps.access.acts.names import ADDRESS_TAKEN, address_taken, in_order, name_problem
from apps.access.acts.tokens import by_token, make_token, scope_problems
from apps.access.enrolment import hash_of
from apps.access.gate import ORGANISATION_SUBJECT
from apps.accounts import passwords
from apps.accounts.factors import RecoveryCode
from apps.accounts.models import ApiToken, Enrolment, User
from apps.core import registries
from apps.core.clock import now
from apps.core.errors import BadInput, Conflict, NotVisible, WrongState

USERNAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,79}")
USERNAME_FORM = "2 to 80 small letters, digits, dot, dash or underscore, starting with a letter or digit."
TOKEN_DAYS = settings.TOKEN_DAYS


@act("access.create_account")
def create_account(
    act: Act,
    *,
    username: str,
    printed_name: str,
    email: str,
    title: str = "",
    time_zone: str = "UTC",
    is_demo: bool = False,
) -> User:
    """Make a personal account without a password: its person sets one by the link that is mailed to them."""
    in_order()
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
    try:
        validate_email(email)
    except ValidationError:
        problems["email"] = ["Enter the person's own full e-mail address: the enrolment link goes there."]
    else:
        if address_taken(email):
            problems["email"] = [ADDRESS_TAKEN]
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
    if not is_demo:
        ask_for_link(act, user)
    act.about(user)
    return user


@act("access.set_password")
def set_password(act: Act, user_id: int, *, password: str, keep: str = "") -> User:
    """The person chooses their own password; nobody chooses another's.

    Access tokens end, and sessions, except the one under the key `keep`: whoever knew the old password is out.
    """
    user = act.lock(User.objects.all(), pk=user_id)
    act.own(user)
    act.allow(user)
    refuse_if_altered(user)
    _choose_password(act, user, password)
    if tokens := end_tokens(act, user):
        act.event(tokens=tokens)
    if ended := sessions.end_all(user, "password changed", keep=keep):
        act.event(sessions=ended)
    return user


def _choose_password(act: Act, user: User, password: str) -> None:
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise BadInput("The password was not set.", fields={"password": list(error.messages)}) from None
    user.set_password(password)
    act.write(user)


@act("access.enrol")
def enrol(act: Act, user_id: int, *, secret: str, password: str) -> User:
    """The person chooses a first password with the secret that was mailed to them; it works once."""
    user = act.lock(User.objects.all(), pk=user_id)
    act.own(user)
    row = act.lock(Enrolment.objects.all(), person=user, hashed=hash_of(secret))
    act.allow(user)
    refuse_if_altered(user)
    if row.state != "sent" or user.has_usable_password():
        raise NotVisible()
    _choose_password(act, user, password)
    act.write(row, used_at=now())
    return user


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
            who=[
                f"{user.printed_name} changes it, on the account page",
                "who lost it: an administrator asks for a reset, and a compliance officer approves it",
            ],
        )


@act("access.renew_enrolment")
def renew_enrolment(act: Act, user_id: int) -> User:
    """Send a new link to a person who has not set a password yet; the earlier one ends."""
    user = act.lock(User.objects.all(), pk=user_id)
    act.allow(user)
    refuse_if_altered(user)
    if not user.email:
        raise WrongState(
            "No link can be sent.", fact=f"{user.printed_name} has no e-mail address.", rule="account-state"
        )
    ask_for_link(act, user)
    if user.identity_confirmed_at is not None:
        # Whoever gets the new link may be another person than the one who was confirmed (21 CFR 11.200(a)(3)).
        act.write(user, identity_confirmed_at=None, identity_confirmed_by=None, identity_checked="")
        act.event(identity="to be confirmed again")
    act.about(user)
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
def sign_in(
    act: Act,
    user_id: int,
    *,
    factors: Sequence[str] = ("password",),
    proof: Mapping[str, Any] | None = None,
    recovery: int | None = None,
) -> User:
    """Enter a successful sign-in in the trail, with what was shown. `recovery`: the recovery code it uses up."""
    user = act.lock(User.objects.all(), pk=user_id)
    act.own(user)
    act.allow(user)
    if recovery is not None:
        code = act.lock(RecoveryCode.objects.all(), pk=recovery, person=user)
        if code.used_at is not None or code.ended_at is not None:
            raise WrongState(
                "You are not signed in.", fact="This recovery code was used already.", rule="second-factor"
            )
        act.write(code, used_at=now())
        act.event(alarm=True)
        act.after_commit(TELL, user)
    act.event(factors=list(factors), **(proof or {}))
    return user


@act("access.sign_out")
def sign_out(act: Act, user_id: int, *, cause: str = "signed out") -> User:
    """Enter the end of a session in the trail: by the person, by a limit, or because it had no beginning."""
    user = act.lock(User.objects.all(), pk=user_id)
    act.own(user)
    act.allow(user)
    act.event(cause=cause)
    return user


def hashed(secret: str) -> str:
    """How a token is kept: SHA-256 of 256 random bits needs no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


@act("access.create_token")
def create_token(
    act: Act,
    *,
    name: str,
    days: int = 90,
    only_acts: Collection[str] = (),
    objects: Sequence[tuple[str, int]] = (),
) -> ApiToken:
    """Make a personal access token. Its secret is `token.secret`, once, and is kept nowhere.

    only_acts: names of the policy table it is for; none: all that its owner may do by token. objects: (kind, id) of
    the models and datasets it is for; none: all that its owner may see.
    """
    act.allow(act.user)
    problems: dict[str, list[str]] = {}
    if not name.strip():
        problems["name"] = ["Give the token a name that says what uses it."]
    if not 1 <= days <= TOKEN_DAYS:
        problems["days"] = [f"Between 1 and {TOKEN_DAYS} days."]
    problems |= scope_problems(act, only_acts, objects, by_token())
    if problems:
        raise BadInput("The token was not created.", fields=problems)
    token = make_token(
        act,
        owner=act.user,
        name=name,
        expires_at=now() + timedelta(days=days),
        only_acts=only_acts,
        objects=objects,
    )
    act.about(token)
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
