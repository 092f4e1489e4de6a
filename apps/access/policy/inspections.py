"""Inspectors: their access is asked for by one person and approved by another; what they look at is entered."""

from __future__ import annotations

from apps.access.duties import Duty as D
from apps.access.policy.types import row

ROWS = [
    row(
        "access.request_inspection",
        "Ask for an inspection",
        "asked that an inspector be given access",
        "organisation",
        [D.ADMINISTRATOR, D.COMPLIANCE, D.REGISTRAR],
        ["request_grant"],
        reason=True,
        token=False,
    ),
    row(
        "access.approve_inspection",
        "Approve",
        "approved an inspector's access",
        "access.inspection",
        [D.COMPLIANCE],
        ["approve_grant"],
        token=False,
    ),
    row(
        "access.refuse_inspection",
        "Refuse",
        "refused an inspector's access",
        "access.inspection",
        [D.COMPLIANCE],
        reason=True,
        token=False,
    ),
    row(
        "access.end_inspection",
        "End now",
        "ended an inspector's access",
        "access.inspection",
        [D.COMPLIANCE, D.ADMINISTRATOR],
        reason=True,
        token=False,
    ),
    row(
        "access.look",
        "Look",
        "looked at a page, as an inspector",
        "accounts.user",
        anyone=True,
        by=["inspector"],
        offered=False,
        reads=True,
    ),
    row(
        "access.take_copy",
        "Take a copy of",
        "was handed a copy, as an inspector",
        "accounts.user",
        anyone=True,
        by=["inspector"],
        offered=False,
        reads=True,
    ),
    row(
        "access.spoil_copy",
        "Give back",
        "did not get a copy whole, as an inspector",
        "access.copy",
        anyone=True,
        by=["inspector"],
        offered=False,
        reads=True,
    ),
    row(
        "access.export_register",
        "Export a register of",
        "exported a register of access",
        "organisation",
        anyone=True,
        by=["sees"],
        offered=False,
        reads=True,
    ),
]
