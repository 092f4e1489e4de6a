"""Explanations of 100 cases with 20 features, in the sandbox: time, evaluations, stability; beside shap if it is there.

    python tests/benchmarks/bench_explanation.py [cases] [features]

shap is no dependency of the portal: install it into an environment of its own and run this file there with
`--rival`, which times `shap.PermutationExplainer` on the same model, cases and background and prints the figures.
"""

from __future__ import annotations

import argparse
import importlib
import platform
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

ROWS, BACKGROUND = 4000, 100


def made(features: int):
    """A gradient-boosted classifier on data with five useful columns; (model, matrix, labels)."""
    from sklearn.ensemble import GradientBoostingClassifier

    rng = np.random.default_rng(5)
    x = rng.normal(size=(ROWS, features)).astype(np.float32)
    logit = 2 * x[:, 0] + x[:, 1] - x[:, 2] + x[:, 3] * x[:, 4]
    y = (logit + rng.normal(size=ROWS) > 0).astype(np.int8)
    return GradientBoostingClassifier(n_estimators=50, max_depth=3, random_state=1).fit(x, y), x, y


def ours(cases: int, features: int) -> None:
    import pyarrow as pa
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType

    from apps.analysis.explain import Settings, Tally, compare, explain, shapley
    from apps.validations.sandbox import session

    model, x, y = made(features)
    names = [f"x{j:02d}" for j in range(features)]
    proto = convert_sklearn(
        model,
        initial_types=[("inputs", FloatTensorType([None, features]))],
        options={id(model): {"zipmap": False}},
        target_opset=21,
    )
    columns = {name: x[:, j].astype(np.float64) for j, name in enumerate(names)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(proto.SerializeToString())
        schema = pa.schema([(name, pa.float64()) for name in names])
        begun = time.perf_counter()
        with session(path, "onnx", schema, features=names) as inside:
            started = time.perf_counter() - begun

            def score(given):
                return inside.score(pa.table({name: pa.array(given[name]) for name in names})).scores

            tally = Tally(score)
            part = {name: values[:cases] for name, values in columns.items()}
            lent = {name: values[-BACKGROUND:] for name, values in columns.items()}
            tally(part)  # the first call warms up
            parts, times = [], []
            for seed in (11, 12):
                begun = time.perf_counter()
                parts.append(shapley(tally, part, lent, pairs=20, seed=seed))
                times.append(time.perf_counter() - begun)
            agreed = compare(parts)
            print(f"sandbox start with load        {started:8.2f} s")
            print(f"Shapley, {cases} x {features}, one seed     {min(times):8.2f} s")
            print(
                f"Shapley, {cases} x {features}, two seeds    {sum(times):8.2f} s, {tally.evaluations:,} scores"
            )
            print(
                f"stability: ranking {agreed.ranking:.3f}, single cases {agreed.by_case:.3f}, top 3 {agreed.top:.2f}; "
                f"largest gap {max(each.gap for each in parts):.1e}"
            )
            many = []
            for seed in (11, 12):
                begun = time.perf_counter()
                many.append(shapley(tally, part, lent, pairs=400, seed=seed))
                took = time.perf_counter() - begun
            closer = compare(many)
            print(
                f"400 pairs instead of 20, one seed {took:7.2f} s, "
                f"single cases agree {closer.by_case:.3f}, top 3 {closer.top:.2f}"
            )
            begun = time.perf_counter()
            whole = explain(score, columns, y, settings=Settings(cases=cases))
            took = time.perf_counter() - begun
            n = whole.result["n"]
            print(f"whole report, {n['rows']} rows      {took:8.2f} s, {n['evaluations']:,} scores")


def rival(cases: int, features: int) -> None:
    shap = importlib.import_module("shap")  # an extra: not in the lock file

    model, x, _ = made(features)
    explainer = shap.PermutationExplainer(
        lambda given: model.predict_proba(given)[:, 1], x[-BACKGROUND:], seed=11
    )
    times, drawn = [], []
    for seed in (11, 12):
        explainer = shap.PermutationExplainer(
            lambda given: model.predict_proba(given)[:, 1], x[-BACKGROUND:], seed=seed
        )
        begun = time.perf_counter()
        drawn.append(explainer(x[:cases], max_evals=10 * (2 * features + 1), silent=True).values)
        times.append(time.perf_counter() - begun)
    from scipy.stats import spearmanr

    agreed = np.mean([spearmanr(a, b).statistic for a, b in zip(*drawn, strict=True)])
    print(f"shap.PermutationExplainer, one seed {min(times):8.2f} s, single cases agree {agreed:.3f}")


def main() -> None:
    asked = argparse.ArgumentParser()
    asked.add_argument("cases", type=int, nargs="?", default=100)
    asked.add_argument("features", type=int, nargs="?", default=20)
    asked.add_argument("--rival", action="store_true")
    given = asked.parse_args()
    print(platform.platform(), platform.python_version())
    for name in ("numpy", "scikit-learn", "onnxruntime", "shap"):
        try:
            print(f"{name} {version(name)}", end="  ")
        except PackageNotFoundError:
            print(f"{name} not installed", end="  ")
    print()
    (rival if given.rival else ours)(given.cases, given.features)


if __name__ == "__main__":
    main()
