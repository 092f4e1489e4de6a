"""Several duties on one model at once: judged together, all or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from apps.access import duties
from apps.access.acting import Act, act
from apps.access.acts.assignments import make_request
from apps.access.assigning import parent_of
from apps.access.duties import Duty
from apps.access.rules import refuse_bad_request
from apps.access.together import Judged, Row, judge_rows
from apps.accounts.models import User
from apps.core.clock import now
from apps.core.errors import BadInput, Conflict

MOST = 50


@act("access.request_assignments")
def request_assignments(
    act: Act,
    model_id: int,
    *,
    rows: Sequence[Mapping[str, Any]],
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> Any:
    """Ask for all these duties on a model; returns the model. Somebody else approves each of them (DY17).

    rows: each a dict of person_id and duty, 1 to 50 of them. One that cannot be asked for refuses all: what is wrong
    stands under `row-1`, `row-2` and so on.
    """
    model = parent_of(duties.MODEL, model_id)
    act.allow(model)
    if not 1 <= len(rows) <= MOST:
        raise BadInput("No duty was requested.", fields={"rows": [f"Between 1 and {MOST} rows."]})
    # In one order, so that two such acts never wait for each other.
    wanted = {row["person_id"] for row in rows}
    people = {p.pk: p for p in User.objects.select_for_update().filter(pk__in=wanted).order_by("pk")}
    act.asked(
        rows=[
            f"{people[r['person_id']].username if r['person_id'] in people else '?'}: {str(r['duty'])[:20]}"
            for r in rows
        ]
    )
    _refuse_bad(rows, people, starts_at or now(), ends_at)
    judged = judge_rows(
        [
            Row(number, people[row["person_id"]], Duty(row["duty"]), model)
            for number, row in enumerate(rows, 1)
        ]
    )
    _refuse_together([each for each in judged if each.because])
    made, warnings = [], []
    for each in judged:
        assignment, fit = make_request(
            act, each.row.person, each.row.duty, *each.row.place, starts_at, ends_at
        )
        made.append(f"{assignment.ref} {each.row.person.username}: {each.row.duty}")
        warnings += [f"row {each.row.number}: {told}" for told in fit.warnings]
    act.event(requested=made, **({"warnings": warnings} if warnings else {}))
    return model


def _refuse_bad(
    rows: Sequence[Mapping[str, Any]],
    people: Mapping[int, User],
    starts_at: datetime,
    ends_at: datetime | None,
) -> None:
    problems: dict[str, list[str]] = {}
    for number, row in enumerate(rows, 1):
        person = people.get(row["person_id"])
        if person is None:
            problems[f"row-{number}"] = ["Choose a person with an active account."]
            continue
        try:
            refuse_bad_request(person, row["duty"], duties.MODEL, starts_at, ends_at, now())
        except BadInput as refused:
            dates = refused.fields.pop("ends_at", [])
            if dates:
                problems["ends_at"] = dates
            told = [message for each in refused.fields.values() for message in each]
            if told:
                problems[f"row-{number}"] = told
    if problems:
        raise BadInput("No duty was requested.", rule="assignment", fields=problems)


def _refuse_together(against: Sequence[Judged]) -> None:
    """All rows that cannot be asked for, each with its reason; the first one is told in the four parts."""
    if not against:
        return
    first = against[0]
    numbers = sorted({first.row.number, *first.others})
    row = first.row
    which = " and ".join(f"row {number}" for number in numbers)
    raise Conflict(
        f"No duty was requested: {which} cannot be asked for{' together' if len(numbers) > 1 else ''}.",
        fact=f"Row {row.number}: {row.person.printed_name} as {duties.WORDS[row.duty]}: {first.because}.",
        rule=first.rule or "once-only",
        who=["you, with another person in one of these rows"],
        fields={
            f"row-{each.row.number}": [f"{each.row.person.printed_name}: {each.because}."] for each in against
        },
    )
