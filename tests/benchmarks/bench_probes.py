"""Time of all probes of a model in the sandbox. Prints; asserts nothing about time.

    python tests/benchmarks/bench_probes.py [ROWS [binary|multiclass|regression]]

A logistic (of a number: linear) regression on twelve columns (one of text), exported to ONNX and asked by one sandboxed
process; ROWS test rows and as many training rows, seeded. Beside the whole, each family of probes alone, and membership
inference with scikit-learn's area under the curve on the same confidences (the same value is asserted, no time is).
"""

from __future__ import annotations

import sys
import tempfile
import time
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

NUMBERS = [f"x{i}" for i in range(11)]


def make(rows: int, seed: int, task: str) -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng(seed)
    columns: dict[str, np.ndarray] = {name: rng.normal(0, 1 + i, rows) for i, name in enumerate(NUMBERS)}
    columns["site"] = rng.choice(np.array(["north", "south", "west"], dtype=object), rows)
    drive = sum(columns[name] / (1 + i) for i, name in enumerate(NUMBERS)) + (columns["site"] == "west")
    found = drive + rng.normal(0, 2, rows)
    if task == "regression":
        return columns, found
    return columns, np.digitize(found, [-1.5, 1.5]) if task == "multiclass" else (found > 0).astype(np.int8)


def model(folder: Path, task: str) -> Path:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LinearRegression, LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    columns, labels = make(5_000, 1, task)
    parts = ColumnTransformer(
        [("n", StandardScaler(), NUMBERS), ("t", OneHotEncoder(handle_unknown="ignore"), ["site"])]
    )
    last = LinearRegression() if task == "regression" else LogisticRegression()
    fitted = make_pipeline(parts, last).fit(pa.table(columns), labels)
    types = [(name, FloatTensorType([None, 1])) for name in NUMBERS] + [("site", StringTensorType([None, 1]))]
    options = None if task == "regression" else {id(fitted): {"zipmap": False}}
    proto = convert_sklearn(fitted, initial_types=types, options=options, target_opset=21)
    path = folder / "model.onnx"
    path.write_bytes(proto.SerializeToString())
    return path


def main(rows: int, task: str) -> None:
    from sklearn.metrics import roc_auc_score

    from apps.analysis.probes import PROBES, Cases, Deciding, Frame, Settings, run_probes
    from apps.analysis.probes.deciding import confidence
    from apps.robustness.computing import Asker
    from apps.validations.sandbox import session

    kinds = dict.fromkeys(NUMBERS, "number") | {"site": "text"}
    made = [make(rows, seed, task) for seed in (2, 3)]
    by = {
        "binary": Deciding(),
        "multiclass": Deciding(classes=("0", "1", "2")),
        "regression": Deciding(tolerance=0.5, error=4.0),
    }[task]
    test, train = (
        Cases(Frame(columns, kinds), labels, {"site": columns["site"]}) for columns, labels in made
    )
    schema = pa.table(made[0][0]).schema
    print(
        f"{task}, {rows:,} test and training rows; numpy {np.__version__}, onnxruntime {version('onnxruntime')}, "
        f"scikit-learn {version('scikit-learn')}"
    )
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        path = model(Path(name), task)
        started = time.perf_counter()
        ask = Asker(stack, lambda: session(path, "onnx", schema, positive="1"), by)
        print(f"sandbox begun: {time.perf_counter() - started:.2f} s wall")
        kept = Settings(rows=rows)
        for probe in PROBES:
            asked, wall, cpu = ask.asked, time.perf_counter(), time.process_time()
            found = run_probes(ask, test, train, kept, [probe])
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            told = f"{len(found):3} findings {ask.asked - asked:9,} rows asked"
            print(f"{probe:16} {told} {wall:6.2f} s wall {cpu:6.2f} CPU")
        asked, wall, cpu = ask.asked, time.perf_counter(), time.process_time()
        found = run_probes(ask, test, train, kept, list(PROBES))
        print(
            f"all probes: {len(found)} findings, {ask.asked - asked:,} rows asked, "
            f"{time.perf_counter() - wall:.2f} s wall, {time.process_time() - cpu:.2f} CPU; the model's process besides"
        )
        sure = np.concatenate([confidence(ask(each.frame), each.labels) for each in (train, test)])
        wall, cpu = time.perf_counter(), time.process_time()
        area = roc_auc_score(np.r_[np.ones(rows), np.zeros(rows)], sure)
        print(
            f"scikit-learn's area alone: {time.perf_counter() - wall:.3f} s wall, {time.process_time() - cpu:.3f} CPU"
        )
        ours = next(each for each in found if each.probe == "membership")
        assert ours.value == pytest.approx(area, abs=1e-12)


if __name__ == "__main__":
    import os

    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings.test")
    django.setup()
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000, sys.argv[2] if len(sys.argv) > 2 else "binary")
