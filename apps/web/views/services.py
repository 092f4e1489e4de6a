"""Service accounts: the register, one account with scope, tokens and trusts, asking for one, deciding, stopping."""

from __future__ import annotations

import uuid

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.html import format_html
from django.views.decorators.http import require_http_methods

from apps.access import acts, reach
from apps.access import service_queries as queries
from apps.access.acting import refuse_first
from apps.access.gate import ORGANISATION_SUBJECT, Judge, may, offers
from apps.access.policy import policy
from apps.accounts.models import User
from apps.accounts.services import CiTrust, ServiceAccount
from apps.core.errors import NotVisible
from apps.trail.models import Entry
from apps.trail.queries import told
from apps.web.buttons import Acts, Button
from apps.web.door import actor_of, attempt, attempt_change, page, seen_or_404
from apps.web.forms import ChangeForm, Form, MomentField, ReasonField
from apps.web.lists import Column, Table, choice, text
from apps.web.marks import RECORD_MARKS, render_mark
from apps.web.timeline import line_of

ENTRIES = 20
MARKS = {
    "requested": "requested",
    "in force": "active",
    "suspended": "suspended",
    "not begun": "wanted",
    "run out": "expired",
    "refused": "rejected",
    "ended": "ended",
}


def mark(word: str):
    """How a service stands: icon, word and fill."""
    return render_mark(RECORD_MARKS[MARKS[word]], word.capitalize())


SERVICES = Table(
    name="services",
    caption="Service accounts you may see",
    order="name",
    empty="No service account that you may see. Whoever is to answer for one asks for it.",
    columns=[
        Column(
            "name",
            "Service",
            sort="name",
            heading=True,
            render=lambda s: format_html('<a href="{}">{}</a>', reverse("web:service", args=[s.pk]), s.name),
        ),
        Column("owner", "Owner", sort="owner__printed_name", value=lambda s: s.owner.printed_name),
        Column(
            "state",
            "State",
            value=lambda s: reach.word_of(s).capitalize(),
            render=lambda s: mark(reach.word_of(s)),
        ),
        Column("purpose", "Purpose", value=lambda s: s.purpose, render=lambda s: s.purpose[:120]),
        Column("ends_at", "Until", sort="ends_at", kind="moment"),
        Column("last_used_at", "Last used", sort="last_used_at", kind="moment"),
        Column("last_address", "From", value=lambda s: s.last_address or ""),
    ],
    filters=[
        choice(
            "state", "State", [(word, word.capitalize()) for word in reach.STANDING_WORDS], reach.standing_now
        ),
        text("name", "Name", lambda rows, v: rows.filter(name__icontains=v)),
        text("owner", "Owner's username", lambda rows, v: rows.filter(owner__username__iexact=v)),
    ],
)


@page
def services(request: HttpRequest) -> HttpResponseBase:
    return SERVICES.read(request, queries.services(actor_of(request))).respond("services/services.html")


def _found(request: HttpRequest, pk: int) -> ServiceAccount:
    row = queries.services(actor_of(request)).filter(pk=pk).first()
    if row is None:
        raise NotVisible()
    return row


def _buttons(request: HttpRequest, service: ServiceAccount) -> Acts:
    given = {v.act.removeprefix("access."): v for v in offers(actor_of(request), service)}
    wanted = [
        "approve_service",
        "refuse_service",
        "resume_service",
        "create_service_token",
        "request_trust",
        "suspend_service",
        "end_service",
    ]
    urls = {"create_service_token": "web:service_token", "request_trust": "web:trust_new"}
    styles = {"approve_service": "primary", "end_service": "danger", "suspend_service": "danger"}
    return Acts(
        tuple(
            Button(
                given[name],
                reverse(urls[name], args=[service.pk])
                if name in urls
                else reverse("web:service_decide", args=[service.pk, name.removesuffix("_service")]),
                style=styles.get(name, ""),
            )
            for name in wanted
        )
    )


