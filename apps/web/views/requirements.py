"""Requirements and risks of a model: registers, one requirement, written, revised, decided."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods

from apps.access.gate import may, offers, visible
from apps.access.sharing import shared
from apps.access.signing import content_digest, standings, still_signed
from apps.registry.models import Model
from apps.trail.models import Entry
from apps.trail.queries import by_records, told
from apps.verification import acts, queries
from apps.verification.models import Requirement, Risk
from apps.verification.states import SOURCE_WORDS, WORDS, Source, State
from apps.web.buttons import Acts, Button
from apps.web.door import actor_of, attempt_change, page, seen_or_404
from apps.web.forms import ChangeForm, ReasonField
from apps.web.links import link_of_ref, sign_url, url_of
from apps.web.lists import Column, Table, choice, text
from apps.web.timeline import line_of
from apps.web.uploading import LinesField
from apps.web.views.models import LEVELS, fresh, refused_form
from apps.web.views.plans import link, state_mark
from apps.web.views.traceability import has_risk
from apps.web.views.verification import outcome_mark

ENTRIES = 20
WRITE, WRITE_RISK = "verification.write_requirement", "verification.write_risk"

REVISIONS = choice(
    "revisions",
    "Revisions",
    [("all", "Every revision")],
    lambda rows, _all: rows,
    any_label="The newest of each",
)
REQUIREMENTS = Table(
    name="requirements",
    caption="Requirements you may see",
    order="number",
    empty="No requirement that you may see. A process expert or owner writes them on the model's page.",
    columns=[
        Column("number", "Requirement", sort=("number", "revision"), heading=True, value=lambda r: r.ref, render=link),
        Column("text", "What the model has to do"),
        Column("state", "State", sort="state", value=lambda r: r.get_state_display(), render=state_mark),
        Column("force", "In force", value=lambda r: f"REQ-{r.number}/v{r.force}" if r.force else "",
               render=lambda r: link_of_ref(f"REQ-{r.number}/v{r.force}") if r.force else None),
        Column("model", "Model", sort="model__slug", value=lambda r: r.model.slug, render=lambda r: link(r.model)),
        Column("use", "Intended use", value=lambda r: r.intended_use.ref),
        Column("source", "From", sort="source", value=lambda r: r.get_source_display()),
        Column("risks", "Risks", value=lambda r: ", ".join(f"RK-{number}" for number in r.risks)),
        Column("clauses", "Clauses", value=lambda r: "; ".join(r.clauses)),
        Column("written_by", "Written by", value=lambda r: r.written_by.printed_name),
        Column("written_at", "Written", sort="written_at", kind="moment"),
    ],
    filters=[
        choice("state", "State", [(s.value, WORDS[s]) for s in State], lambda r, v: r.filter(state=v)),
        choice("source", "From", [(s.value, SOURCE_WORDS[s]) for s in Source], lambda r, v: r.filter(source=v)),
        text("model", "Model", lambda r, v: r.filter(model__slug=v)),
        REVISIONS,
    ],
)  # fmt: skip

RISKS = Table(
    name="risks",
    caption="Risks you may see",
    order="number",
    empty="No risk that you may see. A process expert or owner writes them on the page of requirements.",
    columns=[
        Column("number", "Risk", sort=("number", "revision"), heading=True, value=lambda r: r.ref, render=link),
        Column("hazard", "What may go wrong"),
        Column("harm", "What follows"),
        Column("severity", "Severity", sort="severity", value=lambda r: r.get_severity_display()),
        Column("likelihood", "Likelihood", sort="likelihood", value=lambda r: r.get_likelihood_display()),
        Column("control", "What is done about it"),
        Column("model", "Model", sort="model__slug", value=lambda r: r.model.slug, render=lambda r: link(r.model)),
        Column("use", "Intended use", value=lambda r: r.intended_use.ref),
        Column("written_by", "Written by", value=lambda r: r.written_by.printed_name),
        Column("written_at", "Written", sort="written_at", kind="moment"),
    ],
    filters=[
        choice("severity", "Severity", LEVELS, lambda r, v: r.filter(severity=v)),
        text("model", "Model", lambda r, v: r.filter(model__slug=v)),
        REVISIONS,
    ],
)  # fmt: skip


def _of_each(request: HttpRequest, rows: Any) -> Any:
    """The newest revision of each, unless every one is asked for."""
    return rows if request.GET.get("revisions") == "all" else queries.newest(rows)


@page
def requirements(request: HttpRequest) -> HttpResponseBase:
    actor = actor_of(request)
    model = visible(actor, Model).filter(slug=request.GET.get("model", "")).first()
    rows = queries.with_force(_of_each(request, queries.requirements(actor)))
    return REQUIREMENTS.read(request, rows).respond("verification/requirements.html", {"model": model})


@page
def risks(request: HttpRequest) -> HttpResponseBase:
    rows = _of_each(request, queries.risks(actor_of(request)))
    model = visible(actor_of(request), Model).filter(slug=request.GET.get("model", "")).first()
    return RISKS.read(request, rows).respond("verification/risks.html", {"model": model})


@page
def requirement(request: HttpRequest, number: int, revision: int) -> HttpResponse:
    """One revision: what it says, where it comes from, what shows it, who decided, the other revisions, its trail."""
    actor = actor_of(request)
    found = seen_or_404(request, Requirement, *queries.REQUIREMENTS, number=number, revision=revision)
    with shared():
        given = {v.act: v for v in offers(actor, found)}
        writing = may(actor, WRITE, found.model)
        lines = _lines(actor, found, lambda line: line.requirement.partition("/")[0] == f"REQ-{number}")
    names = ("verification.approve_requirement", "verification.withdraw_requirement")
    buttons = [Button(given[name], sign_url(name, found.pk), style="primary") for name in names]
    buttons.append(
        Button(writing, f"{_new(found.model)}?revises={found.number}", label="Write the next revision")
    )
    doable = Acts(tuple(buttons))
    revisions = list(queries.requirements(actor).filter(number=number).order_by("revision"))
    controlled = queries.risks(actor).filter(model=found.model, number__in=found.risks)
    context = {
        "requirement": found,
        "risks": list(queries.newest(controlled).order_by("number")),
        "others": [row for row in revisions if row.pk != found.pk],
        "digest": content_digest(found),
        "changed": found.approved_digest and not still_signed(found, found.approved_digest),
        "standings": standings(found),
        "acts": doable,
        "needs_you": doable.anchor,
        "trail": _trail(actor, revisions),
        **lines,
    }
    return render(request, "verification/requirement.html", context)


@page
def risk(request: HttpRequest, number: int, revision: int) -> HttpResponse:
    """One revision of a risk: its fields, the requirements that control it, what shows them, revisions, trail."""
    actor = actor_of(request)
    found = seen_or_404(request, Risk, *queries.REQUIREMENTS, number=number, revision=revision)
    with shared():
        writing = may(actor, WRITE_RISK, found.model)
        lines = _lines(actor, found, lambda line: has_risk(line, f"RK-{number}"))
    url = f"{reverse('web:risk_new', args=[found.model.slug])}?revises={number}"
    revisions = list(queries.risks(actor).filter(number=number).order_by("revision"))
    context = {
        "risk": found,
        "requirements": queries.naming(actor, found),
        "others": [row for row in revisions if row.pk != found.pk],
        "newest": revisions[-1].pk == found.pk,
        "digest": content_digest(found),
        "acts": Acts((Button(writing, url, style="primary", label="Write the next revision"),)),
        "trail": _trail(actor, revisions),
        **lines,
    }
    return render(request, "verification/risk.html", context)


def _lines(actor: Any, record: Requirement | Risk, wanted: Callable[[Any], bool]) -> dict[str, Any]:
    """What shows the record on the newest version of its model: the lines of the matrix about it."""
    version = queries.shown_on(actor, record.model)
    found = queries.lines_of(version) if version is not None else []
    return {
        "version": version,
        "lines": [
            {"line": line, "evidence": link_of_ref(line.evidence), "mark": outcome_mark(line.outcome)}
            for line in found
            if wanted(line)
        ],
    }


def _trail(actor: Any, revisions: list[Any]) -> list[Any]:
    """The newest entries about any revision that the reader may see, as sentences."""
    rows = by_records(told(visible(actor, Entry)), revisions).order_by("-id")[:ENTRIES]
    return [line_of(entry) for entry in rows]


def _new(model: Model) -> str:
    return reverse("web:requirement_new", args=[model.slug])


class RiskForm(ChangeForm):
    hazard = forms.CharField(
        label="What may go wrong", max_length=4000, widget=forms.Textarea(attrs={"rows": 2})
    )
    harm = forms.CharField(
        label="What follows from it",
        max_length=4000,
        help_text="And for whom.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    severity = forms.ChoiceField(choices=LEVELS, widget=forms.RadioSelect, help_text="Of the harm.")
    likelihood = forms.ChoiceField(
        choices=LEVELS, widget=forms.RadioSelect, help_text="With the control in place."
    )
    control = forms.CharField(
        label="What is done about it", max_length=4000, help_text="“None” is an answer.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )  # fmt: skip
    reason = ReasonField(label="Why it is written now")


class RequirementForm(ChangeForm):
    text = forms.CharField(
        label="What the model has to do",
        max_length=4000,
        help_text="One sentence that a test can show, such as “It refuses counts outside 0 to 5,000 per mm3.”",
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    source = forms.ChoiceField(
        label="Where it comes from",
        choices=[(s.value, SOURCE_WORDS[s]) for s in Source],
        widget=forms.RadioSelect,
    )
    risks = forms.TypedMultipleChoiceField(
        label="Risks it controls", coerce=int, required=False, widget=forms.CheckboxSelectMultiple
    )
    clauses = LinesField(
        label="Clauses",
        required=False,
        help_text="One a line, such as EU GMP Annex 22 draft 4.1. Names of clauses, not texts.",
    )
    reason = ReasonField(label="Why it is written now")

    def __init__(self, *args: Any, known: list[Risk], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["risks"].choices = [(risk.number, f"RK-{risk.number}: {risk.hazard}") for risk in known]
        if not known:
            del self.fields["risks"]


@require_http_methods(["GET", "POST"])
@page
def risk_new(request: HttpRequest, slug: str) -> HttpResponse:
    """A new risk, or the next revision of one (`?revises=`)."""
    actor = actor_of(request)
    model = seen_or_404(request, Model, slug=slug)
    back = f"{reverse('web:risks')}?model={slug}"
    verdict = may(actor, WRITE_RISK, model)
    if not verdict.allowed:
        return refused_form(
            request, verdict, back, partial(acts.write_risk, actor, model.pk, given={}, reason="None")
        )
    before = _before(request, visible(actor, Risk).filter(model=model))
    initial = {name: getattr(before, name) for name in RiskForm.base_fields if hasattr(before, name)}
    form = RiskForm(request.POST if request.method == "POST" else None, initial=initial | fresh())
    if request.method == "POST" and form.is_valid():
        given = dict(form.cleaned_data)
        told = {"reason": given.pop("reason"), "idempotency_key": given.pop("idempotency_key")}
        number = before.number if before else None
        made = attempt_change(form, acts.write_risk, actor, model.pk, given=given, revises=number, **told)
        if made:
            messages.success(request, f"{made.ref} is written. A requirement that names it controls it.")
            return redirect(url_of(made))
    return _form(request, form, "Write risk", before, back, "Risks")


@require_http_methods(["GET", "POST"])
@page
def requirement_new(request: HttpRequest, slug: str) -> HttpResponse:
    """A new requirement, or the next revision of one (`?revises=`): what was approved is never edited."""
    actor = actor_of(request)
    model = seen_or_404(request, Model, slug=slug)
    back = f"{reverse('web:requirements')}?model={slug}"
    verdict = may(actor, WRITE, model)
    if not verdict.allowed:
        blank = partial(acts.write_requirement, actor, model.pk, given={}, reason="None")
        return refused_form(request, verdict, back, blank)
    before = _before(request, queries.requirements(actor).filter(model=model))
    newest = {
        risk.number: risk for risk in visible(actor, Risk).filter(model=model).order_by("number", "revision")
    }
    initial = fresh()
    if before:
        initial |= {"text": before.text, "source": before.source, "risks": before.risks}
        initial["clauses"] = "\n".join(before.clauses)
    posted = request.POST if request.method == "POST" else None
    form = RequirementForm(posted, initial=initial, known=list(newest.values()))
    if request.method == "POST" and form.is_valid():
        given = {"risks": [], **form.cleaned_data}
        told = {"reason": given.pop("reason"), "idempotency_key": given.pop("idempotency_key")}
        number = before.number if before else None
        made = attempt_change(
            form, acts.write_requirement, actor, model.pk, given=given, revises=number, **told
        )
        if made:
            messages.success(
                request, f"{made.ref} is written. It waits for a QA approver who did not write it."
            )
            return redirect(url_of(made))
    return _form(request, form, "Write requirement", before, back, "Requirements")


def _before(request: HttpRequest, rows: Any) -> Any:
    """The newest revision of what the address says is revised; None for something new."""
    asked = request.GET.get("revises", "")
    return (
        rows.filter(number=int(asked)).order_by("-revision").first()
        if asked.isdecimal() and len(asked) < 10
        else None
    )


def _form(
    request: HttpRequest, form: ChangeForm, heading: str, before: Any, back: str, back_text: str
) -> HttpResponse:
    note = f"Prefilled from {before.ref}, which stays as it is." if before else ""
    context = {"form": form, "heading": heading, "note": note, "back": back, "back_text": back_text}
    return render(request, "registry/form.html", context, status=422 if form.errors else 200)


urlpatterns = [
    path("requirements/", requirements, name="requirements"),
    path("requirements/<int:number>/<int:revision>/", requirement, name="requirement"),
    path("risks/", risks, name="risks"),
    path("risks/<int:number>/<int:revision>/", risk, name="risk"),
    path("models/<slug:slug>/requirements/new/", requirement_new, name="requirement_new"),
    path("models/<slug:slug>/risks/new/", risk_new, name="risk_new"),
]
