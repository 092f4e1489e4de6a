"""Two versions that tell several classes apart, on the same cases: accuracy and the sensitivity of each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from apps.analysis import intervals, paired
from apps.analysis.survey import Design


def paired_metrics(
    labels: Sequence[str],
    first: Sequence[str],
    second: Sequence[str],
    classes: Sequence[str],
    design: Design | None = None,
    level: float = intervals.LEVEL,
) -> dict[str, Any]:
    """{"n", "metrics": {name: line}, "notes"}, lines as in `paired.report`, second minus first.

    McNemar's test and Newcombe's interval on "right or not" of all cases, then of each class's cases; Holm over all.
    """
    y, one, two = (np.array(values, dtype=object) for values in (labels, first, second))
    right = [one == y, two == y]
    every = np.ones(len(y), dtype=bool)
    lines: dict[str, Any] = {
        "accuracy": {**paired.paired_rate("accuracy", every, right[0], right[1], design, level), "class": ""}
    }
    for name in classes:
        of_class = y == name
        line = paired.paired_rate("tpr", of_class, right[0] & of_class, right[1] & of_class, design, level)
        lines[f"tpr:{name}"] = {**line, "class": name}
    tested = [line for line in lines.values() if line["p"] is not None]
    for line, adjusted in zip(tested, intervals.holm([line["p"] for line in tested]), strict=True):
        line["p_holm"] = adjusted
    return {"n": len(y), "metrics": lines, "notes": []}
