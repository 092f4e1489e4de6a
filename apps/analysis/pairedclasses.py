"""Two versions that tell several classes apart, on the same cases: accuracy and the sensitivity of each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.analysis import intervals, paired
from apps.analysis.survey import Design

Names = Sequence[str] | npt.NDArray[np.object_]


def paired_metrics(
    labels: Names,
    first: Names,
    second: Names,
    classes: Sequence[str],
    design: Design | None = None,
    level: float = intervals.LEVEL,
) -> dict[str, Any]:
    """{"accuracy", "tpr:<class>": line}, lines as in `paired.report` with `class`, second minus first.

    McNemar's test and Newcombe's interval on "right or not" of all cases, then of each class's cases; Holm over them.
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
    return paired.holm(lines)
