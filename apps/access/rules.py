"""May this duty be given? Pure: facts in, Refused out."""

from __future__ import annotations

from datetime import datetime
from typing import NoReturn, Protocol

from apps.access import duties
from apps.access.duties import Duty
from apps.access.separation import Deed, StaticRule
from apps.core.errors import BadInput, Conflict


class Person(Protocol):
    """What these rules ask of an account."""

    @property
    def printed_name(self) -> str: ...

    @property
    def is_service(self) -> bool: ...

    @property
    def is_active(self) -> bool: ...


def refuse_bad_request(
    person: Person,
    duty: str,
    scope_kind: str,
    starts_at: datetime,
    ends_at: datetime | None,
    moment: datetime,
) -> None:
    """A duty that exists, held where it belongs, by a person, for a time that ends after its start and `moment`."""
    problems: dict[str, list[str]] = {}
    if duty not in list(Duty):
        problems["duty"] = [f"There is no duty {duty!r}. Choose one of: {', '.join(Duty)}."]
    else:
        allowed = {
            duties.ORGANISATION: duties.ORGANISATION_DUTIES,
            duties.MODEL: duties.MODEL_DUTIES,
            duties.DATASET: duties.DATASET_DUTIES,
        }[scope_kind]
        if duty not in allowed:
            place = {
                duties.ORGANISATION: "the organisation",
                duties.MODEL: "a model",
                duties.DATASET: "a dataset",
            }[scope_kind]
            problems["duty"] = [f"The duty {duties.WORDS[Duty(duty)]} is not held on {place}."]
    if person.is_service:
        problems["person"] = ["A service account may never fill a human duty."]
    elif not person.is_active:
        problems["person"] = ["This account is deactivated."]
    if ends_at is None and duty == Duty.INSPECTOR:
        problems["ends_at"] = ["An inspector's access ends: give the end."]
    if ends_at is not None and ends_at <= starts_at:
        problems["ends_at"] = ["The end must be later than the start."]
    elif ends_at is not None and ends_at <= moment:
        problems["ends_at"] = ["The end has passed already."]
    if problems:
        raise BadInput("This duty cannot be requested.", rule="assignment", fields=problems)


def refuse_static_conflict(person: Person, duty: str, broken: tuple[StaticRule, str]) -> NoReturn:
    """ST rules: two duties one person may not hold. broken: the rule, and the duty held."""
    rule, other = broken
    raise Conflict(
        f"{person.printed_name} cannot be given {duties.told(duty)} here.",
        fact=f"{person.printed_name} holds or was requested {duties.told(other)}.",
        rule=f"{rule.id}: {rule.text}",
        who=[f"somebody who does not hold {duties.told(other)}"],
    )


def refuse_past(person: Person, duty: Duty, broken: tuple[StaticRule, Deed]) -> NoReturn:
    """What a person did in the family shuts a duty as holding another would (ST5)."""
    rule, deed = broken
    raise Conflict(
        f"{person.printed_name} cannot be given the duty {duties.WORDS[duty]} here.",
        fact=f"{person.printed_name} {deed.told}.",
        rule=f"{rule.id}: {rule.text}",
        who=["somebody who has not"],
    )
