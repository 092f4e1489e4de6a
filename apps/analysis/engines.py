"""Tables that another engine holds, for `--engine`: a Parquet file or table under Spark, a table of a warehouse (Ibis).

The extras `spark` and `warehouse` are not installed with the portal. The frame that comes out is counted where it lives
(`readers.open_table`): only cells leave the engine, and score, weight and entity columns where a report needs rows.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from apps.analysis.errors import InputError

DUCKDB, SPARK, WAREHOUSE = "duckdb", "spark", "warehouse"


def opened(engine: str, name: str, *, threads: int = 1) -> AbstractContextManager[Any]:
    """What the reports take as `source`: the path itself, or a lazy frame that lives until the context ends.

    `engine`: "duckdb", "spark" or "warehouse". Raises `InputError` with one sentence.
    """
    makers: dict[str, Callable[[str, int], AbstractContextManager[Any]]] = {
        DUCKDB: _path,
        SPARK: _spark,
        WAREHOUSE: _warehouse,
    }
    if engine not in makers:
        raise InputError(f"An engine is {', '.join(makers)}, not “{engine}”.")
    return makers[engine](name, threads)


@contextmanager
def _path(name: str, threads: int) -> Iterator[str]:
    yield name


@contextmanager
def _spark(name: str, threads: int) -> Iterator[Any]:
    """A Parquet file or folder (a name with a slash or the ending .parquet), or a table of the catalogue.

    On this machine unless SPARK_REMOTE (Spark Connect) or the configuration of Spark names another.
    """
    sql = _extra("pyspark.sql", "spark")
    builder = sql.SparkSession.builder.appName("countersign analyse")
    if "SPARK_REMOTE" not in os.environ and "SPARK_CONF_DIR" not in os.environ:
        os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
        builder = builder.master(f"local[{threads}]").config("spark.ui.enabled", "false")
    builder = builder.config("spark.log.level", "ERROR").config("spark.ui.showConsoleProgress", "false")
    try:
        session = builder.getOrCreate()
    except (
        Exception
    ) as error:  # Java is missing, or the master does not answer: Spark has no one class for it
        raise InputError(f"Spark does not start ({_first_line(error)}).") from error
    try:
        is_file = "/" in name or name.endswith(".parquet")
        try:
            frame = session.read.parquet(name) if is_file else session.table(name)
        except Exception as error:
            raise InputError(f"Spark cannot read “{name}” ({_first_line(error)}).") from error
        yield frame
    finally:
        session.stop()


@contextmanager
def _warehouse(name: str, threads: int) -> Iterator[Any]:
    """`table` or `schema.table` of the data base whose Ibis URL stands in COUNTERSIGN_WAREHOUSE."""
    url = os.environ.get("COUNTERSIGN_WAREHOUSE")
    if not url:
        raise InputError(
            "Set COUNTERSIGN_WAREHOUSE to the URL of the warehouse, such as postgres://host/name."
        )
    ibis = _extra("ibis", "warehouse")
    schema, _, table = name.rpartition(".")
    try:
        connection = ibis.connect(url)
    except Exception as error:  # each driver has its own classes
        raise InputError(f"The warehouse does not answer ({_first_line(error)}).") from error
    try:
        try:
            frame = connection.table(table, database=schema or None)
        except Exception as error:
            raise InputError(f"The warehouse has no table “{name}” ({_first_line(error)}).") from error
        yield frame
    finally:
        connection.disconnect()


def _extra(module: str, extra: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise InputError(
            f"The engine needs the package {package}, which is not installed: it is the extra “{extra}” "
            "(docs/installation.md)."
        ) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().split("\n")[0][:200] or type(error).__name__).rstrip(".")
