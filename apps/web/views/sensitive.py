"""Sensitive data: asking to read, the steward's queue, marking by one and unmarking by two, who read what and why."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.html import format_html
from django.views.decorators.http import require_http_methods

from apps.access.gate import offers
from apps.core.errors import NotVisible
from apps.core.standing import choices, standing_now
from apps.datasets import queries, readings, sensitive_acts
from apps.datasets.grants import ReadGrant, Unmarking
from apps.datasets.models import Dataset
from apps.web import registers
from apps.web.buttons import Acts, Button
from apps.web.door import actor_of, page, seen_or_404
from apps.web.forms import Form, ReasonField
from apps.web.lists import Column, Table, choice, text


class HoursField(forms.IntegerField):
    """Whole hours; the act says how many are too many."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("widget", forms.NumberInput(attrs={"min": 1, "size": 6, "inputmode": "numeric"}))
        super().__init__(**kwargs)
        self.error_messages["invalid"] = "Give whole hours, such as 4."


class AskForm(Form):
    reason = ReasonField(
        label="Justification",
        help_text="Why you need to read these data. It stands beside each read in the register.",
    )
    hours = HoursField(label="Hours")
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


class GrantForm(Form):
    hours = HoursField(label="Hours", help_text="At most what was asked for. It lapses by itself.")
    reason = ReasonField(label="Remark", required=False)
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


def grant_url(grant: ReadGrant) -> str:
    return reverse("web:read_grant", args=[grant.pk])


GRANTS = Table(
    name="read-grants",
    caption="Access to sensitive data",
    order="-number",
    empty="Nobody has asked to read sensitive data. Who needs to asks on the page of the dataset version.",
    columns=[
        Column(
            "number",
            "Access",
            sort="pk",
            heading=True,
            value=lambda g: g.ref,
            render=lambda g: format_html('<a href="{}">{}</a>', grant_url(g), g.ref),
        ),
        Column("dataset", "Dataset", sort="dataset__slug", value=lambda g: g.dataset.slug),
        Column("person", "Person", sort="person__printed_name", value=lambda g: g.person.printed_name),
        Column("justification", "Justification"),
        Column("state", "State", value=lambda g: g.word),
        Column("hours", "Hours asked", sort="hours", kind="number"),
        Column("hours_given", "Hours granted", sort="hours_given", kind="number"),
        Column("requested_at", "Asked", sort="requested_at", kind="moment"),
        Column("expires_at", "Until", sort="expires_at", kind="moment"),
        Column(
            "by",
            "Decided by",
            sort="decided_by__printed_name",
            value=lambda g: g.decided_by.printed_name if g.decided_by else "",
        ),
    ],
    filters=[
        text("dataset", "Dataset", lambda rows, v: rows.filter(dataset__slug__iexact=v.strip())),
        text("person", "Username", lambda rows, v: rows.filter(person__username__iexact=v.removeprefix("@"))),
        choice("state", "State", choices(ReadGrant.STANDINGS), standing_now(ReadGrant.STANDINGS)),
    ],
)


@page
def read_grants(request: HttpRequest) -> HttpResponseBase:
    """Requests and grants the reader may see: the steward's queue with `?state=requested`."""
    rows = readings.grants(actor_of(request))
    return GRANTS.read(request, rows).respond("datasets/grants.html")


@page
def read_grant(request: HttpRequest, pk: int) -> HttpResponseBase:
    actor = actor_of(request)
    found = seen_or_404(request, ReadGrant, "dataset", "person", "decided_by", "ended_by", pk=pk)
    given = {v.act: v for v in offers(actor, found)}
    buttons = tuple(
        Button(given[f"datasets.{verb}_read"], reverse("web:read_grant_decide", args=[pk, verb]), style=style)
        for verb, style in (("grant", "primary"), ("refuse", ""), ("end", "danger"))
    )
    context = {"grant": found, "acts": Acts(buttons), "reads": readings.under(actor, found)}
    return render(request, "datasets/grant.html", context)


@require_http_methods(["GET", "POST"])
@page
def read_request(request: HttpRequest, slug: str, number: int) -> HttpResponseBase:
    """Ask to read a sensitive dataset, with a justification, for hours."""
    version = queries.version(actor_of(request), slug, number)
    most = settings.SENSITIVE_HOURS
    return registers.one_act(
        request,
        "datasets.request_read",
        sensitive_acts.request_read,
        version,
        back=reverse("web:dataset_version", args=[slug, number]),
        back_text=version.ref,
        heading=f"Ask to read {slug}",
        done="It is asked for. The steward of the dataset decides.",
        form_class=AskForm,
        note=f"{version.dataset.name} is marked sensitive. Its steward may open all its versions to you, for at most "
        f"{most} hours; test data stay in the vault all the same. Each read is entered with your justification.",
        to=grant_url,
        hours=most,
    )


