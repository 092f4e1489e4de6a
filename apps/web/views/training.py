"""Training: the matrix of people and duties, what each duty needs, one person's trainings, the signature policy."""

from __future__ import annotations

import uuid
from functools import partial
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.html import format_html
from django.views.decorators.http import require_http_methods, require_POST

from apps.access import acts, duties, queries
from apps.access import training_queries as reads
from apps.access.acting import refuse_first
from apps.access.actors import Actor
from apps.access.acts.training import another_person, proposed_book
from apps.access.duties import Duty
from apps.access.gate import ORGANISATION_SUBJECT, Judge, may, visible
from apps.access.models import Assignment, TrainingMatrix, TrainingRecord
from apps.access.policy import policy
from apps.access.sharing import shared
from apps.access.training import NEEDING, WORDS, Standing, State, book_in_force, shipped, worst
from apps.access.training_models import POLICY as POLICY_KIND
from apps.accounts.models import User
from apps.core import blobs
from apps.core.downloads import attachment
from apps.core.errors import BadInput
from apps.registry.models import Model
from apps.web.door import actor_of, attempt, attempt_change, page, seen_or_404
from apps.web.forms import ChangeForm, DayField, Form, ReasonField
from apps.web.lists import Column, Table, choice, text
from apps.web.marks import TRAINING_MARKS, render_mark
from apps.web.uploading import UploadForm

KINDS = shipped().kinds
STATES = [("gap", "Any that blocks"), *((s.value, WORDS[s]) for s in State), ("none", "Nothing needed")]


def _person(row: Assignment) -> Any:
    return format_html(
        '<a href="{}">{}</a>', reverse("web:person", args=[row.person.username]), row.person.printed_name
    )


def _cell(kind: str) -> Column:
    """One kind of training: its state and the day it lapses; empty where the duty does not need it."""

    def found(row: Any) -> Standing | None:
        return next((each for each in row.trainings if each.kind.id == kind), None)

    def value(row: Any) -> str:
        each = found(row)
        until = each.record.expires_on if each and each.record else None
        return "" if each is None else f"{each.word}, until {until}" if until else each.word

    def render(row: Any) -> Any:
        each = found(row)
        if each is None:
            return ""
        until = each.record.expires_on if each.record else None
        return render_mark(TRAINING_MARKS[each.state], extra=str(until or ""))

    return Column(kind, KINDS[kind].title, value=value, render=render)


def _state(row: Any) -> Any:
    found = worst(row.trainings)
    return render_mark(TRAINING_MARKS[found]) if found else "nothing needed"


MATRIX = Table(
    name="training",
    caption="Duties in force and the trainings they need",
    order="person",
    empty="No duty is in force that you may see.",
    columns=[
        Column(
            "person",
            "Person",
            sort=("person__printed_name", "person__username"),
            heading=True,
            value=lambda a: f"{a.person.printed_name} (@{a.person.username})",
            render=_person,
        ),
        Column("duty", "Duty", sort="duty", value=lambda a: duties.WORDS[Duty(a.duty)]),
        Column("place", "On", sort=("scope_kind", "scope_id"), value=lambda a: a.place),
        Column("state", "State", value=lambda a: _word(a), render=_state),
        *(_cell(kind) for kind in KINDS),
    ],
    filters=[
        text(
            "person",
            "Name or username",
            lambda rows, v: (
                rows.filter(person__printed_name__icontains=v) | rows.filter(person__username__icontains=v)
            ),
        ),
        choice(
            "duty",
            "Duty",
            [(d.value, duties.WORDS[d]) for d in Duty],
            lambda rows, v: rows.filter(duty=v),
        ),
        choice("state", "State", STATES, reads.in_state),
    ],
)


def _word(row: Any) -> str:
    found = worst(row.trainings)
    return WORDS[found] if found else "nothing needed"


def _prepared(actor: Actor, found: list[Assignment]) -> None:
    """Standings and the name of the place, loaded for all of these rows at once."""
    standing, names = reads.standings(found), queries.place_names(actor, found)
    for each in found:
        each.trainings = standing[each.pk]  # type: ignore[attr-defined]
        each.place = names[each.scope]  # type: ignore[attr-defined]


@page
def training(request: HttpRequest) -> HttpResponseBase:
    """Who is trained for what they may do: the training matrix by person and duty (21 CFR 11.10(i))."""
    actor = actor_of(request)
    with shared():
        listing = MATRIX.read(request, reads.held(actor), prepare=partial(_prepared, actor))
        context = {
            "book": book_in_force(),
            "matrix": TrainingMatrix.objects.select_related("adopted_by").first(),
            "adopt": may(actor, "access.adopt_training_matrix", ORGANISATION_SUBJECT),
            "sees_all": reads.sees_all(actor),
        }
        return listing.respond("training/training.html", context)


