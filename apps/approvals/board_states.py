"""Functions on a review board, states of board, change, seat and meeting, and what a board may decide."""

from __future__ import annotations

import enum


class Function(enum.StrEnum):
    PRODUCT = "product"
    LEGAL = "legal"
    SECURITY = "security"
    DOMAIN = "domain"
    ETHICS = "ethics"


FUNCTION_WORDS = {
    Function.PRODUCT: "Product",
    Function.LEGAL: "Legal",
    Function.SECURITY: "Security",
    Function.DOMAIN: "Domain",
    Function.ETHICS: "Ethics",
}


class BoardState(enum.StrEnum):
    PROPOSED = "proposed"
    IN_FORCE = "in_force"
    REFUSED = "refused"
    ENDED = "ended"


BOARD_WORDS = {
    BoardState.PROPOSED: "Proposed",
    BoardState.IN_FORCE: "In force",
    BoardState.REFUSED: "Refused",
    BoardState.ENDED: "Ended",
}


class ChangeKind(enum.StrEnum):
    FOUND = "found"
    AMEND = "amend"
    END = "end"


CHANGE_KINDS = {
    ChangeKind.FOUND: "Founding",
    ChangeKind.AMEND: "Amendment",
    ChangeKind.END: "Ending",
}


class ChangeState(enum.StrEnum):
    REQUESTED = "requested"
    APPROVED = "approved"
    REFUSED = "refused"


class MemberState(enum.StrEnum):
    REQUESTED = "requested"
    APPROVED = "approved"
    REFUSED = "refused"
    ENDED = "ended"


class MeetingState(enum.StrEnum):
    PLANNED = "planned"
    MINUTED = "minuted"
    SIGNED = "signed"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"


MEETING_WORDS = {
    MeetingState.PLANNED: "Planned",
    MeetingState.MINUTED: "Minute waits for signatures",
    MeetingState.SIGNED: "Decision signed",
    MeetingState.REJECTED: "Minute rejected",
    MeetingState.WITHDRAWN: "Withdrawn",
}


class BoardDecision(enum.StrEnum):
    APPROVE = "approve"
    CONDITIONAL = "conditional"
    REJECT = "reject"


DECISION_WORDS = {
    BoardDecision.APPROVE: "Approves the release",
    BoardDecision.CONDITIONAL: "Approves under conditions",
    BoardDecision.REJECT: "Rejects the release",
}
