"""The answers of a pack, sentence by sentence."""

from __future__ import annotations

import pytest

from apps.packs.sections.answers import _judged, _worst_group

LINE = {"id": "F1", "metric": "accuracy_difference", "column": "site", "kind": "difference", "limit": "0.1",
        "rule": "point", "pair": [], "value": "", "low": "", "high": "", "n": 0}  # fmt: skip


@pytest.mark.parametrize("verdict", ["breached", "within"])
def test_a_limit_decided_by_a_group_that_is_not_told_is_not_said_to_lack_data(verdict):
    """Such a line has no pair and no value: too little data to tell would be false, and beside a verdict absurd."""
    line = LINE | {"verdict": verdict}
    said = f"{_worst_group(line, {})}; {_judged(line, {'levels': {}})}"
    assert "too little data" not in said
    assert "has no value" not in said
    assert "fewer than 20 cases" in said


def test_a_limit_without_a_pair_that_cannot_be_judged_lacks_data():
    line = LINE | {"verdict": "undecided"}
    assert "too little data to tell" in _worst_group(line, {})
    assert "has no value" in _judged(line, {"levels": {}})
