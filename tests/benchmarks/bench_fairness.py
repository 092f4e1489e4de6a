"""Time of a whole bias report against Fairlearn in the same run. Prints; asserts nothing about time.

    python tests/benchmarks/bench_fairness.py [ROWS] [FAIRLEARN_ROWS]

Rows are synthetic (seeded): three attributes with 5, 3 and 4 values, labels, predictions, scores.
Ours, from a Parquet file: overall, three attributes and three pairs, every metric with its interval, disparities
over all pairs, digest; beside it a bare scan of the same columns by the same engine and threads. Then the exact
area under the curve with DeLong's error for the same groups, alone. FAIRLEARN_ROWS 0 leaves Fairlearn out.
Fairlearn: its MetricFrame with 13 metrics, point values, the same six groupings, on
fewer rows; its time is also stated in proportion to the rows (an estimate, marked so). Fairlearn's intervals
are its own n_boot, timed with 5 replicates on one grouping and stated for 100.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from itertools import combinations
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from apps.analysis import fairness, ranking
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


def areas(path: Path) -> tuple[float, float, Any]:
    """Exact AUC with DeLong's error for all groups from one sort (reading the file is not counted)."""
    table = pyarrow.parquet.read_table(path)
    codes = []
    for name in GROUPS:
        encoded = table[name].combine_chunks().dictionary_encode()
        codes.append((encoded.dictionary.to_pylist(), encoded.indices.to_numpy().astype(np.int64)))
    scores, labels = table["s"].to_numpy(), table["y"].to_numpy()
    del table

    def work() -> int:
        ranked, done = ranking.Ranked(scores, labels), 0
        for at in [(), *positions(len(GROUPS), True)]:
            for _, rows in ranked.parts(combine(codes, at)):
                done += ranking.auc(ranked.blocks(rows), 0.95).value is not None
        return done

    return timed(work)


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
    fewer = min(rows, int(sys.argv[2]) if len(sys.argv) > 2 else 50_000)
    names = ("duckdb", "narwhals", "numpy", "fairlearn", "scikit-learn", "pandas")
    print("versions: " + ", ".join(f"{name} {version(name)}" for name in names))
    table = make(rows)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        pyarrow.parquet.write_table(table, path)
        frame = table.slice(0, fewer).to_pandas()
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
    print(f"ours, exact AUC with DeLong for {auc[2]} groups: {seconds(auc)}")
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
    theirs = timed(lambda: [fairlearn_report(frame, columns) for columns in sets])
    print(f"Fairlearn, {fewer:,} rows, six groupings, 13 metrics, point values: {seconds(theirs)}")
    replicates = {"n_boot": 5, "ci_quantiles": [0.025, 0.975], "random_state": 0}
    boots = timed(lambda: fairlearn_report(frame, ["race"], **replicates))
    print(f"Fairlearn, {fewer:,} rows, one grouping, 5 replicates: {seconds(boots)}")
    scale = rows / fewer
    note = "measured at the same rows" if scale == 1 else f"rows x{scale:g}: an estimate"
    print(
        f"point values alone: {theirs[1] * scale / rates[1]:,.0f} times the CPU of our whole report ({note})"
    )
    with_intervals = boots[1] * 20 * 6 * scale / rates[1]
    print(
        f"with intervals: {with_intervals:,.0f} times (replicates x20, groupings x6, rows x{scale:g}: an estimate)"
    )


if __name__ == "__main__":
    main()
