"""Two acts at the same instant: one waits, is begun anew, or is told that the other was first. Never half of one.

PostgreSQL ends one of two transactions that wait for each other's rows (deadlock_detected), or that it cannot put in
any order (serialization_failure). What was ended left nothing behind, so the act is begun anew, whole. Rows are locked
in one order where that is known (the account, the board or the parent before what hangs on it); this is for the rest.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import IntegrityError, OperationalError

from apps.core.errors import Busy, Conflict, Refused

Result = TypeVar("Result")

ATTEMPTS = 4
PAUSE = 0.05  # seconds before the second attempt, twice that before each further one, and up to as much again
RETRY_AFTER = 5  # seconds, told to who is sent away
GIVEN_UP = frozenset({"40P01", "40001"})  # PostgreSQL: deadlock_detected, serialization_failure
NO_LOCK = frozenset({"55P03"})  # lock_not_available
# Uniqueness that has words of its own: name of the constraint -> (what, fact, rule, who).
WORDS: dict[str, tuple[str, str, str, str]] = {
    "email_unique_in_any_case": (
        "This address was not given.",
        "Somebody else has this address since a moment ago: a link must reach its person and nobody else.",
        "one-address",
        "you, with another address",
    ),
}


def begun_anew(attempt: Callable[[], Result]) -> Result:
    """`attempt()`, begun anew while the database gives it up for another; raises Busy after so many times."""
    pause = PAUSE
    for left in reversed(range(ATTEMPTS)):
        try:
            return attempt()
        except OperationalError as error:
            state = getattr(error.__cause__, "sqlstate", "") or ""
            waited_in_vain = state in NO_LOCK or "database is locked" in str(error)
            if state not in GIVEN_UP and not waited_in_vain:
                raise
            if waited_in_vain or not left:
                raise _busy() from error
        time.sleep(pause + random.uniform(0, pause))
        pause *= 2
    raise AssertionError("the last attempt returns or raises")


def _busy() -> Busy:
    return Busy(
        "This was not done: others are changing the same records.",
        fact="The database gave it up each time for another change. Nothing was written.",
        rule="busy",
        who=["you, in a few seconds"],
        retry_after=RETRY_AFTER,
    )


def collision(error: IntegrityError) -> Refused | None:
    """A broken uniqueness as a Conflict: somebody, or a double click, was first."""
    said = str(error)
    if "unique" not in said.lower():
        return None
    what, fact, rule, who = next(
        (words for name, words in WORDS.items() if name in said),
        (
            "This was already done.",
            "Another request wrote the same thing first. Nothing was written twice.",
            "once-only",
            "you, after looking at the page again",
        ),
    )
    return Conflict(what, fact=fact, rule=rule, who=[who])
