"""From a model's answers to per-case results: predictions, scores, the reason of each case that cannot be judged."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from apps.analysis.classes import SUM_TOLERANCE
from apps.analysis.undecided import flags
from apps.validations import cases as per_case
from apps.validations import exclusions, sandbox
from apps.validations.catalogue import OF_PROBABILITIES
from apps.validations.failures import CannotCompute
from apps.validations.models import Plan
from apps.validations.states import Exclusion, Task

Scored = sandbox.ScoreResult | sandbox.ClassAnswers | sandbox.RealAnswers
Reasons = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Answered:
    """cases: every row of the file; differing: where the model's own label is not what its scores decide;
    scored: whether the scores are probabilities; warnings: what to say besides."""

    cases: pa.Table
    differing: int
    scored: bool
    warnings: list[str] = field(default_factory=list)


def reading(plan: Plan, *, groups: bool = True, unit: str = "", weight: str = "") -> per_case.Reading:
    """How a data file is read under a plan."""
    return per_case.Reading(
        plan.label_column,
        plan.positive_value,
        Task(plan.task),
        tuple(plan.classes),
        tuple(plan.group_columns) if groups else (),
        unit,
        weight,
        plan.exclusion == Exclusion.EXCLUDE,
    )


def score(plan: Plan, model_path: Path, data_path: Path, progress: Any) -> Scored:
    """The answers of the plan's model to a data file, by its task."""
    given: dict[str, Any] = {
        "features": list(plan.version.features) or None,
        "progress": progress,
        "skip_unfit": plan.exclusion == Exclusion.EXCLUDE,
    }
    kind = plan.version.artefact_format
    if plan.task == Task.MULTICLASS:
        return sandbox.score_classes(model_path, kind, data_path, tuple(plan.classes), **given)
    if plan.task == Task.REGRESSION:
        return sandbox.score_reals(model_path, kind, data_path, **given)
    return sandbox.score(
        model_path,
        kind,
        data_path,
        positive=plan.positive_value,
        threshold=float(plan.threshold),
        **given,
    )


def answered(plan: Plan, cases: pa.Table, found: Scored) -> Answered:
    """`cases` (`per_case.read_cases`) with the answers. Raises `CannotCompute` where a case fails the run."""
    if cases.num_rows != found.n + len(found.skipped):
        raise CannotCompute(f"The model answered {found.n:,} of {cases.num_rows:,} cases.")
    reasons = np.full(cases.num_rows, None, dtype=object)
    if per_case.EXCLUDED in cases.column_names:
        reasons[:] = cases[per_case.EXCLUDED].to_pylist()
        cases = cases.drop_columns([per_case.EXCLUDED])
    skipped = np.array(found.skipped, dtype=np.int64)
    _because(reasons, np.isin(np.arange(cases.num_rows), skipped), exclusions.NO_INPUT)
    place = np.setdiff1d(np.arange(cases.num_rows), skipped)
    if isinstance(found, sandbox.ClassAnswers):
        return _of_classes(plan, cases, found, reasons, place)
    if isinstance(found, sandbox.RealAnswers):
        return _of_reals(plan, cases, found, reasons, place)
    return _of_two(plan, cases, found, reasons, place)


def _because(reasons: Reasons, chosen: npt.NDArray[np.bool_], reason: str) -> None:
    """Give the chosen cases a reason; the first one a case has stays."""
    reasons[chosen & np.equal(reasons, None)] = reason


def _spread(
    values: npt.NDArray[Any],
    place: npt.NDArray[np.int64],
    rows: int,
    keep: npt.NDArray[np.bool_] | None = None,
) -> pa.Array:
    """`values` at their places among `rows`; null elsewhere, and where they are not to be kept."""
    whole = np.zeros(rows, dtype=values.dtype)
    there = np.zeros(rows, dtype=bool)
    whole[place] = values
    there[place] = True if keep is None else keep
    return pa.array(whole, mask=~there)


def _settled(plan: Plan, cases: pa.Table, reasons: Reasons) -> pa.Table:
    """The cases with the reason of each that is excluded; `CannotCompute` where the plan excludes none."""
    if plan.exclusion == Exclusion.EXCLUDE:
        return cases.append_column(per_case.EXCLUDED, pa.array(reasons.tolist(), pa.string()))
    if told := exclusions.by_reason(reasons.tolist()):
        said = "; ".join(f"{one['reason']} in {one['n']:,}" for one in told)
        raise CannotCompute(
            f"Of {cases.num_rows:,} cases: {said}. The plan excludes no case, so nothing was judged."
        )
    return cases


def _judges_probabilities(plan: Plan) -> bool:
    """Whether the plan takes scores as probabilities: it judges a metric that needs them, or states a band."""
    judged = {one["metric"] for one in (*plan.criteria, *plan.baselines)}
    return plan.band is not None or bool(judged & OF_PROBABILITIES)


