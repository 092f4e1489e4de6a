"""Two versions of a model on the same cases: paired tests and intervals. Document: docs/statistics.md.

Sources: McNemar 1947, exact and mid-p as in Fagerland, Lydersen and Laake 2013; Newcombe 1998 (Statistics in Medicine
17:2635), method 10, for the difference of paired proportions; DeLong 1988 for two correlated areas.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.analysis import intervals, surveyed
from apps.analysis.errors import InputError
from apps.analysis.jsonform import engine
from apps.analysis.metrics import RATES, Estimate
from apps.analysis.prepare import Prepared, prepare, table_of_rows
from apps.analysis.ranking import Ranked, auc_influence, placements
from apps.analysis.readers import Table, open_table
from apps.analysis.survey import Design, with_error

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
SCHEMA = "countersign.comparison/1"
BY_GROUP = ("selection_rate", "tpr", "fpr", "accuracy")
# Paired rates: both versions have the same denominator. name -> (cases that count, hit from label and prediction)
PAIRED = {
    "accuracy": ("all", "same"),
    "selection_rate": ("all", "said"),
    "tpr": ("positive", "said"),
    "tnr": ("negative", "not_said"),
    "fpr": ("negative", "said"),
    "fnr": ("positive", "not_said"),
}


def report(
    source: Any,
    label: str,
    first: str,
    second: str,
    *,
    first_score: str | None = None,
    second_score: str | None = None,
    positive: object = 1,
    groups: Sequence[str] = (),
    weight: str | None = None,
    entity: str | None = None,
    level: float = intervals.LEVEL,
    threads: int = 1,
) -> dict[str, Any]:
    """Compare predictions `first` and `second` (and their scores) row by row; differences are second minus first.

    `metrics`: per metric `first`, `second`, `difference` (an estimate), the discordant `counts`, `p` and `p_holm`.
    `groups`: with group columns, the lines of `in_groups`. Other tasks: `pairedtasks.report`.
    """
    if (first_score is None) != (second_score is None):
        raise InputError("Name the score columns of both versions or of neither.")
    sides = []
    with open_table(source, threads=threads) as table:
        for prediction, score in ((first, first_score), (second, second_score)):
            prepared = prepare(
                table, label, prediction, score, groups, positive, weight=weight, entity=entity
            )
            sides.append((prepared, _ordered(table, prepared)))
        file_format, rows = table.format, table.rows
    y, p1, p2 = sides[0][1]["y"].astype(bool), sides[0][1]["p"].astype(bool), sides[1][1]["p"].astype(bool)
    design = None
    if weight or entity:
        design = Design(
            sides[0][1].get("w", np.ones(rows)), sides[0][1].get("e", np.arange(rows)).astype(np.int64)
        )
    found = {name: paired_rate(name, y, p1, p2, design, level) for name in PAIRED}
    if first_score is not None:
        found["auc"] = paired_auc(sides[0][1]["s"], sides[1][1]["s"], y, design, level)
    named = [(name, sides[0][1][f"g{i}"]) for i, name in enumerate(groups)]
    return {
        "schema": SCHEMA,
        "inputs": {
            "label": label,
            "first": first,
            "second": second,
            "first_score": first_score,
            "second_score": second_score,
            "positive": sides[0][0].positive,
            "level": level,
            "format": file_format,
        }
        | {name: value for name, value in (("weight", weight), ("entity", entity)) if value}
        | ({"groups": list(groups)} if groups else {}),
        "n": rows,
        "metrics": holm(found),
        "notes": list(dict.fromkeys([*sides[0][0].notes, *sides[1][0].notes])),
        "engine": engine(),
    } | in_groups(
        lambda c, d: {n: paired_rate(n, y[c], p1[c], p2[c], d, level) for n in BY_GROUP}, named, design
    )


def holm(lines: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The lines with `p_holm` over all of them that have a p-value."""
    tested = [name for name, line in lines.items() if line["p"] is not None]
    adjusted = intervals.holm([lines[name]["p"] for name in tested])
    return lines | {name: lines[name] | {"p_holm": p} for name, p in zip(tested, adjusted, strict=True)}


def in_groups(
    of: Callable[[Any, Design | None], dict[str, Any]],
    columns: Sequence[tuple[str, npt.NDArray[np.object_]]],
    design: Design | None,
) -> dict[str, Any]:
    """{"groups": lines} of (column name, (n,) value of each case, "" where missing); {} without columns.

    A line is one of the metrics of `of(mask, its design)` with `group` ("sex = F"), its cases
    `n` and `metric`. Its p-value is of it
    alone: `p_holm` is None, since many lines are compared.
    """
    lines = []
    for column, values in columns:
        for value in sorted(set(values.tolist())):
            chosen = values == value
            part = design.take(chosen) if design is not None else None
            for name, line in of(chosen, part).items():
                said = {"group": f"{column} = {value or '(missing)'}", "metric": name.partition(":")[0]}
                lines.append(said | {"n": int(chosen.sum())} | line)
    return {"groups": lines} if columns else {}


def _ordered(table: Table, prepared: Prepared) -> dict[str, Any]:
    """The columns of one side in the order of the file: the same for both, on one thread."""
    columns = table_of_rows(table, prepared, numbered=True)
    arrow = table.arrow(f"SELECT {', '.join(columns)} FROM prepared ORDER BY row_")
    return {name: arrow[name].to_numpy(zero_copy_only=False) for name in columns}


