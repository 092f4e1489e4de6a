"""Bias reports."""

from __future__ import annotations

from apps.access.duties import Duty as D
from apps.access.policy.types import row

ROWS = [
    row(
        "fairness.request_report",
        "Compute bias report",
        "asked for a bias report",
        "validations.run",
        [D.BIAS_TESTER],
        ["bias_test"],
    ),
    row(
        "fairness.sign_report",
        "Sign bias report",
        "signed a bias report",
        "fairness.report",
        [D.BIAS_TESTER],
        ["bias_test"],
        meaning="review",
        token=False,
    ),
    row(
        "fairness.record_note",
        "Record remediation or feedback",
        "recorded what was done about a bias report",
        "fairness.report",
        [D.BIAS_TESTER, D.DEVELOPER, D.VALIDATOR, D.PROCESS_EXPERT, D.OWNER, D.MONITOR],
        reason=True,
    ),
    row(
        "fairness.cancel_report",
        "Cancel bias report",
        "cancelled a bias report",
        "fairness.report",
        [D.BIAS_TESTER],
        ["bias_test"],
        reason=True,
    ),
    row("fairness.finish_report", "", "finished a bias report", "fairness.report", service=True),
    row("fairness.fail_report", "", "recorded a failed bias report", "fairness.report", service=True),
]
