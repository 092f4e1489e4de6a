"""Profile of a table: what each column holds. Document: docs/statistics.md."""

from __future__ import annotations

import math
from typing import Any

from apps.analysis.canonical import identifier, literal
from apps.analysis.errors import InputError
from apps.analysis.jsonform import engine
from apps.analysis.readers import Column, Table, open_table
from apps.analysis.rows import Digests, digests_of

SCHEMA = "countersign.profile/1"
BARS = 20
TOP = 10
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
# Texts that often stand for "not known". They are counted and named, never silently taken for missing: "None" may be a
# category.
WORDS = (
    "?",
    "-",
    "--",
    ".",
    "na",
    "n/a",
    "nan",
    "null",
    "none",
    "missing",
    "unknown",
    "not known",
    "not available",
)
# Numbers that often do, counted where they are the lowest or highest value of the column.
NUMBERS = ("-9", "-99", "-999", "-9999", "999", "9999", "99999")


def profile(source: Any, *, threads: int = 1) -> dict[str, Any]:
    """Profile a file or frame; raises `InputError` with one sentence.

    `columns` keeps the file's order. Each has: `name`, `type` by content (integer, number, boolean, date,
    time, text, empty), `stored_type`, `n` filled and `missing` cells, `sentinels` [{value, n}], `distinct`
    values, `top` values [{value, n}], and for numbers `min`, `max`, `mean`, `sd`, `quantiles` (12 significant
    digits), for others `min` and `max` texts; `bars`: heights for `charts.column_bars`; `edges`: bounds of
    the bars of a number column.
    """
    with open_table(source, threads=threads) as table:
        return _profile(table, digests_of(table))


def describe(source: Any, *, threads: int = 1) -> tuple[dict[str, Any], Digests]:
    """The profile and the row digests (`rows.row_digests`) from one opening of the file."""
    with open_table(source, threads=threads) as table:
        digests = digests_of(table)
        return _profile(table, digests), digests


def _profile(table: Table, digests: Digests) -> dict[str, Any]:
    if table.rows == 0:
        raise InputError("The table has a header but no rows.")
    return {
        "schema": SCHEMA,
        "rows": table.rows,
        "duplicate_rows": table.rows - len(digests),
        "format": table.format,
        "columns": [_column(table, column) for column in table.columns],
        "engine": engine(),
    }


def _column(table: Table, column: Column) -> dict[str, Any]:
    _count_values(table, column)
    words = ", ".join(literal(word) for word in WORDS)
    filled, distinct, known, booleans, dates, times = table.all(
        "SELECT coalesce(sum(n), 0)::BIGINT, count(t),"
        f" coalesce(sum(n) FILTER (lower(t::VARCHAR) NOT IN ({words})), 0)::BIGINT,"
        " coalesce(sum(n) FILTER (t::VARCHAR IN ('true', 'false')), 0)::BIGINT,"
        " coalesce(sum(n) FILTER (regexp_full_match(t::VARCHAR, '[0-9]{4}-[0-9]{2}-[0-9]{2}')), 0)::BIGINT,"
        " coalesce(sum(n) FILTER (regexp_full_match(t::VARCHAR, '[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9:.]+')), 0)::BIGINT"
        " FROM counted WHERE t IS NOT NULL"
        if not column.numeric
        else "SELECT sum(n)::BIGINT, count(t), sum(n)::BIGINT, 0, 0, 0 FROM counted WHERE t IS NOT NULL"
    )[0]
    filled, known = filled or 0, known or 0
    numbers, whole, low, high, mean, sd, quantiles = _numbers(table, column)
    kind = "text"
    if known == 0:
        kind = "empty" if filled == 0 else "text"
    elif booleans == known:
        kind = "boolean"
    elif numbers == known:
        kind = "integer" if whole == known else "number"
    elif dates == known:
        kind = "date"
    elif dates + times == known:
        kind = "time"
    text = Column("t", column.type).text if column.numeric else "t"
    found: dict[str, Any] = {
        "name": column.name,
        "type": kind,
        "stored_type": column.type,
        "n": filled,
        "missing": table.rows - filled,
        "distinct": distinct,
        "top": _values(table, text, "true", TOP),
        "sentinels": [],
    }
    suspects = [f"lower(t::VARCHAR) IN ({words})"] if known < filled else []
    if kind in ("integer", "number"):
        found |= {"min": low, "max": high, "mean": _round(mean), "sd": _round(sd)}
        found["quantiles"] = {f"{q:.2f}": _round(v) for q, v in zip(QUANTILES, quantiles, strict=True)}
        found["edges"], found["bars"] = _histogram(table, column, low, high, numbers)
        ends = [number for number in NUMBERS if float(number) in (low, high)]
        suspects += [f"{text} = {literal(number)}" for number in ends]
    else:
        found["min"], found["max"] = table.all(f"SELECT min({text}), max({text}) FROM counted")[0]
        found["bars"] = [value["n"] for value in found["top"]]
    if suspects:
        found["sentinels"] = _values(table, text, " OR ".join(suspects), len(WORDS) + len(NUMBERS))
    return found


