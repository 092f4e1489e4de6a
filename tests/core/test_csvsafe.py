"""Cells a spreadsheet would run, in all three places that write CSV."""

from __future__ import annotations

import pytest

from apps.core.csvsafe import FORMULA, disarmed
from apps.fairness.export import _estimate
from apps.packs.tables import safe
from apps.web.exports import cell


def of_report(group: str) -> str:
    estimate = dict.fromkeys(("value", "low", "high", "n"), 0) | {"method": "wilson", "reason": ""}
    return _estimate("sex", group, "recall", estimate)["group"]


@pytest.mark.parametrize("write", [disarmed, safe, cell, of_report])
@pytest.mark.parametrize("mark", [*"=+-@\t\r\n\x00", *"＝＋－＠"])
def test_a_formula_is_disarmed(write, mark):
    assert mark in FORMULA
    assert write(f"{mark}1+1") == f"'{mark}1+1"


@pytest.mark.parametrize("plain", ["-1.5", "+3e-4", "a=b", "", "’"])
def test_numbers_and_words_stay(plain):
    assert disarmed(plain) == plain
