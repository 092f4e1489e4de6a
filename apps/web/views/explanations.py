"""Explanations: what a version rests on, how stable that is, single cases, and the review of its features."""

from __future__ import annotations

import json
import uuid
from typing import Any, cast

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods

from apps.access.gate import Judge, may, offers
from apps.access.policy import policy
from apps.access.sharing import shared
from apps.access.signing import content_digest, standings
from apps.core import blobs
from apps.explanation import acts, external, queries
from apps.explanation.export import as_csv
from apps.explanation.models import Report
from apps.explanation.states import (
    DECISION_WORDS,
    ORIGIN_WORDS,
    REVIEW_WORDS,
    WORDS,
    Decision,
    Origin,
    ReviewState,
    State,
)
from apps.validations.models import Run
from apps.web.buttons import Acts, Button
from apps.web.cancelling import cancel_page
from apps.web.door import actor_of, attempt, page, seen_or_404
from apps.web.forms import Form
from apps.web.links import sign_url
from apps.web.lists import Column, Table, choice, text
from apps.web.marks import Mark, mark_of, render_mark
from apps.web.progress import progress_of, wants_fragment
from apps.web.uploading import UploadForm
from apps.web.views.plans import link, state_mark

REVIEW_MARKS = {
    "none": Mark(REVIEW_WORDS[ReviewState.NONE], "not_started", "plain"),
    "written": Mark(REVIEW_WORDS[ReviewState.WRITTEN], "pencil", "outline"),
    "signed": Mark(REVIEW_WORDS[ReviewState.SIGNED], "pen-line", "outline"),
    "approved": Mark(REVIEW_WORDS[ReviewState.APPROVED], "met", "quiet"),
    "rejected": Mark(REVIEW_WORDS[ReviewState.REJECTED], "not_met", "bad"),
}
DECISION_MARKS = {
    "plausible": Mark(DECISION_WORDS[Decision.PLAUSIBLE], "met", "quiet"),
    "not_plausible": Mark(DECISION_WORDS[Decision.NOT_PLAUSIBLE], "not_met", "bad"),
    "follow_up": Mark(DECISION_WORDS[Decision.FOLLOW_UP], "waiting", "tint"),
}


def review_mark(report: Report) -> str:
    return render_mark(mark_of(report.review_state, REVIEW_MARKS))


REPORTS = Table(
    name="explanations",
    caption="Explanations you may see",
    order="-number",
    empty="No explanation that you may see. A validator asks for one on a finished run.",
    columns=[
        Column("number", "Report", sort="number", heading=True, value=lambda r: r.ref, render=link),
        Column("state", "State", sort="state", value=lambda r: r.get_state_display(), render=state_mark),
        Column("origin", "Origin", sort="origin", value=lambda r: r.get_origin_display()),
        Column(
            "review",
            "Feature review",
            sort="review_state",
            value=lambda r: r.get_review_state_display(),
            render=review_mark,
        ),
        Column("run", "Run", sort="run__number", value=lambda r: r.run.ref, render=lambda r: link(r.run)),
        Column(
            "version",
            "Version",
            sort=("run__plan__version__model__slug", "run__plan__version__label"),
            value=lambda r: r.run.plan.version.ref,
            render=lambda r: link(r.run.plan.version),
        ),
        Column(
            "by",
            "Asked for by",
            sort="requested_by__printed_name",
            value=lambda r: r.requested_by.printed_name,
        ),
        Column("requested_at", "Asked for", sort="requested_at", kind="moment"),
        Column("finished_at", "Ended", sort="finished_at", kind="moment"),
    ],
    filters=[
        choice("state", "State", [(s.value, WORDS[s]) for s in State], lambda r, v: r.filter(state=v)),
        choice(
            "origin", "Origin", [(o.value, ORIGIN_WORDS[o]) for o in Origin], lambda r, v: r.filter(origin=v)
        ),
        choice(
            "review",
            "Feature review",
            [(s.value, REVIEW_WORDS[s]) for s in ReviewState],
            lambda r, v: r.filter(review_state=v),
        ),
        text("model", "Model", lambda r, v: r.filter(run__plan__version__model__slug=v)),
        text("version", "Version", lambda r, v: r.filter(run__plan__version__label=v)),
    ],
)


@page
def explanations(request: HttpRequest) -> HttpResponseBase:
    return REPORTS.read(request, queries.reports(actor_of(request))).respond("explanation/reports.html")


