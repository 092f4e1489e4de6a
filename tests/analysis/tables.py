"""Tables for the tests: random classifier results, written in several formats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet


def results(n: int, seed: int = 0, ties: int | None = None) -> dict[str, list[Any]]:
    """Columns race, sex, y, p, s of `n` cases; `ties`: scores are multiples of 1/ties."""
    rng = np.random.default_rng(seed)
    scores = rng.random(n)
    if ties:
        scores = np.round(scores * ties) / ties
    return {
        "race": rng.choice(["A", "B", "C d", "é"], n, p=[0.5, 0.3, 0.15, 0.05]).tolist(),
        "sex": rng.choice(["F", "M"], n).tolist(),
        "y": (rng.random(n) < scores).astype(int).tolist(),
        "p": (scores + rng.normal(0, 0.1, n) > 0.5).astype(int).tolist(),
        "s": scores.tolist(),
    }


def write(columns: dict[str, list[Any]], path: Path, row_group: int | None = None) -> Path:
    """Write as Parquet or CSV by the name's ending."""
    table = pa.table(columns)
    if path.suffix == ".csv":
        pa.csv.write_csv(table, path)
    else:
        pa.parquet.write_table(table, path, row_group_size=row_group)
    return path


def shuffled(columns: dict[str, list[Any]], seed: int = 1) -> dict[str, list[Any]]:
    """The same rows in another order, columns reversed."""
    order = np.random.default_rng(seed).permutation(len(next(iter(columns.values()))))
    return {name: [columns[name][i] for i in order] for name in reversed(columns)}
