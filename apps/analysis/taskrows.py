"""The rows of a task without cells: numbers, design and group codes, checked, in one order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from apps.analysis import checks, limits
from apps.analysis import groups as making
from apps.analysis.canonical import identifier
from apps.analysis.errors import InputError
from apps.analysis.prepare import MAX_ATTRIBUTES
from apps.analysis.readers import Table
from apps.analysis.survey import Design

MAX_NUMBER = 1e100  # of a label, prediction or score: squares of it, and sums of these, stay finite


def rows_of(
    table: Table,
    roles: dict[str, tuple[str, str | None]],
    groups: Sequence[str],
    weight: str | None,
    entity: str | None,
) -> tuple[dict[str, Any], Design | None, making.Codes, list[str]]:
    """(role -> (n,) numbers, design, group codes, notes); rows in one order, whatever that of the file.

    `roles`: role -> (column, its words); none where `classes.open_classes` was called before: then `place` is the row's
    place in the file, from 0. Raises `InputError` where a column is not of numbers, with the count.
    """
    if table.rows == 0:
        raise InputError("The table has a header but no rows.")
    if len(groups) > MAX_ATTRIBUTES:
        raise InputError(f"{len(groups)} group columns were named; at most {MAX_ATTRIBUTES} are compared.")
    limits.check_rows(table.rows, len(groups))
    parts = [f"{table.column(name).number} AS {role}" for role, (name, _) in roles.items()]
    notes: list[str] = []
    join = ""
    for i, group in enumerate(groups):
        checks.few_values(table, group)
        text = table.column(group).text
        table.all(
            f"CREATE OR REPLACE TEMP TABLE map_g{i} AS SELECT {text} AS t, count(*) AS n FROM data GROUP BY t"
        )
        notes += checks.group_values(table, f"g{i}", group)
        parts.append(f"coalesce({text}, '') AS g{i}")
    if weight:
        checks.weights(table, weight)
        parts.append(f"{table.column(weight).number} AS w")
    if entity:
        checks.entities(table, entity)
        notes += checks.entity_notes(table, entity)
        parts.append("entity.i AS e")
        join = f"JOIN entity ON data.{identifier(entity)} IS NOT DISTINCT FROM entity.raw"
    if not roles:
        parts.append("place")
        join += " JOIN classified USING (row_)"
    source = "data" if roles else "(SELECT *, row_number() OVER () AS row_ FROM data) AS data"
    arrow = table.arrow(f"SELECT {', '.join(parts)} FROM {source} {join}")
    for role, (name, words) in roles.items():
        if bad := arrow[role].null_count:
            raise InputError(
                f"The {words} column “{name}” is missing or not a number in {bad:,} of {table.rows:,} rows."
            )
        if large := int((np.abs(arrow[role].to_numpy()) > MAX_NUMBER).sum()):
            raise InputError(
                f"The {words} column “{name}” holds numbers beyond ±{MAX_NUMBER:g} in {large:,} of "
                f"{table.rows:,} rows; their squares cannot be added. "
                "Give it in a larger unit, or leave these rows out."
            )
    # One order of the rows: sums of floating-point numbers depend on it.
    keys = [arrow[name].to_numpy(zero_copy_only=False) for name in arrow.column_names]
    coded = [np.unique(key, return_inverse=True)[1] if key.dtype == object else key for key in keys]
    arrow = arrow.take(np.lexsort(coded))
    rows = {n: arrow[n].to_numpy() for n in arrow.column_names if not n.startswith("g")}
    design = None
    if weight or entity:
        weights = rows["w"] if weight else np.ones(arrow.num_rows)
        units = rows["e"].astype(np.int64) if entity else np.arange(arrow.num_rows)
        design = Design(weights, units)
    codes: making.Codes = []
    for i in range(len(groups)):
        encoded = arrow[f"g{i}"].combine_chunks().dictionary_encode()
        codes.append((encoded.dictionary.to_pylist(), encoded.indices.to_numpy().astype(np.int64)))
    return rows, design, codes, notes