@page
def service(request: HttpRequest, pk: int) -> HttpResponse:
    """One service account: how it stands and why, scope, owner, who approved it, tokens, trusts, what it did last."""
    actor, found = actor_of(request), _found(request, pk)
    tokens = list(queries.tokens_of(actor, found)[:50])
    words, replaced = queries.tokens_told(tokens), {token.narrowed.replaces_id for token in tokens}
    about = told(queries.visible(actor, Entry)).filter(
        subject_kind=ServiceAccount.subject_kind, subject_id=str(found.pk)
    )
    standing = reach.standing(found)
    context = {
        "service": found,
        "standing": standing,
        "mark": mark(standing.word),
        "scope": queries.scopes_told([(0, found.acts, found.objects_reached)])[0],
        "tokens": [
            {"token": t, "live": queries.is_live(t), "told": words[t.pk], "replaced": t.pk in replaced}
            for t in tokens
        ],
        "trusts": [
            {"trust": t, "acts": _trust_buttons(request, t)} for t in queries.trusts_of(actor, found)[:50]
        ],
        "mine": found.owner_id == request.user.pk,
        "entries": [line_of(entry) for entry in about.order_by("-id")[:ENTRIES]],
        "acts": _buttons(request, found),
    }
    return render(request, "services/service.html", context)


def _trust_buttons(request: HttpRequest, trust: CiTrust) -> list[Button]:
    actor, judge = actor_of(request), Judge(trust)
    names = ["approve_trust", "refuse_trust", "end_trust"]
    verdicts = [judge.verdict(actor, policy(f"access.{name}")) for name in names]
    return [
        Button(v, reverse("web:trust_decide", args=[trust.pk, name.removesuffix("_trust")]))
        for name, v in zip(names, verdicts, strict=True)
        if v.allowed
    ]


# ------------------------------------------------------------ asking


class ServiceForm(Form):
    name = forms.CharField(
        max_length=40,
        help_text="Small letters, digits and dashes, for example lotx-training. Never given to another service.",
        widget=forms.TextInput(attrs={"autocapitalize": "none", "autocomplete": "off"}),
    )
    owner = forms.CharField(
        max_length=80,
        label="Owner's username",
        help_text="The person who answers for it: what it does counts as theirs, and it stops when their duty does.",
    )
    purpose = forms.CharField(max_length=4000, widget=forms.Textarea(attrs={"rows": 3}))
    acts = forms.MultipleChoiceField(
        label="What it may do",
        widget=forms.CheckboxSelectMultiple,
        help_text="A service never signs, approves or gives anything.",
    )
    objects = forms.CharField(
        label="On which objects",
        max_length=5000,
        help_text="One a line: models/lotx, datasets/trial, or organisation for all that its owner works on.",
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
    )
    starts_at = MomentField(label="From", required=False, help_text="UTC. Empty: from its approval on.")
    ends_at = MomentField(label="Until", help_text="UTC. It ends by itself.")
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["acts"].choices = queries.act_choices(reach.PROPOSALS)


def _places(form: Form, request: HttpRequest, field: str) -> list[reach.Place]:
    """The objects named in the form; what names none that the reader sees goes beside the field."""
    places, unknown = queries.places_named(actor_of(request), form.cleaned_data.get(field) or "")
    if unknown:
        form.add_error(field, f"There is no such object, or you may not see it: {', '.join(unknown)[:300]}.")
    return places


@require_http_methods(["GET", "POST"])
@page
def service_new(request: HttpRequest) -> HttpResponse:
    """Ask for a service account; a compliance officer approves it, neither its owner nor who asked."""
    initial = {"idempotency_key": uuid.uuid4().hex, "owner": request.user.username}
    form = ServiceForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid():
        places = _places(form, request, "objects")
        given = dict(form.cleaned_data)
        owner = User.objects.filter(username__iexact=given.pop("owner", ""), is_service=False).first()
        if form.is_valid():
            made = attempt(
                form,
                acts.request_service,
                actor_of(request),
                owner_id=owner.pk if owner else 0,
                only_acts=given.pop("acts"),
                objects=places,
                **{k: v for k, v in given.items() if k != "objects"},
            )
            if made:
                messages.success(request, f"{made.name} is asked for. A compliance officer approves it.")
                return redirect("web:service", made.pk)
    if request.method == "POST":
        refuse_first(actor_of(request), "access.request_service", ORGANISATION_SUBJECT)
    if not (verdict := may(actor_of(request), "access.request_service", ORGANISATION_SUBJECT)).allowed:
        raise verdict.refusal()
    return render(request, "services/service_form.html", {"form": form}, status=422 if form.errors else 200)


class ReasonForm(Form):
    reason = ReasonField(label="Why")
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


class PlainForm(Form):
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


