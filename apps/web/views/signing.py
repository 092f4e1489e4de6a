"""Review and sign: the record, its digest, the meaning, the password. One page for every act that signs."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods
from fido2.utils import websafe_encode

from apps.access import factors, passkeys
from apps.access.acting import ACTS, refuse_first
from apps.access.gate import Judge, visible
from apps.access.models import Assignment
from apps.access.policy import TABLE, Policy, meaning_sentence
from apps.access.sharing import shared
from apps.access.signing import (
    CHANGED_RULE,
    FRESH_RULE,
    PASSWORD_RULE,
    SECOND_RULE,
    SignatureInput,
    content_of,
    standings,
)
from apps.accounts.factors import Factor
from apps.approvals.models import Slot
from apps.core.digests import digest
from apps.core.errors import BadInput, NotVisible, Refused
from apps.core.subjects import model_of
from apps.registry.models import Version
from apps.registry.states import State
from apps.trail.models import Signature
from apps.web.changes import Difference, differences, since_own_signature
from apps.web.door import actor_of, page
from apps.web.evidence import evidence_of
from apps.web.forms import Form, MomentField, ReasonField
from apps.web.links import url_of
from apps.web.opened import last_shown, note_opened
from apps.web.scopes import duties_in_words
from apps.web.views import sign_fresh
from apps.web.views.second import code_field, kinds

# Acts that may also be refused with a signature; the others are signed or left.
REJECTABLE = frozenset(
    {
        "validations.sign_plan_approval",
        "robustness.sign_plan_approval",
        "verification.approve_requirement",
        "explanation.sign_review_quality",
        "approvals.sign_approval",
        "approvals.sign_responsibility",
        "approvals.sign_review",
        "approvals.sign_security",
        "approvals.sign_minute_chair",
        "approvals.sign_minute_member",
        "access.sign_waiver_approver",
        "access.sign_waiver_compliance",
        "access.sign_rules_approver",
        "access.sign_rules_compliance",
    }
)
EXPIRING = frozenset({"quality.accept_deviation"})


class SignForm(Form):
    digest = forms.CharField(widget=forms.HiddenInput)
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)
    decision = forms.ChoiceField(choices=(), widget=forms.RadioSelect, label="Your decision")
    expires_at = MomentField(
        required=False, label="Accepted until", help_text="UTC. Leave empty for an acceptance without end."
    )
    reason = ReasonField(required=False)
    password = forms.CharField(
        strip=False,
        help_text="Your password again: this is your signature.",
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    code = code_field(
        required=False, help_text="From your authenticator app: the second part of your signature."
    )
    passkey = forms.CharField(required=False, max_length=passkeys.LONGEST, widget=forms.HiddenInput)
    nonce = forms.CharField(required=False, max_length=200, widget=forms.HiddenInput)

    def __init__(self, *args, act: str, kinds: Collection[str] = (), fresh: bool = False, **kwargs):
        """kinds: second factors held. fresh: the person authenticated, or will authenticate, at their provider."""
        super().__init__(*args, **kwargs)
        row = TABLE[act]
        if fresh:
            del self.fields["password"]
        if "totp" not in kinds:
            del self.fields["code"]
        elif "passkey" in kinds:
            hint = "From your authenticator app. Leave it empty to sign with your passkey."
            self.fields["code"].help_text = hint
        if "passkey" not in kinds:
            del self.fields["passkey"], self.fields["nonce"]
        self.needs_reason = row.reason
        approves = row.meaning == "approval" or (act in REJECTABLE and row.meaning != "decision")
        verb = "Approve" if approves else "Sign"
        choices = [("approved", f"{verb}: “{meaning_sentence(row.meaning, 'approved')}”")]
        if act in REJECTABLE:
            choices.append(("rejected", f"Reject: “{meaning_sentence(row.meaning, 'rejected')}”"))
        self.fields["decision"].choices = choices
        if act not in EXPIRING:
            del self.fields["expires_at"]
        if row.reason:
            self.fields["reason"].required = True
        elif act in REJECTABLE:
            self.fields["reason"].help_text = "Needed to reject. It becomes part of the record."
        else:
            self.fields["reason"].label = "Comment (not needed)"

    def clean(self):
        given = super().clean()
        if given.get("decision") == "rejected" and not given.get("reason", "").strip():
            self.add_error("reason", "Say why you reject it.")
        return given


def subject_of(request: HttpRequest, act: str, pk: int):
    row = TABLE.get(act)
    if row is None or not row.signs:
        raise NotVisible()
    model = model_of(row.subject)
    found = visible(actor_of(request), model).filter(pk=pk).first()
    if found is None:
        raise NotVisible()
    return row, found


@never_cache
@sensitive_post_parameters("password", "code")
@require_http_methods(["GET", "POST"])
@page
def sign(request: HttpRequest, act: str, pk: int) -> HttpResponse:
    row, subject = subject_of(request, act, pk)
    held = kinds(request.user)
    kept = sign_fresh.kept_for(request, act, pk)
    alone = not request.user.has_usable_password()  # comes by single sign-on only
    if request.method == "GET":
        initial = {"idempotency_key": uuid.uuid4().hex, **(kept or {})}
        form = SignForm(act=act, kinds=held, fresh=alone or kept is not None, initial=initial)
        return _show(request, row, subject, form)
    leaving = request.POST.get("with", "")
    form = SignForm(request.POST, act=act, kinds=held, fresh=alone or bool(leaving or kept))
    if form.is_valid() and leaving:
        return sign_fresh.prepare(request, act, subject, form.cleaned_data, leaving)
    if form.is_valid() and alone and not kept:
        form.add_error(None, "Authenticate again with your identity provider first: that is your signature.")
    if not form.is_valid():
        try:
            refuse_first(actor_of(request), act, subject)
        except Refused as refused:
            return _show(request, row, subject, form, refusal=refused, status=refused.status)
        return _show(request, row, subject, form, status=422)
    given = form.cleaned_data
    extra = {}
    if given.get("expires_at"):
        extra["expires_at"] = given["expires_at"].isoformat()
    try:
        ACTS[act](
            actor_of(request),
            pk,
            reason=given["reason"],
            signature=SignatureInput(
                digest=given["digest"],
                password=given.get("password", ""),
                decision=given["decision"],
                code=given.get("code", ""),
                passkey=given.get("passkey", ""),
                nonce=kept["nonce"] if kept else given.get("nonce", ""),
                fresh=sign_fresh.fresh_of(kept) if kept else None,
            ),
            idempotency_key=given["idempotency_key"],
            **extra,
        )
    except BadInput as refused:
        form.add_refusal(refused)
        return _show(request, row, subject, form, status=refused.status)
    except Refused as refused:
        # Everything typed stays, except the password; the record is shown as it is now.
        beside = {
            PASSWORD_RULE: "password",
            SECOND_RULE: "code" if "code" in form.fields else None,
            FRESH_RULE: None,
        }
        if refused.status == 409 or refused.rule == FRESH_RULE:
            sign_fresh.used(request)
        placed = refused.rule in beside
        form.add_error(beside.get(refused.rule), refused.fact if placed else refused.what)
        return _show(
            request, row, subject_of(request, act, pk)[1], form, refusal=refused, status=refused.status
        )
    done = (
        Signature.objects.filter(signer=request.user, subject_kind=row.subject, subject_id=str(pk))
        .order_by("-pk")
        .first()
    )
    messages.success(request, f"{_told(row, subject, done)} The receipt below proves it is in the trail.")
    return redirect("web:signature", done.uuid)


def show_refused(request, row: Policy, subject: Any, kept: dict[str, Any], refused: Refused) -> HttpResponse:
    """The page again after the identity provider's answer was refused: what was chosen is still there."""
    initial = {**kept, "idempotency_key": uuid.uuid4().hex}
    alone = not request.user.has_usable_password()
    form = SignForm(act=row.act, kinds=kinds(request.user), fresh=alone, initial=initial)
    return _show(request, row, subject, form, refusal=refused, status=refused.status)