DECISIONS: dict[str, tuple[Any, str, str, type[Form]]] = {
    "grant": (sensitive_acts.grant_read, "Grant {}", "{} is granted.", GrantForm),
    "refuse": (sensitive_acts.refuse_read, "Refuse {}", "{} is refused.", registers.ReasonForm),
    "end": (sensitive_acts.end_read, "End {} now", "{} is ended.", registers.ReasonForm),
}


@require_http_methods(["GET", "POST"])
@page
def read_grant_decide(request: HttpRequest, pk: int, verb: str) -> HttpResponseBase:
    if verb not in DECISIONS:
        raise NotVisible()
    found = seen_or_404(request, ReadGrant, "dataset", "person", pk=pk)
    act, heading, done, form_class = DECISIONS[verb]
    return registers.one_act(
        request,
        f"datasets.{verb}_read",
        act,
        found,
        back=grant_url(found),
        back_text=str(found),
        heading=heading.format(found.ref),
        done=done.format(found.ref),
        form_class=form_class,
        note=f"{found.person.printed_name}: “{found.justification}”",
        hours=found.hours,
    )


# ---------------------------------------------------------------- the mark


@require_http_methods(["GET", "POST"])
@page
def dataset_mark(request: HttpRequest, slug: str) -> HttpResponseBase:
    """Mark as sensitive, by one; ask that the mark be taken away, which a second person decides."""
    dataset = seen_or_404(request, Dataset, slug=slug)
    verb = "request_unmark" if dataset.sensitive else "mark_sensitive"
    if dataset.sensitive:
        heading, done = f"Ask that {slug} be no longer sensitive", "It is asked for. Somebody else decides."
        note = "The mark stays until an owner, steward or compliance officer other than you approves."
    else:
        heading, done = f"Mark {slug} as sensitive", f"{slug} is marked as sensitive."
        note = (
            "From then on its rows are read only with a justification, for hours, as granted by its steward."
        )
    return registers.one_act(
        request,
        f"datasets.{verb}",
        getattr(sensitive_acts, verb),
        dataset,
        back=reverse("web:dataset", args=[slug]),
        back_text=dataset.name,
        heading=heading,
        done=done,
        note=note,
    )


@require_http_methods(["GET", "POST"])
@page
def unmarking_decide(request: HttpRequest, pk: int, verb: str) -> HttpResponseBase:
    if verb not in ("approve", "refuse"):
        raise NotVisible()
    found = seen_or_404(request, Unmarking, "dataset", "requested_by", pk=pk)
    return registers.one_act(
        request,
        f"datasets.{verb}_unmark",
        getattr(sensitive_acts, f"{verb}_unmark"),
        found,
        back=reverse("web:dataset", args=[found.dataset.slug]),
        back_text=found.dataset.name,
        heading=f"{verb.capitalize()} {found.ref}",
        done=f"{found.ref} is decided.",
        form_class=registers.KeyForm if verb == "approve" else registers.ReasonForm,
        note=f"{found.requested_by.printed_name} asked it of {found.dataset.slug}: “{found.reason}”",
    )


# ---------------------------------------------------------------- who read what


def body(entry: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(entry.body)
    return found


READS = Table(
    name="data-reads",
    caption="Who read which data, when, why",
    order="-at",
    empty="Nobody has read data that you may see, or none of these reads fits the filter.",
    columns=[
        Column("at", "When", sort="id", kind="moment", heading=True),
        Column("who", "Person", sort="actor_name", value=lambda e: e.actor_name),
        Column("data", "Data", sort=("subject_kind", "subject_id"), value=readings.data_of),
        Column("what", "What", sort="act", value=readings.sentence_of),
        Column("why", "Why", value=readings.why_of),
        Column("under", "Under", value=readings.under_of),
        Column(
            "entry",
            "Entry",
            sort="id",
            value=lambda e: e.pk,
            render=lambda e: format_html('<a href="{}">{}</a>', reverse("web:entry", args=[e.pk]), e.pk),
        ),
    ],
    filters=[
        registers.as_of_filter(),
        text("dataset", "Dataset", readings.of_dataset),
        text("person", "Person", readings.by_person),
        choice("what", "What", readings.KINDS, lambda rows, v: rows.filter(act=v)),
    ],
)


@page
def data_reads(request: HttpRequest) -> HttpResponseBase:
    """Reads of the data the reader may see, and their own; as of a moment, those entered until then."""
    rows = readings.reads(actor_of(request), registers.moment_of(request))
    return registers.respond(request, READS, rows, "datasets/reads.html", readings.as_data)


urlpatterns = [
    path("data-access/", read_grants, name="read_grants"),
    path("data-access/reads/", data_reads, name="data_reads"),
    path("data-access/<int:pk>/", read_grant, name="read_grant"),
    path("data-access/<int:pk>/<str:verb>/", read_grant_decide, name="read_grant_decide"),
    path("data-access/unmark/<int:pk>/<str:verb>/", unmarking_decide, name="unmarking_decide"),
    path("datasets/<slug:slug>/mark/", dataset_mark, name="dataset_mark"),
    path("datasets/<slug:slug>/v<int:number>/ask/", read_request, name="read_request"),
]
