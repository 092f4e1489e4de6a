"""What can be read, what cannot, and the sentence for it."""

from __future__ import annotations

import hashlib
import os

import duckdb
import pyarrow as pa
import pyarrow.parquet
import pytest

from apps.analysis.errors import InputError, ReadError
from apps.analysis.readers import open_table
from tests.analysis.tables import results, write


def read(source):
    with open_table(source) as table:
        names = ", ".join(f"{c.text}" for c in table.columns)
        return [c.name for c in table.columns], table.all(f"SELECT {names} FROM data")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "empty"),
        (b"\n", "no columns"),
        (b"a,a\n1,2\n", "names “a” twice"),
        (b"a,A\n1,2\n", "differs only in case"),
        (b"a,,b\n1,2,3\n", "Column 2 has no name"),
        (b"a,b\n1,2\n3\n", "Line 3 has 1 cells; the header has 2"),
        (b"a,b\n1,2,3\n", "Line 2 has 3 cells; the header has 2"),
        (b'a,b\n1,"2\n', "quotation mark is not closed"),
        (b'"a,b\n1,2\n', "quotation mark is not closed"),
        ("a,b\nx,é\n".encode("latin-1"), "not UTF-8 text: line 2"),
        ("a,b\nx,é\n".encode("utf-16"), "not UTF-8 text|zero bytes"),
        (b"a,b\nx,\x00\n", "zero bytes"),
        (b"a,b\nx,\xc3", "middle of a character"),
        (b"PK\x03\x04whatever", "neither a CSV text nor a Parquet file"),
        (b"PAR1 and then nothing", "truncated"),
        (b"PAR1 and then something PAR1", "damaged"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_sentence(tmp_path, content, sentence):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ReadError, match=sentence) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_a_parquet_file_cut_anywhere_is_refused(tmp_path):
    whole = write(results(500), tmp_path / "whole.parquet").read_bytes()
    for share in (0.1, 0.5, 0.9, 0.999):
        path = tmp_path / "cut"
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(ReadError):
            read(path)


def test_a_missing_file_a_folder_and_a_pipe_are_refused_each_as_what_it_is(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, sentence in (
        (tmp_path / "nothing", "There is no file nothing."),
        (tmp_path, f"{tmp_path.name} is a folder, not a file"),
        (pipe, "pipe is a pipe or a device, not a file: name a CSV or Parquet file."),
    ):
        with pytest.raises(ReadError, match=sentence):
            read(path)


@pytest.mark.parametrize(
    ("compression", "said"), [("snappy", "Failed to read file: "), ("none", "Invalid string encoding found")]
)
def test_a_damaged_page_is_told_without_folder_and_values(tmp_path, compression, said):
    path = tmp_path / "whole.parquet"
    secrets = [f"secret-{hashlib.sha256(b'%d' % i).hexdigest()}" for i in range(3000)]
    pyarrow.parquet.write_table(pa.table({"a": secrets}), path, compression=compression, use_dictionary=False)
    whole = bytearray(path.read_bytes())
    start = len(whole) // 4
    whole[start : start + 20] = b"\xff" * 20
    path.write_bytes(whole)
    with pytest.raises(ReadError) as caught, open_table(path) as table:
        table.all("SELECT a FROM data")
    assert str(caught.value).startswith("The file is damaged or of another kind: ")
    assert said in str(caught.value)
    assert "countersign-" not in str(caught.value)
    assert "secret-" not in str(caught.value)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_and_quotes_hold_it(tmp_path, delimiter):
    path = tmp_path / "x"
    path.write_text(
        delimiter.join(["a", '"b c"']) + "\n" + delimiter.join(["1", f'"x{delimiter}""y"""']) + "\n"
    )
    assert read(path) == (["a", "b c"], [("1", f'x{delimiter}"y"')])


@pytest.mark.parametrize("name", ["a[1].csv", "a*.csv", "a'b.csv", "a b?.csv"])
def test_a_name_is_not_a_pattern(tmp_path, name):
    path = tmp_path / name
    path.write_text("a\n1\n")
    (tmp_path / "a1.csv").write_text("a\nother\n")
    assert read(path)[1] == [("1",)]


def test_byte_order_mark_windows_lines_and_empty_cells(tmp_path):
    path = tmp_path / "x"
    path.write_bytes("\ufeffa,b\r\n1,\r\n,NA\r\n".encode())
    assert read(path) == (["a", "b"], [("1", None), (None, "NA")])


def test_not_known_words_stay_text(tmp_path):
    path = tmp_path / "x"
    path.write_text("a\nNone\nNA\nnull\nnan\n?\n")
    assert [row[0] for row in read(path)[1]] == ["None", "NA", "null", "nan", "?"]


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("007", "7"),
        ("7.0", "7"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("1e3", "1000"),
        ("0.10", "0.1"),
        (".5", "0.5"),
        ("+3", "3"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("9" * 40, "9" * 40),
        ("-" + "0" * 40 + "7", "-7"),
        ("+" + "0" * 40, "0"),
        ("-" + "0" * 40, "0"),
        ("True", "true"),
        ("2020-01-02T03:04:05.500", "2020-01-02 03:04:05.5"),
        ("2020-01-02 00:00:00", "2020-01-02"),
        ("2020-01-02 10:00:00.000", "2020-01-02 10:00:00"),
        ("1.2.3", "1.2.3"),
        (" 1", " 1"),
        ("1e999", "inf"),
    ],
)
def test_canonical_text(written, canonical):
    assert read({"a": [written]})[1] == [(canonical,)]


def test_nested_and_binary_columns_are_refused():
    for values in ([[1, 2]], [{"a": 1}], [b"x"]):
        with pytest.raises(ReadError, match="not single values"):
            read({"a": values})


@pytest.mark.parametrize(
    "source", [{"a": [1, 2], "b": [1]}, {"a": [1, "x"]}, {"a": [2**64]}, {"a": 1}, ["a"]]
)
def test_columns_that_make_no_table_are_refused(source):
    with pytest.raises(ReadError, match="one length and one type"):
        read(source)


def test_something_else_is_not_a_table():
    with pytest.raises(ReadError, match="NoneType is not a table"):
        read(None)


def test_the_connection_reads_nothing_else(tmp_path):
    path, other = tmp_path / "a", tmp_path / "b"
    path.write_text("a\n1\n")
    other.write_text("a\nsecret\n")
    with open_table(path) as table:
        for sql in (
            f"SELECT * FROM read_csv('{other}')",
            f"SELECT * FROM read_csv('{tmp_path}/x/../b')",
            "SELECT * FROM read_text('/etc/passwd')",
            f"COPY (SELECT 1) TO '{tmp_path}/out'",
            "INSTALL httpfs",
            "SET threads=2",
            "SET enable_external_access=true",
            "ATTACH '/tmp/x.db'",
        ):
            with pytest.raises(duckdb.Error):
                table.con.execute(sql).fetchall()


def test_an_unknown_column_is_named_with_the_known_ones():
    with open_table({"a": [1], "b": [2]}) as table, pytest.raises(InputError, match=r"no column “c”.*a, b"):
        table.column("c")
