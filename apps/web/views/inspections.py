"""Inspections: the inspector's room, who is asked for and approved, what they looked at, which copies they hold."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.html import format_html
from django.views.decorators.http import require_http_methods

from apps.access import acts, duties, inspections
from apps.access.gate import ORGANISATION_SUBJECT, may, offers, visible
from apps.access.inspection_models import Copy, Inspection
from apps.access.queries import place_names
from apps.accounts.models import User
from apps.core.clock import now
from apps.core.errors import NotVisible
from apps.core.standing import choices, standing_now
from apps.datasets.models import Dataset
from apps.packs.models import Pack
from apps.registry.models import Model
from apps.web import registers
from apps.web.buttons import Acts, Button
from apps.web.door import actor_of, attempt, page, seen_or_404
from apps.web.forms import Form, MomentField, ReasonField
from apps.web.lists import Column, Table, choice, on_day, text
from apps.web.views.models import fresh, refused_form

SHOWN = 20
CLOSED_TO_INSPECTORS = (
    ("Rows of test data", "Nobody takes them out of the vault; the portal runs the tests itself (PC23)."),
    (
        "Rows of training data",
        "They are for those who work with them. Digest, source and profile are on their page.",
    ),
    ("Passwords, keys and tokens", "Only hashes are kept, and they are shown to nobody."),
    ("Inspections by others", "Each inspector sees their own; the compliance officer sees all."),
)


def link(record: Any) -> Any:
    return format_html('<a href="{}">{}</a>', reverse("web:inspection", args=[record.pk]), record.ref)


INSPECTIONS = Table(
    name="inspections",
    caption="Inspections you may see",
    order="-number",
    empty="No inspection. An administrator, registrar or compliance officer asks for one; another approves it.",
    columns=[
        Column("number", "Inspection", sort="pk", heading=True, value=lambda i: i.ref, render=link),
        Column("person", "Inspector", sort="person__printed_name", value=lambda i: i.person.printed_name),
        Column("authority", "On behalf of", sort="authority"),
        Column("state", "State", value=lambda i: i.word),
        Column("starts_at", "From", sort="starts_at", kind="moment"),
        Column("ends_at", "Until", sort="ends_at", kind="moment"),
        Column(
            "requester",
            "Asked for by",
            sort="requester__printed_name",
            value=lambda i: i.requester.printed_name,
        ),
        Column(
            "ended_by",
            "Refused or ended by",
            sort="ended_by__printed_name",
            value=lambda i: i.ended_by.printed_name if i.ended_by else "",
        ),
        Column("ended_at", "Refused or ended at", sort="ended_at", kind="moment"),
        Column("end_reason", "Because"),
    ],
    filters=[
        choice("state", "State", choices(Inspection.STANDINGS), standing_now(Inspection.STANDINGS)),
        text("person", "Username", lambda rows, v: rows.filter(person__username__iexact=v.removeprefix("@"))),
    ],
)


@page
def inspection_list(request: HttpRequest) -> HttpResponseBase:
    actor = actor_of(request)
    context = {"ask": may(actor, "access.request_inspection", ORGANISATION_SUBJECT)}
    return INSPECTIONS.read(request, inspections.inspections(actor)).respond("inspections/list.html", context)


@page
def inspection(request: HttpRequest, pk: int) -> HttpResponseBase:
    actor = actor_of(request)
    found = seen_or_404(request, Inspection, "person", "requester", "approver", "ended_by", pk=pk)
    given = {v.act: v for v in offers(actor, found)}
    places = list(found.places.select_related("inspection"))
    names = place_names(actor, [each.assignment or _Place(each) for each in places])
    buttons = (
        Button(
            given["access.approve_inspection"],
            reverse("web:inspection_decide", args=[pk, "approve"]),
            style="primary",
        ),
        Button(given["access.refuse_inspection"], reverse("web:inspection_decide", args=[pk, "refuse"])),
        Button(
            given["access.end_inspection"], reverse("web:inspection_decide", args=[pk, "end"]), style="danger"
        ),
    )
    context = {
        "inspection": found,
        "places": [names.get(each.place, each.place) for each in places],
        "acts": Acts(buttons),
        "watches": inspections.watches(actor, found.person),
        "looks": inspections.looked_at(actor, found.person).count(),
        "copies": inspections.copies(actor).filter(person=found.person).count(),
    }
    return render(request, "inspections/detail.html", context)


class _Place:
    def __init__(self, place: Any) -> None:
        self.scope_kind, self.scope_id, self.scope = place.scope_kind, place.scope_id, place.place


class InspectionForm(Form):
    person = forms.TypedChoiceField(label="Inspector", coerce=int, choices=())
    authority = forms.CharField(
        label="On behalf of", max_length=160, help_text="The agency, client or department that inspects."
    )
    everything = forms.BooleanField(
        label="Everything", required=False, help_text="All models and datasets, those to come too."
    )
    places = forms.MultipleChoiceField(
        label="Models and datasets",
        required=False,
        choices=(),
        help_text="What may be inspected. The data a model was made of is seen with it, by name and digest.",
        widget=forms.CheckboxSelectMultiple,
    )
    starts_at = MomentField(label="From", required=False, help_text="UTC. Empty: as soon as it is approved.")
    ends_at = MomentField(label="Until", help_text="UTC. The access ends by itself.")
    reason = ReasonField(label="Purpose")
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)

    def __init__(self, *args: Any, actor: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        people = visible(actor, User).filter(is_active=True, is_service=False).order_by("printed_name")
        self.fields["person"].choices = [("", "Choose a person")] + [
            (p.pk, f"{p.printed_name} (@{p.username})") for p in people
        ]
        models = visible(actor, Model).order_by("slug").values_list("pk", "slug", "name")
        datasets = visible(actor, Dataset).order_by("slug").values_list("pk", "slug", "name")
        self.fields["places"].choices = [
            *((f"{duties.MODEL}:{pk}", f"Model {slug}: {name}") for pk, slug, name in models),
            *((f"{duties.DATASET}:{pk}", f"Dataset {slug}: {name}") for pk, slug, name in datasets),
        ]

    def clean_places(self) -> list[tuple[str, int]]:
        pairs = (given.rpartition(":") for given in self.cleaned_data["places"])
        return [(kind, int(pk)) for kind, _colon, pk in pairs]


@require_http_methods(["GET", "POST"])
@page
def inspection_new(request: HttpRequest) -> HttpResponseBase:
    actor, back = actor_of(request), reverse("web:inspections")
    verdict = may(actor, "access.request_inspection", ORGANISATION_SUBJECT)
    if not verdict.allowed:

        def blank() -> None:
            acts.request_inspection(actor, person_id=0, authority="", reason="none given")

        return refused_form(request, verdict, back, blank)
    form = InspectionForm(request.POST if request.method == "POST" else None, initial=fresh(), actor=actor)
    if request.method == "POST" and form.is_valid():
        given = dict(form.cleaned_data)
        made = attempt(form, acts.request_inspection, actor, person_id=given.pop("person"), **given)
        if made:
            messages.success(
                request, f"{made.ref} is asked for. A compliance officer who did not ask approves it."
            )
            return redirect("web:inspection", made.pk)
    context = {"form": form, "heading": "Ask for an inspection", "back": back, "back_text": "Inspections"}
    return render(request, "registry/form.html", context, status=422 if form.errors else 200)


DECISIONS: dict[str, tuple[Any, str, str, type[Form]]] = {
    "approve": (acts.approve_inspection, "Approve {}", "{} is approved.", registers.KeyForm),
    "refuse": (acts.refuse_inspection, "Refuse {}", "{} is refused.", registers.ReasonForm),
    "end": (acts.end_inspection, "End {} now", "{} is ended.", registers.ReasonForm),
}
NOTES = {
    "approve": "The inspector sees what is in scope from the start on, and nothing else; each page and each copy "
    "is entered.",
    "end": "The inspector sees nothing from this moment, and a download under way stops.",
}


@require_http_methods(["GET", "POST"])
@page
def inspection_decide(request: HttpRequest, pk: int, verb: str) -> HttpResponseBase:
    if verb not in DECISIONS:
        raise NotVisible()
    found = seen_or_404(request, Inspection, "person", "requester", pk=pk)
    act, heading, done, form_class = DECISIONS[verb]
    return registers.one_act(
        request,
        f"access.{verb}_inspection",
        act,
        found,
        back=reverse("web:inspection", args=[pk]),
        back_text=str(found),
        heading=heading.format(found.ref),
        done=done.format(found.ref),
        form_class=form_class,
        note=NOTES.get(verb, ""),
    )


# ---------------------------------------------------------------- what they looked at


def fact(name: str) -> Any:
    return lambda entry: inspections.facts_of_look(entry).get(name, "")


def what(entry: Any) -> str:
    found = inspections.facts_of_look(entry)
    if entry.act == "access.look":
        return "looked"
    number = found.get("copy", "")
    return (
        f"was handed copy {number}" if entry.act == "access.take_copy" else f"did not get copy {number} whole"
    )


LOOKS = Table(
    name="inspector-log",
    caption="What inspectors looked at and took away",
    order="-at",
    empty="Nothing yet. Each page an inspector opens and each copy they are handed stands here.",
    columns=[
        Column("at", "When", sort="id", kind="moment", heading=True),
        Column("who", "Inspector", sort="actor_name", value=lambda e: e.actor_name),
        Column("what", "What", sort="act", value=what),
        Column("page", "Page", value=fact("page")),
        Column("record", "Record", value=fact("record")),
        Column("path", "Address", value=fact("path")),
        Column("status", "Answer", value=lambda e: inspections.facts_of_look(e).get("status", "")),
        Column("from", "From", value=fact("address")),
        Column(
            "entry",
            "Entry",
            sort="id",
            value=lambda e: e.pk,
            render=lambda e: format_html('<a href="{}">{}</a>', reverse("web:entry", args=[e.pk]), e.pk),
        ),
    ],
    filters=[
        text("person", "Inspector", lambda rows, v: rows.filter(actor_name__icontains=v.strip())),
        text("address", "Address contains", lambda rows, v: rows.filter(body__icontains=v.strip())),
        on_day("since", "Since", lambda rows, v: rows.filter(at__date__gte=v)),
        on_day("until", "Until", lambda rows, v: rows.filter(at__date__lte=v)),
    ],
)


def look_as_data(entries: list[Any]) -> list[dict[str, Any]]:
    return [
        {"at": e.at.isoformat(), "who": e.actor_name, "what": what(e), "entry": e.pk}
        | inspections.facts_of_look(e)
        for e in entries
    ]


@page
def inspector_log(request: HttpRequest) -> HttpResponseBase:
    rows = inspections.looked_at(actor_of(request))
    return registers.respond(request, LOOKS, rows, "inspections/log.html", look_as_data)


COPIES = Table(
    name="copies",
    caption="Copies handed to inspectors",
    order="-number",
    empty="No copy was handed out.",
    columns=[
        Column("number", "Copy", sort="number", kind="number", heading=True),
        Column("person", "Handed to", sort="person__printed_name", value=lambda c: c.person.printed_name),
        Column("handed_at", "When", sort="handed_at", kind="moment"),
        Column("file_name", "File", sort="file_name"),
        Column("record", "Record", sort="record"),
        Column("sha256", "SHA-256", value=lambda c: c.file_sha256),
        Column("size", "Bytes", sort="file_size", kind="number", value=lambda c: c.file_size),
        Column("state", "State", sort="state", value=lambda c: c.get_state_display()),
        Column("because", "Because", value=lambda c: c.spoilt_because),
    ],
    filters=[
        text("person", "Username", lambda rows, v: rows.filter(person__username__iexact=v.removeprefix("@"))),
        text(
            "sha256", "SHA-256 begins", lambda rows, v: rows.filter(file_sha256__startswith=v.strip().lower())
        ),
        choice("state", "State", Copy.State.choices, lambda rows, v: rows.filter(state=v)),
    ],
)


def copy_as_data(copies: list[Copy]) -> list[dict[str, Any]]:
    return [
        {
            "copy": c.number,
            "username": c.person.username,
            "printed_name": c.person.printed_name,
            "handed_at": c.handed_at.isoformat(),
            "file": c.file_name,
            "sha256": c.file_sha256,
            "size": c.file_size,
            "record": c.record,
            "address": c.address,
            "state": c.state,
            "because": c.spoilt_because,
        }
        for c in copies
    ]


@page
def copies(request: HttpRequest) -> HttpResponseBase:
    rows = inspections.copies(actor_of(request))
    return registers.respond(request, COPIES, rows, "inspections/copies.html", copy_as_data)


# ---------------------------------------------------------------- the room


@page
def room(request: HttpRequest) -> HttpResponseBase:
    """An inspector's first page: what is open until when, and what is not and why."""
    actor = actor_of(request)
    scope = inspections.scope_of(actor)
    context = {
        "scope": scope,
        "asked": list(visible(actor, Inspection).filter(person=actor.user).order_by("-pk")[:SHOWN]),
        "models": list(visible(actor, Model).order_by("name")[: SHOWN + 1]),
        "datasets": list(visible(actor, Dataset).order_by("name")[: SHOWN + 1]),
        "packs": list(visible(actor, Pack).select_related("version__model").order_by("-number")[:SHOWN]),
        "copies": list(inspections.copies(actor).filter(person=actor.user)[:SHOWN]),
        "looks": inspections.looked_at(actor, actor.user).count(),
        "closed": CLOSED_TO_INSPECTORS,
        "shown": SHOWN,
        "at": now(),
    }
    return render(request, "inspections/room.html", context)


urlpatterns = [
    path("inspection/", room, name="inspection_room"),
    path("inspections/", inspection_list, name="inspections"),
    path("inspections/new/", inspection_new, name="inspection_new"),
    path("inspections/log/", inspector_log, name="inspector_log"),
    path("inspections/copies/", copies, name="copies"),
    path("inspections/<int:pk>/", inspection, name="inspection"),
    path("inspections/<int:pk>/<str:verb>/", inspection_decide, name="inspection_decide"),
]
