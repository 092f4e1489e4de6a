"""Duties: who holds them on a model or dataset, requests and their decision. The organisation's are on /people/."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import replace

from django import forms
from django.apps import apps
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods

from apps.access import acts, approving, duties, factors, queries
from apps.access.acting import refuse_first
from apps.access.actors import Actor
from apps.access.gate import ORGANISATION_SUBJECT, Judge, Scopes, may, visible
from apps.access.models import Assignment
from apps.access.policy import policy
from apps.access.sharing import shared
from apps.access.staffing import Ground, Leaver, leavers
from apps.access.standing_conflicts import on_place
from apps.access.waiting import queues_for
from apps.approvals.leavers import Wanted, on_models
from apps.core.errors import BadInput, NotVisible
from apps.web.door import actor_of, attempt, page, seen_or_404
from apps.web.forms import Form, MomentField, ReasonField
from apps.web.links import url_of
from apps.web.views.duty_lists import url_of_list
from apps.web.views.duty_lists import urlpatterns as list_urls

REQUESTS = {duties.ORGANISATION: acts.request_organisation_assignment}
VERBS = ("approve", "refuse", "end")
SHOWN = 20  # rows of each table on a page; the registers have all


def decisions(actor: Actor, assignments: Iterable[Assignment], **narrowed: str) -> dict:
    """For pages with duties: requests that wait (with verdicts and approvers), what is held, what is past.

    Judged together, so that the number of queries follows the number of open requests, not of all duties. Of what is
    held and past the first rows are shown, and the way to all of them in the registers, `narrowed` to this page.
    """
    known = list(assignments)
    names = queries.place_names(actor, known)
    waiting, held, gone = [], [], []
    end = policy("access.end_assignment")
    with shared():
        for each in known:
            told = {"a": each, "place": names[each.scope]}
            if queries.is_past(each):
                gone.append(told)
            elif each.state == Assignment.State.REQUESTED:
                waiting.append(told | {"open": queries.open_request(actor, each)})
            else:
                held.append(told)
        shown = [told | {"end": Judge(told["a"]).verdict(actor, end)} for told in held[:SHOWN]]
    gone.sort(key=lambda t: t["a"].ended_at or t["a"].ends_at, reverse=True)
    return {
        "waiting": waiting,
        "held": shown,
        "held_total": len(held),
        "held_url": url_of_list(past=False, **narrowed),
        "past": gone[:SHOWN],
        "past_total": len(gone),
        "past_url": url_of_list(past=True, **narrowed),
    }


def _parent(request: HttpRequest, kind: str, slug: str):
    if kind == duties.ORGANISATION:
        return ORGANISATION_SUBJECT
    return seen_or_404(request, apps.get_model(queries.PARENTS[kind]), slug=slug)


def people_url(kind: str, slug: str = "") -> str:
    """The page that shows the duties on this parent."""
    name = {duties.MODEL: "web:model_people", duties.DATASET: "web:dataset_people"}.get(kind)
    return reverse(name, args=[slug]) if name else reverse("web:people")


def request_url(parent) -> str:
    kind = parent.subject_kind
    names = {duties.MODEL: "web:request_model_duty", duties.DATASET: "web:request_dataset_duty"}
    return reverse(names[kind], args=[parent.slug]) if kind in names else reverse("web:request_duty")


def who_leaves_a_gap(parent, coverage: list[queries.Coverage], signatures: Iterable[Wanted]) -> list[Leaver]:
    """Holders without whom a duty here has nobody, or one of the `signatures` that open gates want."""
    kind = parent.subject_kind
    found = {each.person.pk: each for each in leavers(kind, (a for c in coverage for a in c.able))}
    for wanted in signatures:
        if len(wanted.able) == 1:
            person = wanted.able[0]
            known = found.get(person.pk, Leaver(person, (), ()))
            told = (*known.waiting, f"{wanted.label} of {wanted.ref}")
            found[person.pk] = replace(known, waiting=told)
    return sorted(found.values(), key=lambda each: each.person.printed_name)


@page
def parent_people(request: HttpRequest, slug: str, kind: str) -> HttpResponseBase:
    """Who holds which duty on one model or dataset."""
    actor, parent = actor_of(request), _parent(request, kind, slug)
    given = list(queries.on_parent(actor, parent))
    request_one = may(actor, "access.request_assignment", parent)
    # Who could take a duty names people of the whole organisation: for those who choose among them.
    chooses = request_one.allowed or Scopes(actor.user).sees_all
    with shared():
        named = queries.told_of_duties(actor, parent, given)
        ground = Ground(parent) if chooses else None
        coverage = queries.coverage(parent, given, ground=ground) if named else []
        signatures = on_models([parent.pk]) if named and kind == duties.MODEL else []
        alone = who_leaves_a_gap(parent, coverage, signatures) if named else []
        apart = on_place(ground, given) if ground else []
    context = {
        "parent": parent,
        "parent_url": url_of(parent),
        "kind_word": "model" if kind == duties.MODEL else "dataset",
        "named": named,
        "coverage": coverage,
        "chooses": chooses,
        "alone": alone,
        "without": [each for each in signatures if not each.able],
        "apart": apart,
        "request_duty": request_one,
        "request_url": request_url(parent),
        "request_all": may(actor, "access.request_assignments", parent) if kind == duties.MODEL else None,
        "waive": may(actor, "access.request_waiver", parent) if kind == duties.MODEL else None,
        "area": "models" if kind == duties.MODEL else "datasets",
        **decisions(actor, given, object=parent.slug),
    }
    return render(request, "people/parent_people.html", context)


class RequestForm(Form):
    duty = forms.CharField(widget=forms.HiddenInput)
    person_id = forms.TypedChoiceField(label="Person", coerce=int, choices=())
    starts_at = MomentField(required=False, label="From", help_text="UTC. Empty: as soon as it is approved.")
    ends_at = MomentField(required=False, label="Until", help_text="UTC. Empty: until somebody ends it.")
    reason = ReasonField(label="Why this person needs it")
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)

    def __init__(self, *args, people, **kwargs):
        super().__init__(*args, **kwargs)
        fit = [
            (c.person.pk, f"{c.person.printed_name} (@{c.person.username})") for c in people if not c.because
        ]
        self.fields["person_id"].choices = [("", "Choose a person"), *fit]

    def add_refusal(self, refused) -> None:
        if "person" in refused.fields:
            refused.fields["person_id"] = refused.fields.pop("person")
        super().add_refusal(refused)


@require_http_methods(["GET", "POST"])
@page
def request_duty(request: HttpRequest, kind: str = duties.ORGANISATION, slug: str = "") -> HttpResponse:
    """First the duty, then the person: who cannot be given it is named with the reason."""
    actor, parent = actor_of(request), _parent(request, kind, slug)
    act = "organisation_assignment" if kind == duties.ORGANISATION else "assignment"
    verdict = may(actor, f"access.request_{act}", parent)
    if not verdict.allowed:
        raise verdict.refusal()
    choices = [(d.value, duties.WORDS[d]) for d in queries.duties_on(kind)]
    asked = request.POST.get("duty") or request.GET.get("duty", "")
    known = asked in dict(choices)
    people = queries.candidates(parent, duties.Duty(asked)) if known else []
    initial = {"duty": asked, "idempotency_key": uuid.uuid4().hex}
    form = RequestForm(request.POST if request.method == "POST" else None, initial=initial, people=people)
    if request.method == "POST" and not known:
        form.add_error(None, "Choose a duty first.")
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        where = {} if kind == duties.ORGANISATION else {"scope_kind": kind, "scope_id": parent.pk}
        made = attempt(
            form,
            REQUESTS.get(kind, acts.request_assignment),
            actor,
            person_id=given["person_id"],
            duty=given["duty"],
            starts_at=given["starts_at"],
            ends_at=given["ends_at"],
            reason=given["reason"],
            idempotency_key=given["idempotency_key"],
            **where,
        )
        if made:
            messages.success(request, f"Requested: {made}. Somebody else approves it.")
            _warn_of_factor(request, made)
            return redirect(people_url(kind, slug))
    context = {
        "parent": parent,
        "back": people_url(kind, slug),
        "choices": choices,
        "asked": asked if known else "",
        "word": dict(choices).get(asked, ""),
        "form": form,
        "unfit": [c for c in people if c.because],
        "warned": [c for c in people if c.warnings and not c.because],
        "fit": any(not c.because for c in people),
    }
    return render(request, "people/request_duty.html", context, status=422 if form.errors else 200)


class DecideForm(Form):
    reason = ReasonField()
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)

    def __init__(self, *args, asks_reason: bool, **kwargs):
        super().__init__(*args, **kwargs)
        if not asks_reason:
            del self.fields["reason"]


@require_http_methods(["GET", "POST"])
@page
def decide(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """Approve, refuse or end one duty, with everything about it before one's eyes."""
    if verb not in VERBS:
        raise NotVisible()
    actor = actor_of(request)
    assignment = seen_or_404(request, Assignment, "person", "requester", "approver", pk=pk)
    row = queries.approval_of(assignment) if verb == "approve" else policy(f"access.{verb}_assignment")
    back = people_page(actor, assignment)
    initial = {"idempotency_key": uuid.uuid4().hex}
    form = DecideForm(
        request.POST if request.method == "POST" else None, initial=initial, asks_reason=row.reason
    )
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        act = getattr(acts, row.act.removeprefix("access."))
        if attempt(
            form,
            act,
            actor,
            assignment.pk,
            reason=given.get("reason", ""),
            idempotency_key=given["idempotency_key"],
        ):
            done = {"approve": "approved", "refuse": "refused", "end": "ended"}[verb]
            messages.success(request, f"{assignment.ref} is {done}: {assignment}.")
            if verb == "approve":
                _warn_of_factor(request, assignment)
            return redirect(back)
    elif request.method == "POST":
        refuse_first(actor, row.act, assignment)
    context = {
        "a": assignment,
        "place": queries.place_names(actor, [assignment])[assignment.scope],
        "verb": verb,
        "form": form,
        "back": back,
        "verdict": Judge(assignment).verdict(actor, row),
    }
    return render(request, "people/decide.html", context, status=422 if form.errors else 200)