def _count_values(table: Table, column: Column) -> None:
    """The table `counted`: each different value `t` (a number, or canonical text) and its number of cells `n`.

    Counting first, then working out the canonical text of what is different, costs a fraction of the reverse.
    """
    name = identifier(column.name)
    sql = f"SELECT {name}, count(*) AS n FROM data GROUP BY {name}"
    if column.numeric:
        missing = f"CASE WHEN isnan({name}) THEN NULL ELSE {name} END" if column.floating else name
        sql = f"SELECT {missing} AS t, n FROM ({sql})"
    else:
        sql = f"SELECT {column.text} AS t, sum(n)::BIGINT AS n FROM ({sql}) GROUP BY t"
    table.all(f"CREATE OR REPLACE TEMP TABLE counted AS {sql}")


def _numbers(table: Table, column: Column) -> tuple[Any, ...]:
    """Count, count of whole ones, min, max, mean, standard deviation and quantiles of a column's numbers.

    Mean and standard deviation are None where a square would be beyond a double.
    """
    quantiles = ", ".join(str(q) for q in QUANTILES)
    small = "CASE WHEN abs(v) < 1e150 THEN v END"
    return table.all(
        "SELECT count(v), count(*) FILTER (v = trunc(v) AND abs(v) < 1e15), min(v), max(v),"
        f" CASE WHEN count(v) = count({small}) THEN avg({small}) END,"
        f" CASE WHEN count(v) = count({small}) THEN stddev_samp({small}) END,"
        f" quantile_cont(v, [{quantiles}]) FROM (SELECT {column.number} AS v FROM data)"
    )[0]


def _round(value: float | None) -> float | None:
    """12 significant digits: what is left does not depend on the order of the rows. None beyond a double."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.12g}")


def _values(table: Table, text: str, where: str, limit: int) -> list[dict[str, Any]]:
    """The most frequent values that meet a condition, ties in order of their text."""
    # Numbers are put into words only when they may be among the first.
    sql = (
        f"SELECT {text} AS v, n FROM counted WHERE t IS NOT NULL AND ({where})"
        f" QUALIFY rank() OVER (ORDER BY n DESC) <= {limit} ORDER BY n DESC, v LIMIT {limit}"
    )
    return [{"value": value, "n": n} for value, n in table.all(sql)]


def _histogram(
    table: Table, column: Column, low: float, high: float, n: int
) -> tuple[list[float], list[int]]:
    """Edges (one more than bars) and counts of equal bins; one bar where they would have no width."""
    if low == high or not math.isfinite(high - low):
        return [low, high], [n]
    width = (high - low) / BARS
    place = f"least({BARS - 1}, CAST(floor((v - {low!r}::DOUBLE) / {width!r}::DOUBLE) AS INTEGER))"
    values = f"SELECT {column.number} AS v FROM data"
    bars = dict(
        table.all(f"SELECT {place} AS bar, count(*) FROM ({values}) WHERE v IS NOT NULL GROUP BY bar")
    )
    edges = [low + bar * width for bar in range(BARS)] + [high]
    return edges, [bars.get(bar, 0) for bar in range(BARS)]
