"""Explanation reports and the review of their features."""

from __future__ import annotations

from apps.access.duties import Duty as D
from apps.access.policy.types import row

ROWS = [
    row(
        "explanation.request_report",
        "Compute explanation",
        "asked for an explanation",
        "validations.run",
        [D.VALIDATOR],
        ["validate"],
    ),
    row("explanation.finish_report", "", "finished an explanation", "explanation.report", service=True),
    row("explanation.fail_report", "", "recorded a failed explanation", "explanation.report", service=True),
    row(
        "explanation.cancel_report",
        "Cancel explanation",
        "cancelled an explanation",
        "explanation.report",
        [D.VALIDATOR],
        ["validate"],
        reason=True,
    ),
    row(
        "explanation.submit_report",
        "Submit explanation",
        "submitted an explanation made elsewhere",
        "validations.run",
        [D.VALIDATOR],
        ["validate"],
    ),
    row(
        "explanation.write_review",
        "Review features",
        "reviewed the features of an explanation",
        "explanation.report",
        [D.PROCESS_EXPERT],
        ["approve", "author"],
    ),
    row(
        "explanation.sign_review_expert",
        "Sign feature review",
        "signed a feature review as process expert",
        "explanation.report",
        [D.PROCESS_EXPERT],
        ["approve", "author"],
        meaning="review",
        token=False,
    ),
    row(
        "explanation.sign_review_quality",
        "Approve feature review",
        "approved a feature review for quality",
        "explanation.report",
        [D.APPROVER],
        ["approve", "review_record"],
        meaning="approval",
        token=False,
    ),
]
