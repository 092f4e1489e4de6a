"""Tables that are in memory or belong to another engine, through Narwhals."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from apps.analysis.errors import ReadError


def to_arrow(source: Any) -> Any:
    """A pyarrow table of columns, rows or any frame; `ReadError` for what is none."""
    import pyarrow as pa

    try:
        if isinstance(source, pa.Table):
            return source
        if isinstance(source, Mapping):
            return pa.table({str(key): pa.array(values) for key, values in source.items()})
        if isinstance(source, list | tuple):
            return pa.Table.from_pylist(list(source))
    except (pa.ArrowInvalid, pa.ArrowTypeError, AttributeError, OverflowError, TypeError) as error:
        raise ReadError("The columns are not of one length and one type each.") from error
    import narwhals.stable.v2 as nw

    try:
        return nw.from_native(source).lazy().collect("pyarrow").to_native()
    except TypeError as error:
        raise ReadError(f"A {type(source).__name__} is not a table.") from error


def lazy(source: Any) -> Any:
    """The Narwhals frame of a lazy source, else None."""
    import narwhals.stable.v2 as nw

    frame = nw.from_native(source, pass_through=True)
    return frame if isinstance(frame, nw.LazyFrame) else None


def first_row(frame: Any) -> Any:
    """One row of a lazy frame: enough to know its columns."""
    return frame.head(1).collect("pyarrow").to_native()


def length(frame: Any) -> int:
    """Rows of a lazy frame."""
    import narwhals.stable.v2 as nw

    return int(frame.select(nw.len().alias("rows")).collect("pyarrow")["rows"][0])  # Dask adds its index


def where(frame: Any, values: Mapping[str, str]) -> Any:
    """The rows of a lazy frame whose columns, as text of that engine, are these; "" is a missing value."""
    import narwhals.stable.v2 as nw

    rows = nw.from_native(frame)
    for name, value in values.items():
        text = nw.col(name).cast(nw.String)
        rows = rows.filter(text == value if value else nw.col(name).is_null() | (text == ""))
    return rows.to_native()


def chosen(frame: Any, columns: Mapping[str, str], numbers: Sequence[str]) -> Any:
    """The named columns under the names of their roles; roles in `numbers` as doubles."""
    import narwhals.stable.v2 as nw

    made = []
    schema = nw.from_native(frame).collect_schema()
    for role, name in columns.items():
        if role in numbers and not schema[name].is_numeric():
            raise ReadError(f"Column “{name}” of the frame is {schema[name]}, not a number: cast it first.")
        column = nw.col(name)
        made.append((column.cast(nw.Float64) if role in numbers else column).alias(role))
    return nw.from_native(frame).select(*made).to_native()


def fetched(frame: Any, names: Iterable[str]) -> Any:
    """The named columns of a lazy frame as a pyarrow table."""
    import narwhals.stable.v2 as nw

    return nw.from_native(frame).lazy().select(*dict.fromkeys(names)).collect("pyarrow").to_native()
