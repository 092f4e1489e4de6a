"""What a duty may never do, row by row of work, and who performs it: the policy table against a table of roles.

Independent of the policy's own lists: the rows say work, not acts that somebody moved. Decision 0011 says where and why
a usual table of roles gives more.
"""

from __future__ import annotations

import pytest

from apps.access.duties import Duty
from apps.access.policy import TABLE

D = Duty
DEV, ENG, VAL, APP, COMP, OWN, MON, SEC, AUD, ADM = (
    {D.DEVELOPER},
    {D.CURATOR, D.STEWARD},
    {D.VALIDATOR, D.BIAS_TESTER},
    {D.APPROVER},
    {D.COMPLIANCE},
    {D.OWNER},
    {D.MONITOR},
    {D.SECURITY},
    {D.INSPECTOR},
    {D.ADMINISTRATOR},
)
# Work -> (acts that do it, who performs or signs it, who never may).
WORK = {
    "define the intended use": (
        (
            "registry.write_intended_use",
            "registry.sign_intended_use_expert",
            "registry.sign_intended_use_owner",
        ),
        {D.PROCESS_EXPERT} | OWN,
        DEV | ENG | VAL | ADM | AUD,
    ),
    "assess risk": (("verification.write_risk",), {D.PROCESS_EXPERT} | OWN, DEV | ENG | ADM | AUD),
    "curate data": (("datasets.upload_version",), {D.CURATOR}, DEV | ADM | AUD),
    "hold test data": (("datasets.upload_test_version", "datasets.grant_read"), {D.STEWARD}, DEV | ADM | AUD),
    "set criteria": (
        ("validations.write_plan", "validations.replace_plan", "validations.sign_plan_approval"),
        {D.VALIDATOR} | APP,
        DEV | ENG | MON | ADM | AUD,
    ),
    "develop": (
        ("registry.register_version", "registry.freeze", "robustness.submit_evidence"),
        DEV,
        ENG | VAL | APP | COMP | OWN | MON | ADM | AUD,
    ),
    "verify": (("verification.attach_evidence",), DEV, APP | OWN | MON | ADM | AUD),
    "validate": (
        ("validations.start_run", "validations.cancel_run", "explanation.request_report"),
        {D.VALIDATOR},
        DEV | ENG | ADM | AUD,
    ),
    "test for bias": (("fairness.request_report", "fairness.sign_report"), {D.BIAS_TESTER}, DEV | ADM | AUD),
    "approve a release": (
        (
            "approvals.sign_approval",
            "approvals.sign_responsibility",
            "approvals.sign_review",
            "approvals.sign_security",
        ),
        APP | OWN | COMP | SEC,
        DEV | ENG | VAL | MON | ADM | AUD,
    ),
    "stop a version": (("approvals.suspend",), APP | COMP, DEV | ENG | VAL | ADM | AUD),
    "review the audit trail": (
        ("quality.mark_trail_entries", "quality.record_trail_finding", "quality.sign_trail_review"),
        APP | COMP,
        DEV | ENG | OWN | MON | ADM | AUD,
    ),
    "give duties on an object": (
        ("access.approve_assignment",),
        OWN | COMP,
        DEV | ENG | VAL | MON | ADM | AUD,
    ),
    "administer accounts": (
        (
            "access.create_account",
            "access.deactivate_account",
            "access.unlock_account",
            "access.request_reset",
        ),
        ADM,
        DEV | ENG | VAL | APP | COMP | OWN | MON | AUD,
    ),
}


@pytest.mark.parametrize("work", WORK)
def test_who_performs_a_work_and_who_never_may(work):
    acts, performs, never = WORK[work]
    allowed = set().union(*(TABLE[act].duties for act in acts))
    assert allowed == performs
    assert not allowed & never


def test_an_inspector_and_an_administrator_do_nothing_on_models_and_data():
    """An inspector reads; an administrator does not even that."""
    for row in TABLE.values():
        app = row.act.partition(".")[0]
        if app in ("access", "trail"):
            continue
        assert D.ADMINISTRATOR not in row.duties, row.act
        assert D.INSPECTOR not in row.duties or row.reads, row.act


def test_no_duty_but_the_three_of_the_organisation_touches_another_persons_account():
    touching = {
        duty
        for row in TABLE.values()
        if row.subject == "accounts.user" and not row.anyone
        for duty in row.duties
    }
    assert touching == {D.ADMINISTRATOR, D.COMPLIANCE, D.REGISTRAR}
