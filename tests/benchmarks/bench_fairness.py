"""Time of a whole bias report against Fairlearn in the same run. Prints; asserts nothing about time.

    python tests/benchmarks/bench_fairness.py [ROWS] [FAIRLEARN_ROWS]

Rows are synthetic (seeded): three attributes with 5, 3 and 4 values, labels, predictions, scores.
Ours, from a Parquet file: overall, three attributes and three pairs, every metric with its interval, disparities
over all pairs, digest; beside it a bare scan of the same columns by the same engine and threads. Then the exact
area under the curve with DeLong's error for the same groups, alone. FAIRLEARN_ROWS 0 leaves Fairlearn out.
Fairlearn: its MetricFrame with 13 metrics, point values, the same six groupings, on fewer rows, and again on up to
200,000 rows with the line patched that takes most of its time; times are also stated in proportion to the rows
(estimates, marked so). Fairlearn's intervals are its own n_boot, timed with 5 replicates on one grouping and stated for
100. The rates of both are compared.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from importlib.metadata import version
from itertools import combinations
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from apps.analysis import fairness, placing, ranking
from apps.analysis.groups import combine, positions

GROUPS = ["race", "sex", "age"]


def make(n: int) -> pa.Table:
    rng = np.random.default_rng(20261121)
    scores = np.round(rng.beta(2, 4, n), 6)
    return pa.table(
        {
            "race": rng.choice(["A", "B", "C", "D", "E"], n, p=[0.55, 0.2, 0.15, 0.07, 0.03]),
            "sex": rng.choice(["F", "M", "X"], n, p=[0.52, 0.47, 0.01]),
            "age": rng.choice(["<30", "30-50", "50-70", ">70"], n),
            "y": (rng.random(n) < scores).astype(np.int8),
            "p": (scores > 0.4).astype(np.int8),
            "s": scores,
        }
    )


def timed(work: Callable[[], Any]) -> tuple[float, float, Any]:
    """(wall seconds, CPU seconds, result)."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = work()
    return time.perf_counter() - wall, time.process_time() - cpu, result


def seconds(measured: tuple[float, float, Any]) -> str:
    return f"{measured[0]:.2f} s wall, {measured[1]:.2f} s CPU"


def scan(path: Path, columns: list[str], threads: int) -> tuple[float, float, Any]:
    """Every value of the columns read and touched once; the better of three."""
    touched = ", ".join(f"max(length({c}))" if c in GROUPS else f"sum({c})" for c in columns)
    with duckdb.connect(config={"threads": threads}) as con:
        sql = f"SELECT {touched} FROM read_parquet('{path}')"
        return min((timed(lambda: con.sql(sql).fetchall()) for _ in range(3)), key=lambda m: m[0])


def areas(path: Path) -> dict[str, tuple[float, float, Any]]:
    """Exact AUC with DeLong's error for all groups from one sort (reading the file is not counted).

    By NumPy, and compiled where the extra is installed (compiling is not counted): both must give the same bits.
    """
    table = pyarrow.parquet.read_table(path)
    codes = []
    for name in GROUPS:
        encoded = table[name].combine_chunks().dictionary_encode()
        codes.append((encoded.dictionary.to_pylist(), encoded.indices.to_numpy().astype(np.int64)))
    scores, labels = table["s"].to_numpy(), table["y"].to_numpy()
    del table
    every = [(), *positions(len(GROUPS), True)]

    def plain() -> list[Any]:
        ranked = ranking.Ranked(scores, labels)
        return [
            ranking.auc(ranked.blocks(rows), 0.95)
            for at in every
            for _, rows in ranked.parts(combine(codes, at))
        ]

    def compiled() -> list[Any]:
        sums = ranking.Ranked(scores, labels).sums(codes, every) or []
        return [ranking.area_of(one, 0.95) for by_code in sums for _, one in sorted(by_code.items())]

    found = {}
    if placing.compiles(len(scores)):
        timed(lambda: ranking.Ranked(scores[:100], labels[:100]))
        for _ in range(2):
            found["compiled"] = timed(compiled)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(placing, "compiles", lambda rows: False)
        found["numpy"] = timed(plain)
    assert "compiled" not in found or found["compiled"][2] == found["numpy"][2]
    return found


@contextmanager
def patched() -> Iterator[None]:
    """Fairlearn without the `np.stack` over each element of each plain column that takes most of its time."""
    from fairlearn.metrics import _annotated_metric_function as module

    def stack(column: Any) -> Any:
        return column if column.ndim == 1 and column.dtype != object else np.stack(column)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "np", SimpleNamespace(stack=stack))
        yield


