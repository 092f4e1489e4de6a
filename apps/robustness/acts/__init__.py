"""Every verb on probe plans, probe reports and what is handed in for them."""

from apps.robustness.acts.evidence import submit_evidence
from apps.robustness.acts.plans import sign_plan_approval, sign_plan_author, write_plan
from apps.robustness.acts.reports import cancel_report, fail_report, finish_report, request_report

__all__ = [
    "cancel_report",
    "fail_report",
    "finish_report",
    "request_report",
    "sign_plan_approval",
    "sign_plan_author",
    "submit_evidence",
    "write_plan",
]
