"""Names of the sets of words in the API's description (ENUM_NAME_OVERRIDES); unnamed ones would be numbered."""

from __future__ import annotations

from django.db.models import Model

from apps.access import reasons
from apps.access.erasure_models import Erasure, Hold
from apps.access.inspection_models import Copy, Inspection
from apps.access.models import AccessReview, Ask, Assignment, ReviewSheet, Waiver
from apps.access.training import State as TrainingState
from apps.accounts.factors import Reset, SignOnLink
from apps.accounts.services import ServiceAccount
from apps.approvals.board_models import Board, BoardChange, BoardMember, Meeting
from apps.approvals.models import Gate, Slot
from apps.datasets.grants import ReadGrant, Unmarking
from apps.datasets.models import DatasetVersion
from apps.explanation.models import Report as Explanation
from apps.explanation.states import Decision
from apps.fairness.models import Report
from apps.packs.models import Pack
from apps.quality.models import Deviation, TrailFinding, TrailReview
from apps.registry.models import LEVELS, Version
from apps.robustness.models import ProbeEvidence
from apps.trail.queries import TOLD
from apps.validations.models import VERDICTS, Plan, Run
from apps.verification.models import Evidence, Requirement

Choices = list[tuple[str, str]]


def _of(model: type[Model], field: str) -> Choices:
    return list(model._meta.get_field(field).choices)  # type: ignore[union-attr, arg-type]  # a field with choices


ASK_STATE = _of(Ask, "state")
ASSIGNMENT_STATE = _of(Assignment, "state")  # of duties and of seats on boards
BOARD_DECISION = _of(Meeting, "decision")
BOARD_CHANGE_KIND = _of(BoardChange, "kind")
BOARD_CHANGE_STATE = _of(BoardChange, "state")
BOARD_FUNCTION = _of(BoardMember, "function")
BOARD_STATE = _of(Board, "state")
MEETING_STATE = _of(Meeting, "state")
MINUTE_HALF = ["chair", "member"]
SIGNER_HALF = ["approver", "compliance"]  # of waivers and of changes of the rules
BIAS_VERDICT = _of(Report, "verdict")
CRITERION_VERDICT = VERDICTS
DATASET_VERSION_STATE = _of(DatasetVersion, "state")
DECISION = ["approved", "rejected"]
DEVIATION_STATE = _of(Deviation, "state")
ENTRY_KIND = [kind.value for kind in TOLD]
GATE_STATE = _of(Gate, "state")
INSPECTION_STATE = _of(Inspection, "state")
LEVEL = LEVELS
COPY_STATE = _of(Copy, "state")
READ_GRANT_STATE = _of(ReadGrant, "state")
UNMARKING_STATE = _of(Unmarking, "state")
PROBE_EVIDENCE_KIND = _of(ProbeEvidence, "kind")
PACK_STATE = _of(Pack, "state")
PARTITION = _of(DatasetVersion, "partition")
PLAN_EXCLUSION = _of(Plan, "exclusion")
PLAN_STATE = _of(Plan, "state")
PLAN_TASK = _of(Plan, "task")
COMPUTATION_STATE = _of(Run, "state")  # of validation runs, bias reports, explanations and probes
REASON_CODE = reasons.choices()
RESET_STATE = _of(Reset, "state")  # of resets, corrections and erasures
SIGN_ON_STATE = _of(SignOnLink, "state")
SERVICE_STATE = _of(ServiceAccount, "state")  # of service accounts and of trusts
SLOT_STATE = _of(Slot, "state")
TRAIL_REVIEW_STATE = _of(TrailReview, "state")
ERASURE_BASIS = _of(Erasure, "basis")
HOLD_STATE = _of(Hold, "state")
EXPLANATION_ORIGIN = _of(Explanation, "origin")
EXPLANATION_REVIEW = _of(Explanation, "review_state")
EXPLANATION_DECISION = [str(decision) for decision in Decision]
FINDING_WEIGHT = _of(TrailFinding, "weight")
VERSION_STATE = _of(Version, "state")
WAIVER_STATE = _of(Waiver, "state")
ACCESS_REVIEW_STATE = _of(AccessReview, "state")
REVIEW_SHEET_STATE = _of(ReviewSheet, "state")
TRAINING_STATE = [state.value for state in TrainingState]
REQUIREMENT_STATE = _of(Requirement, "state")
REQUIREMENT_SOURCE = _of(Requirement, "source")
VERIFICATION_KIND = _of(Evidence, "kind")
