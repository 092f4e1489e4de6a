"""Validation plans and runs."""

from __future__ import annotations

from apps.access.duties import Duty as D
from apps.access.policy.types import row

ROWS = [
    row(
        "validations.write_plan",
        "Write plan",
        "wrote a validation plan",
        "registry.version",
        [D.VALIDATOR],
        ["write_plan", "validate", "author"],
    ),
    row(
        "validations.replace_plan",
        "Replace locked plan",
        "replaced a locked validation plan",
        "validations.plan",
        [D.VALIDATOR],
        ["write_plan", "validate", "author"],
        reason=True,
        changes=True,
    ),
    row(
        "validations.sign_plan_author",
        "Sign as author",
        "signed a validation plan as its author",
        "validations.plan",
        [D.VALIDATOR],
        ["write_plan", "validate", "author"],
        meaning="authorship",
        token=False,
    ),
    row(
        "validations.sign_plan_approval",
        "Approve plan",
        "approved and locked a validation plan",
        "validations.plan",
        [D.APPROVER],
        ["approve_plan", "review_record", "set_criteria"],
        meaning="approval",
        token=False,
    ),
    row(
        "validations.compare_again",
        "Compare partitions again",
        "asked for the partitions to be compared again",
        "validations.plan",
        [D.VALIDATOR],
        ["validate"],
    ),
    row(
        "validations.start_run",
        "Run validation",
        "started a validation run",
        "validations.plan",
        [D.VALIDATOR],
        ["validate", "run_test"],
    ),
    row(
        "validations.cancel_run",
        "Cancel run",
        "cancelled a validation run",
        "validations.run",
        [D.VALIDATOR],
        ["validate"],
        reason=True,
    ),
    row("validations.finish_run", "", "finished a validation run", "validations.run", service=True),
    row("validations.fail_run", "", "recorded a failed validation run", "validations.run", service=True),
    row(
        "validations.read_cases",
        "Read per-case results",
        "read per-case results on test data",
        "validations.run",
        [D.VALIDATOR, D.BIAS_TESTER, D.COMPLIANCE, D.INSPECTOR],
        ["read_test"],
        offered=False,
        reads=True,
    ),
]
