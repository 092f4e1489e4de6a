"""Second factors, recovery codes, resets, links of identity providers."""

from __future__ import annotations

from typing import Any

from apps.access.duties import Duty as D
from apps.access.policy.types import Policy, row


def _own(act: str, label: str, sentence: str, subject: str = "accounts.user", **more: bool) -> Policy:
    rest: dict[str, Any] = {"anyone": True, "token": False, "offered": False, **more}
    return row(act, label, sentence, subject, **rest)


ROWS = [
    _own("access.add_totp", "Add authenticator app", "added an authenticator app", shows=True, recovers=True),
    _own("access.add_passkey", "Add passkey", "added a passkey", shows=True, recovers=True),
    _own("access.name_factor", "Rename", "named one of their second factors", "accounts.factor"),
    _own(
        "access.end_factor", "End factor", "ended one of their second factors", "accounts.factor", shows=True
    ),
    _own("access.make_recovery_codes", "Make recovery codes", "made new recovery codes", shows=True),
    row(
        "access.end_copied_passkey",
        "",
        "ended a passkey that may have been copied: alarm",
        "accounts.factor",
        service=True,
    ),
    row(
        "access.report_misuse",
        "",
        "reported failed attempts on an account: alarm",
        "accounts.user",
        service=True,
    ),
    row(
        "access.request_reset",
        "Ask for a reset",
        "asked for a reset of an account",
        "accounts.user",
        [D.ADMINISTRATOR],
        ["reset_credential"],
        reason=True,
        token=False,
        fresh=True,
    ),
    row(
        "access.approve_reset",
        "Approve the reset",
        "approved a reset of an account",
        "accounts.reset",
        [D.COMPLIANCE],
        ["reset_credential"],
        token=False,
        fresh=True,
    ),
    row(
        "access.refuse_reset",
        "Refuse the reset",
        "refused a reset of an account",
        "accounts.reset",
        [D.COMPLIANCE],
        reason=True,
        token=False,
    ),
    row(
        "access.withdraw_reset",
        "Withdraw the reset",
        "withdrew a reset of an account",
        "accounts.reset",
        [D.ADMINISTRATOR],
        reason=True,
        token=False,
    ),
    row(
        "access.request_correction",
        "Correct name or address",
        "asked for a correction of an account",
        "accounts.user",
        [D.ADMINISTRATOR],
        ["reset_credential"],
        reason=True,
        changes=True,
        token=False,
        fresh=True,
    ),
    row(
        "access.approve_correction",
        "Approve the correction",
        "corrected the name or address of an account",
        "accounts.correction",
        [D.COMPLIANCE],
        ["reset_credential"],
        token=False,
        fresh=True,
    ),
    row(
        "access.refuse_correction",
        "Refuse the correction",
        "refused a correction of an account",
        "accounts.correction",
        [D.COMPLIANCE],
        reason=True,
        token=False,
    ),
    row(
        "access.withdraw_correction",
        "Withdraw the correction",
        "withdrew a correction of an account",
        "accounts.correction",
        [D.ADMINISTRATOR],
        reason=True,
        token=False,
    ),
    row(
        "access.propose_link",
        "Propose single sign-on",
        "proposed an account of an identity provider",
        "accounts.user",
        [D.ADMINISTRATOR],
        token=False,
        fresh=True,
    ),
    _own(
        "access.confirm_link",
        "Confirm single sign-on",
        "confirmed their single sign-on",
        "accounts.link",
        shows=True,
    ),
    row(
        "access.end_link",
        "End single sign-on",
        "ended the single sign-on of a person",
        "accounts.link",
        [D.ADMINISTRATOR],
        reason=True,
        token=False,
    ),
    _own("access.end_own_link", "End single sign-on", "ended their single sign-on", "accounts.link"),
]
