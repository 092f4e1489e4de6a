"""Review together: up to twenty records, each opened, each with its own decision, signed in one ceremony."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from apps.access import factors, passkeys
from apps.access.ceremony import MOST, Listed, as_text, challenge_of
from apps.access.gate import may, visible_one
from apps.access.policy import TABLE, meaning_sentence
from apps.access.signing import PASSWORD_RULE, SECOND_RULE, SignatureInput, content_digest
from apps.access.signing_together import sign_together
from apps.accounts.factors import Factor
from apps.core.errors import BadInput, NotVisible, Refused
from apps.core.subjects import model_of
from apps.web.door import actor_of, page
from apps.web.forms import Form
from apps.web.opened import opened_as
from apps.web.views.second import code_field, kinds
from apps.web.views.signing import EXPIRING, REJECTABLE


@dataclass
class Line:
    """One record of the list. `opened`: its page was shown to this person as it is now. `refusal`: why not to sign."""

    act: str
    record: Any
    digest: str
    opened: bool
    refusal: str
    number: int
    decision: str = ""
    reason: str = ""

    @property
    def key(self) -> str:
        return f"{self.act}:{self.record.pk}"

    @property
    def label(self) -> str:
        return TABLE[self.act].label

    @property
    def rejectable(self) -> bool:
        return self.act in REJECTABLE

    @property
    def needs_reason(self) -> bool:
        return TABLE[self.act].reason

    @property
    def meaning(self) -> str:
        return meaning_sentence(TABLE[self.act].meaning, "approved")

    @property
    def ready(self) -> bool:
        return self.opened and not self.refusal


class TogetherForm(Form):
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=80)
    password = forms.CharField(
        strip=False,
        help_text="Your password again, once for all of them: this is your signature on each.",
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    code = code_field(
        required=False, help_text="From your authenticator app: the second part of your signatures."
    )
    passkey = forms.CharField(required=False, max_length=passkeys.LONGEST, widget=forms.HiddenInput)
    nonce = forms.CharField(required=False, max_length=200, widget=forms.HiddenInput)

    def __init__(self, *args: Any, kinds: Any = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "totp" not in kinds:
            del self.fields["code"]
        if "passkey" not in kinds:
            del self.fields["passkey"], self.fields["nonce"]


def wanted(request: HttpRequest) -> list[tuple[str, int]]:
    """The records that are asked for, `record=act:key`, each once, in their order."""
    given = request.POST if request.method == "POST" else request.GET
    found: list[tuple[str, int]] = []
    for each in dict.fromkeys(given.getlist("record")):
        act, _, key = each.partition(":")
        if act not in TABLE or not TABLE[act].signs or act in EXPIRING or not key.isdecimal():
            raise NotVisible()
        found.append((act, int(key)))
    return found


def lines_of(request: HttpRequest, records: list[tuple[str, int]]) -> list[Line]:
    actor, found = actor_of(request), []
    for number, (act, pk) in enumerate(records, start=1):
        record: Any = visible_one(actor, model_of(TABLE[act].subject), pk=pk)
        digest = content_digest(record)
        verdict = may(actor, act, record)
        line = Line(
            act,
            record,
            digest,
            opened_as(request, act, pk) == digest,
            "" if verdict.allowed else f"{verdict.what} {verdict.fact}".strip(),
            number,
        )
        if request.method == "POST":
            line.decision = request.POST.get(f"decision-{line.key}", "")
            line.reason = request.POST.get(f"reason-{line.key}", "")
            line.opened = line.opened and request.POST.get(f"reviewed-{line.key}") == digest
        found.append(line)
    return found


def problem_of(lines: list[Line]) -> str:
    """Why these lines cannot be signed together as they stand; empty when they can."""
    if not 1 <= len(lines) <= MOST:
        return f"Choose from 1 to {MOST} records; {len(lines)} are chosen."
    if len({TABLE[line.act].meaning for line in lines}) > 1:
        return "These records are signed with different meanings: sign those of one meaning together."
    return ""


@never_cache
@sensitive_post_parameters("password", "code")
@require_http_methods(["GET", "POST"])
@page
def together(request: HttpRequest) -> HttpResponse:
    lines = lines_of(request, wanted(request)[: MOST + 1])
    problem, held = problem_of(lines), kinds(request.user)
    if request.method == "GET":
        form = TogetherForm(kinds=held, initial={"idempotency_key": uuid.uuid4().hex})
        return _show(request, lines, form, problem)
    form = TogetherForm(request.POST, kinds=held)
    if problem:
        form.add_error(None, problem)
    for line in lines:
        if not line.opened:
            form.add_error(None, f"{line.record.ref}: open it and tick that you reviewed it as it is now.")
        if line.decision not in (("approved", "rejected") if line.rejectable else ("approved",)):
            form.add_error(None, f"{line.record.ref}: choose your decision.")
    if request.POST.get("passkey") and any(line.decision == "rejected" for line in lines):
        told = "The passkey approves all of them together. Reject a record by itself, or sign with a code."
        form.add_error(None, told)
    if not form.is_valid():
        return _show(request, lines, form, problem, status=422)
    given = form.cleaned_data
    listed = [Listed(line.act, line.record.pk, line.digest, line.decision, line.reason) for line in lines]
    signature = SignatureInput(
        "",
        given["password"],
        code=given.get("code", ""),
        passkey=given.get("passkey", ""),
        nonce=given.get("nonce", ""),
    )
    try:
        done = sign_together(actor_of(request), listed, signature, idempotency_key=given["idempotency_key"])
    except BadInput as refused:
        form.add_refusal(refused)
        return _show(request, lines, form, problem, status=refused.status)
    except Refused as refused:
        beside = {PASSWORD_RULE: "password", SECOND_RULE: "code" if "code" in form.fields else None}
        form.add_error(beside.get(refused.rule), refused.fact if refused.rule in beside else refused.what)
        lines = lines_of(request, [(line.act, line.record.pk) for line in lines])
        return _show(request, lines, form, problem, refusal=refused, status=refused.status)
    signed = [each for each in done if each.signature is not None]
    messages.success(request, f"{len(signed)} of {len(done)} records are signed, each with its own receipt.")
    return render(request, "web/together_done.html", {"done": done, "signed": signed})


def _show(request, lines, form, problem, *, refusal=None, status=200) -> HttpResponse:
    if form.is_bound:
        form.data = form.data.copy()
        for name in ("password", "code", "passkey"):
            form.data[name] = ""
        if refusal is not None and refusal.status == 409:
            form.data["idempotency_key"] = uuid.uuid4().hex
    ready = bool(lines) and not problem and all(line.ready for line in lines)
    context = {
        "lines": lines,
        "problem": problem,
        "form": form,
        "refusal": refusal,
        "ready": ready,
        "most": MOST,
        "meaning": lines[0].meaning if lines and not problem else "",
        "here": address_of(lines),
        **(_passkey(request, lines, form) if ready else {}),
    }
    return render(request, "web/together.html", context, status=status)


def address_of(lines: list[Line]) -> str:
    query = urlencode([("record", line.key) for line in lines])
    return f"{reverse('web:sign_together')}?{query}"


def _passkey(request, lines, form) -> dict[str, str]:
    """What to ask the passkey. Its challenge covers every statement, all approved: whoever rejects one of them signs
    with a code, or that one by itself."""
    if "passkey" not in form.fields:
        return {}
    nonce = factors.new_nonce(request.user)
    if form.is_bound:
        form.data["nonce"] = nonce
    else:
        form.initial["nonce"] = nonce
    held = [factor for factor in factors.live(request.user) if factor.kind == Factor.Kind.PASSKEY]
    options, _ = passkeys.request(held)
    listed = [Listed(line.act, line.record.pk, line.digest) for line in lines]
    challenge = as_text(challenge_of(request.user, listed, nonce))
    return {"options": json.dumps({**options, "challenge": challenge})}


urlpatterns = [
    path("sign/together/", together, name="sign_together"),
]
