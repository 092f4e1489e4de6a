"""Profile of a table: what each column holds. Document: docs/statistics.md."""

from __future__ import annotations

from typing import Any

from apps.analysis.canonical import literal
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
_BATCH = 64


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
    columns: list[dict[str, Any]] = []
    for start in range(0, len(table.columns), _BATCH):
        batch = table.columns[start : start + _BATCH]
        # Each cell's canonical text and number are worked out once, then read by every query of the batch.
        cells = ", ".join(f"{c.text} AS t{i}, {c.number} AS v{i}" for i, c in enumerate(batch))
        table.con.execute(f"CREATE OR REPLACE TEMP TABLE canon AS SELECT {cells} FROM data").fetchall()
        figures = table.all(f"SELECT {', '.join(_figures(i) for i in range(len(batch)))} FROM canon")[0]
        width = len(figures) // len(batch)
        for i, column in enumerate(batch):
            columns.append(_column(table, column, i, figures[i * width : (i + 1) * width]))
    return {
        "schema": SCHEMA,
        "rows": table.rows,
        "duplicate_rows": table.rows - len(digests),
        "format": table.format,
        "columns": columns,
        "engine": engine(),
    }


def _figures(i: int) -> str:
    text, number = f"t{i}", f"v{i}"
    words = ", ".join(literal(word) for word in WORDS)
    quantiles = ", ".join(str(q) for q in QUANTILES)
    return ", ".join(
        (
            f"count({text})",
            f"count(DISTINCT {text})",
            f"count(*) FILTER (lower({text}) IN ({words}))",
            f"count({number})",
            f"count(*) FILTER (regexp_full_match({text}, '-?[0-9]+'))",
            f"count(*) FILTER ({text} IN ('true', 'false'))",
            f"count(*) FILTER (regexp_full_match({text}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}'))",
            f"count(*) FILTER (regexp_full_match({text}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}} [0-9:.]+'))",
            f"min({text})",
            f"max({text})",
            f"min({number})",
            f"max({number})",
            f"avg({number})",
            f"stddev_samp({number})",
            f"quantile_cont({number}, [{quantiles}])",
        )
    )


def _column(table: Table, column: Column, i: int, figures: tuple[Any, ...]) -> dict[str, Any]:
    filled, distinct, words, numbers, integers, booleans, dates, times = figures[:8]
    known = filled - words
    kind = "text"
    if known == 0:
        kind = "empty" if filled == 0 else "text"
    elif column.type == "BOOLEAN" or booleans == known:
        kind = "boolean"
    elif numbers == known:
        kind = "integer" if integers == known else "number"
    elif dates == known:
        kind = "date"
    elif dates + times == known:
        kind = "time"
    found: dict[str, Any] = {
        "name": column.name,
        "type": kind,
        "stored_type": column.type,
        "n": filled,
        "missing": table.rows - filled,
        "distinct": distinct,
        "top": _top(table, i),
        "sentinels": _sentinels(table, i, kind, words, figures[10:12]),
    }
    if kind in ("integer", "number"):
        low, high, mean, sd, quantiles = figures[10:15]
        found |= {"min": low, "max": high, "mean": _round(mean), "sd": _round(sd)}
        found["quantiles"] = {f"{q:.2f}": _round(v) for q, v in zip(QUANTILES, quantiles, strict=True)}
        found["edges"], found["bars"] = _histogram(table, i, low, high)
    else:
        found |= {"min": figures[8], "max": figures[9]}
        found["bars"] = [value["n"] for value in found["top"]]
    return found


def _round(value: float | None) -> float | None:
    """12 significant digits: what is left does not depend on the order of the rows."""
    return None if value is None else float(f"{value:.12g}")


def _top(table: Table, i: int) -> list[dict[str, Any]]:
    sql = (
        f"SELECT v, count(*) AS n FROM (SELECT t{i} AS v FROM canon) WHERE v IS NOT NULL"
        f" GROUP BY v ORDER BY n DESC, v LIMIT {TOP}"
    )
    return [{"value": value, "n": n} for value, n in table.all(sql)]


def _sentinels(table: Table, i: int, kind: str, words: int, ends: tuple[Any, ...]) -> list[dict[str, Any]]:
    if not words and kind not in ("integer", "number"):
        return []
    suspects = [f"lower(v) IN ({', '.join(literal(word) for word in WORDS)})"] if words else []
    if kind in ("integer", "number"):
        numbers = ", ".join(literal(number) for number in NUMBERS)
        bounds = ", ".join(literal(f"{end:.0f}") for end in ends)
        suspects.append(f"(v IN ({numbers}) AND v IN ({bounds}))")
    sql = (
        f"SELECT v, count(*) AS n FROM (SELECT t{i} AS v FROM canon)"
        f" WHERE {' OR '.join(suspects)} GROUP BY v ORDER BY n DESC, v"
    )
    return [{"value": value, "n": n} for value, n in table.all(sql)]


def _histogram(table: Table, i: int, low: float, high: float) -> tuple[list[float], list[int]]:
    """Edges (one more than bars) and counts of equal bins; one bar where all values are equal."""
    if low == high:
        return [low, high], [table.all(f"SELECT count(v{i}) FROM canon")[0][0]]
    width = (high - low) / BARS
    place = f"least({BARS - 1}, CAST(floor((v - {low!r}::DOUBLE) / {width!r}::DOUBLE) AS INTEGER))"
    values = f"SELECT v{i} AS v FROM canon"
    counted = dict(
        table.all(f"SELECT {place} AS bar, count(*) FROM ({values}) WHERE v IS NOT NULL GROUP BY bar")
    )
    edges = [low + bar * width for bar in range(BARS)] + [high]
    return edges, [counted.get(bar, 0) for bar in range(BARS)]
