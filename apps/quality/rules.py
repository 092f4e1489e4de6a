"""What may happen to a deviation, given the facts. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from apps.core.errors import BadInput, WrongState
from apps.quality.states import WORDS, State

MAX_TITLE = 200


def expired(state: str, expires_at: datetime | None, moment: datetime) -> bool:
    """Whether an acceptance has run out; an expired acceptance counts as none."""
    return state == State.ACCEPTED and expires_at is not None and expires_at <= moment


def may_accept(ref: str, state: str, expires_at: datetime | None, moment: datetime) -> None:
    """Open ones, and those whose acceptance has run out."""
    if state == State.OPEN or expired(state, expires_at, moment):
        return
    raise WrongState(
        f"{ref} cannot be accepted.",
        fact=f"It is {WORDS[State(state)].lower()} already.",
        rule="deviation-open",
        who=["nobody: an accepted deviation stays accepted until it expires or is closed"],
    )


def may_close(ref: str, state: str) -> None:
    """Anything not closed yet."""
    if state == State.CLOSED:
        raise WrongState(
            f"{ref} cannot be closed.",
            fact="It is closed already.",
            rule="deviation-open",
            who=["nobody: open a new deviation for a new finding"],
        )


def refuse_bad_text(title: str, description: str) -> None:
    fields: dict[str, list[str]] = {}
    if not title.strip():
        fields["title"] = ["Say in a few words what departed from what was planned."]
    elif len(title.strip()) > MAX_TITLE:
        fields["title"] = [f"At most {MAX_TITLE} characters; put the rest into the description."]
    if not description.strip():
        fields["description"] = ["Describe what was found, where, and what it means."]
    if fields:
        raise BadInput("The deviation was not opened.", fields=fields)


def refuse_rejection(decision: str, label: str) -> None:
    """Accepting and closing are signed as such; not accepting is leaving it open."""
    if decision != "approved":
        raise BadInput(
            f"{label} is signed with the decision “approved”.",
            rule="signature",
            fields={
                "decision": ["To turn it down, leave the deviation open and say so in its release gate."]
            },
        )


def parse_expiry(given: str, moment: datetime) -> datetime | None:
    """An ISO 8601 date or time in the future as aware UTC (a date ends at its midnight); None for empty text."""
    if not given.strip():
        return None
    try:
        found = datetime.fromisoformat(given.strip())
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (
        ValueError,
        OverflowError,
    ) as error:  # the first and last days of the calendar have no UTC everywhere
        raise BadInput(
            "The deviation was not accepted.",
            fields={"expires_at": ["Give the date as year-month-day, for example 2027-01-31."]},
        ) from error
    if found <= moment:
        raise BadInput(
            "The deviation was not accepted.",
            fields={"expires_at": ["The acceptance must end in the future."]},
        )
    return found
