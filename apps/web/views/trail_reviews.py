"""Reviews of the audit trail: the register, one review with its entries by filter, and what is done to it."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods, require_POST

from apps.access.acting import refuse_first
from apps.access.actors import Actor
from apps.access.gate import may, offers
from apps.access.sharing import shared
from apps.access.signing import content_digest, standings
from apps.quality import acts as deviation_acts
from apps.quality import review_acts as acts
from apps.quality import review_queries as queries
from apps.quality.models import TrailFinding, TrailReview
from apps.quality.review_models import STATES
from apps.quality.review_rules import MAX_TEXT, WEIGHTS, review_rules, wanted_comment
from apps.registry.models import Version
from apps.trail.models import Entry
from apps.web.buttons import Acts, Button
from apps.web.door import actor_of, attempt, page, seen_or_404
from apps.web.forms import Form, ReasonField
from apps.web.links import sign_url, url_of
from apps.web.lists import Column, Table, choice, text
from apps.web.marks import CHECK_MARKS, RECORD_MARKS, render_mark
from apps.web.timeline import line_of
from apps.web.views.deviations import DeviationForm
from apps.web.views.plans import link, state_mark

ROWS = 50
ALL, SAMPLE = "all", "sample"
OWN = ("version__model", "version__intended_use", "opened_by", "ended_by")


def standing_of(review: TrailReview) -> tuple[str, str]:
    """(mark, words): whether a signed review is current, is out of date, or has findings that nobody has settled."""
    if review.state != "signed":
        return "", ""
    last = queries.last_signed(review.version)
    later = queries.came_after(review, review.version)
    if last is not None and last.pk != review.pk:
        return "", f"{last.ref} came after it."
    if later:
        return "out_of_date", f"{len(later)} {'act' if len(later) == 1 else 'acts'} since."
    return "met", "Current: no act has come since that it would have to cover."


def _standing(review: TrailReview) -> str:
    return standing_of(review)[1]


REVIEWS = Table(
    name="trail-reviews",
    caption="Trail reviews you may see",
    order="-number",
    empty="No review of an audit trail that you may see. One is opened from a version, under “Audit trail”.",
    columns=[
        Column("number", "Review", sort="number", heading=True, value=lambda r: r.ref, render=link),
        Column(
            "version",
            "Version",
            sort=("version__model__slug", "version__label"),
            value=lambda r: r.version.ref,
            render=lambda r: link(r.version),
        ),
        Column("state", "State", sort="state", value=lambda r: r.get_state_display(), render=state_mark),
        Column("covered", "Entries", sort="covered", kind="number"),
        Column(
            "exceptions",
            "Exceptions",
            kind="number",
            value=lambda r: len(set().union(*r.exceptions.values())),
        ),
        Column("found", "Findings", sort="found", kind="number"),
        Column("by", "Opened by", sort="opened_by__printed_name", value=lambda r: r.opened_by.printed_name),
        Column("until_at", "Up to", sort="until_at", kind="moment"),
        Column("ended_at", "Signed or withdrawn", sort="ended_at", kind="moment"),
        Column(
            "ended_by",
            "By",
            sort="ended_by__printed_name",
            value=lambda r: r.ended_by.printed_name if r.ended_by else "",
        ),
        Column("end_reason", "Withdrawn because"),
    ],
    filters=[
        choice("state", "State", list(STATES.items()), lambda rows, v: rows.filter(state=v)),
        text("model", "Model", lambda rows, v: rows.filter(version__model__slug=v)),
        text("version", "Version", lambda rows, v: rows.filter(version__label=v)),
    ],
)


@page
def trail_reviews(request: HttpRequest) -> HttpResponseBase:
    return REVIEWS.read(request, queries.register(actor_of(request))).respond("quality/trail_reviews.html")


class SeenForm(Form):
    entries = forms.TypedMultipleChoiceField(coerce=int, choices=(), required=False, label="Entries")
    comment = forms.CharField(
        required=False,
        max_length=MAX_TEXT,
        label="Comment",
        help_text="For all entries chosen. Entries marked “comment” are not taken without one.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)

    def __init__(self, *args: Any, review: TrailReview, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["entries"].choices = [(pk, str(pk)) for pk in sorted(review.shown)]  # type: ignore[attr-defined]
        self.fields["entries"].error_messages["invalid_choice"] = (
            "Entry %(value)s is not shown by this review."
        )


class FindingForm(Form):
    text = forms.CharField(
        label="What you found",
        max_length=MAX_TEXT,
        help_text="In which record, and what it means for the version.",
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    entry = forms.IntegerField(
        required=False,
        label="Entry",
        help_text="Its number, where the finding is about one entry of the range.",
    )
    weight = forms.ChoiceField(
        label="What follows", choices=list(WEIGHTS.items()), initial="observation", widget=forms.RadioSelect
    )
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


class OpenForm(Form):
    whole = forms.TypedChoiceField(
        label="From where",
        choices=[
            ("no", "From where the last signed review ended"),
            ("yes", "From the beginning of the version"),
        ],
        coerce=lambda typed: typed == "yes",
        initial="no",
        widget=forms.RadioSelect,
    )
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


class WithdrawForm(Form):
    reason = ReasonField(label="Why it is withdrawn")
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


def _key() -> dict[str, str]:
    return {"idempotency_key": uuid.uuid4().hex}


def _tabs(review: TrailReview, marks: dict[int, Any], chosen: str) -> list[dict[str, Any]]:
    """The filters with how many entries each catches and how many of them are still to be seen."""
    rules = review_rules(review.rules_version)
    groups = [
        (each["code"], each["title"], each["text"], review.exceptions[each["code"]])
        for each in rules["filters"]
    ]
    drawn = f"drawn at random: {rules['sample']['text']}"
    groups.append((SAMPLE, "Sample", drawn, review.sample))
    groups.append((ALL, "All entries of the range", "", []))
    return [
        {
            "code": code,
            "title": title,
            "text": says,
            "entries": entries,
            "count": review.covered if code == ALL else len(entries),
            "unseen": sum(entry not in marks for entry in entries),
            "url": f"?show={code}",
            "current": code == chosen,
        }
        for code, title, says, entries in groups
    ]


def _first(review: TrailReview, marks: dict[int, Any]) -> str:
    """Where a reviewer begins: the first filter with something to see."""
    codes = [*((c, e) for c, e in review.exceptions.items()), (SAMPLE, review.sample)]
    return next((code for code, entries in codes if any(e not in marks for e in entries)), SAMPLE)


def _rows(
    review: TrailReview, entries: list[Entry], marks: dict[int, Any], chosen: frozenset[str]
) -> list[dict[str, Any]]:
    """`chosen`: what was ticked in a form that is shown again. Nothing is ticked for the reviewer."""
    rules = review_rules(review.rules_version)
    titles = {each["code"]: each["title"] for each in rules["filters"]}
    caught = {code: frozenset(found) for code, found in review.exceptions.items()}
    shown, sampled = review.shown, frozenset(review.sample)
    rows = []
    for each in entries:
        why = [titles[code] for code, found in caught.items() if each.pk in found]
        rows.append(
            {
                "entry": each,
                "line": line_of(each),
                "mark": marks.get(each.pk),
                "why": why + (["Sample"] if each.pk in sampled else []),
                "asked": each.pk in shown,
                "comment": wanted_comment(each.pk, caught, rules),
                "ticked": str(each.pk) in chosen,
            }
        )
    return rows


def _found(review: TrailReview, actor: Actor) -> list[dict[str, Any]]:
    """Findings with their deviation, or the way to open one."""
    opening = may(actor, "quality.open_deviation", review.version)
    found = []
    for each in review.findings.select_related("recorded_by"):
        deviation = queries.deviation_of(each, review.version)
        found.append(
            {
                "finding": each,
                "deviation": deviation,
                "deviation_url": url_of(deviation) if deviation else "",
                "open_url": reverse("web:trail_finding_deviation", args=[each.pk])
                if opening.allowed and deviation is None
                else "",
            }
        )
    return found


def _show(
    request: HttpRequest,
    review: TrailReview,
    *,
    seen_form: SeenForm | None = None,
    finding_form: FindingForm | None = None,
    status: int = 200,
) -> HttpResponse:
    actor = actor_of(request)
    marks = queries.marks_by_entry(review)
    known = {*review.exceptions, SAMPLE, ALL}
    chosen = request.GET.get("show", "")
    chosen = chosen if chosen in known else _first(review, marks)
    tabs = _tabs(review, marks, chosen)
    tab = next(each for each in tabs if each["current"])
    rows = queries.entries_of(review)
    rows = rows if chosen == ALL else rows.filter(pk__in=tab["entries"])
    pages = Paginator(rows, ROWS)
    listed = pages.get_page(request.GET.get("page"))
    with shared():
        given = {v.act: v for v in offers(actor, review)}
        going = may(actor, "quality.mark_trail_entries", review)
        mark, standing = standing_of(review)
        later = queries.came_after(review, review.version) if review.state == "open" else []
    buttons = [
        Button(
            given["quality.sign_trail_review"],
            sign_url("quality.sign_trail_review", review.pk),
            style="primary",
        ),
        Button(
            given["quality.extend_trail_review"],
            reverse("web:trail_review_extend", args=[review.number]),
            post=True,
        ),
        Button(
            given["quality.withdraw_trail_review"], reverse("web:trail_review_withdraw", args=[review.number])
        ),
    ]
    doable = Acts(tuple(buttons))
    unseen = len(review.shown - set(marks))
    ticked = frozenset(request.POST.getlist("entries") if seen_form is not None else ())
    context = {
        "review": review,
        "version": review.version,
        "tabs": tabs,
        "tab": tab,
        "page": listed,
        "rows": _rows(review, list(listed.object_list), marks, ticked),
        "unseen": unseen,
        "shown": len(review.shown),
        "later": later,
        "standing": standing,
        "standing_mark": render_mark(CHECK_MARKS[mark]) if mark else "",
        "going": going,
        "finding": given["quality.record_trail_finding"],
        "seen_form": seen_form or SeenForm(review=review, initial=_key()),
        "finding_form": finding_form or FindingForm(initial=_key()),
        "findings": _found(review, actor),
        "rules": review_rules(review.rules_version),
        "digest": content_digest(review),
        "standings": standings(review),
        "acts": doable,
        "needs_you": "entries" if unseen and going.allowed else doable.anchor,
        "marks": RECORD_MARKS,
    }
    return render(request, "quality/trail_review.html", context, status=status)


@page
def trail_review(request: HttpRequest, number: int) -> HttpResponse:
    """What it covers, its exceptions and sample, what was seen and found, and who may sign."""
    return _show(request, seen_or_404(request, TrailReview, *OWN, number=number))


def _back(review: TrailReview, chosen: str) -> HttpResponse:
    query = QueryDict(mutable=True)
    if chosen:
        query["show"] = chosen
    address = reverse("web:trail_review", args=[review.number])
    return redirect(f"{address}?{query.urlencode()}#entries" if chosen else address)


@require_POST
@page
def trail_review_seen(request: HttpRequest, number: int) -> HttpResponse:
    """Mark the chosen entries as seen."""
    actor, review = actor_of(request), seen_or_404(request, TrailReview, *OWN, number=number)
    form = SeenForm(request.POST, review=review)
    chosen = request.POST.get("show", "")
    if not form.is_valid():
        refuse_first(actor, "quality.mark_trail_entries", review)
    elif attempt(
        form,
        acts.mark_trail_entries,
        actor,
        review.pk,
        entries=form.cleaned_data["entries"],
        comment=form.cleaned_data["comment"],
        idempotency_key=form.cleaned_data["idempotency_key"],
    ):
        count = len(form.cleaned_data["entries"])
        messages.success(request, f"{count} {'entry is' if count == 1 else 'entries are'} marked as seen.")
        return _back(review, chosen)
    request.GET = request.GET.copy()
    request.GET["show"] = chosen
    return _show(request, review, seen_form=form, status=422)


@require_POST
@page
def trail_review_finding(request: HttpRequest, number: int) -> HttpResponse:
    """Record what was found."""
    actor, review = actor_of(request), seen_or_404(request, TrailReview, *OWN, number=number)
    form = FindingForm(request.POST)
    if not form.is_valid():
        refuse_first(actor, "quality.record_trail_finding", review)
    else:
        made = attempt(form, acts.record_trail_finding, actor, review.pk, **form.cleaned_data)
        if made:
            messages.success(request, f"Finding {made.ref} is recorded.")
            return _back(review, "")
    return _show(request, review, finding_form=form, status=422)


@require_POST
@page
def trail_review_extend(request: HttpRequest, number: int) -> HttpResponse:
    """Take the range up to now."""
    review = seen_or_404(request, TrailReview, number=number)
    made = acts.extend_trail_review(
        actor_of(request), review.pk, idempotency_key=request.POST.get("idempotency_key", "")[:100]
    )
    messages.success(request, f"{made.ref} covers {made.covered} entries now.")
    return _back(review, "")


@require_http_methods(["GET", "POST"])
@page
def trail_review_withdraw(request: HttpRequest, number: int) -> HttpResponse:
    """End it without a signature."""
    actor, review = actor_of(request), seen_or_404(request, TrailReview, "version__model", number=number)
    verdict = may(actor, "quality.withdraw_trail_review", review)
    if not verdict.allowed:
        if request.method == "POST":  # the act refuses it, so that the attempt stands in the trail
            acts.withdraw_trail_review(actor, review.pk, reason=request.POST.get("reason") or "none given")
        raise verdict.refusal()
    form = WithdrawForm(request.POST if request.method == "POST" else None, initial=_key())
    posted = request.method == "POST" and form.is_valid()
    if posted and attempt(form, acts.withdraw_trail_review, actor, review.pk, **form.cleaned_data):
        messages.success(request, f"{review.ref} is withdrawn.")
        return _back(review, "")
    context = {"form": form, "review": review, "version": review.version}
    return render(request, "quality/trail_review_withdraw.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@page
def trail_review_new(request: HttpRequest, pk: int) -> HttpResponse:
    """Open a review of a version's trail."""
    actor, version = actor_of(request), seen_or_404(request, Version, "model", "intended_use", pk=pk)
    form = OpenForm(request.POST if request.method == "POST" else None, initial=_key())
    posted = request.method == "POST" and form.is_valid()
    verdict = may(actor, "quality.open_trail_review", version)
    if not verdict.allowed and not posted:
        raise verdict.refusal()
    if (
        posted
    ):  # the act refuses what is not allowed, and answers the second click with what the first one made
        made = attempt(form, acts.open_trail_review, actor, version.pk, **form.cleaned_data)
        if made:
            messages.success(request, f"{made.ref} is open: {made.covered} entries are in its range.")
            return _back(made, "")
    context = {"form": form, "version": version, "last": queries.last_signed(version)}
    return render(request, "quality/trail_review_form.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@page
def trail_finding_deviation(request: HttpRequest, pk: int) -> HttpResponse:
    """Open the deviation that a finding needs, by the same act as any other."""
    actor = actor_of(request)
    finding = seen_or_404(request, TrailFinding, "review__version__model", pk=pk)
    version = finding.review.version
    verdict = may(actor, "quality.open_deviation", version)
    if not verdict.allowed:
        if request.method == "POST":  # the act refuses it, so that the attempt stands in the trail
            deviation_acts.open_deviation(actor, version.pk, title="", description="")
        raise verdict.refusal()
    given = {"title": f"Finding {finding.ref} of a trail review", "description": finding.text, **_key()}
    form = DeviationForm(request.POST if request.method == "POST" else None, initial=given)
    if request.method == "POST" and form.is_valid():
        made = attempt(
            form, deviation_acts.open_deviation, actor, version.pk, finding_id=finding.pk, **form.cleaned_data
        )
        if made:
            messages.success(request, f"{made.ref} is open for {finding.ref}.")
            return _back(finding.review, "")
    context = {"form": form, "version": version, "finding": finding}
    return render(request, "quality/deviation_form.html", context, status=422 if form.errors else 200)


urlpatterns = [
    path("trail-reviews/", trail_reviews, name="trail_reviews"),
    path("trail-reviews/<int:number>/", trail_review, name="trail_review"),
    path("trail-reviews/<int:number>/seen/", trail_review_seen, name="trail_review_seen"),
    path("trail-reviews/<int:number>/finding/", trail_review_finding, name="trail_review_finding"),
    path("trail-reviews/<int:number>/extend/", trail_review_extend, name="trail_review_extend"),
    path("trail-reviews/<int:number>/withdraw/", trail_review_withdraw, name="trail_review_withdraw"),
    path("trail-findings/<int:pk>/deviation/", trail_finding_deviation, name="trail_finding_deviation"),
    path("versions/<int:pk>/trail-review/", trail_review_new, name="trail_review_new"),
]
