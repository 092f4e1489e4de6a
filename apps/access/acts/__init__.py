"""Every verb on people, duties and tokens."""

from apps.access.acts.accounts import (
    create_account,
    create_token,
    deactivate_account,
    end_token,
    set_password,
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

__all__ = [
    "approve_assignment",
    "approve_organisation_assignment",
    "create_account",
    "create_token",
    "deactivate_account",
    "end_assignment",
    "end_token",
    "install_organisation",
    "refuse_assignment",
    "request_assignment",
    "request_organisation_assignment",
    "set_password",
    "sign_in",
    "sign_out",
]
