"""An explanation of a frozen model on cases of its vault set: the model runs in the sandbox, in one process.

Values of cases never leave: of a few examples the report tells in coarse words where value and score lie; scores,
attributions and row numbers stay in the vault as a file of their own.
"""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from apps.analysis import charts
from apps.analysis.explain import Columns, Settings, Target, explain
from apps.analysis.explain.columns import Floats
from apps.analysis.explain.report import Explained
from apps.core import blobs
from apps.core.digests import number, plain
from apps.explanation.models import Report
from apps.validations import cases as per_case
from apps.validations.failures import CannotCompute, in_words
from apps.validations.models import Plan
from apps.validations.sandbox import ClassAnswers, Limits, Session, session
from apps.validations.states import Task
from apps.validations.stored import AREA, put_results

SCHEMA = "explanation.results/1"
LIMITS = Limits(cpu_s=600, wall_s=1200)
DIGITS = 4  # of every figure that leaves the vault
DRAWN = 20  # features in the chart, the most important first
REPORT_EVERY = 0.5  # seconds between two progress reports
WITHHELD = (
    "The test data are marked sensitive: single cases are not told, and their attributions stay in the vault."
)


def compute(report: Report, progress: Callable[[int, int, str], None]) -> dict[str, Any]:
    """Score, explain, draw and store. Returns what `finish_report` takes; raises `CannotCompute`."""
    run, plan = report.run, report.run.plan
    version, chosen, target = plan.version, Settings(), target_of(plan, report.explained_class)
    progress(0, 1, "Checking the bytes of model and data")
    with in_words():
        model_path = blobs.checked_path(version.artefact_digest)
        data_path = blobs.checked_path(plan.test_data.table_digest, area="vault")
        cases = per_case.read_cases_table(run.cases_digest)
        file = pq.ParquetFile(data_path)
        features = list(version.features) or None
        with session(
            model_path,
            version.artefact_format,
            file.schema_arrow,
            features=features,
            positive=plan.positive_value,
            threshold=target.threshold,
            limits=LIMITS,
        ) as model:
            rows = _drawn(cases, chosen)
            columns, types = read_columns(data_path, list(model.columns), rows)
            made = explain(
                scorer(model, types, target),
                columns,
                _labels(cases, rows, target),
                target=target,
                settings=chosen,
                progress=_seldom(progress),
            )
            apart = _apart(scorer(model, types, target)(columns), cases, rows, target)
            runtime, isolation = model.info.runtime, model.info.isolation
    result = coarse(made.result)
    result["n"]["cases_there"] = file.metadata.num_rows
    if plan.test_data.dataset.sensitive:
        result |= {"examples": [], "examples_withheld": WITHHELD}
    results = {
        "schema": SCHEMA,
        "run": run.ref,
        "plan": plan.ref,
        "version": version.ref,
        "artefact_digest": version.artefact_digest,
        "test_table_digest": plan.test_data.table_digest,
        "largest_difference_from_run": _upwards(apart),
        "explanation": result,
    }
    if report.explained_class:
        results["explained_class"] = report.explained_class
    return {
        "method": plain(result["settings"] | {"n": result["n"], "runtime": runtime, "isolation": isolation}),
        "summary": summary_of(result),
        "results_digest": put_results(results),
        "chart_digest": draw(result),
        "cases_digest": _put_attributions(made, rows),
    }


def coarse(result: dict[str, Any]) -> dict[str, Any]:
    """The same with every figure at 4 significant digits; settings and whole numbers stay.

    An aggregate at full precision says which cases it was made of, and a model may choose its last digits.
    """
    return {name: value if name == "settings" else _coarse(value) for name, value in result.items()}


