"""May sensitive data be read, and for how long? Pure: facts in, Refused out."""

from __future__ import annotations

from datetime import datetime

from apps.core.errors import BadInput, Refused, WrongState
from apps.core.rulewords import stands


def hours_of(given: object, most: int) -> int:
    """Whole hours from 1 to `most`; BadInput otherwise."""
    right = isinstance(given, int) and not isinstance(given, bool) and 1 <= given <= most
    if not right:
        told = f"Whole hours from 1 to {most}: access to sensitive data lapses by itself."
        raise BadInput("This access cannot be given.", rule="sensitive-access", fields={"hours": [told]})
    assert isinstance(given, int)
    return given


def not_sensitive(slug: str) -> Refused:
    return WrongState(
        f"There is nothing to ask for on {slug}.",
        fact="It is not marked sensitive: who holds a duty that reads it may read it.",
        rule="sensitive-access",
        who=["whoever holds a duty that reads it"],
    )


def refuse_second(ref: str, state: str, until: datetime | None) -> Refused:
    """One open request or grant for each person and dataset."""
    fact = (
        f"{ref} waits for the steward." if until is None else f"{ref} lasts until {until:%Y-%m-%d %H:%M} UTC."
    )
    return WrongState(
        "You have asked for this already." if state == "requested" else "This access is granted already.",
        fact=fact,
        rule="sensitive-access: one request or access for each person and dataset at a time",
        who=["you, once it has run out or is ended"],
    )


def refuse_decided(ref: str, word: str) -> Refused:
    return WrongState(
        f"{ref} was decided already.", fact=stands(word), rule="sensitive-access", who=["nobody"]
    )


def refuse_over(ref: str, word: str) -> Refused:
    return WrongState(
        f"{ref} opens nothing that could be ended.",
        fact=f"Its state: {word.lower()}.",
        rule="sensitive-access",
        who=["nobody"],
    )
