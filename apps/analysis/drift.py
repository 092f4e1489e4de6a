"""Drift of a current table against a baseline, column by column. Document: docs/statistics.md."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from apps.analysis import intervals, shift
from apps.analysis.errors import InputError
from apps.analysis.jsonform import engine
from apps.analysis.readers import Table, open_table

SCHEMA = "countersign.drift/1"
MODERATE, LARGE = 0.1, 0.2
FEW_VALUES = 10  # numbers with at most so many different values in the baseline are categories
MAX_CATEGORIES = 1000
STABLE, MOVED, SHIFTED, UNDECIDED = "stable", "moderate", "large", "undecided"


@dataclass(frozen=True)
class Limits:
    """PSI from `moderate` on is a moderate shift, from `large` on a large one."""

    moderate: float = MODERATE
    large: float = LARGE


def report(
    baseline: Any,
    current: Any,
    *,
    columns: Sequence[str] = (),
    categorical: Sequence[str] = (),
    bins: int = shift.BINS,
    limits: Limits = Limits(),
    level: float = intervals.LEVEL,
    threads: int = 1,
) -> dict[str, Any]:
    """Compare the columns that both tables have (or `columns`). Bins and categories come from the baseline alone.

    `features[]`: `name`, `kind` (number, category), n, missing and not finite of both, the statistics, `p`, `p_holm`,
    `verdict` (stable, moderate, large, undecided) and its `sentence`. Raises `InputError`.
    """
    if not 2 <= bins <= 100:
        raise InputError("A number is cut into 2 to 100 bins.")
    if not 0 < limits.moderate <= limits.large:
        raise InputError("The limits of PSI are positive, the moderate one not above the large one.")
    with open_table(baseline, threads=threads) as old, open_table(current, threads=threads) as new:
        for table, words in ((old, "baseline"), (new, "current table")):
            if table.rows == 0:
                raise InputError(f"The {words} has a header but no rows.")
        first = {c.name: c for c in old.columns}
        second = {c.name: c for c in new.columns}
        for name in [*columns, *categorical]:
            old.column(name)
            new.column(name)
        shared = [n for n in (columns or first) if n in second]
        if not shared:
            raise InputError("The two tables have no column of one name.")
        features, changed = [], []
        for name in shared:
            feature = _feature(old, new, name, name in categorical, bins)
            if feature["kinds"][0] != feature["kinds"][1]:
                changed.append({"name": name, "baseline": first[name].type, "current": second[name].type})
            features.append(feature)
        rows = {"baseline": old.rows, "current": new.rows}
        formats = {"baseline": old.format, "current": new.format}
    _adjust(features)
    for feature in features:
        feature["verdict"], feature["sentence"] = _judge(feature, limits, 1 - level)
        del feature["kinds"]
    return {
        "schema": SCHEMA,
        "inputs": {
            "columns": list(columns),
            "categorical": list(categorical),
            "bins": bins,
            "limits": {"moderate": limits.moderate, "large": limits.large},
            "level": level,
            "formats": formats,
        },
        "n": rows,
        "schema_differences": {
            "only_in_baseline": sorted(set(first) - set(second)),
            "only_in_current": sorted(set(second) - set(first)),
            "kind_changed": changed,
        },
        "features": features,
        "verdict": next(
            (v for v in (SHIFTED, MOVED, UNDECIDED) if any(f["verdict"] == v for f in features)), STABLE
        ),
        "method": (
            f"PSI over {bins} quantile bins of the baseline, or its categories; limits {limits.moderate:g} and "
            f"{limits.large:g} are convention. Numbers: Kolmogorov-Smirnov, Wasserstein. Categories: chi-square, "
            "Cramér's V, Jensen-Shannon distance. p-values adjusted by Holm over the columns."
        ),
        "engine": engine(),
    }


def _counts(table: Table, name: str) -> dict[str, int]:
    """rows, missing, not finite, numbers and different values of a column."""
    column = table.column(name)
    row = table.all(
        "SELECT count(*), count(*) FILTER (t IS NULL), count(*) FILTER (t IS NOT NULL AND v IS NULL), count(v),"
        " count(DISTINCT t), count(*) FILTER (lower(t) IN ('inf', '-inf', 'infinity', '-infinity'))"
        f" FROM (SELECT {column.text} AS t, {column.number} AS v FROM data)"
    )[0]
    return dict(zip(("rows", "missing", "no_number", "numbers", "distinct", "infinite"), row, strict=True))


def _is_number(counts: dict[str, int]) -> bool:
    return counts["numbers"] > 0 and counts["no_number"] == counts["infinite"]


def _feature(old: Table, new: Table, name: str, categorical: bool, bins: int) -> dict[str, Any]:
    before, after = _counts(old, name), _counts(new, name)
    kinds = []
    for counts in (before, after):
        known = counts["rows"] > counts["missing"]
        kinds.append("number" if _is_number(counts) else "category" if known else "empty")
    feature: dict[str, Any] = {
        "name": name,
        "kind": "number",
        "kinds": kinds if not categorical else ["category", "category"],
        "n": {},
        "missing": _missing(before, after),
        "not_finite": {"baseline": 0, "current": 0},
        "psi": None,
        "psi_without_drift": None,
        "p": None,
        "p_holm": None,
        "test": "",
        "reason": "",
    }
    if categorical or kinds[0] != "number" or before["distinct"] <= FEW_VALUES:
        feature["kind"] = "category"
        feature["n"] = {s: c["rows"] - c["missing"] for s, c in (("baseline", before), ("current", after))}
    else:
        feature["n"] = {"baseline": before["numbers"], "current": after["numbers"]}
        feature["not_finite"] = {"baseline": before["infinite"], "current": after["infinite"]}
    if "empty" in kinds:
        feature["reason"] = "a table has no value in this column"
        feature["kinds"] = ["empty", "empty"] if kinds[0] == kinds[1] else kinds
    elif kinds[0] != kinds[1] and not categorical:
        feature["reason"] = f"{kinds[0]} in the baseline, {kinds[1]} in the current table"
    elif feature["kind"] == "number":
        feature |= _numbers(old, new, name, bins)
    else:
        feature |= _categories(old, new, name, max(before["distinct"], after["distinct"]))
    return feature


def _missing(before: dict[str, int], after: dict[str, int]) -> dict[str, Any]:
    k1, n1, k2, n2 = after["missing"], after["rows"], before["missing"], before["rows"]
    low, high = intervals.newcombe(k1, n1, k2, n2)
    return {
        "baseline": k2 / n2,
        "current": k1 / n1,
        "difference": {"value": k1 / n1 - k2 / n2, "low": low, "high": high, "method": "newcombe"},
        "p": intervals.two_proportions(k1, n1, k2, n2),
        "p_holm": None,
    }


def _numbers(old: Table, new: Table, name: str, bins: int) -> dict[str, Any]:
    sides = []
    for table in (old, new):
        number = table.column(name).number
        arrow = table.arrow(f"SELECT v FROM (SELECT {number} AS v FROM data) WHERE v IS NOT NULL")
        sides.append(np.sort(arrow["v"].to_numpy() + 0.0))
    edges = shift.edges_of(sides[0], bins)
    counts = [np.bincount(np.searchsorted(edges, s, "left"), minlength=len(edges) + 1) for s in sides]
    statistic, p, distance = shift.kolmogorov_smirnov(*sides)
    spread = float(sides[0].std())
    whole = math.isfinite(distance) and math.isfinite(spread)
    return {
        "edges": edges,
        "bins": {"baseline": counts[0].tolist(), "current": counts[1].tolist()},
        "psi": shift.psi(*counts),
        "psi_without_drift": shift.psi_noise(len(sides[0]), len(sides[1]), len(edges) + 1),
        "jensen_shannon": shift.jensen_shannon(*counts),
        "ks": statistic,
        "wasserstein": distance if whole else None,
        "wasserstein_in_sd": distance / spread if whole and spread > 0 else None,
        "p": p,
        "test": "kolmogorov-smirnov",
    }


def _categories(old: Table, new: Table, name: str, distinct: int) -> dict[str, Any]:
    if distinct > MAX_CATEGORIES:
        return {
            "reason": f"{distinct:,} different values: at most {MAX_CATEGORIES:,} categories are compared"
        }
    sides = []
    for table in (old, new):
        text = table.column(name).text
        sides.append(
            dict(
                table.all(
                    f"SELECT t, count(*) FROM (SELECT {text} AS t FROM data) WHERE t IS NOT NULL GROUP BY t"
                )
            )
        )
    names, first, second = shift.aligned(*sides)
    fresh = {n: sides[1][n] for n in names if n not in sides[0]}
    test = shift.chi_square(first, second)
    return {
        "categories": names,
        "bins": {"baseline": first.tolist(), "current": second.tolist()},
        "psi": shift.psi(first, second),
        "psi_without_drift": shift.psi_noise(int(first.sum()), int(second.sum()), len(names)),
        "jensen_shannon": shift.jensen_shannon(first, second),
        "chi_square": test["statistic"],
        "df": test["df"],
        "cramers_v": test["cramers_v"],
        "expected_below_5": test["expected_below_5"],
        "new_categories": fresh,
        "new_rate": sum(fresh.values()) / int(second.sum()),
        "gone_categories": [n for n in names if n not in sides[1]],
        "p": test["p"],
        "test": "chi-square",
    }


def _adjust(features: list[dict[str, Any]]) -> None:
    """Holm over the columns: once for their tests, once for their missing values."""
    for holders in ([f for f in features if f["p"] is not None], [f["missing"] for f in features]):
        for holder, adjusted in zip(holders, intervals.holm([h["p"] for h in holders]), strict=True):
            holder["p_holm"] = adjusted


def _judge(feature: dict[str, Any], limits: Limits, alpha: float) -> tuple[str, str]:
    """(verdict, sentence): PSI against its limits; undecided where samples of these sizes reach a limit by chance."""
    if feature["psi"] is None:
        return UNDECIDED, f"Cannot be compared: {feature['reason']}."
    psi, noise = feature["psi"], feature["psi_without_drift"]
    said = f"PSI {psi:.3f}; without drift it stays below {noise:.3f} in 95 of 100 samples of these sizes"
    shown = feature["p_holm"] < alpha
    if psi >= limits.moderate and (noise < limits.moderate or shown):
        word = SHIFTED if psi >= limits.large else MOVED
        return word, f"{word.capitalize()} shift: {said}."
    if noise >= limits.moderate:
        return UNDECIDED, f"Too little data to tell: {said}."
    return STABLE, f"Stable: {said}."
