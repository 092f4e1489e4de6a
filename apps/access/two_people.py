"""What is the same of everything that one person asks for and a third decides on: resets, corrections, erasures.

Their rows say who asked (`requested_by`), who decided, when and why, and have the same four states.
"""

from __future__ import annotations

from typing import Any, TypeVar

from django.db import models

from apps.access.acting import Act
from apps.accounts.models import User
from apps.core.clock import now
from apps.core.errors import Conflict, WrongState
from apps.core.rulewords import stands

Row = TypeVar("Row", bound=models.Model)


def refuse_if_decided(row: Any, rule: str) -> None:
    if row.state != row.State.REQUESTED:
        raise WrongState(
            f"{row.ref} is decided already.",
            fact=stands(row.get_state_display()),
            rule=rule,
            who=["nobody; another one may be asked for"],
        )


def conflict(row: Any, fact: str, rule: str) -> Conflict:
    """Why this person does not decide it."""
    return Conflict(f"You cannot decide {row.ref}.", fact=fact, rule=rule, who=["another compliance officer"])


def refuse_unless_third(person: User, row: Any, rule: str) -> Conflict | None:
    """Of what is asked for an account: neither who asked nor whose account it is decides."""
    if person.pk == row.requested_by_id:
        return conflict(row, "You asked for it.", rule)
    return conflict(row, "It is for your own account.", rule) if person.pk == row.person_id else None


def locked(act: Act, model: type[Row], pk: int) -> Row:
    """The account first, as where its person leaves: the other way round the two could wait for each other."""
    rows: Any = model._default_manager
    act.lock(User.objects.all(), pk__in=rows.filter(pk=pk).values("person_id"))
    row: Row = act.lock(rows.select_related("person", "requested_by"), pk=pk)
    return row


def decide(act: Act, row: Row, state: str) -> Row:
    """Write what was decided, by whom and why."""
    return act.write(row, state=state, decided_by=act.user, decided_at=now(), decision_reason=act.reason)


def withdraw(act: Act, row: Row) -> Row:
    """Inside the act that withdraws it; nobody decided it."""
    return act.write(row, state="withdrawn", decided_at=now(), decision_reason=act.reason)
