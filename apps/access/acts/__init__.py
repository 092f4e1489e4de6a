"""Every verb on people, duties and tokens."""

from apps.access.acts.accounts import (
    create_account,
    create_token,
    deactivate_account,
    end_token,
    enrol,
    renew_enrolment,
    set_password,
    set_preferences,
    sign_in,
    sign_out,
)
from apps.access.acts.assignments import (
    approve_assignment,
    approve_organisation_assignment,
    end_assignment,
    refuse_assignment,
    request_assignment,
    request_organisation_assignment,
)
from apps.access.acts.enrolment import confirm_identity, fail_enrolment, finish_enrolment
from apps.access.acts.install import install_organisation
from apps.access.acts.locks import end_other_sessions, end_session, lock_account, unlock_account
from apps.access.acts.logs import retire_log
from apps.access.acts.reading import export_trail
from apps.access.acts.waivers import (
    request_waiver,
    revoke_waiver,
    sign_waiver_approver,
    sign_waiver_compliance,
)

__all__ = [
    "approve_assignment",
    "approve_organisation_assignment",
    "confirm_identity",
    "create_account",
    "create_token",
    "deactivate_account",
    "end_assignment",
    "end_other_sessions",
    "end_session",
    "end_token",
    "enrol",
    "export_trail",
    "fail_enrolment",
    "finish_enrolment",
    "install_organisation",
    "lock_account",
    "refuse_assignment",
    "renew_enrolment",
    "request_assignment",
    "request_organisation_assignment",
    "request_waiver",
    "retire_log",
    "revoke_waiver",
    "set_password",
    "set_preferences",
    "sign_in",
    "sign_out",
    "sign_waiver_approver",
    "sign_waiver_compliance",
    "unlock_account",
]
