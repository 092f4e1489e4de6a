"""Canonical JSON against RFC 8785, and what has no canonical form."""

from __future__ import annotations

import hashlib
import json
import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.digests import MAX_SAFE_INTEGER, canonical_json, digest, number, plain

KEYS = st.text(st.characters(max_codepoint=127), max_size=8)
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
SCALARS = (
    st.none() | st.booleans() | TEXT | st.integers(min_value=-MAX_SAFE_INTEGER, max_value=MAX_SAFE_INTEGER)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=12,
)
ESCAPES = {8: "\\b", 9: "\\t", 10: "\\n", 12: "\\f", 13: "\\r", 34: '\\"', 92: "\\\\"}


def rfc8785(value) -> str:
    """RFC 8785 by its sections: 3.2.2.2 strings, 3.2.2.3 numbers (whole), 3.2.3 sorting by UTF-16 code units."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        said = (ESCAPES.get(ord(c)) or (f"\\u{ord(c):04x}" if ord(c) < 32 else c) for c in value)
        return f'"{"".join(said)}"'
    if isinstance(value, list):
        return f"[{','.join(map(rfc8785, value))}]"
    ordered = sorted(value.items(), key=lambda pair: pair[0].encode("utf-16-be"))
    return "{" + ",".join(f"{rfc8785(k)}:{rfc8785(v)}" for k, v in ordered) + "}"


@given(VALUES)
def test_it_is_rfc_8785(value):
    assert canonical_json(value) == rfc8785(value).encode()


@given(VALUES)
def test_it_reads_back_the_same_and_is_its_own_canonical_form(value):
    written = canonical_json(value)
    assert json.loads(written) == value
    assert canonical_json(json.loads(written)) == written


@given(st.dictionaries(KEYS, VALUES, max_size=5))
def test_the_order_of_keys_is_nothing(value):
    assert digest(value) == digest(dict(reversed(value.items())))


@given(VALUES, VALUES)
def test_equal_digests_mean_equal_content(one, two):
    same = json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True)
    assert (digest(one) == digest(two)) == same


def test_a_digest_is_sha256_of_the_bytes():
    assert digest({"b": 1, "a": "é"}) == "sha256:" + hashlib.sha256('{"a":"é","b":1}'.encode()).hexdigest()


@pytest.mark.parametrize(
    "value",
    [
        1.0,
        math.nan,
        math.inf,
        {"a": [1, {"b": 0.1}]},
        MAX_SAFE_INTEGER + 1,
        -MAX_SAFE_INTEGER - 1,
        {"é": 1},
        {1: "a"},
        {None: 1},
        Decimal("1"),
        b"bytes",
        {1, 2},
        "\ud800",
        {"a": "x\udfff"},
    ],
    ids=repr,
)
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(ValueError):
        canonical_json(value)


def test_the_place_of_the_fault_is_told():
    with pytest.raises(ValueError, match=r"\$\.a\[1\]\.b"):
        canonical_json({"a": [1, {"b": 0.1}]})


@given(st.floats(allow_nan=False))
def test_a_decimal_as_text_reads_back_as_the_same_double(value):
    assert float(number(value)) == value


@given(
    st.recursive(SCALARS | st.floats(), lambda inner: st.dictionaries(KEYS, inner, max_size=3), max_leaves=6)
)
def test_plain_leaves_nothing_without_canonical_form(value):
    assert canonical_json(plain(value))


def test_nothing_stays_nothing():
    assert number(None) is None
