"""Changes of the separation rules."""

from __future__ import annotations

from apps.access.duties import Duty as D
from apps.access.policy.types import row

CHANGE = "access.rules_change"
ROWS = [
    row(
        "access.propose_rules",
        "Propose a change",
        "proposed a change of the separation rules",
        "organisation",
        [D.COMPLIANCE, D.REGISTRAR, D.ADMINISTRATOR],
        ["propose_rules"],
        reason=True,
        token=False,
        fresh=True,
    ),
    row(
        "access.finish_rules_replay",
        "",
        "replayed the last year with the proposed separation rules",
        CHANGE,
        service=True,
    ),
    row("access.fail_rules_replay", "", "could not replay the last year", CHANGE, service=True),
    row(
        "access.replay_rules_again",
        "Replay again",
        "asked for another replay of the last year",
        CHANGE,
        [D.COMPLIANCE, D.REGISTRAR, D.ADMINISTRATOR],
        token=False,
    ),
    row(
        "access.sign_rules_approver",
        "Sign: change of the rules, for QA",
        "signed a change of the separation rules for QA",
        CHANGE,
        [D.APPROVER],
        ["sign_rules"],
        meaning="approval",
        token=False,
        alone=True,
    ),
    row(
        "access.sign_rules_compliance",
        "Sign: change of the rules, for compliance",
        "signed a change of the separation rules for compliance",
        CHANGE,
        [D.COMPLIANCE],
        ["sign_rules"],
        meaning="approval",
        token=False,
        alone=True,
    ),
    row(
        "access.withdraw_rules",
        "Withdraw",
        "withdrew a change of the separation rules",
        CHANGE,
        [D.COMPLIANCE, D.REGISTRAR, D.ADMINISTRATOR],
        reason=True,
        token=False,
    ),
]