def differences(frame: Any) -> float:
    """Largest difference of our rates from Fairlearn's, over all groups of the six groupings."""
    ours = fairness.report(frame, "y", "p", None, GROUPS, intersections=True)
    worst = 0.0
    for grouping in ours["groupings"]:
        by_group = fairlearn_report(frame, grouping["attributes"])[1]
        for group in grouping["groups"]:
            values = tuple(group["values"].values())
            theirs = by_group.loc[values if len(values) > 1 else values[0]]
            for name, estimate in group["metrics"].items():
                if name in theirs and estimate["value"] is not None:
                    worst = max(worst, abs(float(theirs[name]) - estimate["value"]))
    return worst


def fairlearn_report(frame: Any, columns: list[str], **more: Any) -> Any:
    import fairlearn.metrics as fl
    from sklearn import metrics as sk

    metrics = {
        "selection_rate": fl.selection_rate,
        "tpr": fl.true_positive_rate,
        "fpr": fl.false_positive_rate,
        "tnr": fl.true_negative_rate,
        "fnr": fl.false_negative_rate,
        "count": fl.count,
        "mean_prediction": fl.mean_prediction,
        "accuracy": sk.accuracy_score,
        "balanced_accuracy": sk.balanced_accuracy_score,
        "ppv": sk.precision_score,
        "f1": sk.f1_score,
        "mcc": sk.matthews_corrcoef,
        "zero_one": sk.zero_one_loss,
    }
    made = fl.MetricFrame(
        metrics=metrics, y_true=frame.y, y_pred=frame.p, sensitive_features=frame[columns], **more
    )
    return made.overall, made.by_group, made.difference(), made.ratio()


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    fewer = min(rows, int(sys.argv[2]) if len(sys.argv) > 2 else 20_000)
    more = min(rows, 200_000)  # for Fairlearn patched
    names = ("duckdb", "narwhals", "numpy", "fairlearn", "scikit-learn", "pandas")
    print("versions: " + ", ".join(f"{name} {version(name)}" for name in names))
    table = make(rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        pyarrow.parquet.write_table(table, path)
        frame = table.slice(0, more).to_pandas()
        del table
        bare = {n: scan(path, [*GROUPS, "y", "p"], n) for n in (1, 2)}
        rates_by = {
            n: min(
                (
                    timed(
                        lambda n=n: fairness.report(
                            path, "y", "p", None, GROUPS, intersections=True, threads=n
                        )
                    )
                    for _ in range(3)
                ),
                key=lambda m: m[1],
            )
            for n in (1, 2)
        }
        rates = rates_by[1]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        whole = timed(lambda: fairness.report(path, "y", "p", "s", GROUPS, intersections=True))
        auc = areas(path)
    groups = 1 + sum(len(g["groups"]) for g in whole[2]["groupings"])
    for n in (1, 2):
        print(f"bare scan of the five columns, {n} threads: {seconds(bare[n])}")
        print(
            f"ours, {rows:,} rows, {groups} groups, rates with intervals and pairs, {n} threads: {seconds(rates_by[n])}"
        )
        print(f"  that is {rates_by[n][1] / bare[n][1]:.1f} times the CPU of the scan")
    for name, one in auc.items():
        print(f"ours, exact AUC with DeLong for {len(one[2])} groups, {name}: {seconds(one)}")
    print(
        f"ours, the same with scores (AUC, average precision, Brier, log loss, calibration lines): {seconds(whole)}"
    )
    print(
        f"ours: peak memory after the rates (making the rows included) {peak:.0f} MB; {whole[2]['cells']} cells"
    )
    print(f"ours: {whole[2]['cells_digest']}")
    if fewer == 0:
        return
    sets = [[g] for g in GROUPS] + [list(pair) for pair in combinations(GROUPS, 2)]
    some = frame.head(fewer)
    print(f"largest difference of a rate from Fairlearn, {fewer:,} rows, all groups: {differences(some):.1e}")
    boot = {"n_boot": 5, "ci_quantiles": [0.025, 0.975], "random_state": 0}
    for name, rows_used, how in (("as shipped", some, nullcontext), ("patched", frame, patched)):
        n = len(rows_used)
        with how():
            points = timed(lambda r=rows_used: [fairlearn_report(r, columns) for columns in sets])
            boots = timed(lambda r=rows_used: fairlearn_report(r, ["race"], **boot))
        print(f"Fairlearn {name}, {n:,} rows, six groupings, 13 metrics, point values: {seconds(points)}")
        print(f"Fairlearn {name}, {n:,} rows, one grouping, 5 replicates: {seconds(boots)}")
        scale = rows / n
        print(
            f"  point values alone: {points[1] * scale / rates[1]:,.0f} times the CPU of our whole report "
            f"(rows x{scale:g})"
        )
        print(
            f"  with 100 replicates: {boots[1] * 20 * 6 * scale / rates[1]:,.0f} times "
            f"(an estimate: replicates x20, groupings x6, rows x{scale:g})"
        )


if __name__ == "__main__":
    main()
