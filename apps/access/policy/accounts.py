"""Accounts, sign-in, sessions and tokens; the installation itself."""

from __future__ import annotations

from apps.access.duties import Duty as D
from apps.access.policy.types import row

ROWS = [
    row("access.install_organisation", "", "installed the organisation", "organisation", service=True),
    row(
        "access.enter_verification",
        "",
        "verified the trail and the stored files",
        "organisation",
        service=True,
    ),
    row(
        "access.raise_trail_alarm",
        "",
        "raised an alarm: the trail did not verify",
        "organisation",
        service=True,
    ),
    row(
        "access.retire_log",
        "",
        "retired the log of a former database",
        "organisation",
        service=True,
        reason=True,
    ),
    row("access.create_account", "Create account", "created an account", "organisation", [D.ADMINISTRATOR]),
    row(
        "access.deactivate_account",
        "Deactivate",
        "deactivated an account",
        "accounts.user",
        [D.ADMINISTRATOR],
        reason=True,
    ),
    row(
        "access.set_password",
        "Set password",
        "set their own password",
        "accounts.user",
        anyone=True,
        token=False,
        offered=False,
    ),
    row(
        "access.renew_enrolment",
        "New enrolment link",
        "had a new enrolment link sent",
        "accounts.user",
        [D.ADMINISTRATOR],
        token=False,
    ),
    row("access.finish_enrolment", "", "sent an enrolment link", "accounts.enrolment", service=True),
    row("access.fail_enrolment", "", "could not send an enrolment link", "accounts.enrolment", service=True),
    row(
        "access.enrol",
        "Choose password",
        "chose a password by the enrolment link",
        "accounts.user",
        anyone=True,
        token=False,
        offered=False,
    ),
    row(
        "access.confirm_identity",
        "Confirm identity",
        "confirmed who is behind an account",
        "accounts.user",
        [D.COMPLIANCE, D.REGISTRAR],
        ["enable_signing"],
        token=False,
    ),
    row(
        "access.lock_account",
        "",
        "locked an account after failed sign-ins: alarm",
        "accounts.user",
        service=True,
    ),
    row(
        "access.unlock_account",
        "Unlock",
        "unlocked an account",
        "accounts.user",
        [D.ADMINISTRATOR],
        reason=True,
        token=False,
    ),
    row(
        "access.end_session",
        "End session",
        "ended one of their sessions",
        "accounts.session",
        anyone=True,
        token=False,
        offered=False,
    ),
    row(
        "access.end_other_sessions",
        "End all other sessions",
        "ended their other sessions",
        "accounts.user",
        anyone=True,
        token=False,
        offered=False,
    ),
    row(
        "access.set_preferences",
        "Set preferences",
        "set their own preferences",
        "accounts.user",
        anyone=True,
        offered=False,
    ),
    row("access.sign_in", "Sign in", "signed in", "accounts.user", anyone=True, token=False, offered=False),
    row(
        "access.sign_out", "Sign out", "signed out", "accounts.user", anyone=True, token=False, offered=False
    ),
    row(
        "access.create_token",
        "Create token",
        "created an access token",
        "accounts.user",
        anyone=True,
        token=False,
        offered=False,
    ),
    row(
        "access.end_token", "End token", "ended an access token", "accounts.token", anyone=True, offered=False
    ),
]
