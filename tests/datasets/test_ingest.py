"""From an upload to canonical Parquet, or to a sentence."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from apps.datasets.ingest import Ingested, IngestError, IngestLimits, ingest


def run(
    tmp_path: Path, content: bytes, name: str = "data.csv", limits: IngestLimits | None = None
) -> Ingested:
    source = tmp_path / "upload"
    source.write_bytes(content)
    out = tmp_path / "out"
    out.mkdir(exist_ok=True)
    return ingest(source, name, limits=limits or IngestLimits(), out_dir=out)


def rows(result: Ingested) -> dict[str, list]:
    return pq.read_table(result.parquet_path).to_pydict()


def types(result: Ingested) -> dict[str, str]:
    return {c["name"]: c["type"] for c in result.columns}


def parquet(tmp_path: Path, table: pa.Table, **options) -> bytes:
    path = tmp_path / "made.parquet"
    pq.write_table(table, path, **options)
    return path.read_bytes()


def test_types_are_decided_by_the_whole_column(tmp_path: Path) -> None:
    text = 'id,n,x,late,word,flag\n007,1,1.5,1,None,true\n008,-2,2,2,NA,false\n009,,1e3,x,"a, ""b""",true\n'
    result = run(tmp_path, text.encode())
    assert types(result) == {
        "id": "text", "n": "integer", "x": "number", "late": "text", "word": "text", "flag": "text",
    }  # fmt: skip
    assert rows(result) == {
        "id": ["007", "008", "009"],
        "n": [1, -2, None],
        "x": [1.5, 2.0, 1000.0],
        "late": ["1", "2", "x"],
        "word": ["None", "NA", 'a, "b"'],
        "flag": ["true", "false", "true"],
    }
    assert (result.rows, result.file_format) == (3, "csv")
    assert [w for w in result.warnings if "late" in w and "'x'" in w]


def test_a_late_odd_cell_is_seen_however_far_down(tmp_path: Path) -> None:
    """A reader that samples the head of a file would call this a number."""
    text = "v\n" + "1\n" * 300_000 + "oops\n"
    result = run(tmp_path, text.encode())
    assert types(result) == {"v": "text"}
    assert result.rows == 300_001