class MatrixForm(ChangeForm):
    seen = forms.IntegerField(widget=forms.HiddenInput)
    policy = forms.CharField(
        label="Signature policy",
        help_text="The text that every signer accepts (21 CFR 11.10(j)). A new text needs a new edition.",
        max_length=8000,
        widget=forms.Textarea(attrs={"rows": 5}),
    )
    policy_edition = forms.CharField(label="Edition of the signature policy", max_length=20)
    reason = ReasonField(label="Why this matrix")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for each, word in NEEDING.items():
            self.fields[f"needs_{each}"] = forms.MultipleChoiceField(
                label=f"{word[:1].upper()}{word[1:]}",
                required=False,
                choices=[(kind.id, kind.title) for kind in KINDS.values()],
                widget=forms.CheckboxSelectMultiple,
            )

    @property
    def needs(self) -> dict[str, list[str]]:
        return {each: self.cleaned_data[f"needs_{each}"] for each in NEEDING}

    @property
    def duty_fields(self) -> list[Any]:
        return [self[f"needs_{each}"] for each in NEEDING]

    def add_refusal(self, refused: Any) -> None:
        if "editions" in refused.fields:
            refused.fields["policy_edition"] = refused.fields.pop("editions")
        super().add_refusal(refused)


@require_http_methods(["GET", "POST"])
@page
def matrix(request: HttpRequest) -> HttpResponse:
    """What each duty needs; whom the proposed matrix would stop is shown before it is put into force."""
    actor, book = actor_of(request), book_in_force()
    verdict = may(actor, "access.adopt_training_matrix", ORGANISATION_SUBJECT)
    initial = {
        "seen": book.version,
        "policy": book.policy,
        "policy_edition": book.edition(POLICY_KIND),
        "idempotency_key": uuid.uuid4().hex,
        **{f"needs_{each}": list(book.duties[each]) for each in NEEDING},
    }
    form = MatrixForm(request.POST if request.method == "POST" else None, initial=initial)
    gaps, looked = None, request.method == "POST" and "look" in request.POST
    if request.method == "POST" and verdict.allowed and form.is_valid():
        given = form.cleaned_data
        asked: dict[str, Any] = {
            "needs": form.needs,
            "editions": {**book.editions, POLICY_KIND: given["policy_edition"]},
            "policy": given["policy"],
        }
        if looked:
            try:
                gaps = _told(actor, reads.gaps(proposed_book(book, **asked)))
            except BadInput as refused:
                form.add_refusal(refused)
        else:
            made = attempt_change(
                form,
                acts.adopt_training_matrix,
                actor,
                seen=given["seen"],
                reason=given["reason"],
                idempotency_key=given["idempotency_key"],
                **asked,
            )
            if made:
                messages.success(request, f"Training matrix v{made.version} is in force.")
                return redirect("web:training")
    if request.method == "POST" and not looked:
        refuse_first(actor, "access.adopt_training_matrix", ORGANISATION_SUBJECT)
    if gaps is None and not looked:
        gaps = _told(actor, reads.gaps(book)) if verdict.allowed else []
    context = {
        "form": form,
        "book": book,
        "kinds": KINDS.values(),
        "verdict": verdict,
        "gaps": gaps,
        "looked": looked,
        "rows": [
            (word, [k.id in book.duties[each] for k in KINDS.values()]) for each, word in NEEDING.items()
        ],
        "versions": visible(actor, TrainingMatrix).select_related("adopted_by"),
    }
    return render(request, "training/matrix.html", context, status=422 if form.errors else 200)


def _told(actor: Actor, gaps: list[tuple[Assignment, list[Standing]]]) -> list[dict[str, Any]]:
    names = queries.place_names(actor, [a for a, _lacking in gaps])
    return [
        {
            "person": a.person,
            "duty": duties.WORDS[Duty(a.duty)],
            "place": names[a.scope],
            "lacking": [each.kind.title for each in lacking],
        }
        for a, lacking in gaps
    ]


class RecordForm(UploadForm):
    uploads = {"file": ""}
    kind = forms.ChoiceField(label="Training", choices=())
    model_id = forms.TypedChoiceField(
        label="Model",
        coerce=int,
        choices=(),
        empty_value=0,
        required=False,
        help_text="For training in a model’s limits only.",
    )
    completed_on = DayField(label="Completed on")
    expires_on = DayField(
        label="Lapses on",
        required=False,
        help_text="The first day on which it no longer counts. Empty: reckoned from the kind.",
    )
    edition = forms.CharField(
        label="Edition of what was taught", max_length=20, required=False, help_text="Where it has one."
    )
    evidence = forms.CharField(
        label="Evidence",
        max_length=4000,
        help_text="What shows it: certificate number, course and trainer, where the sheet is kept.",
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    file = forms.FileField(
        label="File", required=False, help_text="The certificate or attendance sheet, kept by its digest."
    )
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)

    def __init__(
        self, *args: Any, models: list[tuple[int, str]], corrects: TrainingRecord | None, **kwargs: Any
    ):
        super().__init__(*args, **kwargs)
        self.fields["kind"].choices = [  # type: ignore[attr-defined]
            (k.id, k.title) for k in KINDS.values() if not k.own and (not corrects or k.id == corrects.kind)
        ]
        self.fields["model_id"].choices = [(0, "None"), *models]  # type: ignore[attr-defined]
        if corrects:
            self.fields["void"] = forms.BooleanField(
                label=f"Only take {corrects.ref} back: it was recorded wrongly and nothing takes its place",
                required=False,
            )

    def add_refusal(self, refused: Any) -> None:
        if "model" in refused.fields:
            refused.fields["model_id"] = refused.fields.pop("model")
        super().add_refusal(refused)


