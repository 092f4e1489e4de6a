"""The bias report: metrics per group and pair of attributes, disparities, verdicts. See docs/statistics.md."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.analysis import cells as counting
from apps.analysis import disparities as disparity
from apps.analysis import intervals
from apps.analysis.disparities import Group
from apps.analysis.errors import InputError
from apps.analysis.jsonform import engine
from apps.analysis.metrics import calibration_bins, confusion_metrics, score_metrics
from apps.analysis.prepare import Prepared, prepare
from apps.analysis.ranking import Ranked
from apps.analysis.readers import Table, open_table

SCHEMA = "countersign.fairness/1"
MIN_N = 30
MAX_GROUPS = 200


def report(
    source: Any,
    label: str,
    prediction: str | None = None,
    score: str | None = None,
    groups: Sequence[str] = (),
    *,
    intersections: bool = False,
    positive: object = 1,
    threshold: float | None = None,
    min_n: int = MIN_N,
    limits: Sequence[Any] = (),
    level: float = intervals.LEVEL,
    threads: int = 1,
) -> dict[str, Any]:
    """Compute the bias report of a binary classifier.

    `source`: path, columns, list of dicts or frame (see `readers.open_table`). `groups`: attribute columns;
    `intersections` adds every pair of them. `positive`: the value of label and prediction that counts as
    positive. `threshold`: makes the prediction from the score where there is no prediction column. `min_n`: a
    group's metric that rests on fewer cases is shown but not judged. `limits`: see `disparities.Limit`.
    Returns a JSON-able dict. Raises `InputError` with one sentence.
    """
    if not groups:
        raise InputError("Name at least one group column.")
    if min_n < 1 or not 0.5 < level < 1:
        raise InputError("The minimum n must be at least 1 and the level between 0.5 and 1.")
    wanted = [disparity.parse_limit(limit) for limit in limits]
    if score is None and (
        lost := [w.metric for w in wanted if disparity.SCORE_METRICS & set(_metrics(w.metric))]
    ):
        raise InputError(f"A limit on {lost[0]} needs a score column.")
    with open_table(source, threads=threads) as table:
        prepared = prepare(table, label, prediction, score, groups, positive, threshold)
        names = [f"g{i}" for i in range(len(groups))]
        found = counting.count_cells(table.con.table("prepared"), names, scored=prepared.scored)
        ranked, codes = _rank(table, prepared, names)
        file_format = table.format
    sets: list[tuple[int, ...]] = [(i,) for i in range(len(groups))]
    if intersections:
        sets += list(combinations(range(len(groups)), 2))
    overall = _groups(found, (), prepared, ranked, codes, level)[0][1]
    groupings = [_grouping(found, at, prepared, ranked, codes, wanted, min_n, level) for at in sets]
    return {
        "schema": SCHEMA,
        "inputs": {
            "label": label,
            "prediction": prediction,
            "score": score,
            "threshold": threshold,
            "groups": list(groups),
            "intersections": intersections,
            "positive": prepared.positive,
            "negative": prepared.negative,
            "min_n": min_n,
            "level": level,
            "limits": [{"metric": w.metric, "limit": w.limit, "rule": w.rule} for w in wanted],
            "format": file_format,
        },
        "n": prepared.rows,
        "overall": _group_form(overall, {}, min_n, level),
        "groupings": groupings,
        "verdict": _overall_verdict(groupings) if wanted else None,
        "cells": len(found),
        "cells_digest": counting.cells_digest(found, list(groups)),
        "engine": engine(),
        "method": (
            f"Rates: Wilson {level:.0%} intervals. Pairs: Newcombe (difference) and Katz log (ratio) at a level that "
            "holds for all judged pairs of a grouping together (Bonferroni); p-values adjusted by Holm."
        ),
    }


def _metrics(name: str) -> tuple[str, ...]:
    return disparity.DISPARITIES[name][1]


def _rank(
    table: Table, prepared: Prepared, names: Sequence[str]
) -> tuple[Ranked | None, list[tuple[list[str], npt.NDArray[np.int64]]]]:
    """The sorted scores and, per attribute, its values and each row's index into them."""
    if not prepared.scored:
        return None, []
    arrow = table.arrow("SELECT s, y" + "".join(f", {name}" for name in names) + " FROM prepared")
    ranked = Ranked(arrow["s"].to_numpy(), arrow["y"].to_numpy())
    codes = []
    for name in names:
        encoded = arrow[name].combine_chunks().dictionary_encode()
        codes.append((encoded.dictionary.to_pylist(), encoded.indices.to_numpy().astype(np.int64)))
    return ranked, codes


