"""The separation rules: those in force, earlier ones, and changes with what they would have changed."""

from __future__ import annotations

import uuid

from django import forms
from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.html import format_html
from django.views.decorators.http import require_http_methods, require_POST

from apps.access import acts, rule_queries
from apps.access.acting import refuse_first
from apps.access.acts.rule_changes import shipped_as
from apps.access.gate import ORGANISATION_SUBJECT, may, offers, visible
from apps.access.models import Proposal, RulesChange, SeparationRules
from apps.access.rulesdiff import differences
from apps.access.rulesfile import MAX_BYTES
from apps.access.separation import parse
from apps.access.sharing import shared
from apps.access.signing import standings
from apps.core.blobs import BlobDamaged, damaged
from apps.core.standing import choices, standing_now
from apps.web.buttons import Acts, Button
from apps.web.door import actor_of, attempt, page, seen_or_404
from apps.web.exports import csv_lines
from apps.web.forms import Form, MomentField, ReasonField
from apps.web.links import sign_url, url_of
from apps.web.lists import Column, Table, choice
from apps.web.progress import progress_of, wants_fragment

CASES_A_PAGE = 50
HEADS = ("Result", "What", "Who", "Username", "When", "Act or duty", "Record", "Until now", "New rules")
RELATED = ("proposed_by", "ended_by", "job", "made", *Proposal.SIGNERS)
SIGNS = ("access.sign_rules_approver", "access.sign_rules_compliance")
CHANGES = Table(
    name="rule-changes",
    caption="Changes of the separation rules that you may see",
    order="-number",
    empty="No change of the rules yet. A compliance officer, registrar or administrator proposes one.",
    columns=[
        Column(
            "number",
            "Change",
            sort="pk",
            heading=True,
            value=lambda c: c.ref,
            render=lambda c: format_html('<a href="{}">{}</a>', url_of(c), c.ref),
        ),
        Column("version", "Version", sort="version", kind="number"),
        Column("state", "State", value=lambda c: c.word),
        Column("by", "Proposed by", sort="proposed_by__printed_name", value=lambda c: c.proposed_by),
        Column("proposed_at", "Proposed", sort="proposed_at", kind="moment"),
        Column("newly_refused", "Newly refused", sort="newly_refused", kind="number"),
        Column("newly_allowed", "Newly allowed", sort="newly_allowed", kind="number"),
        Column("signed", "Signed by", value=lambda c: " and ".join(s.printed_name for s in c.signatures)),
    ],
    filters=[choice("state", "State", choices(RulesChange.STANDINGS), standing_now(RulesChange.STANDINGS))],
)


@page
def rules(request: HttpRequest) -> HttpResponse:
    """The rules in force, every one with its source, and the versions before them."""
    actor = actor_of(request)
    known = rule_queries.versions(actor)
    current = next((row for row in known if row.current), None)
    context = {
        "versions": known,
        "row": current,
        "read": rule_queries.readable(parse(current.rules)) if current else {},
        "propose": may(actor, "access.propose_rules", ORGANISATION_SUBJECT),
        "waiting": rule_queries.changes(actor).filter(state=Proposal.State.PROPOSED).first(),
        "sees_changes": rule_queries.changes(actor).exists(),
        "area": "records",
    }
    return render(request, "rules/rules.html", context)


@page
def version(request: HttpRequest, number: int) -> HttpResponse:
    """One version of the rules, and what it changed."""
    row = seen_or_404(request, SeparationRules, version=number)
    known = rule_queries.versions(actor_of(request))
    before = next((each for each in known if each.version < row.version), None)
    changed = differences(parse(before.rules), parse(row.rules)) if before else []
    context = {
        "row": next(each for each in known if each.pk == row.pk),
        "before": before,
        "changed": [each for each in changed if each.kind != "same"],
        "same": [each.id for each in changed if each.kind == "same"],
        "read": rule_queries.readable(parse(row.rules)),
        "change": visible(actor_of(request), RulesChange).filter(made=row).first(),
        "area": "records",
    }
    return render(request, "rules/version.html", context)