def reviewed_lines(report: Report) -> list[dict[str, Any]]:
    """Each decision of the review with its mark; the surrogate last. Empty before there is a review."""
    if not report.review:
        return []
    found = [*report.review["features"], {"feature": "Surrogate tree", **report.review["surrogate"]}]
    return [each | {"mark": render_mark(mark_of(each["decision"], DECISION_MARKS))} for each in found]


def request_url(run: Run, explained_class: str = "") -> str:
    """Where an explanation on this run is asked for; of several classes it is a page, with this one chosen."""
    url = reverse("web:explanation_request", args=[run.number])
    return f"{url}?{urlencode({'class': explained_class})}" if explained_class else url


def report_context(request: HttpRequest, found: Report) -> dict[str, Any]:
    actor = actor_of(request)
    with shared():
        shown = queries.report_page(actor, found.pk)
        report = shown.report
        given = {v.act: v for v in offers(actor, report)}
        again = Judge(report.run).verdict(actor, policy("explanation.request_report"))
        signed = standings(report)
    number, state = report.number, ReviewState(report.review_state)
    review = Button(
        given["explanation.write_review"],
        reverse("web:explanation_review", args=[number]),
        label="Review anew" if report.review else "",
        style="primary" if state in (ReviewState.NONE, ReviewState.REJECTED) else "",
    )
    buttons = [
        *(
            Button(given[act], sign_url(act, report.pk), style="primary" if at == state else "")
            for act, at in (
                ("explanation.sign_review_expert", ReviewState.WRITTEN),
                ("explanation.sign_review_quality", ReviewState.SIGNED),
            )
        ),
        review,
        Button(
            again,
            request_url(report.run, report.explained_class),
            post=not report.run.plan.classes,
            label="Compute again",
        ),
        Button(
            given["explanation.cancel_report"],
            reverse("web:explanation_cancel", args=[number]),
            style="danger",
        ),
    ]
    doable = Acts(tuple(buttons))
    return {
        "report": report,
        "run": report.run,
        "plan": report.run.plan,
        "version": report.run.plan.version,
        "progress": progress_of(request, shown.job, report.ref),
        "found": shown.results.get("explanation", {}),
        "computed": report.origin == Origin.COMPUTED,
        "chart": shown.chart,
        "review_mark": review_mark(report),
        "reviewed": reviewed_lines(report),
        "standings": signed,
        "deviations": shown.deviations,
        "done": report.state == State.DONE,
        "digest": content_digest(report),
        "acts": doable,
        "needs_you": doable.anchor,
    }


def run_acts(actor: Any, run: Run) -> Acts:
    """What may be asked for on a run: an explanation of the portal's own, or one made elsewhere."""
    judge = Judge(run)
    asked, sent = (
        judge.verdict(actor, policy(f"explanation.{verb}_report")) for verb in ("request", "submit")
    )
    return Acts(
        (
            Button(asked, request_url(run), post=not run.plan.classes),
            Button(sent, reverse("web:explanation_submit", args=[run.number])),
        )
    )


@page
def explanation(request: HttpRequest, number: int) -> HttpResponse:
    """One explanation; what changes alone for htmx, until it has ended."""
    found = seen_or_404(request, Report, number=number)
    template = "explanation/_report.html" if wants_fragment(request) else "explanation/report.html"
    return render(request, template, report_context(request, found))


