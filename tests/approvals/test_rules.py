"""Rules of the gate, without a database."""

from __future__ import annotations

import pytest

from apps.approvals import rules
from apps.approvals.templates import template_for
from apps.core.errors import WrongState


def test_only_a_validated_version_without_a_live_gate_gets_one():
    rules.may_open("validated", [])
    rules.may_open("validated", ["rejected"])
    for state, gates in (("frozen", []), ("validated", ["open"]), ("released", ["passed"])):
        with pytest.raises(WrongState):
            rules.may_open(state, gates)


def test_a_signature_that_still_matches_is_not_given_twice():
    rules.may_sign_slot("open", "wanted", False)
    rules.may_sign_slot("open", "signed", True)
    for given in (("open", "signed", False), ("passed", "wanted", False), ("rejected", "wanted", False)):
        with pytest.raises(WrongState):
            rules.may_sign_slot(*given)


def test_approving_needs_every_check_closed_and_rejecting_does_not():
    rules.may_approve_now("rejected", ["Bias report"])
    rules.may_approve_now("approved", [])
    with pytest.raises(WrongState) as refused:
        rules.may_approve_now("approved", ["Bias report (not met)"])
    assert "Bias report" in refused.value.fact


@pytest.mark.parametrize(
    "state", ["registered", "frozen", "plan_approved", "validated", "rejected", "suspended"]
)
def test_only_a_released_version_is_suspended(state):
    rules.may_suspend("released")
    with pytest.raises(WrongState):
        rules.may_suspend(state)


def test_each_tier_adds_to_the_one_below():
    slots = {tier: [s["code"] for s in template_for(tier)["slots"]] for tier in ("low", "medium", "high")}
    assert slots == {
        "low": ["approval", "responsibility"],
        "medium": ["approval", "responsibility", "review"],
        "high": ["approval", "responsibility", "review", "security"],
    }
    checks = {tier: {c["code"] for c in template_for(tier)["checks"]} for tier in ("low", "medium", "high")}
    assert checks["medium"] == checks["high"] - {"board_minute", "privacy"}
    assert checks["low"] == checks["medium"] - {"trail_reviewed", "traceability_complete"}
