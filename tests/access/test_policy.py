"""What the policy table says of itself."""

from __future__ import annotations

import pytest

from apps.access.policy import TABLE, policy
from apps.access.policy.types import row
from apps.access.training import EXEMPT


@pytest.mark.parametrize(
    ("act", "ref", "said"),
    [
        ("access.approve_assignment", "A-7", "You cannot approve A-7."),
        ("registry.sign_intended_use_owner", "IU-3", "You cannot do “Approve as owner” on IU-3."),
        ("access.create_account", "the organisation", "You cannot do “Create account” on the organisation."),
        ("packs.finish_pack", "P-2", "You cannot do this to P-2."),
    ],
)
def test_a_refusal_names_the_button_and_the_record(act, ref, said):
    assert policy(act).cannot(ref) == said


def test_every_row_reads_as_a_sentence_of_the_trail():
    for each in TABLE.values():
        assert each.sentence, each.act
        if each.offered:
            assert each.service != bool(each.label), f"{each.act}: who is offered a button reads its word"


def test_an_act_that_is_not_in_the_table_cannot_be_asked_for():
    with pytest.raises(LookupError, match=r"tests\.paint is not in the policy table"):
        policy("tests.paint")


def test_what_ends_access_is_never_refused_for_lack_of_training():
    verbs = ("end_", "refuse_", "revoke_", "suspend")
    ends = {
        each.act
        for each in TABLE.values()
        if each.act.partition(".")[2].startswith(verbs) and not each.service and not each.anyone
    }
    not_access = {"verification.end_link"}  # of a requirement and what shows it
    assert ends - EXEMPT == not_access


def test_only_a_row_with_a_meaning_signs():
    assert not row("a.b", "Do", "did").signs
    assert row("a.b", "Do", "did", meaning="approval").signs
