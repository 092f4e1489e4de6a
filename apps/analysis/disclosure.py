"""Which groups' figures are told to people who may not read the cases: no figure may tell of a few cases alone.

A group of fewer than `LEAST` cases is hidden. What is told beside it must not give it away: all cases less the other
groups, or a group less its parts in a pair of attributes. So further groups are hidden with it, smallest first, until
in every sum what is left out has at least `LEAST` cases and no group below that follows from the sums. Sizes are told:
they are no answer of the model and no outcome. Guarded are exact sums, not bounds that follow from them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

LEAST = 20  # cases
WHY = f"not told: this group, or one that would follow from it, has fewer than {LEAST} cases"
ADJUSTED = "adjusted p-value not told: one that is not told counts in it"
_EXACT = 1e-8
_OF_CELLS = ("cells", "cells_digest")  # how many counts there are, and what tells a right guess of them
_TOGETHER = {2: 400, 3: 30, 4: 16}  # how many groups are added up where at most so many are small
_NOTHING: dict[str, Any] = {"value": None, "low": None, "high": None}

Key = frozenset[tuple[str, str]]  # attribute and value: one for a group, two for a pair


@dataclass(frozen=True)
class _Sum:
    """The parts of `whole` add up to it; `whole` is empty for all cases."""

    whole: Key
    parts: tuple[Key, ...]


def hidden(sizes: Mapping[Key, int], total: int, least: int = LEAST) -> frozenset[Key]:
    """The groups that are not told, of groups of one attribute and of pairs of attributes with their cases."""
    return _hidden(frozenset(sizes.items()), total, least)


@lru_cache(maxsize=64)
def _hidden(of: frozenset[tuple[Key, int]], total: int, least: int) -> frozenset[Key]:
    sizes = dict(of)
    if total < least:
        return frozenset(sizes)
    shut = {key for key, n in sizes.items() if n < least}
    sums = list(_sums(sizes))
    while more := (
        _below_hidden(sizes, shut)
        or _left_over(sizes, sums, shut, least)
        or _given_away(sizes, sums, shut, least)
    ):
        shut |= more
    return frozenset(shut)


def _sums(sizes: Iterable[Key]) -> Iterator[_Sum]:
    parts: dict[tuple[Key, frozenset[str]], list[Key]] = {}
    known = set(sizes)
    for key in known:
        names = frozenset(name for name, _ in key)
        wholes = [frozenset((item,)) for item in key] if len(key) > 1 else []
        wholes = [whole for whole in wholes if whole in known] or [frozenset()]
        for whole in wholes:
            parts.setdefault((whole, names), []).append(key)
    for (whole, _), found in sorted(parts.items(), key=str):
        yield _Sum(whole, tuple(sorted(found, key=sorted)))


def _below_hidden(sizes: Iterable[Key], shut: set[Key]) -> set[Key]:
    """The parts of hidden groups: told beside all cases they would tell of the rest."""
    return {
        key
        for key in sizes
        if key not in shut and len(key) > 1 and any(frozenset((item,)) in shut for item in key)
    }


def _left_over(sizes: Mapping[Key, int], sums: Sequence[_Sum], shut: set[Key], least: int) -> set[Key]:
    """The smallest told parts of told wholes whose hidden parts are too few together: what one subtraction shows."""
    more = set()
    for each in sums:
        left = sum(sizes[key] for key in each.parts if key in shut)
        near = set(each.parts) - shut
        if 0 < left < least and each.whole not in shut and near:
            more.add(_smallest(sizes, near))
    return more


def _given_away(sizes: Mapping[Key, int], sums: Sequence[_Sum], shut: set[Key], least: int) -> set[Key]:
    """One told group more to hide, where fewer than `least` cases follow from the sums; looked at table by table."""
    for table in sorted({frozenset(name for name, _ in key) for key in sizes}, key=sorted):
        here = [each for each in sums if all({name for name, _ in key} <= table for key in each.parts)]
        unknown = sorted({key for each in here for key in (*each.parts, each.whole)} & shut, key=sorted)
        free = _freedom(here, unknown)
        for few in _few(sizes, here, unknown, free, least):
            beside = [set(each.parts) - shut for each in here if few & set(each.parts)]
            near = set().union(*beside) or {key for one in here for key in one.parts} - shut
            if near:
                return {_smallest(sizes, near)}
    return set()


def _few(
    sizes: Mapping[Key, int], sums: Sequence[_Sum], unknown: Sequence[Key], free: npt.NDArray[Any], least: int
) -> Iterator[set[Key]]:
    """Hidden groups of fewer than `least` cases together whose sum follows from what is told.

    Looked at are: each alone and every two; of a table with few small groups every three and four; what is hidden in
    each sum, and of that what lies in hidden groups of the other attribute; a group that follows by itself counts as
    known there.
    """
    at = {key: i for i, key in enumerate(unknown)}
    still = {key for key in unknown if np.abs(free[at[key]]).max(initial=0.0) >= _EXACT}
    small = [key for key in unknown if sizes[key] < least]
    yield from ({key} for key in small if key not in still)
    tried = [
        set(some)
        for many, most in _TOGETHER.items()
        if len(small) <= most
        for some in combinations(small, many)
        if len({name for key in some for name, _ in key}) == len(some[0])
    ]
    for each in sums:
        parts = set(each.parts) & still
        inner = {key for key in parts if any(frozenset((item,)) in at for item in key if len(key) > 1)}
        tried += [parts, inner, parts - inner]
    for found in tried:
        few = bool(found) and sum(sizes[key] for key in found) < least
        if few and np.abs(sum(free[at[key]] for key in found)).max(initial=0.0) < _EXACT:
            yield found


def _freedom(sums: Sequence[_Sum], unknown: Sequence[Key]) -> npt.NDArray[Any]:
    """(len(unknown), m): how the hidden groups may vary together while every sum holds; zeros where one is known."""
    at = {key: i for i, key in enumerate(unknown)}
    rows = np.zeros((len(sums), len(unknown)))
    for i, each in enumerate(sums):
        for key in each.parts:
            if key in at:
                rows[i, at[key]] += 1
        if each.whole in at:
            rows[i, at[each.whole]] -= 1
    _, values, directions = np.linalg.svd(rows, full_matrices=True)
    return np.asarray(directions[int((values > _EXACT).sum()) :].T)


def _smallest(sizes: Mapping[Key, int], keys: Iterable[Key]) -> Key:
    return min(keys, key=lambda key: (sizes[key], sorted(key)))


def key_of(group: Mapping[str, Any]) -> Key:
    """Of a group of a report, as it is computed ({column: value}) or stored ([[column, value], …])."""
    values = group["values"]
    pairs = values.items() if isinstance(values, Mapping) else values
    return frozenset((str(name), str(value)) for name, value in pairs)


def hidden_of(report: Mapping[str, Any]) -> frozenset[Key]:
    """The hidden groups of a report with `overall` and `groupings`."""
    return hidden(sizes_of(report), int(report["overall"]["n"]))


def sizes_of(report: Mapping[str, Any]) -> dict[Key, int]:
    """The cases of each group of a report."""
    return {key_of(g): int(g["n"]) for each in report.get("groupings", ()) for g in each["groups"]}


def names_of(grouping: Mapping[str, Any], shut: Collection[Key]) -> set[str]:
    """The names of the hidden groups of one grouping."""
    return {group["name"] for group in grouping["groups"] if key_of(group) in shut}


def untold(n: int | None) -> dict[str, Any]:
    """An estimate in a hidden group of `n` cases; None where that is not told either."""
    return _NOTHING | {"n": n, "method": "", "reason": WHY}


def told(
    report: Mapping[str, Any], also: Collection[Key] = (), cases: Mapping[Key, int] | None = None
) -> dict[str, Any]:
    """A report with `overall` and `groupings`, computed or stored, as it is told to who may not read the cases.

    `also`: groups that are hidden besides, because another report on the same cases would give them away. `cases`: of
    every group of one attribute, where the report is on a part of them that the model chose: then the size of a hidden
    group in it is not told, but this one; of a pair none.
    """
    shut = hidden_of(report) | frozenset(also)
    least = int(report.get("inputs", {}).get("min_n", 1))
    groupings = [_grouping(each, shut, least, cases or {}) for each in report.get("groupings", ())]
    made = {**report, "groupings": groupings}
    if cases and "notes" in made:
        made["notes"] = []  # they name the groups of which the model chose a single case
    return {name: value for name, value in made.items() if not shut or name not in _OF_CELLS}


def _grouping(
    grouping: Mapping[str, Any], shut: Collection[Key], least: int, cases: Mapping[Key, int]
) -> dict[str, Any]:
    """`least`: the cases a group needs to be judged."""
    if cases:
        every = [*grouping["groups"], *_absent(grouping, cases)]
        grouping = {**grouping, "groups": sorted(every, key=lambda group: sorted(key_of(group)))}
    names = names_of(grouping, shut)
    bins = kept_bins(grouping, names)
    sizes = {group["name"]: _size(group, cases) if cases else int(group["n"]) for group in grouping["groups"]}
    made = dict(grouping)
    made["groups"] = [
        _group(each, sizes[each["name"]], least) if each["name"] in names else _with_bins(each, bins)
        for each in grouping["groups"]
    ]
    if not names:
        return made
    small = {name for name in names if (sizes[name] or 0) < least}
    if "comparisons" in grouping:
        made["comparisons"] = [
            {**each, "pairs": _pairs(each, names, small, list(sizes))} for each in grouping["comparisons"]
        ]
    if "disparities" in grouping:
        made["disparities"] = [_disparity(each, names) for each in grouping["disparities"]]
    if "limits" in grouping:
        made["limits"] = [limit(each, names, small) for each in grouping["limits"]]
    return made


def _tested(pairs: Iterable[Mapping[str, Any]], names: Collection[str]) -> bool:
    """Whether a hidden pair is among those whose p-values are adjusted together."""
    return any(
        pair["judged"] and pair["p"] is not None and {pair["a"], pair["b"]} & set(names) for pair in pairs
    )


def _size(group: Mapping[str, Any], cases: Mapping[Key, int]) -> int | None:
    """The cases of a group, the model's choice apart; None of a pair."""
    return cases.get(key_of(group))


