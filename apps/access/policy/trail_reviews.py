"""Reviews of the audit trail (PC10). Who reviews has done nothing of what is reviewed (DY14)."""

from __future__ import annotations

from apps.access.duties import Duty as D
from apps.access.policy.types import row

ROWS = [
    row(
        "quality.open_trail_review",
        "Review the audit trail",
        "opened a review of the audit trail",
        "registry.version",
        [D.APPROVER, D.COMPLIANCE, D.OWNER, D.VALIDATOR],
    ),
    row(
        "quality.extend_trail_review",
        "Take the range up to now",
        "took the range of a trail review up to now",
        "quality.trail_review",
        [D.APPROVER, D.COMPLIANCE, D.OWNER, D.VALIDATOR],
    ),
    row(
        "quality.mark_trail_entries",
        "Go through",
        "marked entries as seen in a trail review",
        "quality.trail_review",
        [D.APPROVER, D.COMPLIANCE],
        ["review_trail"],
        token=False,
        offered=False,
    ),
    row(
        "quality.record_trail_finding",
        "Record a finding",
        "recorded a finding of a trail review",
        "quality.trail_review",
        [D.APPROVER, D.COMPLIANCE],
        ["review_trail"],
        token=False,
    ),
    row(
        "quality.sign_trail_review",
        "Sign the review",
        "signed a review of the audit trail",
        "quality.trail_review",
        [D.APPROVER, D.COMPLIANCE],
        ["review_trail"],
        meaning="review",
        token=False,
    ),
    row(
        "quality.withdraw_trail_review",
        "Withdraw",
        "withdrew a review of the audit trail",
        "quality.trail_review",
        [D.APPROVER, D.COMPLIANCE, D.OWNER, D.VALIDATOR],
        reason=True,
    ),
]
