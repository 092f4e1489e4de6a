"""People: accounts, and who holds which duty on the organisation."""

from __future__ import annotations

import uuid

from django import forms
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.html import format_html
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from apps.access import acts, duties, oidc, queries
from apps.access.acting import refuse_first
from apps.access.acts.enrolment import CHECKS, second_person
from apps.access.enrolment import chosen, mail_stays_here
from apps.access.gate import ORGANISATION_SUBJECT, Judge, may, visible
from apps.access.models import Assignment
from apps.access.policy import policy
from apps.access.sharing import shared
from apps.accounts.corrections import Correction
from apps.accounts.factors import Factor, Reset, SignOnLink
from apps.accounts.models import Enrolment, User
from apps.trail.models import Entry
from apps.trail.queries import told
from apps.web.door import actor_of, attempt, page, seen_or_404
from apps.web.forms import Form, ReasonField
from apps.web.lists import Column, Table, choice, text
from apps.web.marks import RECORD_MARKS, render_mark
from apps.web.timeline import line_of
from apps.web.views.duties import decisions
from apps.web.views.duties import urlpatterns as duty_urls
from apps.web.views.leavers import urlpatterns as leaver_urls
from apps.web.views.training import training_context

ENTRIES = 20
DUTY_CHOICES = [(duty.value, duties.WORDS[duty]) for duty in duties.Duty]


ACCOUNT = {True: "Active", False: "Deactivated"}


def _state(person: User):
    return render_mark(RECORD_MARKS["active" if person.is_active else "ended"], ACCOUNT[person.is_active])


def _holding(rows: QuerySet, duty: str) -> QuerySet:
    return rows.filter(pk__in=Assignment.objects.active().filter(duty=duty).values("person_id"))


ACCOUNTS = Table(
    name="people",
    caption="Accounts you may see",
    order="name",
    empty="No account yet.",
    columns=[
        Column(
            "name",
            "Name",
            sort=("printed_name", "username"),
            heading=True,
            value=lambda u: u.printed_name,
            render=lambda u: format_html(
                '<a href="{}">{}</a>', reverse("web:person", args=[u.username]), u.printed_name
            ),
        ),
        Column("username", "Username", sort="username", value=lambda u: u.username),
        Column("title", "Title", sort="title"),
        Column(
            "state",
            "Account",
            sort="is_active",
            value=lambda u: ACCOUNT[u.is_active],
            render=_state,
        ),
        Column(
            "duties",
            "Duties in force",
            value=lambda u: ", ".join(sorted({duties.WORDS[duties.Duty(a.duty)] for a in u.in_force_now})),
        ),
        Column("created", "Created", sort="created_at", kind="moment", value=lambda u: u.created_at),
    ],
    filters=[
        text(
            "name",
            "Name or username",
            lambda rows, v: rows.filter(printed_name__icontains=v) | rows.filter(username__icontains=v),
        ),
        choice(
            "active",
            "Account",
            [("yes", ACCOUNT[True]), ("no", ACCOUNT[False])],
            lambda rows, v: rows.filter(is_active=v == "yes"),
        ),
        choice("duty", "Holds the duty", DUTY_CHOICES, _holding),
    ],
)


@page
def people(request: HttpRequest) -> HttpResponseBase:
    """Accounts, and the duties on the organisation."""
    with shared():
        return _people(request)


def _people(request: HttpRequest) -> HttpResponseBase:
    actor = actor_of(request)
    given = queries.on_parent(actor, ORGANISATION_SUBJECT)
    listing = ACCOUNTS.read(request, queries.accounts(actor))
    return listing.respond(
        "people/people.html",
        {
            "create": may(actor, "access.create_account", ORGANISATION_SUBJECT),
            "request_duty": may(actor, "access.request_organisation_assignment", ORGANISATION_SUBJECT),
            "sees_duties": visible(actor, Assignment).filter(scope_kind=duties.ORGANISATION).exists(),
            "coverage": queries.coverage(ORGANISATION_SUBJECT, given.exclude(queries.past())),
            **decisions(actor, given, object="organisation"),
        },
    )


class AccountForm(Form):
    username = forms.CharField(
        max_length=80,
        help_text="Small letters, digits, dot, dash, underscore. Never given to another person later.",
        widget=forms.TextInput(attrs={"autocapitalize": "none", "autocomplete": "off"}),
    )
    printed_name = forms.CharField(max_length=120, help_text="As it is to be printed beside signatures.")
    title = forms.CharField(max_length=120, required=False, help_text="For example: Validation lead.")
    email = forms.EmailField(
        label="E-mail address", help_text="The person's own: the link to choose a password is sent there."
    )
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


@never_cache
@require_http_methods(["GET", "POST"])
@page
def create_account(request: HttpRequest) -> HttpResponse:
    """Make an account; its person gets a link by mail, which nobody else sees."""
    actor = actor_of(request)
    form = AccountForm(
        request.POST if request.method == "POST" else None, initial={"idempotency_key": uuid.uuid4().hex}
    )
    verdict = may(actor, "access.create_account", ORGANISATION_SUBJECT)
    if request.method == "POST" and form.is_valid():
        made = attempt(form, acts.create_account, actor, **form.cleaned_data)
        if made:
            messages.success(request, f"The account is created. A link is sent to {made.email}.")
            return redirect("web:person", made.username)
    if request.method == "POST":
        refuse_first(actor, "access.create_account", ORGANISATION_SUBJECT)  # the form was no good
    context = {"form": form, "verdict": verdict, "mail_stays_here": mail_stays_here()}
    return render(request, "people/create_account.html", context, status=422 if form.errors else 200)


