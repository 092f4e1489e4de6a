"""The process that reads an uploaded file. A task as JSON on its input, the result or one sentence on its output.

Started by `ingest` with `python -I`; nothing of it runs in the web server or the worker.
"""

from __future__ import annotations

import codecs
import csv
import json
import re
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # `-I` leaves the project off the path
    sys.path.append(str(Path(__file__).resolve().parents[2]))

import duckdb

from apps.datasets.ingest import IngestError, IngestLimits, restrict

_MAX_CELL = 16 * 1024**2
# Whole numbers that survive the way to int64 and back; "007" and "+5" do not.
_INTEGER = r"^-?(0|[1-9][0-9]{0,17})$"
_NUMBER = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?$"
_PARQUET_TYPES = {
    "BOOLEAN": "boolean",
    **dict.fromkeys(
        ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"), "integer"
    ),
    **dict.fromkeys(("FLOAT", "DOUBLE"), "number"),
    "VARCHAR": "text",
    "DATE": "date",
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"), "timestamp"),
    "TIMESTAMP WITH TIME ZONE": "timestamp",
}
_SQL_TYPES = {
    "boolean": "BOOLEAN",
    "integer": "BIGINT",
    "number": "DOUBLE",
    "text": "VARCHAR",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
}


def _name(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def connect(source: Path, target: Path, memory_mb: int) -> duckdb.DuckDBPyConnection:
    """DuckDB that can read `source`, write `target`, and reach nothing else. One thread, so the bytes repeat."""
    config: dict[str, Any] = {
        "threads": 1,
        "memory_limit": f"{max(128, memory_mb // 2)}MB",
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        "temp_directory": "",
    }
    db = duckdb.connect(config=config)
    db.execute(f"SET allowed_paths = [{_text(str(source))}, {_text(str(target))}]")
    db.execute("SET TimeZone = 'UTC'")
    db.execute("SET enable_external_access = false")
    db.execute("SET lock_configuration = true")
    return db


def check_names(names: list[str], limits: IngestLimits) -> None:
    """Column names: there, unlike each other also when case is ignored, and printable."""
    if len(names) > limits.max_columns:
        raise IngestError(
            f"The file has {len(names):,} columns; at most {limits.max_columns:,} are accepted."
        )
    seen: dict[str, int] = {}
    for number, name in enumerate(names, 1):
        if not name.strip():
            raise IngestError(f"Column {number} has no name. Every column needs one in the first line.")
        if not name.isprintable() or len(name) > 200:
            raise IngestError(
                f"The name of column {number} has unprintable characters or more than 200 of them."
            )
        if name.casefold() in seen:
            raise IngestError(f"Columns {seen[name.casefold()]} and {number} are both called {name!r}.")
        seen[name.casefold()] = number


def check_text(source: Path) -> None:
    """UTF-8 without NUL, over the whole file; the sentence names the byte and how to mend it."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    offset, lines = 0, 1
    with source.open("rb") as f:
        while True:
            chunk = f.read(1 << 20)
            kept = len(decoder.getstate()[0])
            if (at := chunk.find(b"\0")) >= 0:
                raise IngestError(
                    f"The file has a NUL byte at offset {offset + at:,}: it is not text, or it is damaged. "
                    "Upload CSV in UTF-8, or Parquet."
                )
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                at = offset - kept + error.start
                line = lines + error.object[: error.start].count(b"\n")
                raise IngestError(
                    f"The file is not UTF-8: byte 0x{error.object[error.start]:02X} at offset {at:,}, line {line:,}. "
                    "Files from Windows are often Windows-1252. Save it as “CSV UTF-8”, or convert it: "
                    "iconv -f WINDOWS-1252 -t UTF-8 old.csv > new.csv"
                ) from error
            if not chunk:
                return
            offset += len(chunk)
            lines += chunk.count(b"\n")


def read_header(source: Path) -> tuple[list[str], str]:
    """(column names, delimiter). The delimiter is the one of , ; tab and | that splits the first line most."""
    with source.open(encoding="utf-8-sig", newline="") as f:
        first = f.readline(1 << 20)
    delimiter = max(",;\t|", key=lambda d: (len(next(csv.reader([first], delimiter=d), [])), d == ","))
    with source.open(encoding="utf-8-sig", newline="") as f:
        names = next(csv.reader(f, delimiter=delimiter), [])
    return names, delimiter


def count_rows(source: Path, delimiter: str, width: int) -> int:
    """Rows below the header, every one of them as wide as it. Blank lines count only where there is one column.

    DuckDB drops an unclosed quotation at the end of a file without a word, so a second reader counts.
    """
    csv.field_size_limit(_MAX_CELL)
    rows = -1
    with source.open(encoding="utf-8-sig", newline="") as f:
        reader = csv.reader(f, delimiter=delimiter, strict=True)
        try:
            for row in reader:
                if len(row) == width or (width == 1 and not row):
                    rows += 1
                elif row:
                    cells = "1 cell" if len(row) == 1 else f"{len(row):,} cells"
                    raise IngestError(
                        f"Line {reader.line_num:,} has {cells}; the first line names {width:,} columns. "
                        "A cell that contains the separator or a line break must stand in double quotes."
                    )
        except csv.Error as error:
            raise IngestError(
                f"Line {reader.line_num:,} cannot be read ({error}). Most often a double quote is not closed."
            ) from error
    return rows


def read_csv(
    db: duckdb.DuckDBPyConnection, source: Path, target: Path, limits: IngestLimits
) -> dict[str, Any]:
    """One pass decides every column's type, a second one writes."""
    check_text(source)
    names, delimiter = read_header(source)
    check_names(names, limits)
    if all(re.match(_NUMBER, n.strip()) for n in names):
        raise IngestError("The first line holds numbers. It must hold the names of the columns.")
    warnings = []
    if delimiter != ",":
        shown = {"\t": "tabs", ";": "semicolons", "|": "vertical bars"}[delimiter]
        warnings.append(f"Cells are separated by {shown}, not commas.")
    columns = ", ".join(f"{_text(n)}: 'VARCHAR'" for n in names)
    table = (
        f"read_csv({_text(str(source))}, auto_detect=false, header=true, columns={{{columns}}}, "
        f"delim={_text(delimiter)}, quote='\"', escape='\"', nullstr='', strict_mode=true, "
        f"max_line_size={_MAX_CELL}, parallel=false)"
    )
    counted = count_rows(source, delimiter, len(names))
    _check_rows(counted, limits)
    tests = []
    for n in map(_name, names):
        tests += [
            f"count({n})",
            f"count_if(regexp_matches({n}, '{_INTEGER}'))",
            f"count_if(regexp_matches({n}, '{_NUMBER}') AND isfinite(TRY_CAST({n} AS DOUBLE)))",
            f"approx_top_k(left({n}, 40), 3) FILTER (NOT regexp_matches({n}, '{_NUMBER}'))",
        ]
    try:
        found = db.execute(f"SELECT count(*), {', '.join(tests)} FROM {table}").fetchone()
        assert found is not None
        rows, found = int(found[0]), found[1:]
        if rows != counted:
            raise IngestError(
                f"Two readers disagree on this file: {counted:,} or {rows:,} rows. Save it again as CSV UTF-8."
            )
        types, selected = [], []
        for at, name in enumerate(names):
            cells, integers, numbers, others = found[4 * at : 4 * at + 4]
            kind = (
                "text"
                if not cells
                else "integer"
                if integers == cells
                else "number"
                if numbers == cells
                else "text"
            )
            if kind == "text" and cells and numbers >= cells / 2:
                words = ", ".join(repr(o) for o in (others or [])) or "numbers too large"
                odd = f"{cells - numbers:,} of {cells:,} cells are no plain numbers ({words})"
                warnings.append(f"Column {name} is kept as text: {odd}.")
            if not cells:
                warnings.append(f"Column {name} is empty in every row.")
            types.append({"name": name, "type": kind})
            selected.append(f"CAST({_name(name)} AS {_SQL_TYPES[kind]}) AS {_name(name)}")
        _write(db, f"SELECT {', '.join(selected)} FROM {table}", target)
    except duckdb.Error as error:
        if isinstance(error, duckdb.OutOfMemoryException):
            raise
        raise IngestError(f"The file cannot be read as CSV: {_first_line(error)}") from error
    return {"columns": types, "rows": rows, "warnings": warnings}


def read_parquet(
    db: duckdb.DuckDBPyConnection, source: Path, target: Path, limits: IngestLimits
) -> dict[str, Any]:
    """The footer is judged before a page is read: rows, columns, unpacked size, types."""
    where = _text(str(source))
    try:
        rows = _one(db, f"SELECT coalesce(sum(num_rows), 0) FROM parquet_file_metadata({where})")
        unpacked = _one(
            db, f"SELECT coalesce(sum(total_uncompressed_size), 0) FROM parquet_metadata({where})"
        )
        described = db.execute(f"DESCRIBE SELECT * FROM read_parquet({where})").fetchall()
        # DuckDB renames columns that differ by case only ("A" beside "a" becomes "A_1"); the footer has the true names.
        leaves = db.execute(
            f"SELECT name FROM parquet_schema({where}) WHERE coalesce(num_children, 0) = 0"
        ).fetchall()
        _check_rows(rows, limits)
        if unpacked > limits.max_unpacked:
            raise IngestError(
                f"The file unpacks to {unpacked / 1024**2:,.0f} MB; at most "
                f"{limits.max_unpacked / 1024**2:,.0f} MB are accepted."
            )
        check_names([d[0] for d in (leaves if len(leaves) == len(described) else described)], limits)
        types, selected, tests, warnings = [], [], ["count(*)"], []
        for name, sql, *_ in described:
            kind = _PARQUET_TYPES.get(sql)
            if kind is None and (sql.startswith("DECIMAL") or sql in ("UBIGINT", "HUGEINT")):
                kind = "number" if sql.startswith("DECIMAL") else "integer"
                if kind == "number":
                    warnings.append(f"Column {name} is {sql}; it is kept as a 64-bit floating point number.")
            if kind is None:
                raise IngestError(
                    f"Column {name} has the type {sql}. "
                    "Columns of numbers, text, truth values, dates and times are accepted."
                )
            types.append({"name": name, "type": kind})
            selected.append(f"CAST({_name(name)} AS {_SQL_TYPES[kind]}) AS {_name(name)}")
            tests.append(f"count_if(contains({_name(name)}, chr(0)))" if kind == "text" else "0")
        found = db.execute(f"SELECT {', '.join(tests)} FROM read_parquet({where})").fetchone()
        assert found is not None
        if found[0] != rows:
            raise IngestError(f"The file says it has {rows:,} rows, and holds {found[0]:,}. It is damaged.")
        for column, count in zip(types, found[1:], strict=True):
            if count:
                raise IngestError(f"Column {column['name']} has NUL characters in {count:,} cells.")
        _write(db, f"SELECT {', '.join(selected)} FROM read_parquet({where})", target)
    except duckdb.ConversionException as error:
        # DuckDB's sentence quotes the cell, and this one is read by who may not see it.
        raise IngestError(
            "The file has a value outside its range: it does not fit its column's type."
        ) from error
    except duckdb.OutOfMemoryException:
        raise
    except duckdb.Error as error:
        raise IngestError(
            f"The Parquet file is damaged or of a kind not read here: {_first_line(error)}"
        ) from error
    return {"columns": types, "rows": rows, "warnings": warnings}


def _one(db: duckdb.DuckDBPyConnection, query: str) -> int:
    found = db.execute(query).fetchone()
    assert found is not None
    return int(found[0])


def _check_rows(rows: int, limits: IngestLimits) -> None:
    if rows == 0:
        raise IngestError("The file has column names and no rows.")
    if rows > limits.max_rows:
        raise IngestError(f"The file has {rows:,} rows; at most {limits.max_rows:,} are accepted.")


def _write(db: duckdb.DuckDBPyConnection, query: str, target: Path) -> None:
    db.execute(
        f"COPY ({query}) TO {_text(str(target))} "
        "(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 122880, USE_TMP_FILE false)"
    )


def _first_line(error: Exception) -> str:
    """What DuckDB says first, without the place where the portal keeps the file."""
    told = re.sub(r"'?(?:/[\w.+-]+)+'?", "it", str(error).splitlines()[0])
    return " ".join(told.split())[:300]


def main() -> None:
    """Read the task, do it, print the outcome."""
    task = json.load(sys.stdin)
    limits = IngestLimits(**task["limits"])
    source, target = Path(task["source"]), Path(task["target"])
    restrict(limits)
    reader = read_csv if task["format"] == "csv" else read_parquet
    try:
        with connect(source, target, limits.memory_mb) as db:
            outcome = reader(db, source, target, limits)
    except IngestError as error:
        outcome = {"error": str(error)}
    except (MemoryError, duckdb.OutOfMemoryException):
        outcome = {"error": f"Reading the file needs more than the {limits.memory_mb:,} MB it is given."}
    print(json.dumps(outcome))


if __name__ == "__main__":
    main()
