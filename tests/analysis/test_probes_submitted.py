"""Files that people hand in: two pipelines on the same rows, utility against epsilon."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.analysis.errors import InputError
from apps.analysis.probes.submitted import epsilon_finding, parity, parity_finding, utility_table


def table(**changes):
    columns = {"id": ["a", "b", "c"], "x": [1.0, 2.0, None], "site": ["n", "s", None]}
    return pa.table(columns | changes)


def test_the_same_tables_do_not_differ_in_any_order():
    found = parity(table(), table().take([2, 0, 1]), key="id")
    assert (found["rows"], found["differing"], found["max_difference"], found["first"]) == (3, 0, 0.0, [])
    assert parity_finding(found).value == 0.0
    assert found["digest"] == parity(table(), table(), key="id")["digest"]


def test_differences_are_told_by_place_and_size_and_never_by_value():
    found = parity(table(), table(x=[1.0, 2.5, 3.0], site=["n", "s", "w"]))
    assert found["differing"] == 2
    assert found["max_difference"] == 0.5
    assert found["first"] == [
        {"row": 2, "column": "x", "difference": 0.5},
        {"row": 3, "column": "site", "difference": None},
    ]
    assert {c["name"]: c["differing"] for c in found["columns"]} == {"id": 0, "site": 1, "x": 2}
    assert "2.5" not in repr(found["first"])
    finding = parity_finding(found)
    assert (finding.count, finding.n) == (2, 3)
    assert parity(table(), table(x=[1.0, 2.5, None]), tolerance=0.5)["differing"] == 0


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30),
    noise=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_parity_is_symmetric_and_shuffles_away(values, noise, seed):
    rng = np.random.default_rng(seed)
    a = pa.table({"k": list(range(len(values))), "x": values})
    b = pa.table(
        {"k": list(range(len(values))), "x": np.array(values) + noise * rng.integers(0, 2, len(values))}
    )
    one, two = parity(a, b, key="k"), parity(b, a, key="k")
    assert {k: one[k] for k in ("differing", "max_difference")} == {
        k: two[k] for k in ("differing", "max_difference")
    }
    assert one["differing"] == int((np.array(values) != b["x"].to_numpy()).sum())
    order = rng.permutation(len(values))
    assert parity(a, b.take(order), key="k")["differing"] == one["differing"]


@pytest.mark.parametrize(
    ("first", "second", "key", "match"),
    [
        (table(), table().slice(0, 2), "", "3 and 2 rows"),
        (table(), table().drop_columns(["x"]), "", "different columns: x"),
        (table(), table(id=["a", "b", "d"]), "id", "same rows"),
        (table(), table(id=["a", "a", "c"]), "id", "empty or repeated"),
        (table(), table(), "case", "no column “case”"),
        (table().slice(0, 0), table(), "", "no rows"),
        (table().select(["id"]), table().select(["id"]), "id", "besides the key"),
    ],
)
def test_files_that_cannot_be_compared_are_refused_with_a_sentence(first, second, key, match):
    with pytest.raises(InputError, match=match):
        parity(first, second, key=key)


ROW = {"epsilon": "3", "metric": "auc", "utility": "0.81", "n": "400", "released": "yes"}


def test_a_table_of_utility_is_checked_and_ordered():
    rows = utility_table(
        [
            ROW,
            ROW | {"epsilon": "inf", "utility": "0.84", "released": "no"},
            ROW | {"epsilon": "0.5", "released": ""},
        ]
    )
    assert [row["epsilon"] for row in rows] == [0.5, 3.0, float("inf")]
    finding = epsilon_finding(rows)
    assert (finding.value, finding.n, finding.low) == (3.0, 400, None)
    assert "As handed in" in finding.sentence
    assert epsilon_finding(None).value is None
    unbounded = utility_table([ROW | {"epsilon": "inf"}])
    assert "without noise" in epsilon_finding(unbounded).reason


@pytest.mark.parametrize(
    ("rows", "match"),
    [
        ([], "no rows"),
        ([{"epsilon": 1}], "no column utility"),
        ([ROW | {"epsilon": "0"}], "Row 1: epsilon"),
        ([ROW | {"epsilon": "nan"}], "Row 1: epsilon"),
        ([ROW | {"utility": "good"}], "Row 1: utility"),
        ([ROW | {"delta": "1"}], "Row 1: delta"),
        ([ROW | {"n": "2.5"}], "Row 1: n"),
        ([ROW | {"metric": ""}], "Row 1: metric"),
        ([ROW | {"released": "perhaps"}], "Row 1: released"),
        ([ROW | {"released": "no"}], "Exactly one row"),
        ([ROW, ROW | {"released": "no"}], "stands in two rows"),
        ([ROW, ROW | {"metric": "f1", "epsilon": "4", "released": "no"}], "same metric"),
        ([ROW] * 51, "at most 50"),
    ],
)
def test_a_table_that_cannot_stand_is_refused_with_its_row(rows, match):
    with pytest.raises(InputError, match=match):
        utility_table(rows)
