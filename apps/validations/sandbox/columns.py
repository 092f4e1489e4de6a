"""The columns a model asks for, taken out of a data file in batches. Nothing else leaves the vault."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from apps.validations.sandbox import wire
from apps.validations.sandbox.errors import ModelInputMismatch
from apps.validations.sandbox.results import ModelInfo

# Fixed, because the last bits of a matrix product may depend on how many rows go in at once.
BATCH = 8192


def match(info: ModelInfo, schema: pa.Schema, features: list[str] | None, named: bool) -> list[str]:
    """The data columns to send, in the order the model wants them. Raises `ModelInputMismatch`."""
    if not info.inputs:
        raise ModelInputMismatch("The model takes no input at all, so there is nothing to score with it.")
    have = set(schema.names)
    if named:
        wanted = [port.name for port in info.inputs]
        if features is not None and set(features) != set(wanted):
            odd = sorted(set(features) ^ set(wanted))
            raise ModelInputMismatch(
                f"The declared features and the model's inputs differ in: {_list(odd)}.", odd
            )
    else:
        shape = info.inputs[0].shape
        width = shape[1] if len(shape) == 2 else None
        if features is None:
            raise ModelInputMismatch(
                f"The model takes one table of {width or 'any number of'} numbers without names. "
                "Declare its features, in order, on the model version."
            )
        if width is not None and len(features) != width:
            raise ModelInputMismatch(
                f"The model takes {width} numbers a row; {len(features)} features are declared."
            )
        wanted = features
    missing = [name for name in wanted if name not in have]
    if missing:
        raise ModelInputMismatch(
            f"The model needs {_list(missing)}, which the data do not have. The data have: {_list(sorted(have))}.",
            missing,
        )
    types = (
        {port.name: port.type for port in info.inputs}
        if named
        else dict.fromkeys(wanted, info.inputs[0].type)
    )
    for name in wanted:
        kind, arrow = types[name], schema.field(name).type
        text = pa.types.is_string(arrow) or pa.types.is_large_string(arrow)
        number = pa.types.is_integer(arrow) or pa.types.is_floating(arrow) or pa.types.is_boolean(arrow)
        if not text and not number:
            raise ModelInputMismatch(
                f"Column {name} is {arrow}; a model can be given numbers and text only.", [name]
            )
        if kind in ("number", "integer", "boolean") and text:
            raise ModelInputMismatch(f"The model wants a number in {name}; in the data it is text.", [name])
        if kind == "text" and not text:
            raise ModelInputMismatch(f"The model wants text in {name}; in the data it is a number.", [name])
        if kind in ("integer", "boolean") and pa.types.is_floating(arrow):
            raise ModelInputMismatch(
                f"The model wants a whole number in {name}; in the data it is a fraction.", [name]
            )
    return wanted


def batches(
    path: Path, columns: list[str], info: ModelInfo, size: int, skipped: list[int] | None = None
) -> Iterator[tuple[int, list[bytes]]]:
    """(rows, frame parts) of each batch. Empty cells become NaN in numbers, "" in text; refused in whole numbers.

    With a list `skipped`, rows with an empty cell in a whole number are left out and their places (from 0) put there.
    """
    strict = whole_inputs(info)
    file = pq.ParquetFile(path)
    begun = 0
    for part in file.iter_batches(batch_size=size, columns=columns):
        rows = part.num_rows
        if skipped is not None:
            fit = np.ones(rows, dtype=bool)
            for name in strict & set(columns):
                fit &= ~part.column(part.schema.get_field_index(name)).is_null().to_numpy(
                    zero_copy_only=False
                )
            skipped += [begun + int(place) for place in np.flatnonzero(~fit)]
            part = part.filter(pa.array(fit))
        begun += rows
        if part.num_rows:
            yield part.num_rows, packed(part, columns, strict)


def whole_inputs(info: ModelInfo) -> set[str]:
    """Inputs that take whole numbers only: an empty cell cannot be given to them."""
    return {p.name for p in info.inputs if p.type in ("integer", "boolean")}


def packed(part: pa.RecordBatch, columns: list[str], strict: set[str]) -> list[bytes]:
    """One batch as the parts of a frame. Raises `ModelInputMismatch` for an empty cell in a column of `strict`."""
    specs: list[dict[str, Any]] = []
    buffers = []
    for name in columns:
        column = part.column(part.schema.get_field_index(name))
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            specs.append({"name": name, "dtype": "text"})
            buffers.append(wire.pack_text(column.to_pylist()))
            continue
        whole = pa.types.is_integer(column.type) or pa.types.is_boolean(column.type)
        if column.null_count and name in strict:
            raise ModelInputMismatch(
                f"Column {name} has empty cells; the model takes whole numbers only.", [name]
            )
        dtype = "<i8" if whole and not column.null_count else "<f8"
        specs.append({"name": name, "dtype": dtype})
        cast = column.cast(pa.int64() if dtype == "<i8" else pa.float64(), safe=False)
        buffers.append(cast.to_numpy(zero_copy_only=False).astype(dtype).tobytes())
    return wire.pack({"columns": specs, "order": columns}, buffers)


def _list(names: list[str]) -> str:
    shown = ", ".join(names[:12])
    return shown + (f" and {len(names) - 12} more" if len(names) > 12 else "")
