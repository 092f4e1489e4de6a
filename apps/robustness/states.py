"""States of a probe plan and of a probe report."""

from __future__ import annotations

import enum


class PlanState(enum.StrEnum):
    DRAFT = "draft"
    AUTHORED = "authored"
    LOCKED = "locked"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"


class ReportState(enum.StrEnum):
    QUEUED = "queued"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class EvidenceKind(enum.StrEnum):
    PARITY = "parity"
    EPSILON = "epsilon"


class Verdict(enum.StrEnum):
    WITHIN = "within"
    BREACHED = "breached"
    UNDECIDED = "undecided"


class PrivateTraining(enum.StrEnum):
    """Whether the model was trained with differential privacy, as its probe plan declares."""

    USED = "used"
    NOT_USED = "not_used"


PRIVATE_WORDS = {
    PrivateTraining.USED: "Used: the table of utility against epsilon is handed in",
    PrivateTraining.NOT_USED: "Not used",
}
PLAN_WORDS = {
    PlanState.DRAFT: "Draft",
    PlanState.AUTHORED: "Signed by its author",
    PlanState.LOCKED: "Locked",
    PlanState.REJECTED: "Rejected",
    PlanState.SUPERSEDED: "Superseded",
}
REPORT_WORDS = {
    ReportState.QUEUED: "Queued or running",
    ReportState.DONE: "Done",
    ReportState.FAILED: "Failed",
    ReportState.CANCELLED: "Cancelled",
}
KIND_WORDS = {
    EvidenceKind.PARITY: "Training and serving pipeline on the same rows",
    EvidenceKind.EPSILON: "Utility against epsilon",
}
VERDICT_WORDS = {
    Verdict.WITHIN: "Within limits",
    Verdict.BREACHED: "Limit breached",
    Verdict.UNDECIDED: "Too little data to tell",
}
PLAN_TRANSITIONS = {
    (PlanState.DRAFT, "sign_plan_author"): PlanState.AUTHORED,
    (PlanState.AUTHORED, "sign_plan_approval"): PlanState.LOCKED,
    (PlanState.AUTHORED, "reject"): PlanState.REJECTED,
    (PlanState.DRAFT, "write_plan"): PlanState.SUPERSEDED,
    (PlanState.AUTHORED, "write_plan"): PlanState.SUPERSEDED,
    (PlanState.REJECTED, "write_plan"): PlanState.SUPERSEDED,
    # Only of limits that were locked under an earlier version of the catalogue: no probe is made under them any more.
    (PlanState.LOCKED, "write_plan"): PlanState.SUPERSEDED,
}
