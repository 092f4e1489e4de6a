"""Open a table for analysis: a CSV or Parquet file, or columns in memory, in a locked-down DuckDB.

The connection may read that one file and its own spill folder and nothing else; its settings cannot be
changed; no extension is fetched. One thread by default, so that the same file gives the same bytes.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from apps.analysis import canonical, frames, limits
from apps.analysis.errors import InputError, ReadError

if TYPE_CHECKING:
    import duckdb  # loaded when a table is opened: a fifth of a second that other processes do not pay

MAX_COLUMNS = 4096
MAX_ROWS = 200_000_000
_HEADER_BYTES = 1 << 20
# What an engine quotes is the portal's own folder or a value of the file, which may be secret.
_QUOTED = re.compile(r"""(: value)? ?("[^"]*("|$)|'[^']*('|$))""")
_NESTED = ("STRUCT", "MAP", "UNION", "BLOB", "VARIANT", "BIT")


@dataclass(frozen=True)
class Column:
    """A column and its DuckDB type; in a CSV file BIGINT or DOUBLE where every cell is such a number, else VARCHAR."""

    name: str
    type: str

    @property
    def text(self) -> str:
        """SQL for the canonical text of the cell (see `canonical`)."""
        return canonical.text(self.name, self.type)

    @property
    def number(self) -> str:
        """SQL for the cell as a finite DOUBLE, else NULL."""
        return canonical.number(self.name, self.type)

    @property
    def floating(self) -> bool:
        """Whether cells are floating-point numbers, among which NaN is missing."""
        return self.type in ("DOUBLE", "FLOAT")

    @property
    def numeric(self) -> bool:
        """Whether cells are stored as integers or floating-point numbers."""
        return self.floating or self.type in canonical.INTEGERS


@dataclass(frozen=True)
class Table:
    """An open table; its rows are the relation `data` of `con`."""

    con: duckdb.DuckDBPyConnection
    format: str  # "csv", "parquet" or "memory"
    columns: tuple[Column, ...]
    rows: int
    frame: Any = None  # a lazy frame of another engine, counted there; see `materialise`

    def chosen(self, columns: Mapping[str, str], numbers: Sequence[str] = ()) -> Any:
        """A frame with the named columns under the names of their roles; roles in `numbers` as finite numbers."""
        if self.frame is None:
            parts = [
                f"{self.column(name).number if role in numbers else canonical.identifier(name)} AS {role}"
                for role, name in columns.items()
            ]
            return self.con.sql(f"SELECT {', '.join(parts)} FROM data")
        for name in columns.values():
            self.column(name)
        return frames.chosen(self.frame, columns, numbers)

    def materialise(self, names: Iterable[str]) -> None:
        """Fetch these columns of a lazy frame into `data`; other tables are there already."""
        if self.frame is None:
            return
        self.con.register("data", frames.fetched(self.frame, names))

    def column(self, name: str) -> Column:
        """The column of that exact name; `InputError` names the ones there are."""
        for column in self.columns:
            if column.name == name:
                return column
        names = ", ".join(c.name for c in self.columns[:12])
        more = f" and {len(self.columns) - 12} more" if len(self.columns) > 12 else ""
        raise InputError(f"There is no column “{name}”; the table has {names}{more}.")

    def all(self, sql: str) -> list[tuple[Any, ...]]:
        """All rows of a query; engine errors become `ReadError`."""
        import duckdb

        try:
            return self.con.execute(sql).fetchall()
        except duckdb.Error as error:
            raise _sentence(error) from error

    def arrow(self, sql: str) -> Any:
        """The result of a query as a pyarrow Table."""
        import duckdb

        try:
            return self.con.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            raise _sentence(error) from error


@dataclass(frozen=True)
class Where:
    """Only the rows of `source` whose `values` (column -> canonical text, "" for missing) are these."""

    source: Any
    values: Mapping[str, str]


@contextmanager
def open_table(source: Any, *, threads: int = 1, engine_counts: bool = False) -> Iterator[Table]:
    """Open `source` and close it again.

    `engine_counts`: a lazy frame (Dask, Ibis, PySpark, Polars, DuckDB) is not fetched; the caller lets its own
    engine count (`Table.chosen`) and fetches only columns that must be seen row by row (`Table.materialise`).

    `source`: a path to a CSV (UTF-8, header line, comma, semicolon, tab or bar) or Parquet file, told apart
    by content, not by name; or a mapping column -> sequence; or a list of dicts; or any frame Narwhals knows; or a
    `Where` around one of these.
    Raises `ReadError` with one sentence when it is not a readable table.
    """
    import duckdb

    if isinstance(source, Where):
        with open_table(source.source, threads=threads, engine_counts=engine_counts) as whole:
            yield _narrowed(whole, source.values)
        return
    with tempfile.TemporaryDirectory(prefix="countersign-") as spill:
        con = duckdb.connect(
            ":memory:",
            config={
                "threads": threads,
                "memory_limit": f"{limits.engine_mb()}MiB",
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "temp_directory": spill,
                "preserve_insertion_order": True,
            },
        )
        try:
            con.execute("SET enable_progress_bar=false")
            if isinstance(source, str | Path):
                yield _open_file(con, Path(source), Path(spill))
            else:
                lazy = frames.lazy(source) if engine_counts else None
                con.register("data", frames.to_arrow(source) if lazy is None else frames.first_row(lazy))
                _lock(con)
                table = _described(con, "memory")
                yield table if lazy is None else replace(table, rows=frames.length(lazy), frame=source)
        finally:
            con.close()