class RequestForm(Form):
    """Asked of several classes alone: of all else there is one score, and a button asks for it."""

    explained_class = forms.ChoiceField(
        required=False,
        label="Whose score is explained",
        error_messages={
            "invalid_choice": "“%(value)s” is none of the classes of this plan: choose one from the list."
        },
        help_text="The gate asks for the class that each case gets. One class for every case is evidence beside it: it "
        "shows what speaks for that class where the model does not choose it.",
    )
    idempotency_key = forms.CharField(required=False, widget=forms.HiddenInput, max_length=100)

    def __init__(self, *args: Any, classes: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = cast(forms.ChoiceField, self.fields["explained_class"])
        field.choices = [("", "The class that each case gets"), *((name, f"“{name}”") for name in classes)]


@require_http_methods(["GET", "POST"])
@page
def explanation_request(request: HttpRequest, number: int) -> HttpResponse:
    """Ask for an explanation on a finished run; of several classes the one to explain may be chosen."""
    actor = actor_of(request)
    found = seen_or_404(request, Run, "plan__version__model", number=number)
    form = RequestForm(
        request.POST if request.method == "POST" else None,
        classes=found.plan.classes,
        initial={"idempotency_key": uuid.uuid4().hex, "explained_class": request.GET.get("class", "")},
    )
    if request.method == "POST" and form.is_valid():  # a double click gets the report of the first
        report = attempt(form, acts.request_report, actor, found.pk, **form.cleaned_data)
        if report:
            messages.success(request, f"{report.ref} is queued. It is computed on the cases of {found.ref}.")
            return redirect("web:explanation", report.number)
    verdict = may(actor, "explanation.request_report", found)
    if not verdict.allowed:
        if request.method == "POST":
            acts.request_report(actor, found.pk)
        raise verdict.refusal()
    context = {"form": form, "run": found, "version": found.plan.version}
    return render(request, "explanation/request.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@page
def explanation_cancel(request: HttpRequest, number: int) -> HttpResponse:
    """Stop a report that is queued or under way, with a reason."""
    found = seen_or_404(request, Report, "run__plan__version__model", number=number)
    return cancel_page(
        request,
        found,
        found.run.plan.version,
        name="explanation.cancel_report",
        act=acts.cancel_report,
        back=reverse("web:explanation", args=[found.number]),
        what="explanation",
    )


class SubmitForm(UploadForm):
    uploads = {"file": "Choose the file with the explanation."}
    file = forms.FileField(
        label="Explanation as a file",
        help_text=(
            "JSON or CSV, at most 5 MB and 5,000 cases: one number for each feature of each case. SHAP values, LIME "
            "weights and what Alibi Explain writes are read; the documentation shows the form."
        ),
    )
    method = forms.ChoiceField(
        choices=[("", "Choose a method"), *((name, name) for name in external.METHODS)]
    )
    library = forms.CharField(max_length=80, help_text="Name and version, for example shap 0.51.")
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


@require_http_methods(["GET", "POST"])
@page
def explanation_submit(request: HttpRequest, number: int) -> HttpResponse:
    """Take in an explanation that was made elsewhere: evidence, marked so; the gate asks for the portal's own."""
    actor = actor_of(request)
    found = seen_or_404(request, Run, "plan__version__model", number=number)
    verdict = may(actor, "explanation.submit_report", found)
    if not verdict.allowed:
        if request.method == "POST":
            acts.submit_report(actor, found.pk, file_digest="", file_name="", method="", library="")
        raise verdict.refusal()
    form = SubmitForm(
        *((request.POST, request.FILES) if request.method == "POST" else ()),
        person_id=actor.pk,
        initial={"idempotency_key": uuid.uuid4().hex},
    )
    if request.method == "POST" and form.receive(
        lambda _name, file: blobs.put(file, limit=external.MAX_BYTES)
    ):
        kept = form.kept["file"]
        made = attempt(
            form,
            acts.submit_report,
            actor,
            found.pk,
            file_digest=kept.digest,
            file_name=kept.name,
            method=form.cleaned_data["method"],
            library=form.cleaned_data["library"],
            idempotency_key=form.cleaned_data["idempotency_key"],
        )
        if made:
            messages.success(request, f"{made.ref} is kept as submitted, not computed here.")
            return redirect("web:explanation", made.number)
    context = {"form": form, "run": found, "version": found.plan.version}
    return render(request, "explanation/submit.html", context, status=form.status)


DECISIONS = [(d.value, DECISION_WORDS[d]) for d in Decision]


class ReviewForm(Form):
    """One decision and reason a feature, the surrogate tree last, then the conclusion.

    What is missing the act says, all of it at once.
    """

    conclusion = forms.CharField(
        required=False,
        max_length=2000,
        help_text="Why the model gives right answers for right reasons, or why not, in a sentence or two.",
        widget=forms.Textarea(attrs={"rows": 4}),
    )
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)

    def __init__(self, *args: Any, features: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.features = features
        self.asked = [*((f"features.{i}", name) for i, name in enumerate(features)), ("surrogate", "")]
        for key, name in self.asked:
            told = name or "the surrogate tree"
            self.fields[f"{key}.decision"] = forms.ChoiceField(
                required=False, choices=DECISIONS, widget=forms.RadioSelect, label=f"Decision on {told}"
            )
            self.fields[f"{key}.reason"] = forms.CharField(
                required=False,
                max_length=2000,
                label=f"Reason for {told}",
                help_text="Needed unless plausible.",
                widget=forms.Textarea(attrs={"rows": 2}),
            )

    def rows(self, sentences: dict[str, str]) -> list[dict[str, Any]]:
        """Each feature with what was found of it and its two fields."""
        return [
            {
                "name": name or "Surrogate tree",
                "sentence": sentences.get(name, ""),
                "decision": self[f"{key}.decision"],
                "reason": self[f"{key}.reason"],
            }
            for key, name in self.asked
        ]

    def _decided(self, key: str) -> dict[str, str]:
        return {each: self.cleaned_data.get(f"{key}.{each}", "") for each in ("decision", "reason")}

    def given(self) -> dict[str, Any]:
        """What the act takes."""
        return {
            "decisions": {name: self._decided(f"features.{i}") for i, name in enumerate(self.features)},
            "surrogate": self._decided("surrogate"),
            "conclusion": self.cleaned_data["conclusion"],
            "idempotency_key": self.cleaned_data["idempotency_key"],
        }


def _begun(report: Report) -> dict[str, Any]:
    """The form as the last review left it."""
    begun: dict[str, Any] = {"idempotency_key": uuid.uuid4().hex}
    if report.review:
        begun["conclusion"] = report.review["conclusion"]
        decided = [(f"features.{i}", each) for i, each in enumerate(report.review["features"])]
        for key, each in [*decided, ("surrogate", report.review["surrogate"])]:
            begun |= {f"{key}.decision": each["decision"], f"{key}.reason": each["reason"]}
    return begun


@require_http_methods(["GET", "POST"])
@page
def explanation_review(request: HttpRequest, number: int) -> HttpResponse:
    """Decide on every feature and on the surrogate tree; the signature is asked for on the next page."""
    actor = actor_of(request)
    found = seen_or_404(request, Report, "run__plan__version__model", number=number)
    verdict = may(actor, "explanation.write_review", found)
    if not verdict.allowed:
        if request.method == "POST":
            acts.write_review(actor, found.pk, decisions={}, surrogate={}, conclusion="")
        raise verdict.refusal()
    told = found.summary["features"]
    form = ReviewForm(
        request.POST if request.method == "POST" else None,
        features=[each["feature"] for each in told],
        initial=_begun(found),
    )
    if request.method == "POST" and form.is_valid():
        done = attempt(form, acts.write_review, actor, found.pk, **form.given())
        if done:
            messages.success(request, "The review is written. Read it once more and sign it.")
            return redirect(sign_url("explanation.sign_review_expert", found.pk))
    sentences = {each["feature"]: each["sentence"] for each in told} | {"": found.summary["surrogate"]}
    context = {
        "form": form,
        "report": found,
        "rows": form.rows(sentences),
        "version": found.run.plan.version,
        "chart": queries.chart_of(found),
    }
    return render(request, "explanation/review.html", context, status=422 if form.errors else 200)


@page
def explanation_csv(request: HttpRequest, number: int) -> HttpResponse:
    found = seen_or_404(request, Report, number=number)
    queries.refuse_unfinished(found)
    response = HttpResponse(as_csv(found), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{found.ref}.csv"'
    return response


@page
def explanation_json(request: HttpRequest, number: int) -> HttpResponse:
    found = seen_or_404(request, Report, number=number)
    queries.refuse_unfinished(found)
    kept = {"ref": found.ref, "results_digest": found.results_digest, "results": queries.results_of(found)}
    response = HttpResponse(
        json.dumps(kept, ensure_ascii=False, indent=1), content_type="application/json; charset=utf-8"
    )
    response["Content-Disposition"] = f'attachment; filename="{found.ref}.json"'
    return response


urlpatterns = [
    path("explanations/", explanations, name="explanations"),
    path("explanations/<int:number>/", explanation, name="explanation"),
    path("explanations/<int:number>/cancel/", explanation_cancel, name="explanation_cancel"),
    path("explanations/<int:number>/review/", explanation_review, name="explanation_review"),
    path("explanations/<int:number>/figures.csv", explanation_csv, name="explanation_csv"),
    path("explanations/<int:number>/figures.json", explanation_json, name="explanation_json"),
    path("runs/<int:number>/explanation/", explanation_request, name="explanation_request"),
    path("runs/<int:number>/explanation/submit/", explanation_submit, name="explanation_submit"),
]
