"""The release gate and what follows a release."""

from __future__ import annotations

from apps.access.duties import Duty as D
from apps.access.policy.types import row

ROWS = [
    row(
        "approvals.open_gate",
        "Open release gate",
        "opened the release gate",
        "registry.version",
        [D.OWNER, D.APPROVER, D.VALIDATOR, D.DEVELOPER],
    ),
    row(
        "approvals.request_verification",
        "Verify the trail now",
        "asked for a verification of the trail",
        "approvals.gate",
        [D.OWNER, D.APPROVER, D.VALIDATOR, D.COMPLIANCE, D.INSPECTOR],
        reads=True,
    ),
    row("approvals.record_verification", "", "verified the trail", "approvals.gate", service=True),
    row(
        "approvals.record_minute",
        "Record board minute",
        "recorded a board minute",
        "approvals.gate",
        [D.OWNER, D.COMPLIANCE, D.SECURITY],
        token=False,
    ),
    # Who sees the gate may read the paper that one of its lines rests on.
    row(
        "approvals.read_outside_minute",
        "Fetch the minute’s file",
        "fetched the file of a board minute recorded outside",
        "approvals.gate",
        anyone=True,
        by=("sees",),
        reads=True,
        offered=False,
    ),
    row(
        "approvals.sign_approval",
        "Sign: QA approval",
        "signed the release gate for QA",
        "approvals.slot",
        [D.APPROVER],
        ["approve", "sign_slot"],
        meaning="approval",
        token=False,
    ),
    row(
        "approvals.sign_responsibility",
        "Sign: accept residual risk",
        "signed the release gate as owner",
        "approvals.slot",
        [D.OWNER],
        ["approve", "sign_slot"],
        meaning="responsibility",
        token=False,
    ),
    row(
        "approvals.sign_review",
        "Sign: compliance review",
        "signed the release gate for compliance",
        "approvals.slot",
        [D.COMPLIANCE],
        ["approve", "sign_slot"],
        meaning="review",
        token=False,
    ),
    row(
        "approvals.sign_security",
        "Sign: security review",
        "signed the release gate for security",
        "approvals.slot",
        [D.SECURITY],
        ["approve", "sign_slot"],
        meaning="review",
        token=False,
    ),
    row(
        "approvals.suspend",
        "Suspend",
        "suspended a version",
        "registry.version",
        [D.APPROVER, D.COMPLIANCE],
        ["suspend"],
        reason=True,
    ),
    row(
        "approvals.sign_suspension",
        "Sign for the suspension",
        "signed for the suspension of a version",
        "registry.version",
        [D.APPROVER],
        ["confirm_suspension"],
        meaning="suspension",
        reason=True,
        token=False,
    ),
]
