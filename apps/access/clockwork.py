"""Nothing is done while the server's clock is behind the trail: duties, waivers and tokens would come back to life."""

from __future__ import annotations

from datetime import timedelta

from apps.access.policy import Policy
from apps.core import clock
from apps.core.clock import iso
from apps.core.errors import WrongState
from apps.trail import lateness

ALLOWED = timedelta(minutes=1)  # corrections of a clock that runs a little fast
# What ends access or tells of the fault goes on.
EXEMPT = frozenset({"access.sign_out", "access.raise_trail_alarm", "access.accept_clock"})


def told() -> str:
    """The fault in words; empty while the clock is right."""
    lateness.known()
    behind = clock.behind()
    if behind <= ALLOWED:
        return ""
    latest = clock.real_now()
    return (
        f"The server's clock says {iso(latest - behind)[:19]}Z, but the portal has seen {iso(latest)[:19]}Z: it was "
        "set back, or it was ahead before."
    )


def refusal(row: Policy) -> WrongState | None:
    """Why this act is not done now."""
    if row.act in EXEMPT or not (fact := told()):
        return None
    return WrongState(
        "Nothing was done: the clock of the server is wrong.",
        fact=fact,
        rule="clock: time does not go back",
        who=[
            "everybody, once whoever runs the server has set the clock right; a clock that was ahead is accepted with "
            "manage.py accept_clock and a restart"
        ],
    )