def _groups(
    found: Sequence[counting.Cell],
    at: tuple[int, ...],
    prepared: Prepared,
    ranked: Ranked | None,
    codes: Sequence[tuple[list[str], npt.NDArray[np.int64]]],
    level: float,
) -> list[tuple[tuple[str, ...], Group]]:
    """(values, group) of one grouping, sorted by values."""
    gathered = counting.gather(found, at)
    by_rank: dict[tuple[str, ...], dict[str, Any]] = {}
    if ranked is not None:
        combined: npt.NDArray[np.int64] | None = None
        for i in at:
            values, index = codes[i]
            combined = index if combined is None else combined * len(values) + index
        for code, estimates in ranked.metrics(combined, level):
            key: tuple[str, ...] = ()
            for i in reversed(at):
                values, _ = codes[i]
                key = (values[code % len(values)], *key)
                code //= len(values)
            by_rank[key] = estimates
    groups = []
    for key, counts in gathered.items():
        estimates = confusion_metrics(counts, level)
        if ranked is not None:
            estimates |= score_metrics(counts, level) | by_rank[key]
        groups.append((key, Group(_name(prepared, at, key), counts, estimates)))
    return groups


def _name(prepared: Prepared, at: tuple[int, ...], key: tuple[str, ...]) -> str:
    if not at:
        return "all"
    return ", ".join(
        f"{prepared.groups[i]} = {value or '(missing)'}" for i, value in zip(at, key, strict=True)
    )


def _grouping(
    found: Sequence[counting.Cell],
    at: tuple[int, ...],
    prepared: Prepared,
    ranked: Ranked | None,
    codes: Sequence[tuple[list[str], npt.NDArray[np.int64]]],
    limits: Sequence[disparity.Limit],
    min_n: int,
    level: float,
) -> dict[str, Any]:
    keyed = _groups(found, at, prepared, ranked, codes, level)
    attributes = [prepared.groups[i] for i in at]
    if len(keyed) > MAX_GROUPS:
        raise InputError(
            f"{' x '.join(attributes)} makes {len(keyed)} groups; at most {MAX_GROUPS} are compared. Use fewer bands."
        )
    groups = [group for _, group in keyed]
    available = [
        name
        for name, (_, metrics, _) in disparity.DISPARITIES.items()
        if ranked is not None or not disparity.SCORE_METRICS & set(metrics)
    ]
    made: dict[tuple[str, int], dict[str, Any]] = {}

    def comparisons(name: str) -> list[dict[str, Any]]:
        metrics = _metrics(name)
        for metric in metrics:
            if (metric, len(metrics)) not in made:
                made[metric, len(metrics)] = disparity.compare(groups, metric, min_n, level, len(metrics))
        return [made[metric, len(metrics)] for metric in metrics]

    return {
        "attributes": attributes,
        "groups": [
            _group_form(group, dict(zip(attributes, key, strict=True)), min_n, level) for key, group in keyed
        ],
        "disparities": [disparity.summarise(name, groups, comparisons(name)) for name in available],
        "comparisons": [comparison for (_, parts), comparison in sorted(made.items()) if parts == 1],
        "limits": [disparity.judge(limit, groups, comparisons(limit.metric), min_n) for limit in limits],
    }


def _group_form(group: Group, values: dict[str, str], min_n: int, level: float) -> dict[str, Any]:
    counts = group.counts
    return {
        "name": group.name,
        "values": values,
        "n": counts.n,
        "enough": counts.n >= min_n,
        "counts": {"tn": counts.tn, "fp": counts.fp, "fn": counts.fn, "tp": counts.tp},
        "metrics": {name: estimate.as_dict() for name, estimate in sorted(group.estimates.items())},
        "calibration": calibration_bins(counts, level) if counts.scored else [],
    }


def _overall_verdict(groupings: Sequence[dict[str, Any]]) -> str:
    verdicts = {limit["verdict"] for grouping in groupings for limit in grouping["limits"]}
    for verdict in (disparity.BREACHED, disparity.UNDECIDED):
        if verdict in verdicts:
            return verdict
    return disparity.WITHIN
