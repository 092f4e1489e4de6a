"""Erasing words of the trail, and the legal holds that stop it."""

from __future__ import annotations

from apps.access.duties import Duty as D
from apps.access.policy.types import row

ROWS = [
    row(
        "access.request_erasure",
        "Ask for an erasure",
        "asked that words of an entry be erased",
        "organisation",
        [D.ADMINISTRATOR, D.COMPLIANCE],
        reason=True,
        token=False,
    ),
    row(
        "access.approve_erasure",
        "Erase the words",
        "erased words of an entry",
        "access.erasure",
        [D.COMPLIANCE],
        token=False,
        fresh=True,
    ),
    row(
        "access.refuse_erasure",
        "Refuse the erasure",
        "refused to erase words of an entry",
        "access.erasure",
        [D.COMPLIANCE],
        reason=True,
        token=False,
    ),
    row(
        "access.withdraw_erasure",
        "Withdraw the erasure",
        "withdrew what was asked about words of an entry",
        "access.erasure",
        [D.ADMINISTRATOR, D.COMPLIANCE],
        reason=True,
        token=False,
    ),
    row(
        "access.place_hold",
        "Place a legal hold",
        "placed a legal hold on a person's data",
        "accounts.user",
        [D.COMPLIANCE],
        reason=True,
        token=False,
    ),
    row(
        "access.lift_hold",
        "Lift the hold",
        "lifted a legal hold",
        "access.hold",
        [D.COMPLIANCE],
        reason=True,
        token=False,
        fresh=True,
    ),
]
