"""A recent sign-in, asked for acts that administer: accounts, credentials, duties of the organisation, rules, trust.

Whoever finds a session open must not be able to make an account, ask for a reset or change the rules by it. The proof
is a whole sign-in with all its parts (password or single sign-on, and the second factor of who has one), not long ago;
the door says when the person of its session gave it. A token cannot: such acts take none. Of single sign-on it counts
when the provider says that the person authenticated (`auth_time`): a click on an open session there proves nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings

from apps.access.actors import Actor
from apps.access.policy import Policy
from apps.core.clock import now
from apps.core.errors import NotAllowed

RULE = "fresh-sign-in"
BEGAN = "began"  # in the session: seconds since 1970 when its person signed in
PROVED = "proved"  # the same by the provider's word, where it signed them in; 0 where it does not say
NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def signed_in_at(session: Mapping[str, Any]) -> datetime:
    """When the person of this session signed in; long ago where the session does not say."""
    if BEGAN not in session:
        return NEVER
    return datetime.fromtimestamp(min(session[BEGAN], session.get(PROVED, session[BEGAN])), UTC)


def refuse_stale(actor: Actor, row: Policy) -> NotAllowed | None:
    """The refusal of an act that wants a recent sign-in. Who comes through no door (a command, a job) has none."""
    if not row.fresh or actor.signed_in_at is None:
        return None
    limit = timedelta(seconds=settings.FRESH_SIGN_IN_SECONDS)
    if now() - actor.signed_in_at <= limit:
        return None
    since = "long ago" if actor.signed_in_at == NEVER else f"at {actor.signed_in_at:%Y-%m-%d %H:%M} UTC"
    return NotAllowed(
        f"“{row.label}” was not done.",
        fact=f"You signed in {since}; this asks for a sign-in within the last {_told(limit)}.",
        rule=RULE,
        who=["you, once you have signed in again"],
        cause="the sign-in was too long ago",
    )


def _told(limit: timedelta) -> str:
    minutes, seconds = divmod(int(limit.total_seconds()), 60)
    return f"{minutes} minutes" if minutes > 1 and not seconds else f"{int(limit.total_seconds())} seconds"
