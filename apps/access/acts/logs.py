"""The operator's word on the log of a former database."""

from __future__ import annotations

from django.db import transaction

from apps.access.acting import Act, act
from apps.access.gate import ORGANISATION_SUBJECT
from apps.core.errors import BadInput, WrongState
from apps.trail import others
from apps.trail.identity import keys


@act("access.retire_log")
def retire_log(act: Act, *, origin: str, operator: str) -> str:
    """Enter that the folders of the log `origin` belong to a former database. `operator`: who ran the command.

    The line in the file of retired logs follows the commit.
    """
    act.allow(ORGANISATION_SUBJECT)
    present = keys().origin
    if origin == present:
        raise WrongState("This is the log in use: it cannot be retired.", rule="retire-log")
    if origin in others.retired():
        raise WrongState(f"The log {origin} is retired already.", rule="retire-log")
    if origin not in others.found(present):
        raise BadInput(
            "There is no such log.",
            fields={"origin": [f"Neither keys/{origin} nor witness/{origin} is there."]},
        )
    act.event(origin=origin, operator=operator)
    reason = act.reason
    transaction.on_commit(lambda: others.retire(origin, by=operator, reason=reason, log=present))
    return origin
