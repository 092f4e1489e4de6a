"""Every verb on validation plans and runs."""

from apps.validations.acts.comparisons import compare_again, fail_comparison, finish_comparison
from apps.validations.acts.plans import replace_plan, sign_plan_approval, sign_plan_author, write_plan
from apps.validations.acts.runs import cancel_run, fail_run, finish_run, read_cases, start_run

__all__ = [
    "cancel_run",
    "compare_again",
    "fail_comparison",
    "fail_run",
    "finish_comparison",
    "finish_run",
    "read_cases",
    "replace_plan",
    "sign_plan_approval",
    "sign_plan_author",
    "start_run",
    "write_plan",
]
