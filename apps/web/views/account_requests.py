"""Requests about an account (a reset, a correction): a third person approves, refuses or withdraws each on one form."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from apps.access import acts
from apps.access.acting import refuse_first
from apps.access.gate import Judge
from apps.access.policy import policy
from apps.web.door import actor_of, attempt, seen_or_404
from apps.web.forms import Form, ReasonField

PEOPLE = ("person", "requested_by", "decided_by")


class DecideForm(Form):
    reason = ReasonField(label="Comment", required=False)
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


class RefuseForm(DecideForm):
    reason = ReasonField()


def fresh_form(request: HttpRequest, kind: type[Form], **initial: Any) -> Form:
    """The form as it was sent, or an empty one with a key that lets it be sent once."""
    return kind(
        request.POST if request.method == "POST" else None,
        initial={"idempotency_key": uuid.uuid4().hex, **initial},
    )


def decide(
    request: HttpRequest, model: type[Any], noun: str, pk: int, verb: str, *, folder: str = "people"
) -> HttpResponse:
    """`verb` (approve, refuse, withdraw) on the request `pk`; `noun` names its act, page and template (in `folder`)."""
    actor = actor_of(request)
    found = seen_or_404(request, model, *PEOPLE, pk=pk)
    act = f"{verb}_{noun}"
    form = fresh_form(request, DecideForm if verb == "approve" else RefuseForm)
    row = policy(f"access.{act}")
    if request.method == "POST" and form.is_valid():
        done = attempt(form, getattr(acts, act), actor, found.pk, **form.cleaned_data)
        if done:
            messages.success(request, f"{done.ref} is {done.get_state_display().lower()}.")
            return redirect(f"web:{noun}", done.pk)
    if request.method == "POST":
        refuse_first(actor, row.act, found)
    verdict = Judge(found).verdict(actor, row)
    context = {"form": form, noun: found, "verdict": verdict, "row": row, "approving": verb == "approve"}
    return render(request, f"{folder}/{noun}_decide.html", context, status=422 if form.errors else 200)
