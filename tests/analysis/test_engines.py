"""One digest from every engine: the frame is counted where it lives. Engines outside the lock: test_scale_out.py."""

from __future__ import annotations

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from apps.analysis import engines, fairness
from apps.analysis.errors import InputError
from apps.analysis.readers import Where
from tests.analysis.tables import results, shuffled, write

COLUMNS = results(2500, seed=9)
EXPECTED = fairness.report(COLUMNS, "y", "p", "s", ["race", "sex"], intersections=True)


def same(frame, **more):
    report = fairness.report(frame, "y", "p", "s", ["race", "sex"], intersections=True, **more)
    return {**report, "inputs": None} == {**EXPECTED, "inputs": None}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("order", [0, 1])
def test_a_relation_of_duckdb_is_counted_by_its_own_connection(tmp_path, threads, order):
    columns = shuffled(COLUMNS) if order else COLUMNS
    half = 1000
    for i, (start, stop) in enumerate(((0, half), (half, None))):
        part = {name: values[start:stop] for name, values in columns.items()}
        write(part, tmp_path / f"part{i}.parquet", row_group=200)
    with duckdb.connect(config={"threads": threads}) as con:
        assert same(con.sql(f"SELECT * FROM read_parquet('{tmp_path}/part*.parquet')"))


def test_pandas_and_arrow_with_dictionaries():
    frame = pd.DataFrame(COLUMNS)
    assert same(frame)
    assert same(frame.astype({"race": "category"}))
    table = pa.table(COLUMNS)
    assert same(table.set_column(0, "race", table["race"].dictionary_encode()))


def test_weights_are_in_the_digest_and_do_not_depend_on_the_engine(tmp_path):
    columns = COLUMNS | {"w": [1 + (i % 7) / 4 for i in range(2500)], "who": [i // 2 for i in range(2500)]}
    arguments = {"groups": ["race"], "weight": "w", "entity": "who"}
    one = fairness.report(columns, "y", "p", "s", **arguments)
    path = write(shuffled(columns), tmp_path / "a.parquet", row_group=300)
    with duckdb.connect(config={"threads": 2}) as con:
        two = fairness.report(con.sql(f"SELECT * FROM read_parquet('{path}')"), "y", "p", "s", **arguments)
    assert {**one, "inputs": None} == {**two, "inputs": None}
    columns["w"][3] += 0.5
    assert fairness.report(columns, "y", "p", "s", **arguments)["cells_digest"] != one["cells_digest"]
    assert one["cells_digest"] != fairness.report(columns, "y", "p", "s", ["race"])["cells_digest"]


def test_a_frame_whose_score_is_text_is_told_to_cast():
    with duckdb.connect() as con:
        relation = con.sql("SELECT 1 AS y, 1 AS p, '0.5' AS s, 'a' AS g UNION ALL SELECT 0, 0, '0.1', 'b'")
        with pytest.raises(ValueError, match="Column “s” of the frame is String, not a number"):
            fairness.report(relation, "y", "p", "s", ["g"])


def test_rows_are_chosen_by_value_before_anything_is_computed(tmp_path):
    keep = [i for i, sex in enumerate(COLUMNS["sex"]) if sex == "F"]
    women = fairness.report({k: [v[i] for i in keep] for k, v in COLUMNS.items()}, "y", "p", "s", ["race"])
    path = write(COLUMNS, tmp_path / "a.parquet")
    csv = write(COLUMNS, tmp_path / "a.csv")
    with duckdb.connect() as con:
        for source in (COLUMNS, path, csv, con.sql(f"SELECT * FROM read_parquet('{path}')")):
            found = fairness.report(Where(source, {"sex": "F"}), "y", "p", "s", ["race"])
            assert {**found, "inputs": None} == {**women, "inputs": None}
            with pytest.raises(InputError, match="None of the 2,500 rows has “sex” = “X” and “race” = “A”"):
                fairness.report(Where(source, {"sex": "X", "race": "A"}), "y", "p", "s", ["race"])
        with pytest.raises(InputError, match="no column “age”"):
            fairness.report(Where(COLUMNS, {"age": "1"}), "y", "p", "s", ["race"])


def test_an_engine_that_is_not_there_says_what_is_needed(monkeypatch):
    with pytest.raises(InputError, match="An engine is duckdb, spark, warehouse, not “oracle”"):
        engines.opened("oracle", "t")
    monkeypatch.delenv("COUNTERSIGN_WAREHOUSE", raising=False)
    with pytest.raises(InputError, match="Set COUNTERSIGN_WAREHOUSE"), engines.opened("warehouse", "t"):
        raise AssertionError
    with pytest.raises(InputError, match="needs the package nowhere"):
        engines._extra("nowhere.sql", "spark")