@page
def changes(request: HttpRequest) -> HttpResponseBase:
    actor = actor_of(request)
    context = {"propose": may(actor, "access.propose_rules", ORGANISATION_SUBJECT), "area": "records"}
    return CHANGES.read(request, rule_queries.changes(actor)).respond("rules/changes.html", context)


def change_context(request: HttpRequest, found: RulesChange) -> dict:
    """What differs, the replay with its progress and cases, who signed, and what the reader may do."""
    actor = actor_of(request)
    given = {v.act: v for v in offers(actor, found)}
    buttons = [Button(given[act], sign_url(act, found.pk), style="primary") for act in SIGNS]
    again = reverse("web:rules_replay", args=[found.pk])
    buttons.append(Button(given["access.replay_rules_again"], again, post=True))
    buttons.append(
        Button(given["access.withdraw_rules"], reverse("web:rules_withdraw", args=[found.pk]), style="danger")
    )
    doable = Acts(tuple(buttons))
    every = rule_queries.difference_to_base(found)
    return {
        "change": found,
        "changed": [each for each in every if each.kind != "same"],
        "same": [each.id for each in every if each.kind == "same"],
        "progress": progress_of(request, found.job, f"The replay of {found.ref}"),
        **cases_of(request, found),
        "standings": standings(found, found.signatures),
        "acts": doable,
        "needs_you": doable.anchor,
        "area": "records",
    }


def cases_of(request: HttpRequest, found: RulesChange) -> dict:
    try:
        replay = rule_queries.replay_of(actor_of(request), found)
    except BlobDamaged as error:
        raise damaged(error) from None
    wanted = request.GET.get("result", "")
    every = replay.get("cases", [])
    cases = [case for case in every if not wanted or case["result"] == wanted]
    number = request.GET.get("page", "1")
    return {
        "replay": replay,
        "wanted": wanted,
        "cases": Paginator(cases, CASES_A_PAGE).get_page(number),
        "sorts": rule_queries.SORTS,
        "total": len(every),
    }


@page
def change(request: HttpRequest, pk: int) -> HttpResponseBase:
    """One change; the part with the replay alone for htmx; its cases as CSV."""
    found = seen_or_404(request, RulesChange, *RELATED, pk=pk)
    if request.GET.get("format") == "csv":
        return cases_csv(request, found)
    with shared():
        context = change_context(request, found)
    template = "rules/_change.html" if wants_fragment(request) else "rules/change.html"
    return render(request, template, context)


