"""Every verb on people, duties and tokens."""

from apps.access.acts.accounts import (
    create_account,
    create_token,
    deactivate_account,
    end_token,
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
from apps.access.acts.install import install_organisation
from apps.access.acts.logs import retire_log
from apps.access.acts.reading import export_trail

__all__ = [
    "approve_assignment",
    "approve_organisation_assignment",
    "create_account",
    "create_token",
    "deactivate_account",
    "end_assignment",
    "end_token",
    "export_trail",
    "install_organisation",
    "refuse_assignment",
    "renew_enrolment",
    "request_assignment",
    "request_organisation_assignment",
    "retire_log",
    "set_password",
    "set_preferences",
    "sign_in",
    "sign_out",
]
