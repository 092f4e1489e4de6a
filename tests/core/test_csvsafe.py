"""Cells a spreadsheet would run, in all three places that write CSV."""

from __future__ import annotations

import pytest

from apps.core.csvsafe import FORMULA, disarmed
from apps.fairness.export import _estimate
from apps.packs.check_tables import FORMULA as FORMULA_IN_PACKS
from apps.packs.check_tables import cell as of_pack
from apps.web.exports import cell


def of_report(group: str) -> str:
    estimate = dict.fromkeys(("value", "low", "high", "n"), 0) | {"method": "wilson", "reason": ""}
    return _estimate("sex", group, "recall", estimate)["group"]


@pytest.mark.parametrize("write", [disarmed, of_pack, cell, of_report])
@pytest.mark.parametrize("mark", [*"=+-@\t\r\n\x00", *"＝＋－＠"])
def test_a_formula_is_disarmed(write, mark):
    assert mark in FORMULA
    assert write(f"{mark}1+1") == f"'{mark}1+1"


def test_the_checker_that_travels_with_a_pack_knows_the_same_marks():
    assert set(FORMULA_IN_PACKS) == set(FORMULA)


@pytest.mark.parametrize("plain", ["-1.5", "+3e-4", "a=b", "", "’"])
def test_numbers_and_words_stay(plain):
    assert disarmed(plain) == plain