def _absent(grouping: Mapping[str, Any], cases: Mapping[Key, int]) -> Iterator[dict[str, Any]]:
    """The groups of one attribute of which the model chose no case: that there are none is its answer too."""
    there = {key_of(group) for group in grouping["groups"]}
    for key in sorted(set(cases) - there, key=sorted):
        ((name, value),) = key
        if [name] == grouping["attributes"] and grouping["groups"]:
            values = (
                {name: value} if isinstance(grouping["groups"][0]["values"], Mapping) else [[name, value]]
            )
            metrics = grouping["groups"][0]["metrics"]
            yield {"name": f"{name} = {value or '(missing)'}", "values": values, "n": 0, "metrics": metrics}


def _group(group: Mapping[str, Any], n: int | None, least: int) -> dict[str, Any]:
    made = {"name": group["name"], "values": group["values"], "n": n, "enough": (n or 0) >= least}
    return made | {"metrics": {name: untold(n) for name in group["metrics"]}, "told": False}


def _pairs(
    comparison: Mapping[str, Any], names: Collection[str], small: Collection[str], groups: Sequence[str]
) -> list[dict[str, Any]]:
    """The told pairs as they are, then every pair with a hidden group: that one has no value tells of its cases too."""
    without = {"p_holm": None, "reason": ADJUSTED} if _tested(comparison["pairs"], names) else {}
    told = [
        dict(pair) | (without if pair["p_holm"] is not None else {})
        for pair in comparison["pairs"]
        if not {pair["a"], pair["b"]} & set(names)
    ]
    untold_pairs = (pair for pair in combinations(sorted(groups), 2) if set(pair) & set(names))
    return told + [_pair(a, b, not {a, b} & set(small)) for a, b in untold_pairs]


