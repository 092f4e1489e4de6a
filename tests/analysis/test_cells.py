"""Cells: counts equal a plain count, and one digest whatever the order, chunking, format or engine."""

from __future__ import annotations

from collections import Counter

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.analysis import fairness
from apps.analysis.cells import SCALE, cells_digest, count_cells, gather
from tests.analysis.tables import results, shuffled, write

ROWS = st.lists(
    st.tuples(
        st.sampled_from(["", "a", "b", "é,;"]),
        st.integers(0, 1),
        st.integers(0, 1),
        st.floats(0, 1) | st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.7, 1.0]),
    ),
    min_size=1,
    max_size=60,
)


def frame(rows):
    return pa.table(
        {
            "g0": pa.array([r[0] for r in rows], pa.string()),
            "y": pa.array([r[1] for r in rows], pa.int8()),
            "p": pa.array([r[2] for r in rows], pa.int8()),
            "s": pa.array([r[3] for r in rows], pa.float64()),
        }
    )


@given(ROWS)
@settings(max_examples=60, deadline=None)
def test_counts_and_sums_equal_a_plain_loop(rows):
    cells = count_cells(frame(rows), ["g0"], scored=True)
    plain = Counter((g, y, p, min(9, int(s * 10))) for g, y, p, s in rows)
    assert {(*c.key, c.y, c.p, c.bin): c.n for c in cells} == plain
    assert sum(c.score for c in cells) == sum(int(s * SCALE + 0.5) for _, _, _, s in rows)
    overall = gather(cells, ())[()]
    assert overall.n == len(rows)
    assert overall.tp == sum(1 for _, y, p, _ in rows if y and p)


@given(ROWS, st.randoms(use_true_random=False), st.integers(1, 7))
@settings(max_examples=60, deadline=None)
def test_one_digest_for_any_order_and_chunking(rows, random, size):
    expected = cells_digest(count_cells(frame(rows), ["g0"], scored=True), ["g0"])
    random.shuffle(rows)
    chunks = pa.concat_tables(frame(rows[i : i + size]) for i in range(0, len(rows), size))
    assert cells_digest(count_cells(chunks, ["g0"], scored=True), ["g0"]) == expected


def test_one_digest_on_three_engines():
    import duckdb

    columns = results(3000)
    table = pa.table(
        {
            "g0": columns["race"],
            "y": pa.array(columns["y"], pa.int8()),
            "p": pa.array(columns["p"], pa.int8()),
            "s": columns["s"],
        }
    )
    with duckdb.connect() as con:
        con.register("rows", table)
        engines = [table, con.table("rows"), table.to_pandas()]
        assert isinstance(engines[2], pd.DataFrame)
        digests = {cells_digest(count_cells(engine, ["g0"], scored=True), ["g0"]) for engine in engines}
    assert len(digests) == 1


@pytest.mark.parametrize("threads", [1, 2])
def test_one_digest_and_one_report_for_any_file_format(tmp_path, threads):
    columns = results(4000)
    sources = [
        columns,
        write(columns, tmp_path / "a.csv"),
        write(columns, tmp_path / "a.parquet"),
        write(shuffled(columns), tmp_path / "b.parquet", row_group=100),
        write(shuffled(columns, 2), tmp_path / "b.csv"),
    ]
    reports = []
    for source in sources:
        report = fairness.report(source, "y", "p", "s", ["race", "sex"], intersections=True, threads=threads)
        del report["inputs"]["format"]
        reports.append(report)
    assert all(report == reports[0] for report in reports[1:])


def test_a_changed_row_changes_the_digest():
    columns = results(1000)
    before = fairness.report(columns, "y", "p", "s", ["sex"])["cells_digest"]
    columns["s"][17] = columns["s"][17] / 2
    assert fairness.report(columns, "y", "p", "s", ["sex"])["cells_digest"] != before