@require_http_methods(["GET", "POST"])
@page
def record_training(request: HttpRequest, username: str) -> HttpResponse:
    """Record a training of another person, or correct an earlier record by a new one."""
    actor = actor_of(request)
    found = seen_or_404(request, User, username=username, is_service=False)
    asked = request.GET.get("corrects", "")
    corrects = reads.records(actor, found).filter(pk=asked).first() if asked.isdecimal() else None
    verdict = Judge(found).verdict(actor, policy("access.record_training"))
    if verdict.allowed and (other := another_person(actor.user, found)) is not None:
        if request.method == "POST":
            acts.record_training(actor, found.pk, kind="", completed_on=found.created_at.date(), evidence="")
        raise other
    form = RecordForm(
        request.POST if request.method == "POST" else None,
        request.FILES or None,
        initial={"idempotency_key": uuid.uuid4().hex, **_earlier(corrects)},
        person_id=actor.pk,
        models=list(visible(actor, Model).order_by("slug").values_list("pk", "slug")),
        corrects=corrects,
    )
    if request.method == "POST":
        refuse_first(actor, "access.record_training", found)
        if form.receive(lambda _name, file: blobs.put(file, limit=settings.UPLOAD_LIMIT_FILE)):
            given = {k: v for k, v in form.cleaned_data.items() if not k.startswith("file")}
            kept = form.kept.get("file")
            made = attempt(
                form,
                acts.record_training,
                actor,
                found.pk,
                corrects_id=corrects.pk if corrects else None,
                file_digest=kept.digest if kept else "",
                file_name=kept.name if kept else "",
                **given,
            )
            if made:
                messages.success(request, f"{made.ref} is recorded for {found.printed_name}.")
                return redirect(reverse("web:person", args=[found.username]) + "#training")
    context = {"form": form, "person": found, "verdict": verdict, "corrects": corrects}
    return render(request, "training/record.html", context, status=form.status if form.errors else 200)


def _earlier(row: TrainingRecord | None) -> dict[str, Any]:
    if row is None:
        return {}
    return {
        name: getattr(row, name) for name in ("kind", "model_id", "completed_on", "expires_on", "edition")
    }


@require_POST
@page
def training_evidence(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The file that shows a training; every fetching is logged."""
    row = seen_or_404(request, TrainingRecord, pk=pk)
    return attachment(acts.read_training_evidence(actor_of(request), row.pk))


class PolicyForm(Form):
    edition = forms.CharField(widget=forms.HiddenInput, max_length=40)
    accepted = forms.BooleanField(label="I have read this policy and accept it.")
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


@require_http_methods(["GET", "POST"])
@page
def signature_policy(request: HttpRequest) -> HttpResponse:
    """The signature policy in its current edition, and whether one has accepted it."""
    actor, book = actor_of(request), book_in_force()
    edition = book.edition(POLICY_KIND)
    mine = TrainingRecord.objects.filter(
        person=actor.user, kind=POLICY_KIND, edition=edition, corrected_by=None
    ).first()
    form = PolicyForm(
        request.POST if request.method == "POST" else None,
        initial={"edition": edition, "idempotency_key": uuid.uuid4().hex},
    )
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        made = attempt(
            form,
            acts.accept_signature_policy,
            actor,
            actor.pk,
            edition=given["edition"],
            idempotency_key=given["idempotency_key"],
        )
        if made:
            messages.success(request, f"You accepted edition {made.edition} of the signature policy.")
            return redirect("web:signature_policy")
    context = {"form": form, "book": book, "edition": edition, "mine": mine}
    return render(request, "training/policy.html", context, status=422 if form.errors else 200)


def training_context(actor: Actor, person: User, judge: Judge) -> dict[str, Any]:
    """For the page of a person: what their duties need, what was recorded, and who may record more."""
    verdict = judge.verdict(actor, policy("access.record_training"))
    return {
        "training_book": book_in_force(),
        "training_needed": reads.needed(actor, person),
        "training_records": [
            {"row": row, "title": KINDS[row.kind].title if row.kind in KINDS else row.kind}
            for row in reads.records(actor, person)
        ],
        "record_training": verdict if actor.pk != person.pk else None,
        "reads_evidence": may(actor, "access.read_training_evidence", row).allowed
        if (row := reads.records(actor, person).exclude(file_digest="").first())
        else False,
    }


urlpatterns = [
    path("training/", training, name="training"),
    path("training/matrix/", matrix, name="training_matrix"),
    path("training/policy/", signature_policy, name="signature_policy"),
    path("training/<int:pk>/evidence/", training_evidence, name="training_evidence"),
    path("people/<str:username>/training/", record_training, name="record_training"),
]
