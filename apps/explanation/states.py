"""States of an explanation report and of the review that is written into it."""

from __future__ import annotations

import enum


class State(enum.StrEnum):
    QUEUED = "queued"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Origin(enum.StrEnum):
    COMPUTED = "computed"
    SUBMITTED = "submitted"


class ReviewState(enum.StrEnum):
    NONE = "none"
    WRITTEN = "written"
    SIGNED = "signed"
    APPROVED = "approved"
    REJECTED = "rejected"


class Decision(enum.StrEnum):
    PLAUSIBLE = "plausible"
    NOT_PLAUSIBLE = "not_plausible"
    FOLLOW_UP = "follow_up"


WORDS = {
    State.QUEUED: "Queued or running",
    State.DONE: "Done",
    State.FAILED: "Failed",
    State.CANCELLED: "Cancelled",
}
ORIGIN_WORDS = {Origin.COMPUTED: "Computed here", Origin.SUBMITTED: "Submitted, not computed here"}
REVIEW_WORDS = {
    ReviewState.NONE: "Not reviewed",
    ReviewState.WRITTEN: "Review written",
    ReviewState.SIGNED: "Review signed by the process expert",
    ReviewState.APPROVED: "Review approved",
    ReviewState.REJECTED: "Review rejected",
}
DECISION_WORDS = {
    Decision.PLAUSIBLE: "Plausible",
    Decision.NOT_PLAUSIBLE: "Not plausible",
    Decision.FOLLOW_UP: "Needs follow-up",
}
FACTS = {
    State.QUEUED: "It is queued or running.",
    State.DONE: "It is done.",
    State.FAILED: "It failed.",
    State.CANCELLED: "It was cancelled.",
}
# (state, act) -> state of the review; what is not here cannot happen.
REVIEW_TRANSITIONS = {
    (ReviewState.NONE, "write_review"): ReviewState.WRITTEN,
    (ReviewState.WRITTEN, "write_review"): ReviewState.WRITTEN,
    (ReviewState.SIGNED, "write_review"): ReviewState.WRITTEN,
    (ReviewState.REJECTED, "write_review"): ReviewState.WRITTEN,
    (ReviewState.WRITTEN, "sign_review_expert"): ReviewState.SIGNED,
    (ReviewState.SIGNED, "sign_review_quality"): ReviewState.APPROVED,
    (ReviewState.SIGNED, "reject"): ReviewState.REJECTED,
}
