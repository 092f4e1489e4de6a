"""Probes of robustness and privacy: their limits, their reports, the files handed in for them."""

from __future__ import annotations

from apps.access.duties import Duty as D
from apps.access.policy.types import row

ROWS = [
    row(
        "robustness.write_plan",
        "Write limits of probes",
        "wrote limits of robustness and privacy probes",
        "validations.plan",
        [D.VALIDATOR, D.BIAS_TESTER],
        ["write_plan", "validate", "author"],
    ),
    row(
        "robustness.sign_plan_author",
        "Sign limits as author",
        "signed limits of probes as their author",
        "robustness.plan",
        [D.VALIDATOR, D.BIAS_TESTER],
        ["write_plan", "validate", "author"],
        meaning="authorship",
        token=False,
    ),
    row(
        "robustness.sign_plan_approval",
        "Approve limits of probes",
        "approved and locked limits of probes",
        "robustness.plan",
        [D.APPROVER],
        ["approve_plan", "review_record", "set_criteria"],
        meaning="approval",
        token=False,
    ),
    row(
        "robustness.request_report",
        "Make probes",
        "asked for a report of robustness and privacy probes",
        "robustness.plan",
        [D.VALIDATOR, D.BIAS_TESTER],
        ["validate", "run_test"],
    ),
    row(
        "robustness.cancel_report",
        "Cancel probes",
        "cancelled a probe report",
        "robustness.report",
        [D.VALIDATOR, D.BIAS_TESTER],
        ["validate"],
        reason=True,
    ),
    row("robustness.finish_report", "", "finished a probe report", "robustness.report", service=True),
    row("robustness.fail_report", "", "recorded a failed probe report", "robustness.report", service=True),
    # As with verification evidence: who hands in files of a version is one of its makers, whatever their duty.
    row(
        "robustness.submit_evidence",
        "Hand in pipeline or privacy files",
        "handed in files for the probes of a version",
        "registry.version",
        [D.DEVELOPER],
        ["develop"],
    ),
]
