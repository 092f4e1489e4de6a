"""Deviations."""

from __future__ import annotations

from apps.access.duties import Duty as D
from apps.access.policy.types import row

ROWS = [
    row(
        "quality.open_deviation",
        "Open deviation",
        "opened a deviation",
        "registry.version",
        [D.VALIDATOR, D.BIAS_TESTER, D.APPROVER, D.COMPLIANCE, D.MONITOR],
        ["author"],
    ),
    row(
        "quality.accept_deviation",
        "Accept deviation",
        "accepted a deviation",
        "quality.deviation",
        [D.APPROVER],
        ["approve", "review_record"],
        meaning="approval",
        reason=True,
        token=False,
    ),
    row(
        "quality.close_deviation",
        "Close deviation",
        "closed a deviation as resolved",
        "quality.deviation",
        [D.APPROVER],
        ["approve", "review_record"],
        meaning="approval",
        reason=True,
        token=False,
    ),
]
