"""Per-case results: one row a case, kept as Parquet in the vault (Annex 22 draft 7.2, 9.1).

Columns: case_row (from 1, the order of the test file), case_unit where the data name a physical unit, the group
columns under their own names, case_label and case_prediction (1 positive, 0 negative), case_score; case_weight where
the plan names one; case_undecided (1 undecided) where it states a band of undecided scores.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from apps.analysis.canonical import literal
from apps.analysis.readers import open_table
from apps.analysis.undecided import flags
from apps.core import blobs
from apps.validations.failures import CannotCompute
from apps.validations.sandbox import ScoreResult

ROW, UNIT, WEIGHT, LABEL, PREDICTION, SCORE, UNDECIDED = (
    "case_row",
    "case_unit",
    "case_weight",
    "case_label",
    "case_prediction",
    "case_score",
    "case_undecided",
)
AREA = "vault"


def labelled(
    path: Path,
    label_column: str,
    positive_value: str,
    groups: list[str],
    unit_column: str = "",
    weight_column: str = "",
) -> pa.Table:
    """case_row, case_unit, case_weight, groups and case_label of a canonical Parquet file, in its order.

    Raises `CannotCompute` when labels are missing, not two-valued, or never the positive value while two others occur,
    and when a weight is not a positive number.
    """
    with open_table(path) as table:
        if table.rows == 0:
            raise CannotCompute("The data have no rows, so there is nothing to judge.")
        label = table.column(label_column).text
        missing = table.all(f"SELECT count(*) FROM data WHERE {label} IS NULL")[0][0]
        if missing:
            raise CannotCompute(
                f"The label column “{label_column}” is empty in {missing:,} of {table.rows:,} rows. "
                "Every test case needs a verified label."
            )
        values = {str(v) for (v,) in table.all(f"SELECT DISTINCT {label} AS v FROM data LIMIT 4")}
        if len(values) > 2:
            raise CannotCompute(f"The label column “{label_column}” has more than two values.")
        if len(values) == 2 and positive_value not in values:
            raise CannotCompute(
                f"The label column “{label_column}” never holds the positive value {positive_value}; "
                f"it holds {' and '.join(sorted(values))}."
            )
        parts = [f"CAST({label} = {literal(positive_value)} AS TINYINT) AS {LABEL}"]
        names = [LABEL]
        if unit_column:
            parts.append(f"{table.column(unit_column).text} AS {UNIT}")
            names.append(UNIT)
        if weight_column:
            weight = table.column(weight_column).number
            bad = table.all(f"SELECT count(*) FROM data WHERE {weight} IS NULL OR {weight} <= 0")[0][0]
            if bad:
                raise CannotCompute(
                    f"The weight column “{weight_column}” holds no positive number in {bad:,} of {table.rows:,} rows."
                )
            parts.append(f"{weight} AS {WEIGHT}")
        parts += [f"{table.column(name).text} AS g{i}" for i, name in enumerate(groups)]
        arrow = table.arrow(f"SELECT {', '.join(parts)} FROM data")
    columns: dict[str, Any] = {ROW: pa.array(np.arange(1, arrow.num_rows + 1, dtype=np.int64))}
    if unit_column:
        columns[UNIT] = arrow[UNIT]
    if weight_column:
        columns[WEIGHT] = arrow[WEIGHT]
    columns |= {name: arrow[f"g{i}"] for i, name in enumerate(groups)}
    columns[LABEL] = arrow[LABEL]
    return pa.table(columns)


def predictions(scored: ScoreResult, threshold: float) -> tuple[npt.NDArray[np.int8], int]:
    """(1 or 0 of each case, how many differ from the model's own label).

    With scores the plan's threshold decides; a model that gives labels only is taken at its word.
    """
    if scored.scores is None:
        return scored.predictions, 0
    if scored.nan_scores:
        raise CannotCompute(
            f"{scored.nan_scores:,} of {scored.n:,} scores are not finite numbers (NaN or infinite). "
            "A model must give every case a score; nothing was judged."
        )
    decided = (scored.scores >= threshold).astype(np.int8)
    return decided, int((decided != scored.predictions).sum())


def is_probability(scored: ScoreResult) -> bool:
    """Whether the scores lie within 0 and 1, as calibration and Brier score need."""
    return scored.scores is not None and bool(((scored.scores >= 0) & (scored.scores <= 1)).all())


def with_answers(
    cases: pa.Table,
    scored: ScoreResult,
    decided: npt.NDArray[np.int8],
    band: tuple[float, float] | None = None,
) -> pa.Table:
    """`cases` with case_prediction, case_score (where the model gives one) and, with a `band`, case_undecided."""
    if cases.num_rows != scored.n:
        raise CannotCompute(f"The model answered {scored.n:,} of {cases.num_rows:,} cases.")
    cases = cases.append_column(PREDICTION, pa.array(decided))
    if scored.scores is not None:
        cases = cases.append_column(SCORE, pa.array(scored.scores))
    if band is not None:
        if scored.scores is None:
            raise CannotCompute(
                "The plan counts scores in a band as undecided, and the model gives labels without scores."
            )
        cases = cases.append_column(UNDECIDED, pa.array(flags(scored.scores, *band).astype(np.int8)))
    return cases


def decided_only(cases: pa.Table) -> pa.Table:
    """The cases outside the band of undecided scores; all where the plan states none."""
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
