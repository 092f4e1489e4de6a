"""Review boards: the board, its seats, its meetings about a release, what chair and second member sign."""

from __future__ import annotations

from apps.access.duties import Duty as D
from apps.access.policy.types import row

ROWS = [
    row(
        "approvals.create_board",
        "Create review board",
        "created a review board",
        "organisation",
        [D.COMPLIANCE],
        reason=True,
    ),
    row(
        "approvals.request_seat",
        "Ask for a seat",
        "asked for a seat on a review board",
        "approvals.board",
        [D.COMPLIANCE, D.REGISTRAR],
        ["request_grant"],
        reason=True,
    ),
    row(
        "approvals.approve_seat",
        "Approve seat",
        "approved a seat on a review board",
        "approvals.board_member",
        [D.COMPLIANCE],
        ["approve_grant"],
        token=False,
    ),
    row(
        "approvals.refuse_seat",
        "Refuse seat",
        "refused a seat on a review board",
        "approvals.board_member",
        [D.COMPLIANCE],
        reason=True,
        token=False,
    ),
    row(
        "approvals.end_seat",
        "End seat",
        "ended a seat on a review board",
        "approvals.board_member",
        [D.COMPLIANCE, D.REGISTRAR],
        reason=True,
    ),
    row(
        "approvals.plan_meeting",
        "Plan board meeting",
        "put a release before a review board",
        "approvals.gate",
        [D.OWNER, D.COMPLIANCE, D.APPROVER],
    ),
    row(
        "approvals.record_meeting",
        "Record the meeting's minute",
        "recorded the minute of a review board",
        "approvals.meeting",
        [D.OWNER, D.COMPLIANCE, D.APPROVER],
        token=False,
    ),
    row(
        "approvals.withdraw_meeting",
        "Withdraw",
        "withdrew a meeting of a review board",
        "approvals.meeting",
        [D.OWNER, D.COMPLIANCE, D.APPROVER],
        reason=True,
    ),
    # Members of the board hold no duty on the model: the act asks for a seat that voted.
    row(
        "approvals.sign_minute_chair",
        "Sign as chair",
        "signed a review board's decision as chair",
        "approvals.meeting",
        verbs=["approve"],
        meaning="review",
        anyone=True,
        token=False,
    ),
    row(
        "approvals.sign_minute_member",
        "Sign as second member",
        "signed a review board's decision as second member",
        "approvals.meeting",
        verbs=["approve"],
        meaning="review",
        anyone=True,
        token=False,
    ),
    row(
        "approvals.confirm_conditions",
        "Confirm that the conditions are met",
        "confirmed that a review board's conditions are met",
        "approvals.meeting",
        verbs=["approve"],
        anyone=True,
        reason=True,
        token=False,
    ),
]