class ApproveForm(forms.Form):
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=64)


@require_http_methods(["GET", "POST"])
@page
def approve_many(request: HttpRequest) -> HttpResponse:
    """Every request for a duty that waits for the reader; those that are chosen are approved, each for itself."""
    actor, answers, missing = actor_of(request), [], ""
    if request.method == "POST":
        form = ApproveForm(request.POST)
        key = form.cleaned_data["idempotency_key"] if form.is_valid() else ""
        given = request.POST.getlist("assignments")  # a longer number is no id of the database
        chosen = [int(pk) for pk in given if pk.isascii() and pk.isdigit() and len(pk) < 19]
        try:
            answers = approving.approve_many(actor, chosen, idempotency_key=key)
        except BadInput as refused:
            missing = " ".join(said for each in refused.fields.values() for said in each)
    with shared():
        found = next((each for each in queues_for(actor) if each.queue.key == "duties"), None)
        mine = [item.record.pk for item in found.mine] if found else []
        rows = visible(actor, Assignment).filter(pk__in=mine).select_related("person", "requester")
        rows = list(rows.order_by("requested_at")[: approving.MOST])
        names = queries.place_names(actor, rows)
    context = {
        "rows": [{"a": each, "place": names[each.scope]} for each in rows],
        "blocked": found.blocked if found else (),
        "answers": answers,
        "told": approving.told(answers) if answers else "",
        "missing": missing,
        "key": uuid.uuid4().hex,
    }
    return render(request, "people/approve_many.html", context, status=422 if missing else 200)


