"""Groups of a table of results with every metric: the part that the bias and the performance report share."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.analysis import cells as counting
from apps.analysis import surveyed
from apps.analysis.errors import InputError
from apps.analysis.metrics import Estimate, calibration_bins, confusion_metrics, score_metrics
from apps.analysis.placing import Sums
from apps.analysis.prepare import Prepared, arrow_rows
from apps.analysis.ranking import Ranked
from apps.analysis.readers import Table
from apps.analysis.survey import Design

MAX_GROUPS = 200
Codes = list[tuple[list[str], npt.NDArray[np.int64]]]


@dataclass(frozen=True)
class Group:
    """One group of a grouping: its name, counts and estimates by metric.

    `influences`: for weighted or clustered rows, each entity's part in the error of a metric. `bins`: calibration.
    """

    name: str
    counts: counting.Counts
    estimates: dict[str, Estimate]
    influences: dict[str, surveyed.Influence] = field(default_factory=dict)
    bins: list[dict[str, Any]] = field(default_factory=list)
    weight: float | None = None


@dataclass(frozen=True)
class Material:
    """What estimates are made of: cells, and the sorted rows where scores, weights or entities need them."""

    prepared: Prepared
    ranked: Ranked | None
    codes: Codes
    rows: dict[str, Any]
    design: Design | None
    sums: dict[tuple[int, ...], dict[int, Sums]] = field(
        default_factory=dict
    )  # by grouping and code, where compiled


def gather(table: Table, prepared: Prepared) -> Material:
    """Fetch the rows if the cells are not enough."""
    surveyed_rows = bool({"w", "e"} & set(prepared.columns))
    if not prepared.scored and not surveyed_rows:
        return Material(prepared, None, [], {}, None)
    arrow = arrow_rows(table, prepared)
    design = None
    if surveyed_rows:
        weights = arrow["w"].to_numpy() if "w" in prepared.columns else np.ones(arrow.num_rows)
        units = (
            arrow["e"].to_numpy().astype(np.int64) if "e" in prepared.columns else np.arange(arrow.num_rows)
        )
        # One order of the rows, whatever the order they came in: sums of floating-point numbers depend on it.
        texts = [np.unique(arrow[f"g{i}"].to_numpy(zero_copy_only=False), return_inverse=True)[1]
                 for i in range(len(prepared.groups))]  # fmt: skip
        keys = [arrow["p"].to_numpy(), arrow["y"].to_numpy(), *texts, weights]
        if prepared.scored:
            keys.append(arrow["s"].to_numpy())
        if "e" in prepared.columns:
            keys.append(units)
        order = np.lexsort(keys)
        arrow = arrow.take(order)
        units = units[order] if "e" in prepared.columns else np.arange(len(order))
        design = Design(weights[order], units)
    rows = {name: arrow[name].to_numpy() for name in ("y", "p", "s") if name in arrow.column_names}
    ranked = Ranked(rows["s"], rows["y"], design) if prepared.scored else None
    codes: Codes = []
    for i in range(len(prepared.groups)):
        encoded = arrow[f"g{i}"].combine_chunks().dictionary_encode()
        codes.append((encoded.dictionary.to_pylist(), encoded.indices.to_numpy().astype(np.int64)))
    return Material(prepared, ranked, codes, rows, design)


def every_grouping(material: Material, intersections: bool) -> list[tuple[int, ...]]:
    """Positions of each attribute, then of each pair; makes ready in one pass what all of them and `()` need."""
    found = positions(len(material.prepared.groups), intersections)
    every = [(), *found]
    if material.ranked is not None and (sums := material.ranked.sums(material.codes, every)):
        material.sums.update(zip(every, sums, strict=True))
    return found


def groups_of(material: Material, at: tuple[int, ...], level: float) -> list[tuple[tuple[str, ...], Group]]:
    """(values, group) of the grouping by the attributes at these positions, sorted by values."""
    prepared = material.prepared
    gathered = counting.gather(prepared.cells, at)
    if len(gathered) > MAX_GROUPS:
        attributes = " x ".join(prepared.groups[i] for i in at)
        raise InputError(
            f"{attributes} makes {len(gathered)} groups; at most {MAX_GROUPS} are compared. Use fewer bands."
        )
    combined = combine(material.codes, at)
    by_rank: dict[tuple[str, ...], dict[str, Estimate]] = {}
    if material.ranked is not None:
        sums = material.sums.get(at)
        for code, estimates in material.ranked.metrics(combined, level, sums):
            by_rank[key_of(material.codes, at, code)] = estimates
    by_design = _surveyed(material, at, combined, level) if material.design is not None else {}
    made = []
    for key, counts in gathered.items():
        name = group_name(prepared, at, key)
        if by_design:
            estimates, influences, bins, weight = by_design[key]
            made.append(
                (key, Group(name, counts, estimates | by_rank.get(key, {}), influences, bins, weight))
            )
            continue
        estimates = confusion_metrics(counts, level)
        if counts.scored:
            estimates |= score_metrics(counts, level) | by_rank[key]
        bins = calibration_bins(counts, level) if counts.scored else []
        made.append((key, Group(name, counts, estimates, {}, bins)))
    return made


def _surveyed(material: Material, at: tuple[int, ...], combined: Any, level: float) -> dict[Any, Any]:
    assert material.design is not None
    rows = material.rows
    found = {}
    codes = combined if combined is not None else np.zeros(len(rows["y"]), dtype=np.int64)
    order = np.argsort(codes, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(codes[order]) != 0])
    for start, stop in zip(starts, np.r_[starts[1:], len(order)], strict=True):
        places = order[start:stop]
        y, p = rows["y"][places], rows["p"][places]
        s = rows["s"][places] if "s" in rows and material.ranked is not None else None
        design = material.design.take(places)
        estimates, influences = surveyed.metrics(y, p, s, design, level)
        bins = surveyed.bins(s, y, design, level) if s is not None else []
        key = key_of(material.codes, at, int(codes[places[0]]))
        found[key] = (estimates, influences, bins, float(design.weights.sum()))
    return found


def combine(codes: Codes, at: tuple[int, ...]) -> npt.NDArray[np.int64] | None:
    """One code per row for the attributes at these positions; None without attributes or codes."""
    combined: npt.NDArray[np.int64] | None = None
    for i in at:
        if not codes:
            return None
        values, index = codes[i]
        combined = index if combined is None else combined * len(values) + index
    return combined


def key_of(codes: Codes, at: tuple[int, ...], code: int) -> tuple[str, ...]:
    """The values behind a code of `combine`."""
    key: tuple[str, ...] = ()
    for i in reversed(at):
        values, _ = codes[i]
        key = (values[code % len(values)], *key)
        code //= len(values)
    return key


def group_name(prepared: Prepared, at: tuple[int, ...], key: tuple[str, ...]) -> str:
    """ "sex = F, race = A"; "all" without attributes."""
    if not at:
        return "all"
    return ", ".join(
        f"{prepared.groups[i]} = {value or '(missing)'}" for i, value in zip(at, key, strict=True)
    )


def positions(groups: int, intersections: bool) -> list[tuple[int, ...]]:
    """Each attribute, then each pair."""
    sets: list[tuple[int, ...]] = [(i,) for i in range(groups)]
    return sets + list(combinations(range(groups), 2)) if intersections else sets


def group_form(group: Group, values: dict[str, str], min_n: int) -> dict[str, Any]:
    """The JSON form of a group."""
    counts = group.counts
    form = {
        "name": group.name,
        "values": values,
        "n": counts.n,
        "enough": counts.n >= min_n,
        "counts": {"tn": counts.tn, "fp": counts.fp, "fn": counts.fn, "tp": counts.tp},
        "metrics": {name: estimate.as_dict() for name, estimate in sorted(group.estimates.items())},
        "calibration": group.bins,
    }
    return form if group.weight is None else form | {"weight": group.weight}
