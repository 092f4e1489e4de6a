"""An ONNX model over 100,000 rows in the sandbox, its start included, against the same model in scikit-learn.

    python tests/benchmarks/bench_onnx.py [ROWS] [TREES]

Gradient boosting, 20 numeric columns, seeded. CPU counts the process of the sandbox too. Prints; asserts
nothing about time.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from apps.validations.sandbox import inspect_model, score

COLUMNS = [f"f{i}" for i in range(20)]
RUNS = 8


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """(CPU seconds of this process and those it waited for, wall seconds, result)."""
    before, wall = os.times(), time.perf_counter()
    result = work()
    wall, after = time.perf_counter() - wall, os.times()
    return sum(after[:4]) - sum(before[:4]), wall, result


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    trees = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.ensemble import GradientBoostingClassifier

    names = ("onnxruntime", "scikit-learn", "skl2onnx", "numpy", "pyarrow")
    print("versions: " + ", ".join(f"{name} {version(name)}" for name in names))
    rng = np.random.default_rng(20261122)
    table = rng.normal(size=(rows, len(COLUMNS))).astype(np.float32)
    label = (table[:, 0] - table[:, 1] * table[:, 2] + rng.normal(size=rows) > 0).astype(int)
    model = GradientBoostingClassifier(n_estimators=trees, random_state=0).fit(table[:5000], label[:5000])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        proto = convert_sklearn(
            model, initial_types=[("X", FloatTensorType([None, 20]))], options={id(model): {"zipmap": False}}
        )
    with tempfile.TemporaryDirectory() as folder:
        file, data = Path(folder) / "model.onnx", Path(folder) / "rows.parquet"
        file.write_bytes(proto.SerializeToString())
        pq.write_table(pa.table({name: table[:, i] for i, name in enumerate(COLUMNS)}), data)
        starts = [timed(lambda: inspect_model(file)) for _ in range(RUNS)]
        runs = [timed(lambda: score(file, "onnx", data, features=COLUMNS)) for _ in range(RUNS)]
        theirs = [timed(lambda: model.predict_proba(table)) for _ in range(RUNS)]
    print(
        f"{rows:,} rows, {len(COLUMNS)} columns, {trees} trees, {len(proto.SerializeToString()) / 1e3:,.0f} kB"
    )
    for name, one in (
        ("start of the sandbox with the model loaded", starts),
        ("run, start included", runs),
        ("scikit-learn", theirs),
    ):
        cpu, wall = (min(measured[i] for measured in one) for i in (0, 1))
        print(f"{name}: {cpu:.2f} s CPU, {wall:.2f} s wall, the least of {RUNS} each")
    print(f"the same bits in {len(runs)} runs: {len({one[2].digest for one in runs}) == 1}")
    print(f"largest difference from scikit-learn: {np.abs(runs[0][2].scores - theirs[0][2][:, 1]).max():.1e}")


if __name__ == "__main__":
    main()
