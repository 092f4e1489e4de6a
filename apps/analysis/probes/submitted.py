"""What is judged on files that people hand in: parity of two pipelines, utility against epsilon."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from apps.analysis.errors import InputError
from apps.analysis.probes.findings import Finding, nothing, share

SHOWN = 10
MAX_ROWS = 200_000
MAX_COLUMNS = 500
MAX_EPSILONS = 50
MAX_TOLERANCE = 1e-6


def parity(first: pa.Table, second: pa.Table, *, key: str = "", tolerance: float = 0.0) -> dict[str, Any]:
    """What two pipelines made of the same rows, compared value by value.

    `key`: a column that names the rows, in both; without one, rows stand in the same order. Numbers differ when they
    lie more than `tolerance` apart (times the first file's greatest value of the column, where below 1) or one is
    missing; texts when they are not equal. Returns {"rows", "differing",
    "max_difference" (of numbers), "columns": [{"name", "differing", "max_difference"}], "first": the first differing
    rows as [{"row" from 1, "column", "difference" or None}], "digest": SHA-256 of the comparison}. No value is kept:
    rows may be personal data. Raises InputError with one sentence.
    """
    for what, table in (("first", first), ("second", second)):
        if table.num_rows == 0:
            raise InputError(f"The {what} file has no rows.")
        if table.num_rows > MAX_ROWS or table.num_columns > MAX_COLUMNS:
            raise InputError(
                f"The {what} file has {table.num_rows:,} rows and {table.num_columns:,} columns; at most "
                f"{MAX_ROWS:,} and {MAX_COLUMNS:,} are compared."
            )
    odd = sorted(set(first.column_names) ^ set(second.column_names))
    if odd:
        raise InputError(f"The two files have different columns: {', '.join(odd[:8])} stand in one only.")
    if key:
        first, second = _ordered(first, key, "first"), _ordered(second, key, "second")
        if not first[key].equals(second[key]):
            raise InputError(f"The two files do not hold the same rows: their “{key}” differ.")
    if first.num_rows != second.num_rows:
        raise InputError(
            f"The files have {first.num_rows:,} and {second.num_rows:,} rows; the same rows are compared."
        )
    columns = sorted(name for name in first.column_names if name != key)
    if not columns:
        raise InputError("The files have no column besides the key.")
    anywhere = np.zeros(first.num_rows, dtype=bool)
    told, apart = [], {}
    for name in columns:
        differs, by = _differs(first[name], second[name], tolerance)
        apart[name] = (differs, by)
        anywhere |= differs
        told.append({"name": name, "differing": int(differs.sum()), "max_difference": _greatest(by)})
    shown = []
    for row in np.flatnonzero(anywhere)[:SHOWN].tolist():
        name = next(n for n in columns if apart[n][0][row])
        by = apart[name][1]
        size = None if by is None or not math.isfinite(by[row]) else float(by[row])
        shown.append({"row": row + 1, "column": name, "difference": size})
    sizes = [each["max_difference"] for each in told if each["max_difference"] is not None]
    found = {
        "rows": first.num_rows,
        "differing": int(anywhere.sum()),
        "max_difference": max(sizes) if sizes else None,
        "columns": told,
        "first": shown,
    }
    return found | {
        "digest": "sha256:" + hashlib.sha256(repr((found, anywhere.tobytes())).encode()).hexdigest()
    }


def _ordered(table: pa.Table, key: str, what: str) -> pa.Table:
    if key not in table.column_names:
        raise InputError(f"The {what} file has no column “{key}” to name its rows.")
    column = table[key].combine_chunks()
    if column.null_count or len(column.unique()) != len(column):
        raise InputError(f"The column “{key}” of the {what} file is empty or repeated in some rows.")
    keyed = table.set_column(table.schema.get_field_index(key), key, column.cast(pa.string()))
    return keyed.sort_by(key)


def _differs(
    first: pa.ChunkedArray, second: pa.ChunkedArray, tolerance: float
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64] | None]:
    """(rows that differ, absolute differences or None for text); missing in both is the same."""
    if _numeric(first.type) and _numeric(second.type):
        a, b = (each.cast(pa.float64()).to_numpy().astype(np.float64) for each in (first, second))
        with np.errstate(invalid="ignore"):
            by = np.abs(a - b)
        same = (np.isnan(a) & np.isnan(b)) | (a == b)
        by = np.where(same, 0.0, by)
        size = np.abs(a[np.isfinite(a)]).max(initial=0.0)
        return ~same & ~(by <= tolerance * min(1.0, size)), by
    a, b = (np.array(each.cast(pa.string()).to_pylist(), dtype=object) for each in (first, second))
    return np.asarray(a != b, dtype=bool), None


def _numeric(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_boolean(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_null(kind)
    )


def _greatest(by: npt.NDArray[np.float64] | None) -> float | None:
    if by is None:
        return None
    known = by[np.isfinite(by)]
    return float(known.max()) if len(known) else None


def parity_finding(found: Mapping[str, Any] | None) -> Finding:
    """The share of differing rows, or why there is none."""
    if found is None:
        return nothing("parity", "", "no files of the two pipelines were handed in")
    greatest = found["max_difference"]
    by = found.get("submitted_by", "")
    words = "differ between the training and the serving pipeline, as handed in" + (f" by {by}" if by else "")
    words += ", not computed here"
    if greatest is not None:
        words += f"; the greatest difference of a number is {greatest:.3g}"
    return share("parity", "", found["differing"], found["rows"], words, digest=found["digest"])


EPSILON, DELTA, UTILITY, METRIC, N, RELEASED = "epsilon", "delta", "utility", "metric", "n", "released"


def utility_table(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A table of utility against epsilon as people hand it in, checked; by epsilon, least private last.

    Columns: epsilon (above 0, or "inf" for a model without noise), metric, utility, n; delta (0 to below 1) may be
    absent; released is yes for exactly one row. Raises InputError naming the row and what to mend.
    """
    if not rows:
        raise InputError("The table has no rows.")
    if len(rows) > MAX_EPSILONS:
        raise InputError(f"The table has {len(rows):,} rows; at most {MAX_EPSILONS} are taken.")
    absent = [name for name in (EPSILON, UTILITY, METRIC, N, RELEASED) if name not in rows[0]]
    if absent:
        raise InputError(
            f"The table has no column {', '.join(absent)}. It needs epsilon, metric, utility, n, released."
        )
    checked = [_checked(row, place) for place, row in enumerate(rows, start=1)]
    if sum(row[RELEASED] for row in checked) != 1:
        raise InputError(
            "Exactly one row says “yes” in the column released: the model that is to be released."
        )
    if len({row[METRIC] for row in checked}) != 1:
        raise InputError("All rows need the same metric: utilities of different kinds cannot be compared.")
    if len({(row[EPSILON], row[DELTA]) for row in checked}) != len(checked):
        raise InputError("An epsilon stands in two rows with the same delta.")
    return sorted(checked, key=lambda row: (row[EPSILON], row[DELTA] or 0.0))


def _checked(row: Mapping[str, Any], place: int) -> dict[str, Any]:
    epsilon, utility = _real(row[EPSILON]), _real(row[UTILITY])
    delta = None if str(row.get(DELTA) or "").strip() in ("", "None") else _real(row[DELTA])
    n, metric = _real(row[N]), str(row[METRIC] or "").strip()
    said = str(row[RELEASED]).strip().lower()
    if epsilon is None or not epsilon > 0:
        raise InputError(f"Row {place}: epsilon is a number above 0, or inf for a model without noise.")
    if utility is None or not math.isfinite(utility):
        raise InputError(f"Row {place}: utility is a number.")
    if str(row.get(DELTA) or "").strip() and (delta is None or not 0 <= delta < 1):
        raise InputError(f"Row {place}: delta is a number from 0 to below 1, or empty.")
    if n is None or not math.isfinite(n) or n < 1 or n != int(n):
        raise InputError(f"Row {place}: n is how many cases the utility was measured on, a whole number.")
    if not metric or len(metric) > 60:
        raise InputError(f"Row {place}: metric names what utility is, such as auc.")
    if said not in ("yes", "true", "1", "no", "false", "0", ""):
        raise InputError(f"Row {place}: released is yes or no.")
    return {
        EPSILON: epsilon,
        DELTA: delta,
        UTILITY: utility,
        METRIC: metric,
        N: int(n),
        RELEASED: said in ("yes", "true", "1"),
    }


def _real(given: Any) -> float | None:
    text = str(given if given is not None else "").strip()
    try:
        number = float(text)
    except ValueError:
        return None
    return None if math.isnan(number) or "_" in text else number


def epsilon_finding(rows: Sequence[Mapping[str, Any]] | None) -> Finding:
    """The epsilon of the released row, beside its utility and the best one."""
    if not rows:
        return nothing("epsilon", "", "no table of utility against epsilon was handed in")
    released = next(row for row in rows if row[RELEASED])
    best = max(row[UTILITY] for row in rows)
    if math.isinf(released[EPSILON]):
        return nothing(
            "epsilon", "", "the released model was trained without noise: its epsilon has no bound"
        )
    sentence = (
        f"As handed in: epsilon {released[EPSILON]:g} with {released[METRIC]} {released[UTILITY]:.4g} on "
        f"{released[N]:,} cases; the best of the table is {best:.4g}."
    )
    return Finding(
        "epsilon",
        "",
        released[EPSILON],
        None,
        None,
        released[N],
        sentence,
        None,
        "submitted",
        more={"rows": len(rows)},
    )
