"""The share of cases a model leaves undecided because their score lies in a stated band. See docs/statistics.md."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.analysis import intervals, surveyed
from apps.analysis.metrics import Estimate
from apps.analysis.survey import Design

METRIC = "undecided_rate"
MISSING = "(missing)"


def flags(scores: npt.ArrayLike, low: float, high: float) -> npt.NDArray[np.bool_]:
    """(n,) whether each score lies from `low` up to below `high`."""
    found = np.asarray(scores, dtype=np.float64)
    return (found >= low) & (found < high)


def report(
    undecided: npt.NDArray[np.bool_],
    groups: Mapping[str, Sequence[Any]],
    design: Design | None = None,
    level: float = intervals.LEVEL,
) -> dict[str, Any]:
    """`overall` and `groupings` in the shape of a performance report, each group with `metrics` {undecided_rate}.

    `undecided`: (n,) flags; `groups`: column -> (n,) values, None where missing. Wilson intervals; with a `design`
    those of weighted or clustered rows.
    """
    groupings = []
    for column, values in groups.items():
        names = np.array([MISSING if value is None else str(value) for value in values])
        found = []
        for name in sorted(set(names.tolist())):
            chosen = names == name
            found.append(
                {
                    "name": f"{column} = {name}",
                    "values": {column: name},
                    "n": int(chosen.sum()),
                    "metrics": {METRIC: _share(undecided, chosen, design, level).as_dict()},
                }
            )
        groupings.append({"attributes": [column], "groups": found})
    everybody = np.ones(len(undecided), dtype=bool)
    whole = _share(undecided, everybody, design, level).as_dict()
    return {"overall": {"n": len(undecided), "metrics": {METRIC: whole}}, "groupings": groupings}


def _share(
    undecided: npt.NDArray[np.bool_], chosen: npt.NDArray[np.bool_], design: Design | None, level: float
) -> Estimate:
    hits = undecided[chosen]
    if design is not None:
        return surveyed.share(hits, design.take(chosen), level)
    n, k = len(hits), int(hits.sum())
    if n == 0:
        return Estimate(None, None, None, 0, "none", "no case")
    return Estimate(k / n, *intervals.wilson(k, n, level), n, "wilson")
