"""What registers share: a moment to look at, export as CSV or JSON with an entry, forms of one act."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render

from apps.access.acting import refuse_first
from apps.access.acts import export_register
from apps.access.gate import may
from apps.access.policy import policy
from apps.core.clock import iso, now
from apps.core.digests import digest
from apps.core.subjects import Subject
from apps.web.door import actor_of, attempt, attempt_change
from apps.web.forms import ChangeForm, Form, MomentField, ReasonField
from apps.web.lists import Filter, Listing, Table
from apps.web.views.models import fresh, refused_form

AS_OF = "as-of"


class PastMoment(MomentField):
    """A moment that is not ahead; with a zone and fractions of a second where exactly one moment is meant."""

    def to_python(self, value: Any) -> datetime | None:
        try:
            exact = datetime.fromisoformat(str(value).strip())
            if exact.tzinfo is not None:
                exact = exact.astimezone(UTC)
        except ValueError:
            exact = None
        except OverflowError:  # before the first or after the last day of the calendar, in UTC
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid") from None
        found = exact if exact is not None and exact.tzinfo is not None else super().to_python(value)
        if found is not None and found > now():
            raise forms.ValidationError("This moment lies ahead: nobody knows yet who could do what then.")
        return found


def as_of_filter() -> Filter:
    """The moment at which the register is read; it narrows nothing by itself."""
    return Filter(AS_OF, PastMoment(label="As of (UTC)", required=False), lambda rows, _moment: rows)


def moment_of(request: HttpRequest) -> datetime | None:
    """The moment asked for; None for now, and where what was asked cannot be read (the list says so)."""
    try:
        return PastMoment(required=False).clean(request.GET.get(AS_OF, ""))
    except forms.ValidationError:
        return None


def respond(
    request: HttpRequest,
    table: Table,
    rows: QuerySet[Any],
    template: str,
    as_data: Callable[[list[Any]], list[dict[str, Any]]],
    context: dict[str, Any] | None = None,
    *,
    prepare: Callable[[list[Any]], Any] | None = None,
) -> HttpResponseBase:
    """The page, or the whole filtered register as CSV, its side file, or JSON. Taking it away is an entry.

    `prepare`: as in `Table.read`.
    """
    actor = actor_of(request)

    def enter(about: dict[str, Any], form: str = "CSV") -> None:
        export_register(actor, register=table.name, asked=about["filter"], count=about["count"], form=form)

    listing = table.read(request, rows, on_export=enter, prepare=prepare)
    if request.GET.get("format") == "json" and not listing.bad:
        about = listing.meta_of("json")
        enter(about, "JSON")
        data = as_data(list(listing.rows))
        about["rows_digest"] = digest(data)
        answer = JsonResponse({**about, "rows": data}, json_dumps_params={"indent": 1, "ensure_ascii": False})
        answer["Content-Disposition"] = f'attachment; filename="{table.name}.json"'
        return answer
    moment = moment_of(request)
    more = {"as_of": moment, "now_url": listing.url(**{AS_OF: None}), "json_url": listing.url(format="json")}
    return listing.respond(template, {**more, "read_at": iso(moment or now()), **(context or {})})


class ReasonForm(Form):
    reason = ReasonField()
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


class KeyForm(Form):
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


def one_act(
    request: HttpRequest,
    name: str,
    act: Callable[..., Any],
    subject: Subject,
    *,
    back: str,
    back_text: str,
    heading: str,
    done: str,
    form_class: type[Form] = ReasonForm,
    note: str = "",
    given: dict[str, Any] | None = None,
    to: Callable[[Any], str] | None = None,
    **initial: Any,
) -> HttpResponseBase:
    """A page with the form of one act on `subject`: what it asks, its refusal, and where it leads afterwards."""
    actor = actor_of(request)
    verdict = may(actor, name, subject)
    if not verdict.allowed:
        return refused_form(request, verdict, back, partial(refuse_first, actor, name, subject))
    changes = policy(name).changes
    form_class = ChangeForm if changes else form_class
    form = form_class(request.POST if request.method == "POST" else None, initial={**fresh(), **initial})
    if request.method == "POST" and form.is_valid():
        call = attempt_change if changes else attempt
        made = call(form, act, actor, subject.pk, **form.cleaned_data, **(given or {}))  # type: ignore[arg-type]
        if made:
            messages.success(request, done)
            return redirect(to(made) if to else back)
    context = {"form": form, "heading": heading, "back": back, "back_text": back_text, "note": note}
    return render(request, "registry/form.html", context, status=422 if form.errors else 200)


__all__ = ["AS_OF", "KeyForm", "Listing", "ReasonForm", "as_of_filter", "moment_of", "one_act", "respond"]