def test_numbers_keep_their_bits(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    values = np.concatenate(
        [rng.normal(size=500) * 10.0 ** rng.integers(-30, 30, 500), [5e-324, 1.7976931348623157e308]]
    )
    text = "x\n" + "\n".join(repr(float(v)) for v in values) + "\n"
    assert rows(run(tmp_path, text.encode()))["x"] == values.tolist()
    big = [2**53 + 1, -(10**18) + 1, 0]
    assert rows(run(tmp_path, ("n\n" + "\n".join(map(str, big))).encode()))["n"] == big


def test_the_same_file_gives_the_same_bytes(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    text = "a,b\n" + "".join(
        f"{v},{w}\n" for v, w in zip(rng.integers(0, 9, 5000), rng.normal(size=5000), strict=True)
    )
    digests = [
        hashlib.sha256(run(tmp_path, text.encode()).parquet_path.read_bytes()).hexdigest() for _ in range(2)
    ]
    assert digests[0] == digests[1]


def test_csv_and_parquet_of_the_same_rows_become_the_same(tmp_path: Path) -> None:
    table = pa.table({"n": [1, 2, None], "x": [0.5, None, 2.0], "t": ["a", "None", "é"]})
    from_parquet = run(tmp_path, parquet(tmp_path, table), "a.parquet")
    kept = pq.read_table(from_parquet.parquet_path)
    from_csv = run(tmp_path, "n,x,t\n1,0.5,a\n2,,None\n,2.0,é\n".encode())
    assert from_csv.columns == from_parquet.columns
    assert pq.read_table(from_csv.parquet_path).to_pydict() == kept.to_pydict()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"a,b\n", "no rows"),
        (b"a,b\n1,2\n3\n", "Line 3 has 1 cell; the first line names 2"),
        (b"a,b\n1,2\n3,4,5\n", "Line 3 has 3 cells"),
        (b'a,b\n1,"x\ny"\n3\n', "Line 4 has 1 cell"),
        (b'a,b\n1,2\n3,"open\n4,5\n', "double quote is not closed"),
        (b"a,a\n1,2\n", "both called 'a'"),
        (b"Age,age\n1,2\n", "both called 'age'"),
        (b"a,\n1,2\n", "Column 2 has no name"),
        (b"a, \n1,2\n", "Column 2 has no name"),
        (b"1,2.5\n3,4\n", "first line holds numbers"),
        (b"a,b\n1,\0\n", r"NUL byte at offset 6"),
        (b"a,b\n1,2\nK\xf6ln,3\n", r"byte 0xF6 at offset 9, line 3.*iconv"),
        ("a,b\n1,2\n".encode("utf-16"), "UTF-16"),
        (b"PK\x03\x04rest", "Excel"),
        (b"PAR1 and then nothing", "cut off"),
        (b"PAR1" + b"\0" * 30 + b"PAR1", "Parquet file is damaged"),
        (b"PAR1junkPAR1", "Parquet file is damaged"),
        (b"<html><body>Sign in</body></html>", "web page"),
        (b'[{"a": 1}]', "JSON"),
        (b"\x1f\x8b\x08\0rest", "gzip"),
    ],
)
def test_each_fault_has_its_sentence_and_leaves_nothing(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(IngestError, match=words) as caught:
        run(tmp_path, content)
    assert len(str(caught.value)) < 400
    assert str(tmp_path) not in str(caught.value)  # where the portal keeps its files is nobody's business
    assert list((tmp_path / "out").iterdir()) == []


def test_wrong_encoding_is_found_across_chunk_borders(tmp_path: Path) -> None:
    """The reader takes a megabyte at a time; a fault at the border must still have its own offset."""
    head = b"a\n"
    for size in (1 << 20, (1 << 20) - 1, (2 << 20) + 5):
        good = head + b"x" * (size - len(head) - 2) + "é".encode()
        with pytest.raises(IngestError, match=f"offset {len(good):,}, line 2"):
            run(tmp_path, good + b"\xff\n")
        assert run(tmp_path, good + b"\n").rows == 1


def test_nasty_text_comes_through_as_a_second_reader_reads_it(tmp_path: Path) -> None:
    """Quotes, separators, line breaks, blanks and other alphabets, written by Python's own CSV writer."""
    rng = np.random.default_rng(8)
    alphabet = [*"\",;\t|\n\r '\\", "a", "0", "-", "é", "漢", "\U0001f600", "\u00a0", "\ufeff", "None"]
    wanted = [["".join(rng.choice(alphabet, rng.integers(0, 7))) for _ in range(4)] for _ in range(3000)]
    with (tmp_path / "nasty.csv").open("w", newline="", encoding="utf-8") as f:
        writer = csv.writer(f, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerows([["a", "b", "c", "d"], *wanted])
    result = run(tmp_path, (tmp_path / "nasty.csv").read_bytes())
    table = pq.read_table(result.parquet_path)
    got = [["" if v is None else str(v) for v in row.values()] for row in table.to_pylist()]
    assert got == wanted


def test_windows_line_ends_bom_and_semicolons(tmp_path: Path) -> None:
    result = run(tmp_path, b"\xef\xbb\xbfa;b\r\n1;2,5\r\n2;3,5\r\n")
    assert types(result) == {"a": "integer", "b": "text"}
    assert rows(result)["b"] == ["2,5", "3,5"]
    assert any("semicolons" in w for w in result.warnings)


def test_parquet_types_become_the_canonical_six(tmp_path: Path) -> None:
    table = pa.table(
        {
            "i8": pa.array([1, None], pa.int8()),
            "f32": pa.array([0.5, float("nan")], pa.float32()),
            "b": [True, None],
            "d": [dt.date(2026, 1, 2), None],
            "t": [dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC), None],
            "c": pa.array(["x", "y"]).dictionary_encode(),
            "m": pa.array([1, 2], pa.decimal128(9, 2)),
        }
    )
    result = run(tmp_path, parquet(tmp_path, table), "t.parquet")
    assert types(result) == {
        "i8": "integer", "f32": "number", "b": "boolean", "d": "date", "t": "timestamp", "c": "text", "m": "number",
    }  # fmt: skip
    back = rows(result)
    assert back["i8"] == [1, None]
    assert back["t"][0] == dt.datetime.fromisoformat("2026-01-02T03:04")
    assert np.isnan(back["f32"][1])
    assert any("DECIMAL" in w for w in result.warnings)


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (pa.table({"l": [[1], [2]]}), r"Column l has the type .*\[\]"),
        (pa.table({"s": [{"a": 1}, {"a": 2}]}), "Column s has the type STRUCT"),
        (pa.table({"r": [b"\xff", b"\x00"]}), "Column r has the type BLOB"),
        (pa.table({"t": ["a\0b", "c"]}), "NUL characters in 1 cells"),
        (pa.table({"u": pa.array([2**63 + 1], pa.uint64())}), "outside its range"),
        (pa.table({"a": [1], "A": [2]}), "Columns 1 and 2 are both called 'A'"),
        (pa.table({"a": pa.array([], pa.int64())}), "no rows"),
    ],
)
def test_parquet_that_is_not_a_plain_table_is_refused(tmp_path: Path, table: pa.Table, words: str) -> None:
    with pytest.raises(IngestError, match=words):
        run(tmp_path, parquet(tmp_path, table), "x.parquet")


