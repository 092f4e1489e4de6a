"""May an inspection be asked for and approved? Pure: facts in, Refused out."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from apps.access.rules import Person
from apps.core.errors import BadInput, WrongState

LONGEST = timedelta(days=366)
MOST_PLACES = 200
MOST_AUTHORITY = 160


def refuse_bad(
    person: Person,
    authority: str,
    places: Collection[tuple[str, int]],
    everything: bool,
    starts_at: datetime,
    ends_at: datetime | None,
    moment: datetime,
) -> str:
    """The authority, trimmed. BadInput: a person, on whose behalf, a scope, an end after start and `moment`."""
    problems: dict[str, list[str]] = {}
    said = " ".join(authority.split())
    if person.is_service:
        problems["person"] = ["A service account may never fill a human duty."]
    elif not person.is_active:
        problems["person"] = ["This account is deactivated."]
    if not said or "\x00" in said:
        problems["authority"] = ["Say on whose behalf: an agency, a client, internal audit."]
    elif len(said) > MOST_AUTHORITY:
        problems["authority"] = [f"At most {MOST_AUTHORITY} characters."]
    if everything and places:
        problems["places"] = ["Choose everything, or some models and datasets, not both."]
    elif not everything and not places:
        problems["places"] = ["Choose the models and datasets that may be inspected, or everything."]
    elif len(places) > MOST_PLACES:
        problems["places"] = [f"At most {MOST_PLACES} models and datasets; for more, choose everything."]
    if ends_at is None:
        problems["ends_at"] = ["An inspector's access ends: give the end."]
    elif ends_at <= starts_at:
        problems["ends_at"] = ["The end must be later than the start."]
    elif ends_at <= moment:
        problems["ends_at"] = ["The end has passed already."]
    elif ends_at - starts_at > LONGEST:
        problems["ends_at"] = [f"At most {LONGEST.days} days; ask anew when it runs out."]
    if problems:
        raise BadInput("This inspection cannot be asked for.", rule="inspection", fields=problems)
    return said


def refuse_over(ref: str, name: str, is_active: bool, ends_at: datetime, moment: datetime) -> None:
    """Approval gives something: the person is still here, and the time asked for is not over."""
    if is_active and ends_at > moment:
        return
    raise WrongState(
        f"{ref} can no longer be approved.",
        fact=f"The account of {name} is deactivated." if not is_active else "The time asked for is over.",
        rule="inspection-state",
        who=["nobody; it can be refused, and asked for anew"],
    )
