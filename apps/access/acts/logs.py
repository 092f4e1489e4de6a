"""The operator's word on the log of a former database, and on a clock that was ahead."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import transaction

from apps.access import clockwork
from apps.access.acting import Act, act
from apps.access.gate import ORGANISATION_SUBJECT
from apps.core import clock
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


@act("access.enter_verification")
def enter_verification(
    act: Act, *, counted: dict[str, int], findings: int, first: list[str], seconds: str
) -> None:
    """Enter the result of a verification of trail and files. `first`: lines of the first findings.

    Where second factors are not required, each of these entries says so, with the reason that was configured.
    """
    act.allow(ORGANISATION_SUBJECT)
    if settings.SECOND_FACTOR != "required":
        act.event(second_factors={"required": False, "because": settings.SECOND_FACTOR_REASON})
    act.event(
        entries=counted.get("entries", 0), counted=counted, findings=findings, first=first, seconds=seconds
    )


@act("access.enter_second_factors")
def enter_second_factors(act: Act, *, required: bool, because: str) -> None:
    """Enter, at a start of the portal, that second factors are required from now on, or are not, and why not."""
    act.allow(ORGANISATION_SUBJECT)
    act.event(second_factors={"required": required, "because": because})


@act("access.enter_policy")
def enter_policy(act: Act, *, acts: dict[str, Any], digest: str) -> None:
    """Enter, at a start of the portal, which acts which duties allow from now on, with the digest of it."""
    act.allow(ORGANISATION_SUBJECT)
    act.event(policy={"digest": digest, "acts": acts})


@act("access.raise_trail_alarm")
def raise_trail_alarm(
    act: Act, *, findings: int, first: list[str], told: list[str], missed: list[str]
) -> None:
    """Enter that the trail did not verify, and who was told by mail and who could not be."""
    act.allow(ORGANISATION_SUBJECT)
    act.event(findings=findings, first=first, told=told, missed=missed)


@act("access.accept_clock")
def accept_clock(act: Act, *, operator: str) -> None:
    """The clock was ahead and is right now: what was seen meanwhile counts no longer.

    operator: who ran the command.
    """
    fault = clockwork.told()
    act.allow(ORGANISATION_SUBJECT)
    if not fault:
        raise WrongState("The clock is right: there is nothing to accept.", rule="clock")
    act.event(alarm=True, fault=fault, operator=operator)
    transaction.on_commit(clock.forget)