def test_parquet_cut_anywhere_is_refused(tmp_path: Path) -> None:
    whole = parquet(tmp_path, pa.table({"x": np.arange(20_000), "t": [f"row {i}" for i in range(20_000)]}))
    for share in (0.01, 0.3, 0.7, 0.99):
        for tail in (b"", b"PAR1"):
            with pytest.raises(IngestError):
                run(tmp_path, whole[: int(len(whole) * share)] + tail, "x.parquet")


def test_a_parquet_bomb_is_judged_by_its_footer(tmp_path: Path) -> None:
    bomb = parquet(tmp_path, pa.table({"x": np.zeros(4_000_000)}), use_dictionary=False, compression="zstd")
    assert len(bomb) < 200_000
    with pytest.raises(IngestError, match=r"unpacks to 31 MB; at most 8 MB"):
        run(tmp_path, bomb, "x.parquet", IngestLimits(max_unpacked=8 * 1024**2))
    with pytest.raises(IngestError, match=r"4,000,000 rows; at most 1,000"):
        run(tmp_path, bomb, "x.parquet", IngestLimits(max_rows=1000))


def test_limits_on_size_columns_rows_time_and_memory(tmp_path: Path) -> None:
    with pytest.raises(IngestError, match="at most 0 MB are accepted"):
        run(tmp_path, b"a\n1\n", limits=IngestLimits(max_bytes=3))
    wide = ",".join(f"c{i}" for i in range(11)) + "\n" + ",".join("1" * 11) + "\n"
    with pytest.raises(IngestError, match="11 columns; at most 10"):
        run(tmp_path, wide.encode(), limits=IngestLimits(max_columns=10))
    with pytest.raises(IngestError, match="3 rows; at most 2"):
        run(tmp_path, b"a\n1\n2\n3\n", limits=IngestLimits(max_rows=2))
    long = b"a,b\n" + b"1,2\n" * 15_000_000
    with pytest.raises(IngestError, match=r"longer than 1 seconds|processor time"):
        run(tmp_path, long, limits=IngestLimits(wall_s=1, cpu_s=1))
    with pytest.raises(IngestError, match="more than the 64 MB"):
        run(tmp_path, b"a\n1\n", limits=IngestLimits(memory_mb=64))


def test_the_reader_reaches_no_other_file(tmp_path: Path) -> None:
    import duckdb

    from apps.datasets.ingest_worker import connect

    source, other = tmp_path / "a.csv", tmp_path / "secret.csv"
    source.write_text("a\n1\n")
    other.write_text("secret\n1\n")
    with connect(source, tmp_path / "out.parquet", 512) as db:
        assert db.execute(f"SELECT count(*) FROM read_csv('{source}')").fetchone() == (1,)
        for attempt in (
            f"SELECT * FROM read_csv('{other}')",
            f"SELECT * FROM read_csv('{tmp_path}/../{tmp_path.name}/secret.csv')",
            "SELECT * FROM read_text('/etc/passwd')",
            f"COPY (SELECT 1) TO '{tmp_path}/elsewhere.csv'",
            f"ATTACH '{tmp_path}/x.db'",
            "SET enable_external_access = true",
            "INSTALL httpfs",
        ):
            with pytest.raises(duckdb.Error):
                db.execute(attempt)
    assert sorted(os.listdir(tmp_path)) == ["a.csv", "secret.csv"]


@pytest.mark.parametrize("name", ["it's", 'say "hi"', "x); DROP TABLE t; --", "a{b}", "Größe (µm)", "select"])
def test_odd_column_names_are_names_and_nothing_else(tmp_path: Path, name: str) -> None:
    quoted = '"' + name.replace('"', '""') + '"'
    result = run(tmp_path, f"{quoted},b\n1,x\n2,y\n".encode())
    assert rows(result) == {name: [1, 2], "b": ["x", "y"]}
    again = run(tmp_path, result.parquet_path.read_bytes(), "again.parquet")
    assert rows(again) == {name: [1, 2], "b": ["x", "y"]}