def _of_two(
    plan: Plan, cases: pa.Table, found: sandbox.ScoreResult, reasons: Reasons, place: npt.NDArray[np.int64]
) -> Answered:
    exclude = plan.exclusion == Exclusion.EXCLUDE
    scores = found.scores
    if scores is None:
        if plan.band is not None:
            raise CannotCompute(
                "The plan counts scores in a band as undecided, and the model gives labels without scores."
            )
        cases = cases.append_column(per_case.PREDICTION, _spread(found.predictions, place, len(cases)))
        return Answered(_settled(plan, cases, reasons), 0, False, list(found.warnings))
    if found.nan_scores and not exclude:
        raise CannotCompute(
            f"{found.nan_scores:,} of {found.n:,} scores are not finite numbers (NaN or infinite). "
            "A model must give every case a score; nothing was judged."
        )
    finite = np.isfinite(scores)
    outside = finite & ((scores < 0) | (scores > 1))
    told = np.zeros(len(cases), dtype=bool)
    if exclude:
        told[place] = ~finite
        _because(reasons, told, exclusions.NO_SCORE)
        if _judges_probabilities(plan):
            told[:] = False
            told[place] = outside
            _because(reasons, told, exclusions.OUTSIDE)
    decided = (scores >= float(plan.threshold)).astype(np.int8)
    cases = cases.append_column(
        per_case.PREDICTION, _spread(decided, place, len(cases), finite if exclude else None)
    )
    cases = cases.append_column(
        per_case.SCORE, _spread(scores, place, len(cases), finite if exclude else None)
    )
    if plan.band is not None:
        cases = cases.append_column(
            per_case.UNDECIDED, _spread(flags(scores, *plan.band).astype(np.int8), place, len(cases))
        )
    counts = np.equal(reasons, None)[place]
    probability = bool((finite & ~outside)[counts].all())
    differing = int((decided != found.predictions)[counts].sum())
    return Answered(_settled(plan, cases, reasons), differing, probability, list(found.warnings))


def _of_classes(
    plan: Plan, cases: pa.Table, found: sandbox.ClassAnswers, reasons: Reasons, place: npt.NDArray[np.int64]
) -> Answered:
    """The model's own label decides where it gives one, else the highest probability."""
    classes, rows = np.array(plan.classes, dtype=object), len(cases)
    warnings, scores, told = list(found.warnings), found.scores, np.zeros(rows, dtype=bool)
    if found.labels is None and scores is None:
        raise CannotCompute("The model gave neither label nor scores.")
    if scores is not None:
        finite = np.isfinite(scores).all(axis=1)
        outside = finite & ((scores < 0) | (scores > 1)).any(axis=1)
        with np.errstate(invalid="ignore", over="ignore"):
            off = finite & ~outside & (np.abs(scores.sum(axis=1) - 1) > SUM_TOLERANCE)
        if (
            found.labels is not None
            and not (finite & ~outside & ~off).any()
            and not _judges_probabilities(plan)
        ):
            warnings.append("The model's scores are no probabilities: its labels alone are judged.")
            scores = None
        else:
            for chosen, reason in (
                (~finite, exclusions.NO_SCORE),
                (outside, exclusions.OUTSIDE),
                (off, exclusions.NOT_ONE),
            ):
                told[:] = False
                told[place] = chosen
                _because(reasons, told, reason)
    highest = None if scores is None else classes[np.argmax(np.nan_to_num(scores, nan=-np.inf), axis=1)]
    said = highest if found.labels is None else found.labels
    assert said is not None
    told[:] = False
    told[place] = ~np.isin(said.astype(str), classes.astype(str))
    _because(reasons, told, exclusions.STRANGE_SAID)
    counts = np.equal(reasons, None)[place]
    words = np.full(rows, None, dtype=object)
    words[place] = np.where(np.isin(said.astype(str), classes.astype(str)), said, None)
    cases = cases.append_column(per_case.PREDICTION, pa.array(words.tolist(), pa.string()))
    differing = 0
    if scores is not None and highest is not None:
        differing = int((said.astype(str) != highest.astype(str))[counts].sum())
        for i in range(len(classes)):
            keep = np.isfinite(scores[:, i])
            column = _spread(np.ascontiguousarray(scores[:, i]), place, rows, None if keep.all() else keep)
            cases = cases.append_column(f"{per_case.SCORE}_{i + 1}", column)
    return Answered(_settled(plan, cases, reasons), differing, scores is not None, warnings)


def _of_reals(
    plan: Plan, cases: pa.Table, found: sandbox.RealAnswers, reasons: Reasons, place: npt.NDArray[np.int64]
) -> Answered:
    finite = np.isfinite(found.values)
    told = np.zeros(len(cases), dtype=bool)
    told[place] = ~finite
    _because(reasons, told, exclusions.NO_SCORE)
    cases = cases.append_column(
        per_case.PREDICTION, _spread(found.values, place, len(cases), None if finite.all() else finite)
    )
    return Answered(_settled(plan, cases, reasons), 0, False, list(found.warnings))
