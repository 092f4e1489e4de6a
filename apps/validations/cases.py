"""Per-case results: one row a case, kept as Parquet in the vault (Annex 22 draft 7.2, 9.1).

Columns: case_row (from 1, the order of the test file), case_unit where the data name a physical unit, the group
columns under their own names, case_label and case_prediction (of two classes 1 positive, 0 negative; of several their
names; of a regression numbers), case_score (of several classes case_score_1, case_score_2 … in the plan's order);
case_weight where the plan names one; case_undecided (1 undecided) where it states a band of undecided scores;
case_excluded (the reason, empty where the case counts) where the plan excludes what cannot be judged.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from apps.analysis.canonical import literal
from apps.analysis.readers import Table, open_table
from apps.core import blobs
from apps.core.digests import sha256_hex
from apps.validations import exclusions
from apps.validations.failures import CannotCompute
from apps.validations.states import Task

ROW, UNIT, WEIGHT, LABEL, PREDICTION, SCORE, UNDECIDED, EXCLUDED = (
    "case_row",
    "case_unit",
    "case_weight",
    "case_label",
    "case_prediction",
    "case_score",
    "case_undecided",
    "case_excluded",
)
AREA = "vault"


@dataclass(frozen=True)
class Reading:
    """What of a data file makes a case. `exclude`: a row that cannot be judged gets a reason, and raises nothing."""

    label: str
    positive: str = ""
    task: Task = Task.BINARY
    classes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    unit: str = ""
    weight: str = ""
    exclude: bool = False


def labelled(
    path: Path,
    label_column: str,
    positive_value: str,
    groups: list[str],
    unit_column: str = "",
    weight_column: str = "",
) -> pa.Table:
    """`read_cases` of two classes, where nothing is excluded."""
    return read_cases(
        path,
        Reading(label_column, positive_value, Task.BINARY, (), tuple(groups), unit_column, weight_column),
    )


def read_cases(path: Path, of: Reading) -> pa.Table:
    """case_row, case_unit, case_weight, groups and case_label of a canonical Parquet file, in its order.

    With `of.exclude` also case_excluded. Raises `CannotCompute` when labels are missing, not two-valued (not among the
    classes, not numbers), or never the positive value while two others occur, and when a weight is not a positive
    number; with `of.exclude` only where no row alone is at fault.
    """
    with open_table(path) as table:
        if table.rows == 0:
            raise CannotCompute("The data have no rows, so there is nothing to judge.")
        column = table.column(of.label)
        label = column.text
        wrong: list[tuple[str, str, str]] = [  # reason, where, what is to be said before the count
            (exclusions.NO_LABEL, f"{label} IS NULL", f"The label column “{of.label}” is empty in")
        ]
        if of.task == Task.MULTICLASS:
            known = ", ".join(literal(name) for name in of.classes)
            said = f"The label column “{of.label}” holds none of the plan's classes in"
            wrong.append((exclusions.STRANGE_LABEL, f"{label} NOT IN ({known})", said))
        elif of.task == Task.REGRESSION:
            said = f"The label column “{of.label}” holds no finite number in"
            wrong.append((exclusions.NO_NUMBER, f"{column.number} IS NULL", said))
        if of.weight:
            weight = table.column(of.weight).number
            said = f"The weight column “{of.weight}” holds no positive number in"
            wrong.append((exclusions.BAD_WEIGHT, f"{weight} IS NULL OR {weight} <= 0", said))
        if not of.exclude:
            for reason, where, said in wrong:
                if bad := table.all(f"SELECT count(*) FROM data WHERE {where}")[0][0]:
                    more = " Every test case needs a verified label." if reason == exclusions.NO_LABEL else ""
                    raise CannotCompute(f"{said} {bad:,} of {table.rows:,} rows.{more}")
        if of.task == Task.BINARY:
            _refuse_labels(table, of)
        made = {
            Task.BINARY: f"CAST({label} = {literal(of.positive)} AS TINYINT)",
            Task.MULTICLASS: label,
            Task.REGRESSION: column.number,
        }[of.task]
        parts = [f"{made} AS {LABEL}"]
        if of.unit:
            parts.append(f"{table.column(of.unit).text} AS {UNIT}")
        if of.weight:
            parts.append(f"{weight} AS {WEIGHT}")
        if of.exclude:
            cases = " ".join(f"WHEN {where} THEN {literal(reason)}" for reason, where, _ in wrong)
            parts.append(f"CASE {cases} END AS {EXCLUDED}")
        parts += [f"{table.column(name).text} AS g{i}" for i, name in enumerate(of.groups)]
        arrow = table.arrow(f"SELECT {', '.join(parts)} FROM data")
    columns: dict[str, Any] = {ROW: pa.array(np.arange(1, arrow.num_rows + 1, dtype=np.int64))}
    if of.unit:
        columns[UNIT] = arrow[UNIT]
    if of.weight:
        columns[WEIGHT] = arrow[WEIGHT]
    columns |= {name: arrow[f"g{i}"] for i, name in enumerate(of.groups)}
    columns[LABEL] = arrow[LABEL]
    if of.exclude:
        columns[EXCLUDED] = arrow[EXCLUDED].cast(pa.string())
    return pa.table(columns)


def _refuse_labels(table: Table, of: Reading) -> None:
    """Labels of which no single row is at fault: three values, or never the positive one."""
    label = table.column(of.label).text
    found = table.all(f"SELECT DISTINCT {label} AS v FROM data WHERE {label} IS NOT NULL LIMIT 4")
    values = {str(v) for (v,) in found}
    if len(values) > 2:
        raise CannotCompute(f"The label column “{of.label}” has more than two values.")
    if len(values) == 2 and of.positive not in values:
        raise CannotCompute(
            f"The label column “{of.label}” never holds the positive value {of.positive}; "
            f"it holds {' and '.join(sorted(values))}."
        )


def counted(cases: pa.Table) -> pa.Table:
    """The cases that are not excluded, without that column; all where the plan excludes none."""
    if EXCLUDED not in cases.column_names:
        return cases
    kept = cases.filter(pc.is_null(cases[EXCLUDED])).drop_columns([EXCLUDED])
    if kept.num_rows == 0:
        raise CannotCompute(f"All {cases.num_rows:,} cases are excluded: none can be judged.")
    return kept


def decided_only(cases: pa.Table) -> pa.Table:
    """The counted cases outside the band of undecided scores; all where the plan states none."""
    cases = counted(cases)
    if UNDECIDED not in cases.column_names:
        return cases
    kept = cases.filter(pc.equal(cases[UNDECIDED], 0))
    if kept.num_rows == 0:
        raise CannotCompute(f"All {cases.num_rows:,} cases are undecided: no score lies outside the band.")
    return kept


def design_of(cases: pa.Table, unit_column: str, weight_column: str) -> dict[str, str]:
    """Keywords for `analysis` reports: the case column of the unit and of the weight that a plan names."""
    chosen = (("entity", UNIT, unit_column), ("weight", WEIGHT, weight_column))
    return {key: column for key, column, named in chosen if named and column in cases.column_names}


def put_cases(cases: pa.Table) -> str:
    """Store per-case results in the vault; returns the digest. The same cases give the same bytes."""
    out = io.BytesIO()
    pq.write_table(cases, out, compression="zstd", store_schema=False)
    return blobs.put(out.getvalue(), area=AREA).digest


def secret_of(digest: str) -> str:
    """What nobody knows who has not read the stored cases, the same each time: digests of results rest on it too.

    A few hidden counts could otherwise be tried one by one until the digest, which everybody is told, is right.
    """
    return sha256_hex(b"countersign results\n" + blobs.read(digest, area=AREA))


def read_cases_table(digest: str) -> pa.Table:
    """Stored per-case results, compared with their digest."""
    return pq.read_table(io.BytesIO(blobs.read(digest, area=AREA)))


@dataclass(frozen=True)
class CasePage:
    """A stretch of per-case results: `first` is the place of its first row, from 1; `number` runs from 1 to `pages`."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    total: int
    number: int
    pages: int
    first: int


def page_of_cases(digest: str, number: int, size: int) -> CasePage:
    """Page `number` of the stored cases, `size` rows each; a number outside the pages gives the nearest one."""
    table = read_cases_table(digest)
    pages = max(1, -(-table.num_rows // size))
    number = min(max(number, 1), pages)
    part = table.slice((number - 1) * size, size)
    columns = tuple(part.column_names)
    rows = list(zip(*(part[name].to_pylist() for name in columns), strict=True))
    return CasePage(columns, rows, table.num_rows, number, pages, (number - 1) * size + 1)
