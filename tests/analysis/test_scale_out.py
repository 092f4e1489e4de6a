"""The same report from engines outside the lock file: Spark, a warehouse through Ibis, Polars.

`.ci/run` fetches them into a folder of its own and selects the mark; see `.ci/engines`.
"""

from __future__ import annotations

import io
import json

import duckdb
import pandas as pd
import pytest
from django.core.management import call_command

from apps.analysis import fairness
from apps.analysis.engines import opened
from apps.analysis.errors import InputError
from tests.analysis.tables import results, shuffled, write

ASKED = ["--label", "y", "--prediction", "p", "--groups", "race,sex", "--intersections", "--json"]


def analyse(*arguments):
    out = io.StringIO()
    call_command("analyse", "fairness", *map(str, arguments), *ASKED, stdout=out)
    return json.loads(out.getvalue())


@pytest.mark.spark
@pytest.mark.filterwarnings("ignore")  # of the engines themselves
def test_one_report_from_spark_a_warehouse_polars_and_duckdb(tmp_path, monkeypatch, capsys):
    import importlib

    columns = results(4000, seed=20261122)
    folder = tmp_path / "parts"
    folder.mkdir()
    for i, stop in enumerate((1000, 1700, 4000)):
        start = (0, 1000, 1700)[i]
        part = {name: values[start:stop] for name, values in shuffled(columns).items()}
        write(part, folder / f"part{i}.parquet", row_group=300)
    whole = write(columns, tmp_path / "whole.parquet")
    store = tmp_path / "store.duckdb"
    with duckdb.connect(str(store)) as con:
        con.execute(f"CREATE SCHEMA lab; CREATE TABLE lab.cases AS SELECT * FROM read_parquet('{whole}')")
    monkeypatch.setenv("COUNTERSIGN_WAREHOUSE", f"duckdb://{store}")
    made = {
        "DuckDB, 1 thread": analyse(whole, "--score", "s"),
        "DuckDB, 2 threads": analyse(whole, "--score", "s", "--threads", "2"),
        "a warehouse through Ibis": analyse("lab.cases", "--score", "s", "--engine", "warehouse"),
    }
    polars, sql = importlib.import_module("polars"), importlib.import_module("pyspark.sql")
    arguments = {"groups": ["race", "sex"], "intersections": True}
    for name, frame in {
        "Polars": polars.read_parquet(whole),
        "Polars, lazy, split and shuffled": polars.scan_parquet(folder / "*.parquet"),
        "pandas, shuffled": pd.DataFrame(shuffled(columns)),
    }.items():
        made[name] = json.loads(json.dumps(fairness.report(frame, "y", "p", "s", **arguments)))
    with duckdb.connect(config={"threads": 2}) as con:
        split = con.sql(f"SELECT * FROM read_parquet('{folder}/*.parquet')")
        made["DuckDB, split and shuffled"] = json.loads(
            json.dumps(fairness.report(split, "y", "p", "s", **arguments))
        )
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    # One session for all: starting Java takes the time. `opened` stops it, so here it must not.
    session_type = type(
        sql.SparkSession.builder.master("local[2]").config("spark.sql.shuffle.partitions", "2").getOrCreate()
    )
    stop = session_type.stop
    monkeypatch.setattr(session_type, "stop", lambda self: None)
    try:
        made["PySpark, split and shuffled"] = analyse(folder, "--score", "s", "--engine", "spark")
        sexes = analyse(whole, "--engine", "spark", "--where", "race=A")
        with pytest.raises(InputError, match="Spark cannot read “/nowhere”"), opened("spark", "/nowhere"):
            raise AssertionError
    finally:
        stop(sql.SparkSession.builder.getOrCreate())
    with pytest.raises(InputError, match=r"has no table “lab\.none”"), opened("warehouse", "lab.none"):
        raise AssertionError
    first = made["DuckDB, 1 thread"]
    assert len({report["cells_digest"] for report in made.values()}) == 1
    for name, report in made.items():
        assert {**report, "inputs": None} == {**first, "inputs": None}, name
    assert {**sexes, "inputs": None} == {**analyse(whole, "--where", "race=A"), "inputs": None}
