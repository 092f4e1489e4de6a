"""Access reviews: the campaigns, one campaign, one sheet line by line, and the result to take away."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path
from django.utils.html import format_html
from django.views.decorators.http import require_http_methods

from apps.access import acts
from apps.access import review_queries as reads
from apps.access.acting import refuse_first
from apps.access.gate import ORGANISATION_SUBJECT, may, offers, visible
from apps.access.models import AccessReview, ReviewSheet
from apps.access.reviewing import shown
from apps.access.sharing import shared
from apps.access.signing import content_digest, standings
from apps.core.errors import NotVisible
from apps.core.standing import choices, standing_now
from apps.datasets.models import Dataset
from apps.registry.models import Model
from apps.web.buttons import Acts, Button
from apps.web.door import actor_of, attempt, page, seen_or_404
from apps.web.exports import csv_lines
from apps.web.forms import Form, MomentField, ReasonField
from apps.web.links import sign_url, url_of
from apps.web.lists import Column, Table, choice, text
from apps.web.marks import RECORD_MARKS, Mark, render_mark
from apps.web.progress import progress_of, wants_fragment

OUTCOMES = {
    "": "not decided",
    "kept": "kept",
    "ended": "ended",
    "lapsed": "lapsed: nobody confirmed it",
    "gone": "was over already",
    "sole": "stays: nobody else holds it",
}
LATE = Mark("Late", "stuck", "bad")
SHEET_MARKS = {
    "open": Mark("Waits for its reviewer", "waiting", "outline"),
    "signed": RECORD_MARKS["signed"],
    "lapsed": Mark("Lapsed unsigned", "not_met", "bad"),
    "withdrawn": RECORD_MARKS["withdrawn"],
}


def _link(row: Any) -> Any:
    return format_html('<a href="{}">{}</a>', url_of(row), row.ref)


def _review_mark(review: AccessReview) -> Any:
    return render_mark(LATE if review.late else RECORD_MARKS[review.state])


def _counted(sheet: ReviewSheet, *outcomes: str) -> int:
    """Lines with one of these outcomes; "": not decided yet, on a sheet that is open."""
    if outcomes == ("",):
        return len(sheet.undecided) if sheet.state == ReviewSheet.State.OPEN else 0
    return sum(line["outcome"] in outcomes for line in sheet.lines)


REVIEWS = Table(
    name="access-reviews",
    caption="Access reviews you may see",
    order="-number",
    empty="No access review that you may see. A compliance officer opens one.",
    columns=[
        Column("number", "Review", sort="pk", heading=True, value=lambda r: r.ref, render=_link),
        Column("title", "Title", sort="title"),
        Column(
            "state",
            "State",
            sort="state",
            value=lambda r: r.word,
            render=_review_mark,
        ),
        Column(
            "sheets",
            "Sheets done",
            value=lambda r: f"{r.all_sheets - r.open_sheets} of {r.all_sheets}",
        ),
        Column("due_at", "Due", sort="due_at", kind="moment"),
        Column("opened_at", "Opened", sort="opened_at", kind="moment"),
        Column("by", "By", sort="opened_by__printed_name", value=lambda r: r.opened_by.printed_name),
    ],
    filters=[
        choice("state", "State", choices(AccessReview.STANDINGS), standing_now(AccessReview.STANDINGS)),
        text("title", "Title", lambda rows, v: rows.filter(title__icontains=v)),
    ],
)
SHEETS = Table(
    name="review-sheets",
    caption="Sheets of this review you may see",
    order="place",
    empty="No sheet of this review that you may see.",
    columns=[
        Column(
            "place",
            "On",
            sort=("place", "whose_key"),
            heading=True,
            value=lambda s: s.title,
            render=lambda s: format_html('<a href="{}">{}</a>', url_of(s), s.title),
        ),
        Column(
            "state",
            "State",
            sort="state",
            value=lambda s: s.get_state_display(),
            render=lambda s: render_mark(SHEET_MARKS[s.state]),
        ),
        Column("lines", "Lines", kind="number", value=lambda s: len(s.lines)),
        Column("undecided", "Undecided", kind="number", value=lambda s: _counted(s, "")),
        Column("kept", "Kept", kind="number", value=lambda s: _counted(s, "kept", "sole")),
        Column("ended", "Ended or lapsed", kind="number", value=lambda s: _counted(s, "ended", "lapsed")),
        Column("by", "Signed by", value=lambda s: s.signature.printed_name if s.signature else ""),
        Column("decided_at", "Done", sort="decided_at", kind="moment"),
    ],
    filters=[
        choice("state", "State", ReviewSheet.State.choices, lambda rows, v: rows.filter(state=v)),
        text("place", "On", lambda rows, v: rows.filter(place__icontains=v)),
    ],
)


@page
def reviews(request: HttpRequest) -> HttpResponseBase:
    actor = actor_of(request)
    with shared():
        open_review = may(actor, "access.open_review", ORGANISATION_SUBJECT)
        waiting = reads.waiting_for(actor)
        context = {"open_review": open_review, "waiting": waiting}
        return REVIEWS.read(request, reads.reviews(actor)).respond("reviews/reviews.html", context)


def _review(request: HttpRequest, pk: int) -> AccessReview:
    found = reads.reviews(actor_of(request)).filter(pk=pk).first()
    if found is None:
        raise NotVisible()
    return found


@page
def review(request: HttpRequest, pk: int) -> HttpResponseBase:
    """One campaign: what it covers, how far it is, who was told, and its result."""
    actor, found = actor_of(request), _review(request, pk)
    progress = progress_of(request, found.job, f"The opening of {found.ref}")
    if wants_fragment(request) and "told" in request.GET:
        if found.state != AccessReview.State.PREPARING:
            return HttpResponse(headers={"HX-Refresh": "true"})
        return render(request, "reviews/_opening.html", {"review": found, "progress": progress})
    rows = reads.sheets(actor).filter(review=found)
    withdraw = may(actor, "access.withdraw_review", found)
    context = {
        "review": found,
        "mark": _review_mark(found),
        "progress": progress,
        "withdraw": withdraw,
        "told": reads.told(rows)[:100],
        "empty_objects": ", ".join(found.empty),
    }
    return SHEETS.read(request, rows).respond("reviews/review.html", context)


class OpenForm(Form):
    title = forms.CharField(max_length=120, help_text="For example: Fourth quarter of 2026.")
    due_at = MomentField(
        label="Due", help_text="UTC. What nobody has confirmed and signed by then lapses by itself."
    )
    every = forms.MultipleChoiceField(
        label="All of these",
        required=False,
        choices=[
            ("models", "All models"),
            ("datasets", "All datasets"),
            ("organisation", "The organisation’s own duties"),
        ],
        widget=forms.CheckboxSelectMultiple,
    )
    models = forms.TypedMultipleChoiceField(
        label="Or these models", coerce=int, required=False, widget=forms.CheckboxSelectMultiple
    )
    datasets = forms.TypedMultipleChoiceField(
        label="Or these datasets", coerce=int, required=False, widget=forms.CheckboxSelectMultiple
    )
    reason = ReasonField(label="Why now")
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)

    def __init__(self, *args: Any, models: Any, datasets: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["models"].choices = list(models)  # type: ignore[attr-defined]
        self.fields["datasets"].choices = list(datasets)  # type: ignore[attr-defined]


def _choices(actor: Any, model: Any) -> Any:
    return visible(actor, model).order_by("slug").values_list("pk", "slug")[:500]


@require_http_methods(["GET", "POST"])
@page
def review_new(request: HttpRequest) -> HttpResponse:
    """Open a campaign over chosen models and datasets, all of them, or the organisation's own duties."""
    actor = actor_of(request)
    verdict = may(actor, "access.open_review", ORGANISATION_SUBJECT)
    form = OpenForm(
        request.POST if request.method == "POST" else None,
        initial={"idempotency_key": uuid.uuid4().hex},
        models=_choices(actor, Model),
        datasets=_choices(actor, Dataset),
    )
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        every = set(given["every"])
        made = attempt(
            form,
            acts.open_review,
            actor,
            title=given["title"],
            due_at=given["due_at"],
            models="all" if "models" in every else given["models"],
            datasets="all" if "datasets" in every else given["datasets"],
            organisation="organisation" in every,
            reason=given["reason"],
            idempotency_key=given["idempotency_key"],
        )
        if made:
            opening = made.state == AccessReview.State.PREPARING
            told = "is being opened." if opening else "is open. Its reviewers find it in their work."
            messages.success(request, f"{made} {told}")
            return redirect("web:review", made.pk)
    if request.method == "POST":
        refuse_first(actor, "access.open_review", ORGANISATION_SUBJECT)
    if not verdict.allowed:
        raise verdict.refusal()
    return render(request, "reviews/new.html", {"form": form}, status=422 if form.errors else 200)


