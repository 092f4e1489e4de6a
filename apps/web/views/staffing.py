"""Duties for several people at once: tried out without effect, or requested together."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from django import forms
from django.apps import apps
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_http_methods, require_safe

from apps.access import acts, duties, queries
from apps.access.acting import refuse_first
from apps.access.actors import Actor
from apps.access.acts.bulk import MOST
from apps.access.assigning import PARENTS, family_of
from apps.access.duties import Duty
from apps.access.gate import Scopes, may, visible
from apps.access.models import Assignment
from apps.access.sharing import shared
from apps.access.together import Row, judge_rows, stuck_after
from apps.accounts.models import User
from apps.core.errors import Conflict, NotAllowed, Refused
from apps.registry.models import Model
from apps.web.door import actor_of, page, seen_or_404
from apps.web.forms import Form, MomentField, ReasonField
from apps.web.views.duties import people_url

FEW, MORE = 5, 5  # rows of an empty form, and how many are added


def may_choose(actor: Actor, model: Model) -> bool:
    """Who may choose among the people of the organisation: who may request duties here, or sees everything."""
    return may(actor, "access.request_assignment", model).allowed or Scopes(actor.user).sees_all


def _choosing(request: HttpRequest, slug: str) -> tuple[Actor, Model]:
    actor, model = actor_of(request), seen_or_404(request, Model, slug=slug)
    if not may_choose(actor, model):
        raise may(actor, "access.request_assignment", model).refusal()
    return actor, model


def _people() -> list[User]:
    return list(User.objects.filter(is_active=True, is_service=False).order_by("printed_name", "pk"))


class RowsForm(Form):
    """`count` rows of person, duty and, where there are several `places`, the place."""

    def __init__(self, *args, count: int, people: Sequence[User], places: Sequence[Any], **kwargs):
        super().__init__(*args, **kwargs)
        self.count, self.places = count, {f"{p.subject_kind}:{p.pk}": p for p in places}
        self.people = {person.pk: person for person in people}
        named = [("", "Nobody"), *((p.pk, f"{p.printed_name} (@{p.username})") for p in people)]
        offered = {duty for place in places for duty in queries.duties_on(place.subject_kind)}
        held = [("", "Choose a duty"), *((d.value, duties.WORDS[d]) for d in Duty if d in offered)]
        for number in range(1, count + 1):
            self.fields[f"person-{number}"] = forms.TypedChoiceField(
                label="Person", coerce=int, choices=named, required=False, empty_value=None
            )
            self.fields[f"duty-{number}"] = forms.ChoiceField(label="Duty", choices=held, required=False)
            if len(places) > 1:
                where = [(key, place.ref) for key, place in self.places.items()]
                self.fields[f"on-{number}"] = forms.ChoiceField(label="On", choices=where, required=False)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """For the template: the fields of each row."""
        names = ("person", "duty", "on")
        return [
            {"number": n, "fields": [self[f"{name}-{n}"] for name in names if f"{name}-{n}" in self.fields]}
            for n in range(1, self.count + 1)
        ]

    @property
    def filled(self) -> list[tuple[int, int, str, Any]]:
        """(number in the form, person, duty, place) of every row with a person and a duty."""
        found, first = [], next(iter(self.places.values()))
        for n in range(1, self.count + 1):
            person, duty = self.cleaned_data.get(f"person-{n}"), self.cleaned_data.get(f"duty-{n}")
            if person and duty:
                place = self.places.get(self.cleaned_data.get(f"on-{n}") or "", first)
                found.append((n, person, duty, place))
        return found

    def clean(self):
        given = super().clean()
        for n in range(1, self.count + 1):
            person, duty = given.get(f"person-{n}"), given.get(f"duty-{n}")
            if person and not duty and f"duty-{n}" not in self.errors:
                self.add_error(f"duty-{n}", "Choose a duty for this person.")
            if duty and not person and f"person-{n}" not in self.errors:
                self.add_error(f"person-{n}", "Choose a person for this duty.")
        return given


def _count(asked: str) -> int:
    return min(MOST, max(1, int(asked))) if asked.isascii() and asked.isdigit() and len(asked) < 4 else FEW


@require_safe
@page
def simulate(request: HttpRequest, slug: str) -> HttpResponse:
    """Hypothetical duties against the rules. Nothing is written: the address holds the whole question."""
    actor, model = _choosing(request, slug)
    family = [place for place in family_of(model.subject_kind, model.pk) if place[0] == duties.DATASET]
    datasets = visible(actor, apps.get_model(PARENTS[duties.DATASET])).filter(pk__in=[pk for _, pk in family])
    count = _count(request.GET.get("rows", ""))
    asked = any(name.startswith("person-") for name in request.GET)
    form = RowsForm(
        request.GET if asked else None,
        count=count,
        people=_people(),
        places=[model, *datasets.order_by("slug")],
    )
    judged, stuck, numbers = [], [], {}
    if asked and form.is_valid():
        rows = []
        for number, person, duty, place in form.filled:
            if Duty(duty) in queries.duties_on(place.subject_kind):
                rows.append(Row(number, form.people[person], Duty(duty), place))
            else:
                form.add_error(f"duty-{number}", f"This duty is not held on {place.ref}.")
        with shared():
            judged = judge_rows(rows) if not form.errors else []
            stuck = stuck_after(model, judged)
        numbers = {each.row.number: each for each in judged}
    context = {
        "model": model,
        "form": form,
        "asked": asked and not form.errors,
        "judged": judged,
        "against": [each for each in numbers.values() if each.because],
        "stuck": stuck,
        "more": min(MOST, count + MORE),
        "count": count,
        "request_all": may(actor, "access.request_assignments", model),
        "back": people_url(duties.MODEL, slug),
        "area": "models",
    }
    return render(request, "people/simulate.html", context, status=422 if form.errors else 200)


class BulkForm(RowsForm):
    starts_at = MomentField(required=False, label="From", help_text="UTC. Empty: as soon as it is approved.")
    ends_at = MomentField(required=False, label="Until", help_text="UTC. Empty: until somebody ends it.")
    reason = ReasonField(label="Why these people need them")
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)

    def clean(self):
        given = super().clean()
        if not self.errors and not self.filled:
            self.add_error(None, "Fill in at least one row.")
        return given

    def add_rows(self, refused: Refused) -> None:
        """What is wrong with a row stands beside it. The act counts filled rows; the form has empty ones between."""
        numbers = [number for number, *_ in self.filled]
        placed = False
        for name, told in refused.fields.items():
            kind, _, index = name.partition("-")
            known = kind == "row" and index.isdigit() and int(index) <= len(numbers)
            target = f"person-{numbers[int(index) - 1]}" if known else name
            for message in told:
                self.add_error(target if target in self.fields else None, message)
                placed = True
        if not placed:
            self.add_error(None, refused.sentence())


def _like(actor: Actor, slug: str, people: Sequence[User]) -> list[tuple[int, str]]:
    """(person, duty) of everybody who holds a duty on another model that the reader may see."""
    other = visible(actor, Model).filter(slug=slug).first()
    if other is None:
        return []
    known = {person.pk for person in people}
    rows = visible(actor, Assignment).filter(scope_kind=duties.MODEL, scope_id=other.pk)
    held = Assignment.objects.active().filter(pk__in=rows.values("pk")).order_by("duty", "person_id")
    return [(a.person_id, a.duty) for a in held if a.person_id in known][:MOST]


@require_http_methods(["GET", "POST"])
@page
def request_many(request: HttpRequest, slug: str) -> HttpResponse:
    """Several duties for several people: judged together, all or nothing."""
    actor, model = actor_of(request), seen_or_404(request, Model, slug=slug)
    verdict = may(actor, "access.request_assignments", model)
    if not verdict.allowed:
        if request.method == "POST":
            refuse_first(actor, "access.request_assignments", model)
        raise verdict.refusal()
    people = _people()
    like = request.GET.get("like", "")
    copied = _like(actor, like, people) if like else []
    count = max(_count(request.POST.get("rows") or request.GET.get("rows", "")), len(copied))
    initial: dict[str, Any] = {"idempotency_key": uuid.uuid4().hex}
    for number, (person, duty) in enumerate(copied, 1):
        initial |= {f"person-{number}": person, f"duty-{number}": duty}
    form = BulkForm(
        request.POST if request.method == "POST" else None,
        initial=initial,
        count=count,
        people=people,
        places=[model],
    )
    refusal, status = None, 200
    if request.method == "POST" and form.is_valid():
        rows = [{"person_id": person, "duty": duty} for _, person, duty, _ in form.filled]
        try:
            acts.request_assignments(
                actor,
                model.pk,
                rows=rows,
                starts_at=form.cleaned_data["starts_at"],
                ends_at=form.cleaned_data["ends_at"],
                reason=form.cleaned_data["reason"],
                idempotency_key=form.cleaned_data["idempotency_key"],
            )
        except NotAllowed:
            raise
        except Refused as refused:
            form.add_rows(refused)
            refusal, status = (refused if isinstance(refused, Conflict) else None), refused.status
        else:
            messages.success(request, f"{len(rows)} requested. Somebody else approves each of them.")
            return redirect(people_url(duties.MODEL, slug))
    elif form.errors:
        status = 422
    context = {
        "model": model,
        "form": form,
        "refusal": refusal,
        "like": like,
        "copied": len(copied),
        "others": visible(actor, Model).exclude(pk=model.pk).order_by("slug")[:200],
        "count": count,
        "more": min(MOST, count + MORE),
        "back": people_url(duties.MODEL, slug),
        "area": "models",
    }
    return render(request, "people/request_many.html", context, status=status)


urlpatterns = [
    path("models/<slug:slug>/people/simulate/", simulate, name="simulate_duties"),
    path("models/<slug:slug>/people/request-many/", request_many, name="request_model_duties"),
]