def people_page(actor: Actor, assignment: Assignment) -> str:
    """The page on which the reader sees this duty; their own account when its place is hidden from them."""
    label = queries.PARENTS.get(assignment.scope_kind)
    if label is None:
        return reverse("web:people")
    parent = visible(actor, apps.get_model(label)).filter(pk=assignment.scope_id).first()
    return people_url(assignment.scope_kind, parent.slug) if parent else reverse("web:account")


urlpatterns = [
    *list_urls,
    path("organisation/request-duty/", request_duty, name="request_duty"),
    path("models/<slug:slug>/people/", parent_people, {"kind": duties.MODEL}, name="model_people"),
    path(
        "models/<slug:slug>/people/request/", request_duty, {"kind": duties.MODEL}, name="request_model_duty"
    ),
    path("datasets/<slug:slug>/people/", parent_people, {"kind": duties.DATASET}, name="dataset_people"),
    path(
        "datasets/<slug:slug>/people/request/",
        request_duty,
        {"kind": duties.DATASET},
        name="request_dataset_duty",
    ),
    path("assignments/approve/", approve_many, name="approve_assignments"),
    path("assignments/<int:pk>/<str:verb>/", decide, name="decide_assignment"),
]


def _warn_of_factor(request: HttpRequest, assignment: Assignment) -> None:
    """A duty that signs was asked for or given to somebody who has no second factor, where one is required."""
    if said := factors.warning(assignment.person, assignment.duty):
        messages.warning(request, said)
