"""Locks of accounts, and sessions that a person ends."""

from __future__ import annotations

from django.db.models import Q

from apps.access import sessions, sign_in
from apps.access.acting import Act, act
from apps.accounts.models import ApiToken, SignedIn, User
from apps.core.clock import now
from apps.core.errors import WrongState

TELL = "access.tell_lockout"


def end_tokens(act: Act, user: User, *, services: bool = False) -> list[str]:
    """End every access token of an account, inside the act that makes them doubtful.

    services: those of services as well, which the person made by hand: whoever knew the password may have made them.
    Otherwise they stop with their service, so that nobody stops a pipeline by guessing at a password.
    """
    ended = []
    doubtful = Q(narrowed__service=None) | Q(narrowed__trust=None) if services else Q(narrowed__service=None)
    mine = ApiToken.objects.filter(doubtful, owner=user, ended_at=None).values("pk")
    for token in ApiToken.objects.select_for_update().filter(pk__in=mine):
        act.write(token, ended_at=now())
        ended.append(token.ref)
    return ended


@act("access.lock_account")
def lock_account(act: Act, user_id: int) -> User:
    """The alarm after many failed sign-ins from everywhere: tokens and sessions end, the person is told by mail."""
    user = act.lock(User.objects.all(), pk=user_id)
    act.allow(user)
    act.event(alarm=True, tokens=end_tokens(act, user), sessions=sessions.end_all(user, "account locked"))
    act.after_commit(TELL, user)
    return user


@act("access.report_misuse")
def report_misuse(act: Act, user_id: int, *, what: str) -> User:
    """The alarm after failed attempts that locked something: the person and the watchers are told by mail."""
    user = act.lock(User.objects.all(), pk=user_id)
    act.allow(user)
    act.event(alarm=True, what=what)
    act.after_commit(TELL, user)
    return user


@act("access.unlock_account")
def unlock_account(act: Act, user_id: int) -> User:
    """End the locks of sign-in and signing before their time."""
    user = act.lock(User.objects.all(), pk=user_id)
    act.allow(user)
    sign_in.unlock(user)
    return user


@act("access.end_session")
def end_session(act: Act, session_id: int) -> SignedIn:
    """End one of one's own sessions at once."""
    session = act.lock(SignedIn.objects.select_related("user"), pk=session_id)
    act.own(session.user)
    act.allow(session)
    if session.ended_at is not None:
        raise WrongState("This session has ended already.", rule="session-state")
    act.event(began_at=session.began_at.isoformat(), from_address=session.address)
    sessions.end([session], "ended by its person")
    return session


@act("access.end_other_sessions")
def end_other_sessions(act: Act, user_id: int, *, keep: str) -> User:
    """End all one's own sessions except the one under the key `keep`."""
    user = act.lock(User.objects.all(), pk=user_id)
    act.own(user)
    act.allow(user)
    act.event(sessions=sessions.end_all(user, "ended by its person", keep=keep))
    return user
