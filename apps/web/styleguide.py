"""/styleguide/: every component in every state, on made-up values that say so. Itself under the page tests."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from django import forms
from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_safe

from apps.core.outcomes import CheckState
from apps.web.door import page
from apps.web.forms import DayField, Form, MomentField, ReasonField
from apps.web.lists import Column, Table, text
from apps.web.marks import JOB_MARKS, RECORD_MARKS

MOMENT = datetime(2026, 11, 19, 14, 2, 11, tzinfo=UTC)
DIGEST = "sha256:51ab09cc77e0f3d19c0e44d2a1b7e6f80d1c2b3a495867768594a3b2c1d0e9f8"
REFUSED = SimpleNamespace(
    allowed=False,
    act="approvals.sign_gate",
    label="Approve",
    what="You cannot approve this.",
    fact="You wrote test TC-88 in this version.",
    rule="DY13",
    who=("A. Novak", "L. Berg"),
)
ALLOWED = SimpleNamespace(allowed=True, act="approvals.sign_gate", label="Review and sign")

KINDS = Table(
    name="kinds",
    caption="Kinds of records in this installation",
    columns=[
        Column("model", "Kind", sort="model", heading=True),
        Column("app_label", "App", sort=("app_label", "model")),
        Column("id", "Number", sort="id", kind="number"),
        Column("seen", "Seen", value=lambda kind: MOMENT, kind="moment"),
    ],
    order="model",
    empty="No kind of record is installed yet. An administrator installs the organisation first.",
    filters=[text("contains", "Kind contains", lambda rows, value: rows.filter(model__icontains=value))],
    page_rows=5,
)


class SampleForm(Form):
    """One field of each sort."""

    name = forms.CharField(label="Name", help_text="Lower case, as it stands in addresses.", max_length=40)
    tier = forms.ChoiceField(label="Tier", choices=[("", "Choose"), ("low", "Low"), ("high", "High")])
    decision = forms.ChoiceField(
        label="Decision", widget=forms.RadioSelect, choices=[("approved", "Approve"), ("rejected", "Reject")]
    )
    due = DayField(label="Due", required=False)
    moment = MomentField(label="As of (UTC)", required=False)
    file = forms.FileField(label="Model file", required=False, help_text="ONNX or skops, at most 1 GiB.")
    reason = ReasonField()
    seen = forms.BooleanField(label="I have opened every piece of evidence")


def _signature(**changes: Any) -> SimpleNamespace:
    values = {
        "printed_name": "Maria Chen",
        "username": "mchen",
        "duties": "approver",
        "meaning": "approval",
        "meaning_text": "I have reviewed this record and approve it for its intended use.",
        "decision": "approved",
        "reason": "",
        "signed_at": MOMENT,
        "subject_ref": "VR-44",
        "record_version": "3",
        "content_digest": DIGEST,
        "factors": ["username", "password"],
    }
    return SimpleNamespace(**{**values, **changes})


def _job(state: str, **changes: Any) -> SimpleNamespace:
    values = {
        "state": state,
        "stage": "",
        "done": 0,
        "total": 0,
        "attempt": 1,
        "log": "",
        "error": "",
        "created_at": MOMENT,
        "started_at": None,
        "finished_at": None,
    }
    return SimpleNamespace(**{**values, **changes})


def samples() -> dict[str, Any]:
    """The values the page shows."""
    return {
        "checks": [state.value for state in CheckState],
        "jobs": list(JOB_MARKS),
        "records": list(RECORD_MARKS),
        "moment": MOMENT,
        "digest": DIGEST,
        "refused": REFUSED,
        "allowed": ALLOWED,
        "person": SimpleNamespace(
            printed_name="Maria Chen", username="mchen", is_active=True, is_service=False
        ),
        "left": SimpleNamespace(
            printed_name="Jo Okafor", username="jokafor", is_active=False, is_service=False
        ),
        "machine": SimpleNamespace(
            printed_name="LOTX build", username="ci-lotx", is_active=True, is_service=True
        ),
        "estimate": {"value": 0.931, "low": 0.9211, "high": 0.9408, "n": 4120},
        "estimate_none": {"value": None, "n": 3, "reason": "too few to judge (minimum 50)"},
        "signatures": [
            (_signature(), "valid"),
            (_signature(printed_name="Anna Novak", username="anovak"), "out_of_date"),
            (
                _signature(decision="rejected", reason="Line 4 finds fewer true defects than the limit."),
                "unsigned",
            ),
        ],
        "queued": _job("queued", stage="waits for a worker"),
        "running": _job(
            "running",
            stage="scoring the vault set",
            done=61,
            total=120,
            started_at=MOMENT,
            log="14:02:11 model loaded\n14:02:12 120 batches\n14:02:15 batch 61",
        ),
        "failed": _job(
            "failed",
            stage="loading",
            attempt=2,
            error="The model wants a column “age” that the data does not have.",
            finished_at=MOMENT,
        ),
        "form": SampleForm(auto_id="empty-%s"),
        "bad_form": SampleForm({"name": "LOTX", "due": "19/11/2026"}, auto_id="bad-%s"),
    }


@require_safe
@page
def styleguide(request: HttpRequest) -> HttpResponseBase:
    """The page, or its list's rows and CSV."""
    return KINDS.read(request, ContentType.objects.all()).respond("web/styleguide.html", samples())
