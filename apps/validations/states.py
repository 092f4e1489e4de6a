"""States of a validation plan and of a run."""

from __future__ import annotations

import enum


class PlanState(enum.StrEnum):
    DRAFT = "draft"
    AUTHORED = "authored"
    LOCKED = "locked"
    REJECTED = "rejected"
    SUPERSEDED = "superseded"


class RunState(enum.StrEnum):
    QUEUED = "queued"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Task(enum.StrEnum):
    """What a model answers of a case."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"


class Exclusion(enum.StrEnum):
    """What a case that cannot be judged does to its run."""

    FAIL = "fail"
    EXCLUDE = "exclude"


TASK_WORDS = {
    Task.BINARY: "Two classes",
    Task.MULTICLASS: "Several classes",
    Task.REGRESSION: "A number (regression)",
}
EXCLUSION_WORDS = {
    Exclusion.FAIL: "The run fails",
    Exclusion.EXCLUDE: "The case is excluded and counted, with its reason",
}
PLAN_WORDS = {
    PlanState.DRAFT: "Draft",
    PlanState.AUTHORED: "Signed by its author",
    PlanState.LOCKED: "Locked",
    PlanState.REJECTED: "Rejected",
    PlanState.SUPERSEDED: "Superseded",
}
RUN_WORDS = {
    RunState.QUEUED: "Queued or running",
    RunState.DONE: "Done",
    RunState.FAILED: "Failed",
    RunState.CANCELLED: "Cancelled",
}
# What is said of a run that gave nothing, where a sentence needs it.
RUN_FACTS = {
    RunState.QUEUED: "It is queued or running.",
    RunState.DONE: "It is done.",
    RunState.FAILED: "It failed.",
    RunState.CANCELLED: "It was cancelled.",
}
PLAN_TRANSITIONS = {
    (PlanState.DRAFT, "sign_plan_author"): PlanState.AUTHORED,
    (PlanState.AUTHORED, "sign_plan_approval"): PlanState.LOCKED,
    (PlanState.AUTHORED, "reject"): PlanState.REJECTED,
    (PlanState.DRAFT, "write_plan"): PlanState.SUPERSEDED,
    (PlanState.AUTHORED, "write_plan"): PlanState.SUPERSEDED,
    (PlanState.REJECTED, "write_plan"): PlanState.SUPERSEDED,
    (PlanState.LOCKED, "replace_plan"): PlanState.SUPERSEDED,
}


class Verdict(enum.StrEnum):
    MET = "met"
    NOT_MET = "not_met"
    UNDECIDED = "undecided"


VERDICT_WORDS = {Verdict.MET: "Met", Verdict.NOT_MET: "Not met", Verdict.UNDECIDED: "Too little data to tell"}