SAID = {
    "approve_service": "From now on it may do what its scope says, as long as its owner may.",
    "refuse_service": "It is not made. The name may be asked for again.",
    "suspend_service": "Its tokens are refused at once, also in the middle of an upload, until it is resumed.",
    "resume_service": "Its tokens work again, within its scope and its time.",
    "end_service": "Its tokens and trusts end at once and for good. Its name is never given to another service.",
    "approve_trust": "Jobs that prove exactly these claims get tokens of this service for minutes.",
    "refuse_trust": "It is not made.",
    "end_trust": "Tokens that were given under it are refused at once.",
}


def _decide(request: HttpRequest, name: str, row, back: ServiceAccount) -> HttpResponse:
    """One act on a service or a trust: with a reason where the policy table demands one."""
    actor, rule = actor_of(request), policy(f"access.{name}")
    made = ChangeForm if rule.changes else ReasonForm if rule.reason else PlainForm
    call = attempt_change if rule.changes else attempt
    initial = {"idempotency_key": uuid.uuid4().hex}
    form = made(request.POST if request.method == "POST" else None, initial=initial)
    sent = request.method == "POST" and form.is_valid()
    if sent and call(form, getattr(acts, name), actor, row.pk, **form.cleaned_data):
        messages.success(request, f"{rule.label}: done for {row.ref}.")
        return redirect("web:service", back.pk)
    if request.method == "POST" and not getattr(form, "preview", None):
        refuse_first(actor, rule.act, row)
    verdict = Judge(row).verdict(actor, rule)
    if not verdict.allowed:
        raise verdict.refusal()
    context = {
        "form": form,
        "row": row,
        "service": back,
        "label": rule.label,
        "heading": f"{rule.label} {row.ref}",
        "back": reverse("web:service", args=[back.pk]),
        "said": SAID[name],
        "danger": name.split("_")[0] in ("refuse", "suspend", "end"),
        "scope": queries.scopes_told([(0, back.acts, back.objects_reached)])[0],
    }
    return render(request, "services/decide.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@page
def service_decide(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    found = _found(request, pk)
    if f"{verb}_service" not in SAID:
        raise NotVisible()
    return _decide(request, f"{verb}_service", found, found)


@require_http_methods(["GET", "POST"])
@page
def trust_decide(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    found = seen_or_404(request, CiTrust, "service__owner", "requester", pk=pk)
    if f"{verb}_trust" not in SAID:
        raise NotVisible()
    return _decide(request, f"{verb}_trust", found, found.service)


class TrustForm(Form):
    issuer = forms.CharField(
        max_length=200, help_text="As the tokens name it, character by character; it begins with https."
    )
    audience = forms.CharField(
        max_length=200, help_text="What the job asks its token for, for example this portal's address."
    )
    claims = forms.CharField(
        max_length=4000,
        help_text="One a line, name=value, compared exactly: repository_id=4711, then environment=production.",
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false"}),
    )
    reason = ReasonField(label="Why these jobs")
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)

    def clean_claims(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for line in self.cleaned_data["claims"].splitlines():
            name, sign, value = line.strip().partition("=")
            if line.strip() and (not sign or not name.strip() or name.strip() in found):
                raise forms.ValidationError(f"Write each claim once, as name=value: “{line.strip()[:80]}”.")
            if line.strip():
                found[name.strip()] = value.strip()
        return found


@require_http_methods(["GET", "POST"])
@page
def trust_new(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask that jobs of a CI system with exactly these claims are this service."""
    actor, found = actor_of(request), _found(request, pk)
    form = TrustForm(
        request.POST if request.method == "POST" else None, initial={"idempotency_key": uuid.uuid4().hex}
    )
    if request.method == "POST" and form.is_valid():
        made = attempt(form, acts.request_trust, actor, found.pk, **form.cleaned_data)
        if made:
            messages.success(request, "The trust is asked for. A compliance officer approves it.")
            return redirect(reverse("web:service", args=[found.pk]) + "#trusts")
    if request.method == "POST":
        refuse_first(actor, "access.request_trust", found)
    if not (verdict := may(actor, "access.request_trust", found)).allowed:
        raise verdict.refusal()
    context = {"form": form, "service": found}
    return render(request, "services/trust_form.html", context, status=422 if form.errors else 200)


urlpatterns = [
    path("services/", services, name="services"),
    path("services/new/", service_new, name="service_new"),
    path("services/<int:pk>/", service, name="service"),
    path("services/<int:pk>/trusts/new/", trust_new, name="trust_new"),
    path("services/trusts/<int:pk>/<slug:verb>/", trust_decide, name="trust_decide"),
    path("services/<int:pk>/<slug:verb>/", service_decide, name="service_decide"),
]
