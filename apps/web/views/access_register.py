"""The access register: who could do what, now and at any moment past."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import path
from django.utils.html import format_html, format_html_join

from apps.access import duties, register
from apps.access.policy import Policy
from apps.access.register_grants import OTHER, OtherAccess, as_data, in_force_at
from apps.access.sharing import shared
from apps.core.clock import now
from apps.core.errors import NotVisible
from apps.trail.standing import is_ours
from apps.web import registers
from apps.web.door import actor_of, page
from apps.web.lists import Column, Table, choice, text


def told_acts(found: list[Policy]) -> Any:
    items = format_html_join("", "<li>{}</li>", ((each.label or each.sentence,) for each in found))
    return format_html("<details><summary>{} acts</summary><ul>{}</ul></details>", len(found), items)


def table(actor: Any, places: Any, standing: register.Standing) -> Table:
    rows = standing.policy.rows
    named = [(name, f"{rows[name].label or rows[name].sentence} ({name})") for name in sorted(rows)]
    return Table(
        name="access-register",
        caption="Who could do what",
        note=f"{standing.policy.told()} {register.asked_besides()}",
        order="person",
        empty="Nobody whom you may see held a duty then, or none fits the filter.",
        columns=[
            Column("person", "Person", sort="name_then", heading=True, value=lambda r: r.name_then),
            Column("username", "Username", sort="username_then", value=lambda r: r.username_then),
            Column("duty", "Duty", sort="duty", value=lambda r: duties.WORDS[duties.Duty(r.duty)]),
            Column("object", "On", sort=("scope_kind", "scope_id"), value=places),
            Column("starts_at", "From", sort="starts_at", kind="moment"),
            Column("ends_at", "Until", sort="ends_at", kind="moment"),
            Column(
                "acts",
                "May do",
                value=lambda r: "; ".join(each.act for each in standing.acts(r)),
                render=lambda r: told_acts(standing.acts(r)),
            ),
            Column(
                "signs",
                "Identity",
                value=lambda r: "confirmed" if r.identified_then else "not confirmed: may sign nothing",
            ),
            Column("training", "Training then", value=standing.trained),
            Column("waivers", "Waivers", value=lambda r: "; ".join(standing.opened(r))),
            Column(
                "intact",
                "Row as written",
                value=lambda r: "yes" if is_ours(r) else "NO: not as the portal wrote it",
            ),
        ],
        filters=[
            registers.as_of_filter(),
            text("person", "Person", register.by_person),
            text("object", "Model or dataset", lambda rows, v: register.on_object(actor, rows, v)),
            choice(
                "duty",
                "Duty",
                [(d.value, duties.WORDS[d]) for d in duties.Duty],
                lambda rows, v: rows.filter(duty=v),
            ),
            choice("act", "May do", named, lambda rows, v: register.holding(rows, v, standing.policy.rows)),
        ],
    )


@page
def access_register(request: HttpRequest) -> HttpResponseBase:
    """Of the assignments the reader may see; `?as-of=` goes back in time."""
    actor = actor_of(request)
    moment = registers.moment_of(request) or now()
    standing = register.standing_at(moment)
    rows = register.register(actor, moment)
    names = register.names_of(actor, rows)

    def place(row: Any) -> str:
        return names[duties.scope_text(row.scope_kind, row.scope_id)]

    def as_lines(found: list[Any]) -> list[dict[str, Any]]:
        return [register.as_data(row, place(row), standing) for row in found]

    with shared():
        context = {
            "rules_version": standing.rules_version,
            "asked_besides": f"{standing.policy.told()} {register.asked_besides()}",
            "moment": moment,
            "others": list(OTHER.values()),
        }
        made = table(actor, place, standing)
        return registers.respond(request, made, rows, "access/register.html", as_lines, context)


def _other_table(kind: OtherAccess) -> Table:
    return Table(
        name=f"access-register-{kind.name}",
        caption=f"{kind.word} in force",
        order="person",
        empty="None that you may see was in force then, or none fits the filter.",
        columns=[
            Column("person", "Person", sort="name_then", heading=True, value=lambda r: r.name_then),
            Column("username", "Username", sort="username_then", value=lambda r: r.username_then),
            Column("access", "What it opens", value=kind.told),
            Column("since", "From", sort=kind.since, kind="moment", value=lambda r: getattr(r, kind.since)),
            Column("until", "Until", sort=kind.until, kind="moment", value=lambda r: getattr(r, kind.until)),
            Column(
                "intact",
                "Row as written",
                value=lambda r: "yes" if is_ours(r) else "NO: not as the portal wrote it",
            ),
        ],
        filters=[registers.as_of_filter(), text("person", "Person", register.by_person)],
    )


@page
def other_access(request: HttpRequest, kind: str) -> HttpResponseBase:
    """What opened something beside duties: services, tokens, read access; `?as-of=` goes back in time."""
    found = OTHER.get(kind)
    if found is None:
        raise NotVisible()
    moment = registers.moment_of(request) or now()
    rows = in_force_at(actor_of(request), found, moment)

    def as_rows(given: list[Any]) -> list[dict[str, Any]]:
        return [as_data(found, row) for row in given]

    context = {"moment": moment, "kind": found, "others": list(OTHER.values())}
    with shared():
        return registers.respond(request, _other_table(found), rows, "access/other.html", as_rows, context)


urlpatterns = [
    path("access-register/", access_register, name="access_register"),
    path("access-register/<slug:kind>/", other_access, name="other_access"),
]
