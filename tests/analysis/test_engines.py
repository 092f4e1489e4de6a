"""One digest from every engine: the frame is counted where it lives. Polars, Dask, Ibis and PySpark where installed."""

from __future__ import annotations

import os

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from apps.analysis import fairness
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


def test_polars():
    polars = pytest.importorskip("polars")
    frame = polars.DataFrame(COLUMNS)
    assert same(frame)
    assert same(frame.lazy())
    assert same(frame.with_columns(polars.col("race").cast(polars.Categorical)))


def test_dask():
    dask = pytest.importorskip("dask.dataframe")
    assert same(dask.from_pandas(pd.DataFrame(COLUMNS), npartitions=3))


@pytest.mark.filterwarnings("ignore:fetch_arrow_table:DeprecationWarning")
def test_ibis(tmp_path):
    ibis = pytest.importorskip("ibis")
    con = ibis.duckdb.connect()
    assert same(con.read_parquet(write(COLUMNS, tmp_path / "a.parquet")))


@pytest.mark.slow
def test_pyspark(tmp_path):
    sql = pytest.importorskip("pyspark.sql")
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    spark = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
    try:
        assert same(spark.read.parquet(str(write(COLUMNS, tmp_path / "a.parquet"))))
    finally:
        spark.stop()


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
