"""The duties, where each is held, and their words."""

from __future__ import annotations

import enum


class Duty(enum.StrEnum):
    DEVELOPER = "developer"
    CURATOR = "curator"
    STEWARD = "steward"
    VALIDATOR = "validator"
    BIAS_TESTER = "bias_tester"
    APPROVER = "approver"
    PROCESS_EXPERT = "process_expert"
    OWNER = "owner"
    DEPLOYER = "deployer"
    MONITOR = "monitor"
    SECURITY = "security"
    ADMINISTRATOR = "administrator"
    COMPLIANCE = "compliance"
    INSPECTOR = "inspector"
    REGISTRAR = "registrar"


ORGANISATION = "organisation"
MODEL = "registry.model"
DATASET = "datasets.dataset"
ORGANISATION_ID = 0

ORGANISATION_DUTIES = frozenset({Duty.ADMINISTRATOR, Duty.COMPLIANCE, Duty.INSPECTOR, Duty.REGISTRAR})
OBJECT_DUTIES = frozenset(Duty) - ORGANISATION_DUTIES
# A developer or validator of a dataset may make models from it, or test with it; its owner gives that access.
DATASET_DUTIES = frozenset({Duty.CURATOR, Duty.STEWARD, Duty.OWNER, Duty.DEVELOPER, Duty.VALIDATOR})
MODEL_DUTIES = OBJECT_DUTIES - {Duty.CURATOR, Duty.STEWARD}

# These see every model and dataset; what they may do is said act by act in the policy table.
SEES_ALL = frozenset({Duty.COMPLIANCE, Duty.INSPECTOR, Duty.REGISTRAR})

WORDS = {
    Duty.DEVELOPER: "developer",
    Duty.CURATOR: "data curator",
    Duty.STEWARD: "test-data steward",
    Duty.VALIDATOR: "validator",
    Duty.BIAS_TESTER: "bias tester",
    Duty.APPROVER: "QA approver",
    Duty.PROCESS_EXPERT: "process expert",
    Duty.OWNER: "owner",
    Duty.DEPLOYER: "deployer",
    Duty.MONITOR: "monitor",
    Duty.SECURITY: "security officer",
    Duty.ADMINISTRATOR: "administrator",
    Duty.COMPLIANCE: "compliance officer",
    Duty.INSPECTOR: "inspector",
    Duty.REGISTRAR: "registrar",
}
# A seat on a review board is no duty, but who has one decides and signs. The static rules judge it as this duty held
# elsewhere: what they keep apart everywhere (ST1, ST2) they keep apart from a seat too.
SEAT = "seat"
SEAT_COUNTS_AS = Duty.PROCESS_EXPERT
# An inspector is given a model or dataset by an inspection alone (apps.access.acts.inspections).
GUARDIAN_CODENAME = {duty: f"act_as_{duty}" for duty in OBJECT_DUTIES | {Duty.INSPECTOR}}


def counted(duty: str) -> str:
    """The duty as the static rules know it."""
    return SEAT_COUNTS_AS if duty == SEAT else duty


def word(duty: str) -> str:
    """`QA approver`, `seat on a review board`."""
    return "seat on a review board" if duty == SEAT else WORDS[Duty(duty)]


def told(duty: str) -> str:
    """`the duty QA approver`, `a seat on a review board`."""
    return f"a {word(duty)}" if duty == SEAT else f"the duty {word(duty)}"


def scope_text(kind: str, pk: int) -> str:
    """How a parent is written in a trail entry's `scope`: `registry.model:3`, `organisation:0`."""
    return f"{kind}:{pk}"
