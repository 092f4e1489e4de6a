"""Registers of duties: those that are given, and those that ended or were refused; to filter, sort and take away."""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import urlencode

from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import path, reverse
from django.utils.html import format_html

from apps.access import duties, queries, register
from apps.access.actors import Actor
from apps.access.gate import Judge
from apps.access.models import Assignment
from apps.access.policy import policy
from apps.access.sharing import shared
from apps.core.clock import iso
from apps.web import registers
from apps.web.door import actor_of, page
from apps.web.lists import Column, Table, choice, text
from apps.web.marks import RECORD_MARKS, render_mark

State = Assignment.State
NAMES = {True: "web:duties_past", False: "web:duties_given"}
OVER = {State.ENDED: "Ended", State.REFUSED: "Refused", "expired": "Run out"}


def url_of_list(*, past: bool, **filters: str) -> str:
    """The address of a register, narrowed: `object` (short name or organisation), `person` (username), `duty`."""
    return f"{reverse(NAMES[past])}?{urlencode(filters)}" if filters else reverse(NAMES[past])


def by_person(rows: QuerySet[Any], name: str) -> QuerySet[Any]:
    """Whose username or name it is; with @ before it exactly this username."""
    said = name.strip().removeprefix("@")
    exactly = Q(person__username__iexact=said)
    return rows.filter(exactly if name.strip() != said else exactly | Q(person__printed_name__icontains=said))


def over_as(row: Assignment) -> str:
    """How it came to an end, as a key of OVER: somebody ended or refused it, or its time ran out."""
    return row.state if row.state in (State.ENDED, State.REFUSED) else "expired"


def in_over(rows: QuerySet[Any], state: str) -> QuerySet[Any]:
    said = (State.ENDED, State.REFUSED)
    return rows.exclude(state__in=said) if state == "expired" else rows.filter(state=state)


def _end(actor: Actor, row: Any) -> Any:
    """The button that ends a duty, for who may; asked of the rows of one page only."""
    if not Judge(row).verdict(actor, policy("access.end_assignment")).allowed:
        return "not by you"
    address = reverse("web:decide_assignment", args=[row.pk, "end"])
    return format_html(
        '<a class="btn btn-s btn-danger" href="{}">End<span class="vh">: {}</span></a>', address, row
    )


def _people(key: str, label: str) -> Column:
    """Somebody with a part in it, by printed name; empty where there is none."""
    return Column(key, label, value=lambda row: getattr(getattr(row, key), "printed_name", ""))


def table(actor: Actor, *, past: bool) -> Table:
    columns = [
        Column(
            "person",
            "Person",
            sort=("person__printed_name", "person__username"),
            heading=True,
            value=lambda row: f"{row.person.printed_name} (@{row.person.username})",
        ),
        Column("duty", "Duty", sort="duty", value=lambda row: row.get_duty_display()),
        Column("object", "On", sort=("scope_kind", "scope_id"), value=lambda row: row.place),
        Column("from", "From", sort="starts_at", kind="moment", value=lambda row: row.starts_at),
        Column("until", "Until", sort="ends_at", kind="moment", value=lambda row: row.ends_at),
        Column("reason", "Why given"),
        _people("requester", "Requested by"),
        _people("approver", "Approved by"),
    ]
    filters = [
        text("person", "Person", by_person),
        text("object", "On", lambda rows, said: register.on_object(actor, rows, said)),
        choice(
            "duty",
            "Duty",
            [(each.value, duties.WORDS[each]) for each in duties.Duty],
            lambda rows, said: rows.filter(duty=said),
        ),
    ]
    if past:
        columns[3:3] = [
            Column(
                "state",
                "State",
                value=lambda row: OVER[over_as(row)],
                render=lambda row: render_mark(RECORD_MARKS[over_as(row)], OVER[over_as(row)]),
            ),
            Column("over_at", "Over since", sort="over_at", kind="moment"),
        ]
        columns += [Column("end_reason", "Why ended or refused"), _people("ended_by", "By")]
        filters.append(choice("state", "State", [(str(key), word) for key, word in OVER.items()], in_over))
    else:
        columns.append(Column("end", "End", value=lambda _row: "", render=partial(_end, actor), export=False))
    return Table(
        name="duties-past" if past else "duties-given",
        caption="Duties that ended or were refused" if past else "Duties given and not ended",
        order="-over_at" if past else "-from",
        empty="No duty that you may see has ended or was refused."
        if past
        else "No duty is given that you may see. One is requested on a model, a dataset or the organisation.",
        columns=columns,
        filters=filters,
    )


def as_data(row: Any) -> dict[str, Any]:
    """One line of the export as JSON."""
    return {
        "assignment": row.ref,
        "username": row.person.username,
        "printed_name": row.person.printed_name,
        "duty": row.duty,
        "object": row.place,
        "scope": row.scope,
        "state": row.state,
        "from": iso(row.starts_at),
        "until": iso(row.ends_at) if row.ends_at else None,
        "reason": row.reason,
        "requested_by": row.requester.username,
        "approved_by": row.approver.username if row.approver else None,
        "ended_by": row.ended_by.username if row.ended_by else None,
        "ended_at": iso(row.ended_at) if row.ended_at else None,
        "end_reason": row.end_reason,
    }


@page
def listed(request: HttpRequest, past: bool) -> HttpResponseBase:
    """Of all duties that the reader may see."""
    actor = actor_of(request)

    def placed(rows: list[Any]) -> None:
        names = queries.place_names(actor, rows)
        for row in rows:
            row.place = names[row.scope]

    def as_lines(rows: list[Any]) -> list[dict[str, Any]]:
        placed(rows)
        return [as_data(row) for row in rows]

    rows = queries.over(actor) if past else queries.given(actor)
    with shared():
        return registers.respond(
            request,
            table(actor, past=past),
            rows,
            "people/duty_list.html",
            as_lines,
            {"past": past},
            prepare=placed,
        )


urlpatterns = [
    path("assignments/", listed, {"past": False}, name="duties_given"),
    path("assignments/past/", listed, {"past": True}, name="duties_past"),
]
