"""The intended use of a model with its risk: shown, written, signed."""

from __future__ import annotations

from functools import partial

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods

from apps.access.gate import may, offers
from apps.access.policy import TABLE
from apps.access.signing import content_digest, standings
from apps.registry import acts, queries
from apps.registry.models import IntendedUse, Model
from apps.registry.rules import USE_TEXTS
from apps.registry.states import Level, tier
from apps.web.door import actor_of, attempt_change, page, seen_or_404
from apps.web.forms import ChangeForm, ReasonField
from apps.web.views.models import LEVELS, fresh, refused_form

LABELS = {
    "question": "Question",
    "purpose": "What the output is used for",
    "input_space": "What the model may see",
    "subgroups": "Groups looked at apart",
    "limits": "Known limits",
    "misuse": "Foreseeable misuse",
    "operator_duties": "What the person using it must do",
    "gmp_rationale": "Why it is or is not GMP-critical",
    "influence_rationale": "Why this influence",
    "consequence_rationale": "Why this consequence",
    "residual_risk": "Residual risk",
}


def _text(name: str) -> forms.CharField:
    made = forms.CharField(
        label=LABELS[name],
        help_text=USE_TEXTS[name],
        max_length=8000,
        widget=forms.Textarea(attrs={"rows": 2 if name == "question" else 3}),
    )
    made.error_messages["required"] = USE_TEXTS[name]
    return made


class UseForm(ChangeForm):
    """What the model is for and what happens if it is wrong, in plain language."""

    question = _text("question")
    purpose = _text("purpose")
    input_space = _text("input_space")
    subgroups = _text("subgroups")
    limits = _text("limits")
    misuse = _text("misuse")
    operator_duties = _text("operator_duties")
    gmp_critical = forms.BooleanField(
        required=False,
        label="The use is GMP-critical",
        help_text="It bears on product quality, patient safety or data integrity. The tier is then at least medium.",
    )
    gmp_rationale = _text("gmp_rationale")
    affects_people = forms.BooleanField(
        required=False,
        label="A decision about people rests on it",
        help_text="Then a bias report by groups of people is expected.",
    )
    influence = forms.ChoiceField(
        choices=LEVELS,
        widget=forms.RadioSelect,
        label="Influence of the model",
        help_text="Low: one of many kinds of evidence. High: the model alone decides.",
    )
    influence_rationale = _text("influence_rationale")
    consequence = forms.ChoiceField(
        choices=LEVELS,
        widget=forms.RadioSelect,
        label="Consequence of a wrong decision",
        help_text="Low: small harm, easily put right. High: a patient may be harmed.",
    )
    consequence_rationale = _text("consequence_rationale")
    raised_by_one = forms.BooleanField(
        required=False,
        label="Raise the tier by one",
        help_text="For vulnerable people, where no later step would find the error, or for a first use of its kind.",
    )
    raised_rationale = forms.CharField(
        required=False, label="Why it is raised", max_length=8000, widget=forms.Textarea(attrs={"rows": 2})
    )
    residual_risk = _text("residual_risk")
    reason = ReasonField(label="Why it is written now")


USE_FIELDS = tuple(name for name in UseForm.base_fields if name not in ChangeForm.last)


def tier_grid(use: IntendedUse) -> list[dict]:
    """Rows by influence, cells by consequence: the tier of each, and which one this use stands on."""
    return [
        {
            "influence": influence,
            "cells": [
                {
                    "tier": tier(influence, consequence).value,
                    "here": influence == use.influence and consequence == use.consequence,
                }
                for consequence in Level
            ],
        }
        for influence in Level
    ]


@page
def intended_use(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    actor = actor_of(request)
    use = seen_or_404(request, IntendedUse, "model", "written_by", model__slug=slug, number=number)
    others = list(queries.intended_uses(actor, use.model).values_list("number", flat=True))
    context = use_context(actor, use) | {
        "newest": max(others),
        "others": [n for n in others if n != number],
        "used_by": list(queries.versions(actor, use.model).filter(intended_use=use)),
        "write": may(actor, "registry.write_intended_use", use.model),
    }
    return render(request, "registry/intended_use.html", context)


def use_context(actor, use: IntendedUse) -> dict:
    """What shows one intended use, on its page and in a dossier; `signing`: the signatures still wanted."""
    given = standings(use)
    there = {s.signature.meaning for s in given if s.valid and s.signature.decision == "approved"}
    return {
        "use": use,
        "texts": [{"label": LABELS[name], "text": getattr(use, name)} for name in LABELS],
        "grid": tier_grid(use),
        "levels": list(Level),
        "base_tier": tier(use.influence, use.consequence).value,
        "digest": content_digest(use),
        "standings": given,
        "signing": [v for v in offers(actor, use) if v.signs and TABLE[v.act].meaning not in there],
    }


@require_http_methods(["GET", "POST"])
@page
def intended_use_new(request: HttpRequest, slug: str) -> HttpResponse:
    """The next number, prefilled from the last one: what is signed is never edited."""
    actor = actor_of(request)
    found = seen_or_404(request, Model, slug=slug)
    verdict, back = may(actor, "registry.write_intended_use", found), reverse("web:model", args=[found.slug])
    if not verdict.allowed:
        blank = partial(acts.write_intended_use, actor, found.pk, given={}, reason="Not allowed")
        return refused_form(request, verdict, back, blank)
    last = queries.intended_uses(actor, found).first()
    before = {name: getattr(last, name) for name in USE_FIELDS} if last else {}
    form = UseForm(request.POST if request.method == "POST" else None, initial=before | fresh())
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        made = attempt_change(
            form,
            acts.write_intended_use,
            actor,
            found.pk,
            given={name: given[name] for name in USE_FIELDS},
            reason=given["reason"],
            idempotency_key=given["idempotency_key"],
        )
        if made:
            messages.success(
                request, f"{made.ref} is written: tier {made.tier}. It takes effect when it is signed."
            )
            return redirect("web:intended_use", found.slug, made.number)
    context = {
        "form": form,
        "heading": f"Write intended use v{last.number + 1 if last else 1}",
        "note": f"Prefilled from {last.ref}, which stays as it is." if last else "",
        "back": back,
        "back_text": found.name,
    }
    return render(request, "registry/form.html", context, status=422 if form.errors else 200)


urlpatterns = [
    path("models/<slug:slug>/intended-use/new/", intended_use_new, name="intended_use_new"),
    path("models/<slug:slug>/intended-use/<int:number>/", intended_use, name="intended_use"),
]
