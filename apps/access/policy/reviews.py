"""Access reviews: campaigns and their sheets."""

from __future__ import annotations

from apps.access.duties import Duty as D
from apps.access.policy.types import row

ROWS = [
    row(
        "access.open_review",
        "Open an access review",
        "opened an access review",
        "organisation",
        [D.COMPLIANCE],
        reason=True,
        token=False,
    ),
    row(
        "access.finish_review_opening",
        "",
        "opened an access review over many objects",
        "access.review",
        service=True,
    ),
    row(
        "access.fail_review_opening",
        "",
        "could not open an access review over many objects",
        "access.review",
        service=True,
    ),
    row(
        "access.withdraw_review",
        "Withdraw",
        "withdrew an access review",
        "access.review",
        [D.COMPLIANCE],
        ["review_access"],
        reason=True,
        token=False,
    ),
    row(
        "access.decide_review",
        "Decide line by line",
        "decided on lines of an access review",
        "access.review_sheet",
        [D.OWNER, D.COMPLIANCE],
        ["review_access"],
        token=False,
    ),
    row(
        "access.sign_review",
        "Sign: access review",
        "signed an access review",
        "access.review_sheet",
        [D.OWNER, D.COMPLIANCE],
        ["review_access"],
        meaning="review",
        token=False,
    ),
    row(
        "access.lapse_review",
        "",
        "let lapse what an access review did not confirm",
        "access.review_sheet",
        service=True,
    ),
]