@never_cache
@require_POST
@page
def renew_enrolment(request: HttpRequest, username: str) -> HttpResponse:
    """A new link for an account whose person has set no password: mailed to them, entered in the trail."""
    person = seen_or_404(request, User, username=username, is_service=False)
    acts.renew_enrolment(
        actor_of(request), person.pk, idempotency_key=request.POST.get("idempotency_key", "")
    )
    messages.success(request, f"A new link is sent to {person.email}. The earlier one no longer works.")
    return redirect("web:person", person.username)


class IdentityForm(Form):
    how = forms.ChoiceField(label="How you made sure who it is", choices=CHECKS, widget=forms.RadioSelect)
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


class UnlockForm(Form):
    reason = ReasonField(label="Why the lock ends now")
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


@require_http_methods(["GET", "POST"])
@page
def confirm_identity(request: HttpRequest, username: str) -> HttpResponse:
    """A second person records that they made sure who is behind an account."""
    return _decide(request, username, "confirm_identity", IdentityForm, "people/confirm_identity.html")


@require_http_methods(["GET", "POST"])
@page
def unlock(request: HttpRequest, username: str) -> HttpResponse:
    """End the locks of sign-in and signing before their time."""
    return _decide(request, username, "unlock_account", UnlockForm, "people/unlock.html")


def _decide(
    request: HttpRequest, username: str, act: str, form_class: type[Form], template: str
) -> HttpResponse:
    actor = actor_of(request)
    found = seen_or_404(request, User, username=username, is_service=False)
    form = form_class(
        request.POST if request.method == "POST" else None, initial={"idempotency_key": uuid.uuid4().hex}
    )
    row = policy(f"access.{act}")
    sent = request.method == "POST" and form.is_valid()
    if sent and attempt(form, getattr(acts, act), actor, found.pk, **form.cleaned_data):
        messages.success(request, f"{row.label}: done for {found.printed_name}.")
        return redirect("web:person", found.username)
    if request.method == "POST":
        refuse_first(actor, row.act, found)
    verdict = Judge(found).verdict(actor, row)
    context = {"form": form, "person": found, "verdict": verdict}
    if act == "confirm_identity":
        context["second"] = second_person(actor.user, found)
    return render(request, template, context, status=422 if form.errors else 200)


@page
def person(request: HttpRequest, username: str) -> HttpResponse:
    """One account: its data, duties, and what the trail tells of it."""
    actor = actor_of(request)
    found = seen_or_404(request, User, username=username, is_service=False)
    given = (
        visible(actor, Assignment)
        .filter(person=found)
        .select_related("person", "requester", "approver", "ended_by")
    )
    assignments = sorted(given, key=lambda a: (queries.is_past(a), a.scope, a.duty))
    about = told(visible(actor, Entry)).filter(subject_kind=User.subject_kind, subject_id=str(found.pk))
    judge = Judge(found)
    context = {
        "person": found,
        "enrolled": chosen(found),
        "enrolment": visible(actor, Enrolment).filter(person=found).first(),
        "mail_stays_here": mail_stays_here(),
        "confirm": judge.verdict(actor, policy("access.confirm_identity")),
        "correct": judge.verdict(actor, policy("access.request_correction")),
        "hold": judge.verdict(actor, policy("access.place_hold")),
        "corrections": visible(actor, Correction).filter(person=found)[:5],
        "reset": judge.verdict(actor, policy("access.request_reset")),
        "link": judge.verdict(actor, policy("access.propose_link")),
        "links": visible(actor, SignOnLink).filter(person=found).select_related("ended_by"),
        "factors": visible(actor, Factor).filter(person=found, ended_at=None),
        "resets": visible(actor, Reset).filter(person=found)[:5],
        "providers": oidc.providers(),
        "unlock": judge.verdict(actor, policy("access.unlock_account")),
        "deactivate": judge.verdict(actor, policy("access.deactivate_account")),
        "renew": judge.verdict(actor, policy("access.renew_enrolment")),
        "entries": [line_of(entry) for entry in about.order_by("-id")[:ENTRIES]],
        **training_context(actor, found, judge),
        **decisions(actor, assignments, person=f"@{found.username}"),
    }
    return render(request, "people/person.html", context)


urlpatterns = [
    path("people/", people, name="people"),
    path("people/<str:username>/", person, name="person"),
    *leaver_urls,
    path("people/<str:username>/enrolment/", renew_enrolment, name="renew_enrolment"),
    path("people/<str:username>/identity/", confirm_identity, name="confirm_identity"),
    path("people/<str:username>/unlock/", unlock, name="unlock_account"),
    path("accounts/new/", create_account, name="create_account"),
    *duty_urls,
]