def _coarse(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _coarse(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_coarse(each) for each in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def _drawn(cases: pa.Table, chosen: Settings) -> NDArray[np.intp]:
    """Row numbers (from 0) of the cases that are used, in the file's order; all where there are few enough.

    A case that the run excluded is none of them.
    """
    there = per_case.counted(cases)[per_case.ROW].to_numpy() - 1
    rng = np.random.default_rng([chosen.seeds[0], 8])
    return np.sort(there[rng.choice(len(there), min(chosen.rows, len(there)), replace=False)])


def read_columns(
    path: Path, names: list[str], rows: NDArray[np.intp]
) -> tuple[Columns, dict[str, pa.DataType]]:
    """The columns of these rows (sorted) of a Parquet file, batch by batch, and the types they go back in.

    Texts are objects with "" where empty; whole numbers without an empty cell stay whole; all else is float with NaN.
    """
    parts, start = [], 0
    for batch in pq.ParquetFile(path).iter_batches(columns=names):
        low, high = np.searchsorted(rows, [start, start + batch.num_rows])
        parts.append(pa.Table.from_batches([batch]).take(pa.array(rows[low:high] - start)))
        start += batch.num_rows
    table = pa.concat_tables(parts).select(names)
    columns: Columns = {}
    types: dict[str, pa.DataType] = {}
    for name in names:
        column = table[name]
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            columns[name] = np.array([value or "" for value in column.to_pylist()], dtype=object)
            types[name] = pa.string()
        elif (pa.types.is_integer(column.type) or pa.types.is_boolean(column.type)) and not column.null_count:
            columns[name] = column.cast(pa.int64()).to_numpy()
            types[name] = pa.int64()
        else:
            columns[name] = column.cast(pa.float64(), safe=False).to_numpy()
            types[name] = pa.float64()
    return columns, types


def target_of(plan: Plan, explained_class: str = "") -> Target:
    """What is explained of a model under this plan; of several classes the score of one, where it was chosen."""
    if plan.task == Task.REGRESSION:
        return Target(number=True, unit=plan.target_unit)
    if plan.task == Task.MULTICLASS:
        return Target(classes=tuple(plan.classes), of=explained_class)
    return Target(float(plan.threshold))


def _labels(cases: pa.Table, rows: NDArray[np.intp], target: Target) -> NDArray[Any]:
    """(rows,) the true labels as `explain` takes them."""
    found = cases[per_case.LABEL].take(pa.array(rows))
    if target.classes:
        return np.array([target.classes.index(name) for name in found.to_pylist()], dtype=np.int64)
    return np.asarray(found.to_numpy().astype(np.float64 if target.number else np.int8))


def scorer(model: Session, types: dict[str, pa.DataType], target: Target) -> Callable[[Columns], Floats]:
    """The model as a function of columns: its scores, or its labels where it gives none; as `explain` takes them."""

    def score(columns: Columns) -> Floats:
        table = pa.table({name: pa.array(values, types[name]) for name, values in columns.items()})
        if target.number:
            return model.score_reals(table).values
        if target.classes:
            return _of_classes(model.score_classes(table, target.classes), target.classes)
        found = model.score(table)
        return found.predictions.astype(np.float64) if found.scores is None else found.scores

    return score


def _of_classes(found: ClassAnswers, classes: tuple[str, ...]) -> Floats:
    """(n, 1 + classes): the place of the class given, then the scores; without scores 1 for the class given.

    A class that is none of the plan's is no number, which `explain` refuses.
    """
    scores = found.scores
    if found.labels is None:
        assert scores is not None  # one of both is there: sandbox.answers
        given = scores.argmax(axis=1).astype(np.float64)
    else:
        at = {name: float(place) for place, name in enumerate(classes)}
        given = np.array([at.get(str(label), np.nan) for label in found.labels])
    if scores is None:
        scores = (given[:, None] == np.arange(len(classes))).astype(np.float64)
    return np.column_stack([given, scores])


def _apart(answers: Floats, cases: pa.Table, rows: NDArray[np.intp], target: Target) -> float:
    """The largest distance of a score from the run's own of the same case. Raises where it is another model."""
    taken = cases.take(pa.array(rows))
    if target.classes and f"{per_case.SCORE}_1" in cases.column_names:
        known = np.column_stack(
            [taken[f"{per_case.SCORE}_{i + 1}"].to_numpy() for i in range(len(target.classes))]
        )
        answers = answers[:, 1:]
    elif target.classes:
        places = [target.classes.index(name) for name in taken[per_case.PREDICTION].to_pylist()]
        known, answers = np.array(places, dtype=np.float64), answers[:, 0]
    else:
        name = per_case.SCORE if per_case.SCORE in cases.column_names else per_case.PREDICTION
        known = taken[name].to_numpy().astype(np.float64)
    apart = float(np.abs(answers - known).max(initial=0.0))
    if apart > 1e-4 * max(1.0, float(np.abs(known).max(initial=0.0))):
        raise CannotCompute(
            f"The model's scores differ by up to {apart:.3g} from those of the run: it would be another model that "
            "is explained."
        )
    return apart


def _upwards(apart: float) -> float:
    """The next power of ten: the digits of one case's difference are the model's to choose, and do not leave."""
    return float(f"1e{math.ceil(math.log10(apart))}") if apart > 0 else 0.0


def _seldom(progress: Callable[[int, int, str], None]) -> Callable[[int, int, str], None]:
    """Progress is written when the stage changes, at the end, and at most twice a second between."""
    last: list[Any] = ["", 0.0]

    def report(done: int, total: int, stage: str) -> None:
        if stage != last[0] or done >= total or time.monotonic() - last[1] >= REPORT_EVERY:
            last[:] = [stage, time.monotonic()]
            progress(done, total, stage)

    return report


def summary_of(result: dict[str, Any]) -> dict[str, Any]:
    """What the record keeps of the results: the ranking with intervals, and each finding's sentence."""
    return {
        "features": [
            {
                "rank": each["rank"],
                "feature": each["feature"],
                "value": number(each["value"]),
                "low": number(each["low"]),
                "high": number(each["high"]),
                "n": each["n"],
                "measure": each["measure"],
                "sentence": each["sentence"],
            }
            for each in result["features"]
        ],
        "stability": result["stability"]["sentence"],
        "surrogate": result["surrogate"]["sentence"],
        "examples": [
            {"example": each["example"], "sentence": each["sentence"]} for each in result["examples"]
        ],
    }


def summary_of_submitted(told: dict[str, Any]) -> dict[str, Any]:
    """The same of an explanation made elsewhere, which says nothing of stability, surrogate or single cases."""
    return {
        "features": [
            each | {name: number(each[name]) for name in ("value", "low", "high")}
            for each in told["features"]
        ],
        "stability": "",
        "surrogate": "",
        "examples": [],
    }


def draw(result: dict[str, Any]) -> str:
    """The ranking with intervals as a stored SVG; its digest."""
    shown = result["features"][:DRAWN]
    marks = [
        charts.Mark(
            each["feature"],
            each["value"],
            each["low"],
            each["high"],
            each["n"],
        )
        for each in shown
    ]
    measure = result["measure_words"]
    most = f" (the first {DRAWN} of {len(result['features'])})" if len(result["features"]) > DRAWN else ""
    title = f"Features by {measure}, with 95 % intervals{most}"
    svg = charts.forest(marks, title=title, axis=measure[0].upper() + measure[1:]).svg
    return blobs.put(svg.encode(), area=AREA).digest


def _put_attributions(made: Explained, rows: NDArray[np.intp]) -> str:
    """The attributions of every explained case with their standard errors, in the vault; the digest."""
    found = made.attributions
    columns: dict[str, Any] = {per_case.ROW: pa.array(rows[made.rows - 1].astype(np.int64) + 1)}
    columns[per_case.SCORE] = pa.array(found.scores)
    for j, name in enumerate(found.features):
        columns[f"attribution: {name}"] = pa.array(found.values[:, j])
        columns[f"standard error: {name}"] = pa.array(found.errors[:, j])
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, compression="zstd", store_schema=False)
    return blobs.put(out.getvalue(), area=per_case.AREA).digest