def held_by(actor) -> list[str]:
    """The person's duties in force, as a signature will keep them."""
    rows = Assignment.objects.active().filter(person=actor.user).order_by("scope_kind", "scope_id", "duty")
    return [f"{each.duty} on {each.scope}" for each in rows]


def _show(request, row, subject, form, *, refusal=None, status=200) -> HttpResponse:
    content = content_of(subject)
    shown = digest(content)
    moved = _moved(request, form, refusal, content)
    note_opened(request, row.act, subject.pk, shown, content)
    if form.is_bound:
        form.data = form.data.copy()
        for name in ("password", "code", "passkey"):
            form.data[name] = ""
        if refusal is not None and refusal.status == 409:
            form.data["digest"] = shown  # signed next is what is shown next
            form.data["idempotency_key"] = uuid.uuid4().hex
    else:
        form.initial["digest"] = shown
    actor = actor_of(request)
    with shared():
        evidence = evidence_of(actor, subject)
        verdict = Judge(subject).verdict(actor, row)
        since = since_own_signature(request.user, subject)
    kept = sign_fresh.kept_for(request, row.act, subject.pk)
    if kept:  # what was authenticated for is what can be signed
        form.fields["decision"].choices = [
            each for each in form.fields["decision"].choices if each[0] == kept["decision"]
        ]
    options, challenges = _passkey(request, row, form, shown, kept) if verdict.allowed else ("", "")
    context = {
        "fresh": kept,
        "together": _together(request),
        "providers": [] if kept else sign_fresh.providers_of(request.user),
        **evidence,
        "options": options,
        "challenges": challenges,
        "since": since,
        "moved": moved,
        "held": duties_in_words(request.user, "; ".join([*evidence.get("seat", ()), *held_by(actor)])),
        "row": row,
        "subject": subject,
        "subject_url": url_of(subject),
        "content": content,
        "digest": shown,
        "form": form,
        "refusal": refusal,
        "verdict": verdict,
        "standings": standings(subject),
        "needs_you": "sign" if verdict.allowed else "",
    }
    return render(request, "web/sign.html", context, status=status)