def _pair(a: str, b: str, enough: bool) -> dict[str, Any]:
    """A hidden pair. Which of the two is the higher is a figure too: they are named in the order of their names."""
    kinds = {kind: dict(_NOTHING) for kind in ("difference", "ratio")}
    return {"a": a, "b": b, **kinds, "p": None, "p_holm": None, "judged": enough, "reason": WHY}


def _disparity(found: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """The extreme of all groups, where some are hidden: whether one of these makes it, or has no value, is not told."""
    without = [name for name in found["without_value"] if name not in names]
    made = {name: value for name, value in found.items() if name != "decided_by"}
    return made | _NOTHING | {"pair": None, "p_holm": None, "without_value": without, "reason": WHY}


def limit(found: Mapping[str, Any], names: Collection[str], small: Collection[str]) -> dict[str, Any]:
    """A judged limit of a grouping: the verdict stays, the sentence tells no figure that rests on a hidden group.

    `small`: the hidden groups of fewer cases than are needed to be judged; that another has no value is no size.
    """
    judged = set(names) - set(small)
    if not judged:
        return dict(found)
    few = [name for name in found["too_few"] if name not in judged]
    without = {"pairs": [], "attainable": None, "too_few": few}
    return {**found, **without, "sentence": coarse(found["verdict"], few)}


def coarse(verdict: str, too_few: Sequence[str] = ()) -> str:
    """A verdict in words without figures; `too_few`: names of the groups too small to be judged."""
    said = {
        "breached": "Limit breached",
        "within": "Within limit",
        "undecided": "Too little data to tell",
        "met": "Met",
        "not_met": "Not met",
    }[verdict]
    small = f" Too few cases to be judged: {', '.join(too_few)}." if too_few else ""
    return (
        f"{said}.{small} Judged on the exact figures; they stand in the table of figures for who may read the cases, "
        f"because groups of fewer than {LEAST} cases are among them or would follow from them."
    )


def kept_bins(grouping: Mapping[str, Any], names: Collection[str], least: int = LEAST) -> set[str]:
    """The calibration bins (by their lower end) told of the groups of a grouping.

    A bin is told of all groups or of none: where each has no case or at least `least` in it, all hidden groups taken
    together too, and what is left out of a group has none or as many.
    """
    parts: dict[str, dict[str, int]] = {}
    for group in grouping["groups"]:
        name = "" if group["name"] in names else group["name"]
        part = parts.setdefault(name, {})
        for one in group.get("calibration") or ():
            place = str(one["from"])
            part[place] = part.get(place, 0) + int(one["n"])
    every = {place for part in parts.values() for place in part}
    kept = {place for place in every if not any(0 < part.get(place, 0) < least for part in parts.values())}
    while kept and any(
        0 < sum(n for place, n in part.items() if place not in kept) < least for part in parts.values()
    ):
        kept.discard(min(kept, key=lambda place: (sum(part.get(place, 0) for part in parts.values()), place)))
    return kept


def _with_bins(group: Mapping[str, Any], kept: Collection[str]) -> dict[str, Any]:
    bins = group.get("calibration")
    if not bins:
        return dict(group)
    return {**group, "calibration": [one for one in bins if str(one["from"]) in kept]}


def told_lines(
    lines: Sequence[Mapping[str, Any]], columns: Sequence[str], total: int
) -> list[dict[str, Any]]:
    """The lines by group of a paired comparison (`groups`), of which several belong to one group."""
    sizes: dict[Key, int] = {}
    for line in lines:
        sizes[_key_of_line(line, columns)] = int(line["n"])
    shut = hidden(sizes, total)
    return [_line(line) if _key_of_line(line, columns) in shut else dict(line) for line in lines]


def _key_of_line(line: Mapping[str, Any], columns: Sequence[str]) -> Key:
    named = [name for name in columns if line["group"].startswith(f"{name} = ")]
    column = max(named, key=len, default="")
    return frozenset(((column, str(line["group"])[len(column) :]),))


def _line(line: Mapping[str, Any]) -> dict[str, Any]:
    made = {name: line[name] for name in ("group", "metric", "class", "n") if name in line}
    # Without a case that a metric is about there is no test: its name would tell so.
    figures = {"first": None, "second": None, "counts": None, "p": None, "p_holm": None, "test": ""}
    return made | figures | {"difference": untold(int(line["n"])), "told": False}
