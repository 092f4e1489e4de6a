"""Every verb on people, duties and tokens."""

from apps.access.acts.accounts import (
    create_account,
    create_token,
    end_token,
    enrol,
    renew_enrolment,
    set_password,
    set_preferences,
    sign_in,
    sign_out,
)
from apps.access.acts.asks import answer_ask, ask
from apps.access.acts.assignments import (
    approve_assignment,
    approve_organisation_assignment,
    end_assignment,
    refuse_assignment,
    request_assignment,
    request_organisation_assignment,
)
from apps.access.acts.bulk import request_assignments
from apps.access.acts.ci import approve_trust, end_trust, issue_ci_token, refuse_trust, request_trust
from apps.access.acts.corrections import (
    approve_correction,
    refuse_correction,
    request_correction,
    withdraw_correction,
)
from apps.access.acts.enrolment import confirm_identity, fail_enrolment, finish_enrolment
from apps.access.acts.erasures import (
    approve_erasure,
    refuse_erasure,
    request_erasure,
    withdraw_erasure,
)
from apps.access.acts.factors import (
    add_passkey,
    add_totp,
    end_factor,
    make_recovery_codes,
    name_factor,
)
from apps.access.acts.holds import lift_hold, place_hold
from apps.access.acts.inspections import (
    approve_inspection,
    end_inspection,
    export_register,
    look,
    refuse_inspection,
    request_inspection,
    spoil_copy,
    take_copy,
)
from apps.access.acts.install import install_organisation
from apps.access.acts.leavers import deactivate_account
from apps.access.acts.links import confirm_link, end_link, end_own_link, propose_link
from apps.access.acts.locks import end_other_sessions, end_session, lock_account, unlock_account
from apps.access.acts.logs import accept_clock, retire_log
from apps.access.acts.reading import export_trail
from apps.access.acts.reminders import remind
from apps.access.acts.resets import approve_reset, refuse_reset, request_reset, withdraw_reset
from apps.access.acts.review_opening import fail_review_opening, finish_review_opening, open_review
from apps.access.acts.reviews import decide_review, lapse_review, sign_review, withdraw_review
from apps.access.acts.rule_changes import (
    fail_rules_replay,
    finish_rules_replay,
    propose_rules,
    replay_rules_again,
    sign_rules_approver,
    sign_rules_compliance,
    withdraw_rules,
)
from apps.access.acts.services import (
    approve_service,
    end_service,
    refuse_service,
    request_service,
    resume_service,
    suspend_service,
)
from apps.access.acts.tokens import create_service_token, rotate_token
from apps.access.acts.training import (
    accept_signature_policy,
    adopt_training_matrix,
    read_training_evidence,
    record_training,
)
from apps.access.acts.waivers import (
    request_waiver,
    revoke_waiver,
    sign_waiver_approver,
    sign_waiver_compliance,
)

__all__ = [
    "accept_clock",
    "accept_signature_policy",
    "add_passkey",
    "add_totp",
    "adopt_training_matrix",
    "answer_ask",
    "approve_assignment",
    "approve_correction",
    "approve_erasure",
    "approve_inspection",
    "approve_organisation_assignment",
    "approve_reset",
    "approve_service",
    "approve_trust",
    "ask",
    "confirm_identity",
    "confirm_link",
    "create_account",
    "create_service_token",
    "create_token",
    "deactivate_account",
    "decide_review",
    "end_assignment",
    "end_factor",
    "end_inspection",
    "end_link",
    "end_other_sessions",
    "end_own_link",
    "end_service",
    "end_session",
    "end_token",
    "end_trust",
    "enrol",
    "export_register",
    "export_trail",
    "fail_enrolment",
    "fail_review_opening",
    "fail_rules_replay",
    "finish_enrolment",
    "finish_review_opening",
    "finish_rules_replay",
    "install_organisation",
    "issue_ci_token",
    "lapse_review",
    "lift_hold",
    "lock_account",
    "look",
    "make_recovery_codes",
    "name_factor",
    "open_review",
    "place_hold",
    "propose_link",
    "propose_rules",
    "read_training_evidence",
    "record_training",
    "refuse_assignment",
    "refuse_correction",
    "refuse_erasure",
    "refuse_inspection",
    "refuse_reset",
    "refuse_service",
    "refuse_trust",
    "remind",
    "renew_enrolment",
    "replay_rules_again",
    "request_assignment",
    "request_assignments",
    "request_correction",
    "request_erasure",
    "request_inspection",
    "request_organisation_assignment",
    "request_reset",
    "request_service",
    "request_trust",
    "request_waiver",
    "resume_service",
    "retire_log",
    "revoke_waiver",
    "rotate_token",
    "set_password",
    "set_preferences",
    "sign_in",
    "sign_out",
    "sign_review",
    "sign_rules_approver",
    "sign_rules_compliance",
    "sign_waiver_approver",
    "sign_waiver_compliance",
    "spoil_copy",
    "suspend_service",
    "take_copy",
    "unlock_account",
    "withdraw_correction",
    "withdraw_erasure",
    "withdraw_reset",
    "withdraw_review",
    "withdraw_rules",
]
