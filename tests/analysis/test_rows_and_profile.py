"""Row digests, overlap and profiles: the same whatever the format, true against a plain count."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.analysis.errors import InputError
from apps.analysis.jsonform import to_json
from apps.analysis.profile import describe, profile
from apps.analysis.rows import entity_overlap, overlap, pack, row_digests, unpack
from tests.analysis.tables import results, shuffled, write

CELL = st.one_of(
    st.none(),
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=6),
    st.integers(-10, 10).map(str),
)
TABLE = st.lists(st.tuples(CELL, CELL), min_size=1, max_size=12)


def columns_of(rows):
    return pa.table(
        {"a": pa.array([r[0] for r in rows], pa.string()), "b": pa.array([r[1] for r in rows], pa.string())}
    )


@given(TABLE, st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_digests_do_not_depend_on_row_or_column_order(rows, random):
    expected = row_digests(columns_of(rows))
    assert list(expected) == sorted(set(expected))
    random.shuffle(rows)
    assert (row_digests(columns_of(rows).select(["b", "a"])) == expected).all()


@given(TABLE)
@settings(max_examples=50, deadline=None)
def test_there_are_as_many_digests_as_different_rows(rows):
    def canonical(cell):
        if not cell:
            return None
        ascii_number = (
            cell.isascii() and cell.lstrip("+-").isdigit() and len(cell) - len(cell.lstrip("+-")) <= 1
        )
        return str(int(cell)) if ascii_number else cell

    different = {(canonical(a), canonical(b)) for a, b in rows}
    found = len(row_digests(columns_of(rows)))
    # Rarer spellings of one number (" .0", "1." …) may make fewer, never more.
    assert found <= len(different)
    if not any(c in (cell or "") for row in rows for cell in row for c in ".eEtTfF"):
        assert found == len(different)


NUMBERS = st.one_of(
    st.none(),
    st.integers(-(10**20), 10**20).map(str),
    st.floats(allow_nan=False).map(repr),
    st.from_regex(r"[+-]?0{0,3}[0-9]{1,19}(\.[0-9]{0,4})?(e[0-9])?", fullmatch=True),
)


@given(st.lists(NUMBERS, min_size=1, max_size=15))
@settings(max_examples=80, deadline=None)
def test_numbers_in_a_csv_file_keep_their_digests_whatever_type_they_are_given(tmp_path_factory, cells):
    path = tmp_path_factory.mktemp("csv") / "a"
    path.write_text("a,b\n" + "".join(f"{cell or ''},{i}\n" for i, cell in enumerate(cells)))
    as_text = pa.table({"a": pa.array(cells, pa.string()), "b": [str(i) for i in range(len(cells))]})
    assert pack(row_digests(path)) == pack(row_digests(as_text))


def test_csv_and_parquet_of_typed_columns_have_the_same_digests(tmp_path):
    columns = results(800) | {
        "when": [datetime(2024, 1, 1 + i % 28, i % 24, 30) for i in range(800)],  # noqa: DTZ001 (as files hold it)
        "day": [date(2024, 1, 1 + i % 28) for i in range(800)],
        "yes": [i % 3 == 0 for i in range(800)],
        "gap": [None if i % 5 == 0 else i / 7 for i in range(800)],
    }
    first = row_digests(write(columns, tmp_path / "a.csv"))
    second = row_digests(write(shuffled(columns), tmp_path / "b.parquet", row_group=37))
    assert len(first) == 800
    assert pack(first) == pack(second)
    assert overlap(unpack(pack(first)), second) == 800


def test_overlap_counts_the_common_rows():
    columns = results(1000)
    half = {name: values[:500] for name, values in columns.items()}
    other = {name: values[490:] for name, values in columns.items()}
    assert overlap(row_digests(half), row_digests(other)) == 10
    assert overlap(row_digests(half), row_digests({"race": ["A"]})) == 0


def test_overlap_by_unit_finds_the_patient_with_other_rows():
    train = {"patient": [1, 1, 2, 3], "x": [0.1, 0.2, 0.3, 0.4]}
    test = {"patient": ["3", "4"], "x": [0.9, 0.8]}
    assert overlap(row_digests(train), row_digests(test)) == 0
    assert entity_overlap(train, test, ["patient"]) == 1


def test_cells_do_not_run_together():
    assert overlap(row_digests({"a": ["x"], "b": ["1:y"]}), row_digests({"a": ["x1:"], "b": ["y"]})) == 0
    assert overlap(row_digests({"a": ["-"], "b": [None]}), row_digests({"a": [None], "b": ["-"]})) == 0


def by_name(found):
    return {column["name"]: column for column in found["columns"]}


def test_a_profile_counts_what_is_there():
    found = profile(
        {
            "age": [30, 41, None, -999, 30],
            "dose": ["0.5", "1.0", "?", "?", ""],
            "arm": ["A", "None", "B", "A", "A"],
            "day": ["2024-01-01"] * 4 + [""],
            "yes": [True, False, True, True, None],
            "void": [None] * 5,
        }
    )
    columns = by_name(found)
    assert {name: column["type"] for name, column in columns.items()} == {
        "age": "integer",
        "dose": "number",
        "arm": "text",
        "day": "date",
        "yes": "boolean",
        "void": "empty",
    }
    assert columns["age"]["sentinels"] == [{"value": "-999", "n": 1}]
    assert columns["age"]["missing"] == 1
    assert columns["dose"]["sentinels"] == [{"value": "?", "n": 2}]
    assert (columns["dose"]["min"], columns["dose"]["max"], columns["dose"]["n"]) == (0.5, 1.0, 4)
    assert columns["arm"]["sentinels"] == [{"value": "None", "n": 1}]
    assert columns["arm"]["top"] == [
        {"value": "A", "n": 3},
        {"value": "B", "n": 1},
        {"value": "None", "n": 1},
    ]
    assert columns["void"]["missing"] == 5
    assert found["duplicate_rows"] == 0


def test_figures_of_a_number_column_are_numpys():
    values = np.random.default_rng(0).gamma(2, 3, 5000)
    column = by_name(profile({"x": values}))["x"]
    assert column["mean"] == pytest.approx(values.mean(), rel=1e-11)
    assert column["sd"] == pytest.approx(values.std(ddof=1), rel=1e-11)
    for q, found in column["quantiles"].items():
        assert found == pytest.approx(np.quantile(values, float(q)), rel=1e-11)
    assert sum(column["bars"]) == 5000
    expected, edges = np.histogram(values, bins=20)
    assert column["edges"] == pytest.approx(edges)
    assert (
        np.abs(np.array(column["bars"]) - expected).sum() <= 2
    )  # a value on an edge may fall to either side


def test_numbers_at_the_end_of_the_range_are_profiled():
    found = profile({"x": [1.7e308, -1.7e308, 1.0]})
    assert to_json(found)
    column = by_name(found)["x"]
    assert (column["min"], column["max"], column["mean"], column["sd"]) == (-1.7e308, 1.7e308, None, None)
    assert column["bars"] == [3]
    endless = by_name(profile({"x": [float("inf"), 1.0, float("nan")]}))["x"]
    assert (endless["type"], endless["n"], endless["missing"]) == ("text", 2, 1)


def test_one_profile_whatever_order_and_format(tmp_path):
    columns = results(2000)
    found = [
        profile(write(columns, tmp_path / "a.csv")),
        profile(write(shuffled(columns), tmp_path / "a.parquet", row_group=77)),
    ]
    for one in found:
        one["columns"].sort(key=lambda column: column["name"])
        one.pop("format")
        for column in one["columns"]:
            column.pop("stored_type")
    assert to_json(found[0]) == to_json(found[1])


def test_description_gives_profile_and_digests_of_one_file(tmp_path):
    columns = results(300)
    doubled = {name: values * 2 for name, values in columns.items()}
    found, digests = describe(write(doubled, tmp_path / "a.csv"))
    assert found["duplicate_rows"] == 300
    assert (digests == row_digests(columns)).all()


def test_a_wide_table_is_profiled_in_batches():
    found = profile({f"c{i}": [i, i + 1] for i in range(150)})
    assert [column["min"] for column in found["columns"]] == list(range(150))


def test_a_table_without_rows_is_refused(tmp_path):
    path = tmp_path / "a"
    path.write_text("a,b\n")
    with pytest.raises(InputError, match="no rows"):
        profile(path)