def _narrowed(table: Table, values: Mapping[str, str]) -> Table:
    """The table with the rows that have these values alone; `InputError` where there is none, saying what there is."""
    columns = {name: table.column(name) for name in values}
    if table.frame is not None:
        frame = frames.where(table.frame, values)
        narrowed = replace(table, frame=frame, rows=frames.length(frames.lazy(frame)))
    else:
        conditions = " AND ".join(
            f"coalesce({columns[name].text}, '') = {canonical.literal(value)}"
            for name, value in values.items()
        )
        table.all("ALTER VIEW data RENAME TO whole")
        table.all(f"CREATE TEMP VIEW data AS SELECT * FROM whole WHERE {conditions}")
        narrowed = replace(table, rows=int(table.all("SELECT count(*) FROM data")[0][0]))
    if narrowed.rows == 0:
        wanted = " and ".join(f"“{name}” = “{value}”" for name, value in values.items())
        raise InputError(f"None of the {table.rows:,} rows has {wanted}: there is nothing to compute.")
    return narrowed


def _lock(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("SET enable_external_access=false")
    con.execute("SET lock_configuration=true")


def _open_file(con: duckdb.DuckDBPyConnection, given: Path, folder: Path) -> Table:
    import duckdb

    if not given.exists():
        raise ReadError(f"There is no file {given.name}.")
    if not given.is_file():
        kind = "a folder" if given.is_dir() else "a pipe or a device"
        raise ReadError(f"{given.name} is {kind}, not a file: name a CSV or Parquet file.")
    if given.stat().st_size == 0:
        raise ReadError("The file is empty.")
    # DuckDB takes *, ? and [ in a name for a pattern: it is shown a link with a plain name.
    path = folder / "table"
    path.symlink_to(given.resolve())
    con.execute(f"SET allowed_paths=[{canonical.literal(str(path))}]")
    _lock(con)
    with path.open("rb") as file:
        head = file.read(4)
    try:
        if head == b"PAR1":
            _open_parquet(con, path)
            return _described(con, "parquet")
        _open_csv(con, path, head)
        return _described(con, "csv")
    except duckdb.Error as error:
        raise _sentence(error) from error


def _open_parquet(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    with path.open("rb") as file:
        file.seek(-4, io.SEEK_END)
        if file.read(4) != b"PAR1":
            raise ReadError("The Parquet file is truncated: its end mark is missing.")
    where = canonical.literal(str(path))
    schema = con.execute(f"SELECT name FROM parquet_schema({where}) OFFSET 1").fetchall()
    _check_names([name for (name,) in schema])
    rows = con.execute(f"SELECT coalesce(sum(num_rows), 0) FROM parquet_file_metadata({where})").fetchall()
    if rows[0][0] > MAX_ROWS:
        raise ReadError(f"The file claims {rows[0][0]:,} rows; at most {MAX_ROWS:,} are read.")
    con.execute(f"CREATE VIEW data AS SELECT * FROM read_parquet({where})")


def _open_csv(con: duckdb.DuckDBPyConnection, path: Path, head: bytes) -> None:
    if head.startswith((b"PK", b"\x1f\x8b", b"%PDF", b"\x89PNG")):
        raise ReadError("The file is neither a CSV text nor a Parquet file.")
    _check_text(path)
    names, delimiter = _header(path)
    _check_names(names)
    columns = ", ".join(f"{canonical.literal(name)}: 'VARCHAR'" for name in names)
    con.execute(
        f"CREATE TABLE lines AS SELECT * FROM read_csv({canonical.literal(str(path))}, auto_detect=false,"
        f" header=true, delim={canonical.literal(delimiter)}, quote='\"', escape='\"', columns={{{columns}}},"
        " compression='none', strict_mode=true, null_padding=false, max_line_size=16777216)"
    )
    con.execute(f"CREATE VIEW data AS SELECT {', '.join(_typed(con, names))} FROM lines")


def _typed(con: duckdb.DuckDBPyConnection, names: Sequence[str]) -> list[str]:
    """SQL per column: cast where every cell is a number that the type holds exactly, so canonical texts stay the same.

    A look at the first rows spares the columns that are plainly text.
    """
    columns = [canonical.identifier(name) for name in names]
    kinds = (canonical.SHORT_INTEGER, canonical.SHORT_DECIMAL)
    checks = [
        f"bool_and(regexp_full_match({c}, '{kind}')) FILTER ({c} <> '')" for c in columns for kind in kinds
    ]
    first = con.execute(f"SELECT {', '.join(checks)} FROM (SELECT * FROM lines LIMIT 1000)").fetchall()[0]
    asked = [check if answer else "false" for check, answer in zip(checks, first, strict=True)]
    answers = con.execute(f"SELECT {', '.join(asked)}, count(*) FROM lines").fetchall()[0]
    typed = []
    for i, column in enumerate(columns):
        whole, decimal = answers[2 * i : 2 * i + 2]
        if whole or decimal:
            kind = "BIGINT" if whole else "DOUBLE"
            typed.append(f"CAST(nullif({column}, '') AS {kind}) AS {column}")
        else:
            typed.append(column)
    return typed


def _check_text(path: Path) -> None:
    """UTF-8 without NUL from first to last byte, else `ReadError` with the line."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    lines = 1
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError as error:
                line = lines + chunk[: max(error.start, 0)].count(b"\n")
                raise ReadError(
                    f"The file is not UTF-8 text: line {line} holds a byte of another encoding."
                ) from error
            if b"\x00" in chunk:
                raise ReadError("The file is not text: it holds zero bytes (UTF-16 or a binary file).")
            lines += chunk.count(b"\n")
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise ReadError("The file is not UTF-8 text: it ends in the middle of a character.") from error


def _header(path: Path) -> tuple[list[str], str]:
    with path.open("rb") as file:
        start = file.read(_HEADER_BYTES).decode("utf-8-sig", errors="ignore")
    first = re.sub(r'"[^"]*"', "", start.split("\n", 1)[0])
    delimiter = max(",;\t|", key=first.count)
    try:
        names = next(csv.reader(io.StringIO(start, newline=""), delimiter=delimiter, strict=True), [])
    except csv.Error as error:
        raise ReadError("The header line cannot be read: a quotation mark is not closed.") from error
    names = [name.strip() for name in names]
    if len(names) > 1 and not names[0]:
        names[0] = "unnamed_1"  # the row names that R and pandas write without a heading
    return names, delimiter


def _check_names(names: Sequence[str]) -> None:
    if not names or not any(names):
        raise ReadError("The file has no columns.")
    if len(names) > MAX_COLUMNS:
        raise ReadError(f"The file has {len(names):,} columns; at most {MAX_COLUMNS:,} are read.")
    seen: dict[str, str] = {}
    for position, name in enumerate(names, start=1):
        if not name:
            raise ReadError(f"Column {position} has no name in the header.")
        if (other := seen.get(name.casefold())) is not None:
            apart = "" if other == name else f" (“{other}” differs only in case)"
            raise ReadError(f"The header names “{name}” twice{apart}.")
        seen[name.casefold()] = name


def _described(con: duckdb.DuckDBPyConnection, kind: str) -> Table:
    found = con.execute("DESCRIBE data").fetchall()
    columns = tuple(Column(row[0], str(row[1])) for row in found)
    _check_names([column.name for column in columns])
    for column in columns:
        if column.type.startswith(_NESTED) or column.type.endswith("]"):
            kind = column.type.split("(")[0].lower()
            filled = con.execute(f"SELECT count({canonical.identifier(column.name)}) FROM data").fetchall()
            raise ReadError(
                f"Column “{column.name}” holds {kind} values in {int(filled[0][0]):,} rows, not single values."
            )
    # fetchall, not fetchone: DuckDB refuses other work on a connection with a result half read.
    rows = con.execute("SELECT count(*) FROM data").fetchall()
    return Table(con, kind, columns, int(rows[0][0]))


def _sentence(error: duckdb.Error) -> ReadError:
    """One plain sentence for what the engine reports."""
    import duckdb

    message = str(error)
    if ragged := re.search(r"Line: (\d+)[\s\S]*Expected Number of Columns: (\d+) Found: (\d+)", message):
        line, wanted, found = ragged.groups()
        return ReadError(f"Line {line} has {found} cells; the header has {wanted}.")
    if quote := re.search(r"Line: (\d+)[\s\S]*unterminated quote", message):
        return ReadError(f"In line {quote[1]} a quotation mark is not closed.")
    if isinstance(error, duckdb.OutOfMemoryException):
        return ReadError("The file needs more memory than an analysis may use.")
    if line_error := re.search(r"CSV Error on Line: (\d+)", message):
        return ReadError(f"Line {line_error[1]} cannot be read as CSV.")
    return ReadError(
        "The file is damaged or of another kind: "
        + _QUOTED.sub("", message.split("\n")[0])[:160].rstrip(". ")
        + "."
    )