def paired_rate(
    name: str, y: Flags, p1: Flags, p2: Flags, design: Design | None, level: float
) -> dict[str, Any]:
    """One of `PAIRED` on both versions."""
    which, what = PAIRED[name]
    chosen = np.ones(len(y), dtype=bool) if which == "all" else (y if which == "positive" else ~y)
    hits = []
    for p in (p1[chosen], p2[chosen]):
        hits.append({"same": p == y[chosen], "said": p, "not_said": ~p}[what])
    n = int(chosen.sum())
    result: dict[str, Any] = {
        "first": None,
        "second": None,
        "p": None,
        "p_holm": None,
        "test": "",
        "counts": None,
    }
    if n == 0:
        result["difference"] = Estimate(None, None, None, 0, "none", RATES[name][3]).as_dict()
        return result
    a, b, c, d = (int(x) for x in np.bincount(2 * hits[0].astype(np.int64) + hits[1], minlength=4)[::-1])
    result["counts"] = {"both": a, "first_only": b, "second_only": c, "neither": d}
    if design is not None:
        part = design.take(chosen)
        one, two = (surveyed.share(h, part, level) for h in hits)
        result |= {"first": one.as_dict(), "second": two.as_dict(), "test": "t, linearised by entity"}
        change = hits[1].astype(float) - hits[0]
        value = float((part.weights * change).sum() / part.weights.sum())
        influence = part.weights * (change - value) / part.weights.sum()
        estimate = with_error(value, influence, part, level, "linearised", n, -1.0, 1.0)
        if estimate.error and estimate.df:
            result["p"] = intervals.t_tail(value / estimate.error, estimate.df)
        elif estimate.df:
            result["p"] = 1.0
        result["difference"] = estimate.as_dict()
        return result
    for key, k in (("first", a + b), ("second", a + c)):
        result[key] = Estimate(k / n, *intervals.wilson(k, n, level), n, "wilson").as_dict()
    low, high = newcombe_paired(a, c, b, d, level)
    result["difference"] = Estimate((c - b) / n, low, high, n, "newcombe, paired").as_dict()
    result["p"] = mcnemar_mid_p(b, c)
    result["p_exact"] = mcnemar_exact(b, c)
    result["test"] = "mcnemar, mid-p"
    return result


def mcnemar_exact(b: int, c: int) -> float:
    """Two-sided exact p-value of McNemar's test from the two discordant counts."""
    from scipy.special import bdtr

    return 1.0 if b + c == 0 else min(1.0, 2 * float(bdtr(min(b, c), b + c, 0.5)))


def mcnemar_mid_p(b: int, c: int) -> float:
    """The mid-p variant: half the probability of what was seen counts (Fagerland et al. 2013)."""
    n, k = b + c, min(b, c)
    if n == 0:
        return 1.0
    if b == c:
        return 1.0 - math.exp(_log_half(n, k))
    return mcnemar_exact(b, c) - math.exp(_log_half(n, k))


def _log_half(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) - n * math.log(2)


def newcombe_paired(e: int, f: int, g: int, h: int, level: float = intervals.LEVEL) -> tuple[float, float]:
    """Newcombe's method 10 for (e + f)/n - (e + g)/n: `e` both, `f` and `g` one only, `h` neither."""
    n = e + f + g + h
    first = ((e + f) / n, *intervals.wilson(e + f, n, level))
    second = ((e + g) / n, *intervals.wilson(e + g, n, level))
    product = (e + f) * (g + h) * (e + g) * (f + h)
    phi = 0.0
    if product:
        top = e * h - f * g
        phi = (max(top - n / 2, 0) if top > 0 else top) / math.sqrt(product)
    low, high = intervals.mover(first, second, phi)
    return max(-1.0, low), min(1.0, high)


def paired_auc(s1: Floats, s2: Floats, y: Flags, design: Design | None, level: float) -> dict[str, Any]:
    """Both areas and their difference with DeLong's paired error."""
    n = len(y)
    m1, m0 = int(y.sum()), int((~y).sum())
    empty: dict[str, Any] = {
        "first": None,
        "second": None,
        "p": None,
        "p_holm": None,
        "test": "delong, paired",
    }
    if m1 < 2 or m0 < 2:
        empty["difference"] = Estimate(
            None, None, None, n, "none", "fewer than two cases of one class"
        ).as_dict()
        return empty
    whole = design or Design(np.ones(n), np.arange(n))
    sides, parts = [], []
    for s in (s1, s2):
        ranked = Ranked(s, y.astype(np.int8), whole)
        blocks = ranked.blocks(slice(None))
        value, v10, v01 = placements(blocks)
        placed = np.empty(n)
        placed[ranked.order] = auc_influence(blocks, value, v10, v01)
        parts.append(placed)
        sides.append(next(iter(Ranked(s, y.astype(np.int8), design).metrics(None, level)))[1]["auc"])
    change = parts[1] - parts[0]
    value = (sides[1].value or 0.0) - (sides[0].value or 0.0)  # both classes are there: both have a value
    result = empty | {"first": sides[0].as_dict(), "second": sides[1].as_dict()}
    if design is not None:
        estimate = with_error(value, change, design, level, "delong paired by entity", n, -1.0, 1.0)
        if estimate.df:
            result["p"] = intervals.t_tail(value / estimate.error, estimate.df) if estimate.error else 1.0
    else:
        variance = float((change[y] ** 2).sum()) * m1 / (m1 - 1) + float((change[~y] ** 2).sum()) * m0 / (
            m0 - 1
        )
        error = math.sqrt(variance)
        half = intervals.z_value(level) * error
        estimate = Estimate(
            value, max(-1.0, value - half), min(1.0, value + half), n, "delong, paired", error=error
        )
        result["p"] = math.erfc(abs(value) / error / math.sqrt(2)) if error else 1.0
    result["difference"] = estimate.as_dict()
    return result
