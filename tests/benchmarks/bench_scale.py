"""A bias report over many rows of a Parquet file against a bare scan of the same columns: time and peak memory.

    python tests/benchmarks/bench_scale.py [ROWS] [THREADS]

Rows are synthetic and seeded, written in pieces of a million (about 5 bytes a row) under TMPDIR and deleted at the end.
Each measurement runs in a process of its own, three times in turn: peak memory is its own, and both meet the same
machine; the one with the least CPU counts. Prints; asserts nothing about time.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

PIECE = 1_000_000
GROUPS = ["race", "sex", "age"]


def write(path: Path, rows: int) -> None:
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(20261122)
    values = {"race": list("ABCDE"), "sex": list("FMX"), "age": ["<30", "30-50", "50-70", ">70"]}
    shares = {"race": [0.55, 0.2, 0.15, 0.07, 0.03], "sex": [0.52, 0.47, 0.01], "age": None}
    writer = None
    for start in range(0, rows, PIECE):
        n = min(PIECE, rows - start)
        scores = rng.beta(2, 4, n)
        columns: dict[str, Any] = {
            name: pa.DictionaryArray.from_arrays(
                rng.choice(len(kinds), n, p=shares[name]).astype(np.int8), pa.array(kinds)
            )
            for name, kinds in values.items()
        }
        columns |= {"y": (rng.random(n) < scores).astype(np.int8), "p": (scores > 0.4).astype(np.int8)}
        table = pa.table(columns)
        if writer is None:
            writer = pq.ParquetWriter(path, table.schema)
        writer.write_table(table, row_group_size=PIECE)
    assert writer is not None
    writer.close()


def scan(path: str, threads: int) -> Any:
    """Every value of the five columns read and touched once."""
    import duckdb

    with duckdb.connect(config={"threads": threads}) as con:
        touched = ", ".join([*(f"max(length({g}))" for g in GROUPS), "sum(y)", "sum(p)"])
        return len(con.sql(f"SELECT {touched} FROM read_parquet('{path}')").fetchall())


def report(path: str, threads: int) -> Any:
    from apps.analysis import fairness

    made = fairness.report(path, "y", "p", None, GROUPS, intersections=True, threads=threads)
    return {
        "rows": made["n"],
        "groups": 1 + sum(len(g["groups"]) for g in made["groupings"]),
        "digest": made["cells_digest"],
    }


def peak_mb() -> float:
    """Most memory this program ever held (`ru_maxrss` would begin with that of the process it was started from)."""
    found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024 if found else float("nan")


def child(what: str, path: str, threads: int) -> None:
    work: Callable[[str, int], Any] = {"scan": scan, "report": report}[what]
    import duckdb  # noqa: F401 (imports are not what is measured)

    from apps.analysis import fairness  # noqa: F401

    before = peak_mb()
    wall, cpu = time.perf_counter(), time.process_time()
    result = work(path, threads)
    found = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "result": result}
    found |= {"before_mb": before, "peak_mb": peak_mb()}
    print(json.dumps(found))


def measured(what: str, path: Path, threads: int) -> dict[str, Any]:
    command = [sys.executable, __file__, "--child", what, str(path), str(threads)]
    found: dict[str, Any] = json.loads(
        subprocess.run(command, capture_output=True, text=True, check=True).stdout
    )
    return found


def main() -> None:
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000_000
    threads = [int(sys.argv[2])] if len(sys.argv) > 2 else [1, 2]
    print("versions: " + ", ".join(f"{name} {version(name)}" for name in ("duckdb", "narwhals", "pyarrow")))
    with tempfile.TemporaryDirectory(prefix="countersign-bench-") as folder:
        path = Path(folder) / "rows.parquet"
        write(path, rows)
        print(f"{rows:,} rows, {path.stat().st_size / 1e6:,.0f} MB of Parquet")
        for n in threads:
            pairs = [(measured("scan", path, n), measured("report", path, n)) for _ in range(3)]
            bare = min((pair[0] for pair in pairs), key=lambda one: one["cpu"])
            ours = min((pair[1] for pair in pairs), key=lambda one: one["cpu"])
            for name, one in (("bare scan", bare), ("report", ours)):
                print(
                    f"{name}, {n} thread(s): {one['cpu']:.2f} s CPU, {one['wall']:.2f} s wall, "
                    f"peak {one['peak_mb']:.0f} MB (before the work {one['before_mb']:.0f} MB)"
                )
            walls = [pair[1]["wall"] / pair[0]["wall"] for pair in pairs]
            print(
                f"  report / scan: CPU {ours['cpu'] / bare['cpu']:.1f}; wall of each pair "
                + ", ".join(f"{ratio:.1f}" for ratio in walls)
            )
            print(f"  {ours['result']}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3], int(sys.argv[4]))
    else:
        main()
