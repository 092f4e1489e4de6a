"""Explanations made elsewhere: what is read, and what is said where it cannot be."""

from __future__ import annotations

import json

import numpy as np
import pytest

from apps.core.errors import BadInput
from apps.explanation.external import SCHEMA, read, results_of

KNOWN = ["age", "marker", "dose"]
OWN = {"schema": SCHEMA, "feature_names": ["marker", "age"], "values": [[0.5, -0.1], [-0.3, 0.1]]}


def taken(data, name="x.json"):
    text = data if isinstance(data, bytes) else json.dumps(data).encode()
    return read(text, name, KNOWN, method="shap", library="shap 0.51")


def test_our_own_form_is_read():
    found = taken(OWN | {"library": "shap 0.52", "background_digest": "sha256:ab"})
    assert (found.features, found.method, found.library) == (("marker", "age"), "shap", "shap 0.52")
    told = results_of(found)
    assert [each["feature"] for each in told["features"]] == ["marker", "age"]
    assert told["features"][0]["value"] == pytest.approx(0.4)
    assert told["features"][0]["n"] == 2


def test_limes_weights_count_where_they_are_given():
    given = {
        "schema": SCHEMA,
        "method": "lime",
        "feature_names": KNOWN,
        "weights": [{"marker": 0.5}, {"age": -0.2, "marker": 0.1}],
    }
    found = taken(given)
    assert np.isnan(found.values[0, 0])
    ranked = results_of(found)["features"]
    assert [(each["feature"], each["n"]) for each in ranked] == [("marker", 2), ("age", 1), ("dose", 0)]


def test_what_alibi_writes_is_read():
    given = {
        "meta": {"name": "KernelShap", "version": "0.9.6"},
        "data": {"feature_names": ["age", "dose"], "shap_values": [[[0.0, 0.1]], [[0.2, -0.3]]]},
    }
    found = taken(given)
    assert (found.method, found.library) == ("alibi", "alibi 0.9.6 KernelShap")
    assert found.values.tolist() == [[0.2, -0.3]]


def test_a_csv_is_read():
    found = taken(b"\xef\xbb\xbfsample_id,age,marker\r\nA,0.1,-1e-3\r\nB,2,0\r\n", "shap.csv")
    assert found.features == ("age", "marker")
    assert found.values.tolist() == [[0.1, -0.001], [2.0, 0.0]]


@pytest.mark.parametrize(
    ("data", "name", "said"),
    [
        (b"\xff\xfe", "a.json", "not UTF-8"),
        (b"{", "a.json", "not JSON"),
        (b"[1]", "a.json", "one JSON object"),
        (b"[" * 100_000, "a.json", "not JSON"),
        ({"schema": "other"}, "a.json", "“schema” must be"),
        (OWN | {"feature_names": []}, "a.json", "list the features by name"),
        (OWN | {"feature_names": ["marker", "marker"]}, "a.json", "twice"),
        (
            OWN | {"feature_names": ["marker", "colour"]},
            "a.json",
            "no feature colour. It has: age, marker, dose",
        ),
        (OWN | {"feature_names": ["marker", "\ud800\x00"]}, "a.json", "no feature \\ud800\\x00"),
        (OWN | {"values": [[1.0]]}, "a.json", "2 numbers each"),
        (OWN | {"values": [["1", 2]]}, "a.json", "not a finite number"),
        (OWN | {"values": [[True, 2]]}, "a.json", "not a finite number"),
        (
            b'{"schema": "%b", "feature_names": ["age"], "values": [[NaN]]}' % SCHEMA.encode(),
            "a.json",
            "not a finite",
        ),
        (OWN | {"values": [[10**400, 1]]}, "a.json", "“values” holds a number beyond ±1e100"),
        (OWN | {"values": [[1e308, 1e308]]}, "a.json", "beyond ±1e100"),
        (OWN | {"weights": [{"age": -(10**400)}]}, "a.json", "“weights” holds a number beyond"),
        (
            {"meta": {}, "data": {"feature_names": ["age"], "shap_values": [[10**400]]}},
            "a.json",
            "“data.shap_values” holds a number beyond",
        ),
        (OWN | {"library": "shap \ud800"}, "a.json", "“library” holds characters that cannot be shown"),
        (OWN | {"background_digest": "\x00"}, "a.json", "“background_digest” holds characters"),
        (
            {"meta": {"name": "\x00"}, "data": {"feature_names": ["age"], "shap_values": [[1]]}},
            "a.json",
            "“library” holds characters",
        ),
        (b"age,marker\n" + b"1" * 131_073 + b",2\n", "a.csv", "not CSV: field larger than field limit"),
        (b"age,marker\n1e200,2\n", "a.csv", "Line 2, age: a number beyond"),
        (OWN | {"values": []}, "a.json", "no cases"),
        (OWN | {"values": [[0.1, 0.2]] * 5001}, "a.json", "5,001 cases; at most 5,000"),
        (OWN | {"method": "magic"}, "a.json", "“method” is one of"),
        (OWN | {"weights": [1]}, "a.json", "list of objects"),
        (OWN | {"weights": [{"dose": 1}]}, "a.json", "does not: dose"),
        ({"meta": {}, "data": {"feature_names": ["age"]}}, "a.json", "data.shap_values"),
        (b"age,marker\n", "a.csv", "a row for each case"),
        (b"age,marker\n1\n", "a.csv", "Line 2 has 1 cells; the header has 2"),
        (b"age,marker\n1,inf\n", "a.csv", "Line 2, marker: 'inf' is not a finite number"),
        (b"age,marker\n1,=1+1\n", "a.csv", "Line 2, marker"),
    ],
)
def test_what_cannot_be_taken_is_said(data, name, said):
    with pytest.raises(BadInput) as refused:
        taken(data, name)
    assert said in refused.value.fields["file"][0]