class WithdrawForm(Form):
    reason = ReasonField(label="Why it is withdrawn")
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


@require_http_methods(["GET", "POST"])
@page
def review_withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """Nothing lapses any more; what was signed stays."""
    actor, found = actor_of(request), _review(request, pk)
    form = WithdrawForm(
        request.POST if request.method == "POST" else None, initial={"idempotency_key": uuid.uuid4().hex}
    )
    sent = request.method == "POST" and form.is_valid()
    if sent and attempt(form, acts.withdraw_review, actor, found.pk, **form.cleaned_data):
        messages.success(request, f"{found.ref} is withdrawn. Nothing lapses.")
        return redirect("web:review", found.pk)
    if request.method == "POST":
        refuse_first(actor, "access.withdraw_review", found)
    verdict = may(actor, "access.withdraw_review", found)
    if not verdict.allowed:
        raise verdict.refusal()
    context = {"form": form, "review": found}
    return render(request, "reviews/withdraw.html", context, status=422 if form.errors else 200)


class LinesForm(Form):
    """A decision and a comment for each line, by its place on the sheet."""

    seen = forms.CharField(widget=forms.HiddenInput, max_length=100)
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)

    def __init__(self, *args: Any, lines: list[dict[str, Any]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lines = lines
        for number, line in enumerate(lines):
            if line["decision"] == "gone":
                continue
            who = f"{line['name']}, {line['word']}"
            self.fields[f"d{number}"] = forms.ChoiceField(
                label=f"Decision on {who}",
                required=False,
                initial=line["decision"],
                choices=[("keep", "Keep"), ("end", "End")],
                widget=forms.RadioSelect,
            )
            self.fields[f"c{number}"] = forms.CharField(
                label=f"Comment on {who}",
                required=False,
                max_length=500,
                initial=line["comment"],
                widget=forms.TextInput(attrs={"size": 24, "autocomplete": "off"}),
            )

    @property
    def rows(self) -> Iterator[dict[str, Any]]:
        for number, line in enumerate(self.lines):
            name = f"d{number}"
            here = name in self.fields
            yield {
                "line": line,
                "decision": self[name] if here else None,
                "comment": self[f"c{number}"] if here else None,
            }

    @property
    def decisions(self) -> dict[str, dict[str, str]]:
        return {
            line["ref"]: {
                "decision": self.cleaned_data[f"d{number}"],
                "comment": self.cleaned_data[f"c{number}"],
            }
            for number, line in enumerate(self.lines)
            if f"d{number}" in self.fields
        }

    def add_refusal(self, refused: Any) -> None:
        """Each line's fault beside its comment."""
        places = {line["ref"]: f"c{number}" for number, line in enumerate(self.lines)}
        refused.fields = {places.get(ref, ref): said for ref, said in refused.fields.items()}
        super().add_refusal(refused)


@require_http_methods(["GET", "POST"])
@page
def review_sheet(request: HttpRequest, pk: int) -> HttpResponse:
    """One sheet: keep or end each line, then review and sign. Nothing ends before the signature."""
    actor = actor_of(request)
    sheet = seen_or_404(request, ReviewSheet, "review__opened_by", "whose", "signature", pk=pk)
    lines = shown(sheet)
    form = LinesForm(
        request.POST if request.method == "POST" else None,
        lines=lines,
        initial={"seen": content_digest(sheet), "idempotency_key": uuid.uuid4().hex},
    )
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        done = attempt(
            form,
            acts.decide_review,
            actor,
            sheet.pk,
            seen=given["seen"],
            decisions=form.decisions,
            idempotency_key=given["idempotency_key"],
        )
        if done:
            left = len([ln for ln in shown(done) if not ln["decision"]])
            told = (
                f"{left} line{'s are' if left != 1 else ' is'} undecided."
                if left
                else "Every line is decided."
            )
            messages.success(request, f"Your decisions are kept. {told}")
            if "sign" in request.POST and not left:
                return redirect(sign_url("access.sign_review", sheet.pk))
            return redirect("web:review_sheet", sheet.pk)
    if request.method == "POST":
        refuse_first(actor, "access.decide_review", sheet)
    with shared():
        given_acts = {v.act: v for v in offers(actor, sheet)}
        decide, sign = given_acts["access.decide_review"], given_acts["access.sign_review"]
        eligible = reads.reviewers(sheet) if sheet.state == "open" else []
    buttons = Acts((Button(sign, sign_url("access.sign_review", sheet.pk), style="primary"),))
    context = {
        "sheet": sheet,
        "mark": render_mark(SHEET_MARKS[sheet.state]),
        "lines": [line | {"told": OUTCOMES[line["outcome"]]} for line in lines],
        "form": form,
        "decide": decide,
        "sign": sign,
        "acts": buttons,
        "reviewers": eligible,
        "standings": standings(sheet, [sheet.signature]) if sheet.signature else [],
        "needs_you": "lines" if decide.allowed else "",
    }
    return render(request, "reviews/sheet.html", context, status=422 if form.errors else 200)


HEADER = (
    *("review", "sheet", "on", "whose", "line", "username", "name", "duty", "since", "until"),
    *("decision", "comment", "decided_by", "outcome", "sheet_state", "signed_by", "signed_at"),
    *("withdrawn_by", "withdrawn_at", "withdrawn_because"),
)


def _csv_rows(result: reads.Result) -> Iterator[list[str]]:
    for sheet in result.data["sheets"]:
        signature = sheet["signature"] or {}
        for line in sheet["lines"]:
            yield [
                result.data["ref"],
                sheet["ref"],
                sheet["on"],
                sheet["whose"],
                *(
                    line[key]
                    for key in ("ref", "person", "name", "duty", "since", "until", "decision", "comment")
                ),
                line["by"],
                sheet["outcomes"][line["ref"]],
                sheet["state"],
                signature.get("printed_name", ""),
                signature.get("signed_at", ""),
                *(result.data.get(f"withdrawn_{part}", "") for part in ("by", "at", "because")),
            ]


@page
def review_result(request: HttpRequest, pk: int, form: str) -> HttpResponseBase:
    """The whole result as JSON or CSV. The JSON is canonical: its SHA-256 is the digest in the record once closed."""
    result = reads.result(actor_of(request), _review(request, pk))
    name = f"{result.data['ref']}.{form}"
    response: HttpResponseBase
    if form == "json":
        response = HttpResponse(result.content, content_type="application/json")
    else:
        response = StreamingHttpResponse(
            csv_lines(HEADER, _csv_rows(result)), content_type="text/csv; charset=utf-8"
        )
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["X-Countersign-Digest"] = result.digest
    return response


urlpatterns = [
    path("reviews/", reviews, name="reviews"),
    path("reviews/new/", review_new, name="review_new"),
    path("reviews/<int:pk>/", review, name="review"),
    path("reviews/<int:pk>/withdraw/", review_withdraw, name="review_withdraw"),
    path("reviews/<int:pk>/result.json", review_result, {"form": "json"}, name="review_result_json"),
    path("reviews/<int:pk>/result.csv", review_result, {"form": "csv"}, name="review_result_csv"),
    path("reviews/sheets/<int:pk>/", review_sheet, name="review_sheet"),
]
