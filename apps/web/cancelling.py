"""Stopping a report that is queued or under way: one page for all kinds, with a reason from the list and in words."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from apps.access.gate import may
from apps.access.reasons import Reason, choices
from apps.registry.models import Version
from apps.web.door import actor_of, attempt
from apps.web.forms import Form, ReasonField


class CancelForm(Form):
    reason_code = forms.ChoiceField(
        label="Kind of reason", choices=[("", "Choose a reason"), *choices()], widget=forms.Select
    )
    reason = ReasonField(help_text="Why it is stopped. It stands in the register, beside its number.")
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


def cancel_page(
    request: HttpRequest,
    found: Any,
    version: Version,
    *,
    name: str,
    act: Callable[..., Any],
    back: str,
    what: str,
) -> HttpResponse:
    """`name`: the act's in the policy table; `back`: the page of the record; `what`: its kind in words."""
    actor = actor_of(request)
    verdict = may(actor, name, found)
    if not verdict.allowed:
        if request.method == "POST":  # the act refuses it, so that the attempt stands in the trail
            act(actor, found.pk, reason="")
        raise verdict.refusal()
    form = CancelForm(
        request.POST if request.method == "POST" else None, initial={"idempotency_key": uuid.uuid4().hex}
    )
    if request.method == "POST" and form.is_valid():
        given = dict(form.cleaned_data)
        given["reason"] = Reason(given.pop("reason_code"), given["reason"])
        if attempt(form, act, actor, found.pk, **given):
            messages.success(request, f"{found.ref} is cancelled. It keeps its number.")
            return redirect(back)
    context = {"form": form, "report": found, "version": version, "back": back, "kind": what}
    return render(request, "evidence/cancel.html", context, status=422 if form.errors else 200)
