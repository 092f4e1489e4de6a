"""Facts of refusals read as sentences, whatever the word of the state."""

from __future__ import annotations

import pytest

from apps.core.rulewords import stands


@pytest.mark.parametrize(
    ("word", "fact"),
    [
        ("Withdrawn", "It is withdrawn."),
        ("Waits for signatures", "It waits for signatures."),
        ("Waits for the steward", "It waits for the steward."),
        ("Being opened", "It is being opened."),
    ],
)
def test_a_state_is_told_in_a_sentence(word, fact):
    assert stands(word) == fact