def cases_csv(request: HttpRequest, found: RulesChange) -> StreamingHttpResponse:
    told = cases_of(request, found)
    lines = (
        [
            "newly refused" if case["result"] == "refused" else "newly allowed",
            rule_queries.SORTS[case["sort"]],
            *(case[key] for key in ("name", "person", "at", "act", "record", "before", "after")),
        ]
        for case in told["replay"].get("cases", [])
        if not told["wanted"] or case["result"] == told["wanted"]
    )
    response = StreamingHttpResponse(csv_lines(HEADS, lines), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{found.ref}-cases.csv"'
    return response


class ProposeForm(Form):
    source = forms.ChoiceField(label="New rules", choices=(), widget=forms.RadioSelect)
    file = forms.FileField(
        label="Rules file",
        required=False,
        help_text=f"JSON as it is downloaded from a version’s page; at most {MAX_BYTES // 1024} KiB.",
    )
    effective_from = MomentField(
        required=False, label="In force from", help_text="UTC. Empty: as soon as both have signed."
    )
    reason = ReasonField(label="Why the rules change")
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)

    def __init__(self, *args, version: int, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["source"].choices = [
            ("file", "A file of our own"),
            ("shipped", f"The rules that came with this release of the portal, as version {version}"),
        ]

    def clean(self):
        given = super().clean()
        if given.get("source") == "file" and not given.get("file"):
            self.add_error("file", "Choose the file with the new rules.")
        return given


@require_http_methods(["GET", "POST"])
@page
def propose(request: HttpRequest) -> HttpResponse:
    """Propose a new version of the rules; nothing changes before two have signed."""
    actor = actor_of(request)
    newest = visible(actor, SeparationRules).order_by("-version").first()
    number = newest.version + 1 if newest else 1
    form = ProposeForm(
        *((request.POST, request.FILES) if request.method == "POST" else (None,)),
        initial={"idempotency_key": uuid.uuid4().hex, "source": "file"},
        version=number,
    )
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        own = given["source"] == "file"
        made = attempt(
            form,
            acts.propose_rules,
            actor,
            content=given["file"].read(MAX_BYTES + 1) if own else None,
            effective_from=given["effective_from"],
            reason=given["reason"],
            idempotency_key=given["idempotency_key"],
        )
        if made:
            messages.success(request, f"{made} is proposed. The last year is judged with it now.")
            return redirect("web:rules_change", made.pk)
    if request.method == "POST":
        refuse_first(actor, "access.propose_rules", ORGANISATION_SUBJECT)
    context = {
        "form": form,
        "version": number,
        "verdict": may(actor, "access.propose_rules", ORGANISATION_SUBJECT),
        "newer": bool(newest) and _differs(newest),
        "area": "records",
    }
    return render(request, "rules/propose.html", context, status=422 if form.errors else 200)


def _differs(newest: SeparationRules) -> bool:
    """Whether the portal brings other rules than the newest ones here."""
    brought = parse(shipped_as(newest.version + 1))
    return any(each.kind != "same" for each in differences(parse(newest.rules), brought))


@page
def download(request: HttpRequest, number: int) -> HttpResponse:
    """The rules as the file from which a change begins."""
    row = seen_or_404(request, SeparationRules, version=number)
    response = HttpResponse(rule_queries.as_file(row), content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="separation-rules-v{row.version}.json"'
    return response


class WithdrawForm(Form):
    reason = ReasonField(label="Why it is withdrawn")
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


@require_http_methods(["GET", "POST"])
@page
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """Who proposed it takes it back."""
    actor, found = actor_of(request), seen_or_404(request, RulesChange, *RELATED, pk=pk)
    form = WithdrawForm(
        request.POST if request.method == "POST" else None, initial={"idempotency_key": uuid.uuid4().hex}
    )
    posted = request.method == "POST" and form.is_valid()
    if posted and attempt(form, acts.withdraw_rules, actor, found.pk, **form.cleaned_data):
        messages.success(request, f"{found.ref} is withdrawn. The rules stay as they are.")
        return redirect("web:rules_change", found.pk)
    if request.method == "POST":
        refuse_first(actor, "access.withdraw_rules", found)
    verdict = may(actor, "access.withdraw_rules", found)
    context = {"form": form, "change": found, "verdict": verdict, "area": "records"}
    return render(request, "rules/withdraw.html", context, status=422 if form.errors else 200)


@require_POST
@page
def replay_again(request: HttpRequest, pk: int) -> HttpResponse:
    found = seen_or_404(request, RulesChange, pk=pk)
    acts.replay_rules_again(
        actor_of(request), found.pk, idempotency_key=request.POST.get("idempotency_key", "")
    )
    return redirect("web:rules_change", found.pk)


urlpatterns = [
    path("rules/", rules, name="rules"),
    path("rules/v<int:number>/", version, name="rules_version"),
    path("rules/v<int:number>/file/", download, name="rules_file"),
    path("rules/changes/", changes, name="rules_changes"),
    path("rules/changes/new/", propose, name="rules_propose"),
    path("rules/changes/<int:pk>/", change, name="rules_change"),
    path("rules/changes/<int:pk>/replay/", replay_again, name="rules_replay"),
    path("rules/changes/<int:pk>/withdraw/", withdraw, name="rules_withdraw"),
]