def _moved(request, form, refusal, content: dict[str, Any]) -> list[Difference] | None:
    """What changed between the showing that was signed and now; None where that is not what was refused."""
    if refusal is None or refusal.rule != CHANGED_RULE:
        return None
    before = last_shown(request, form.data.get("digest", ""))
    return list(differences(before, content)) if before is not None else []


def _together(request) -> str:
    """The list of records to sign together that the person came from; an address of ours, or none."""
    given, own = request.GET.get("together", ""), reverse("web:sign_together")
    return given if given.startswith(f"{own}?record=") else ""


def _passkey(request, row, form, shown: str, kept: dict[str, Any] | None) -> tuple[str, str]:
    """(what to ask the passkey, its challenge for each decision) as JSON; empty without a passkey.

    The challenge says what is signed, so that the passkey's answer fits no other record and no other sentence.
    """
    if "passkey" not in form.fields:
        return "", ""
    nonce = kept["nonce"] if kept else factors.new_nonce(request.user)
    if form.is_bound:
        form.data["nonce"] = nonce
        shown = form.data.get("digest", shown)
    else:
        form.initial["nonce"] = nonce
    held = [factor for factor in factors.live(request.user) if factor.kind == Factor.Kind.PASSKEY]
    options, _ = passkeys.request(held)
    challenges = {
        decision: websafe_encode(
            factors.signing_challenge(
                user=request.user,
                act=row.act,
                digest=shown,
                meaning=meaning_sentence(row.meaning, decision),
                nonce=nonce,
            )
        )
        for decision, _ in form.fields["decision"].choices
    }
    return json.dumps(options), json.dumps(challenges)


urlpatterns = [
    path("sign/<str:act>/<int:pk>/", sign, name="sign"),
]


def _told(row: Policy, subject: Any, done: Signature) -> str:
    """What the signature did: signed or rejected, and what came of it."""
    what = "Rejected" if done.decision == "rejected" else "Signed"
    told = f"{what}: {row.label}, {subject.ref}."
    if row.subject != Slot.subject_kind:
        return told
    version = Version.objects.get(gates__slots=subject.pk)
    if version.state == State.RELEASED:
        return f"{told} It was the last signature wanted: {version.ref} is released."
    return f"{told} {version.ref} is rejected." if version.state == State.REJECTED else told
