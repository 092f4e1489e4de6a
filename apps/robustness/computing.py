"""A probe report: the frozen model asked in the sandbox, many times by one process, and judged on locked limits.

Nothing is written here but content-addressed files; the record is written by the act that takes the outcome. What is
kept holds counts, shares and moves, and no row of the test data.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from apps.analysis import charts, probes
from apps.analysis.probes import Answers, Cases, Deciding, Finding, Frame
from apps.analysis.probes.frames import NUMBER, TEXT, WHOLE
from apps.core import blobs
from apps.core.digests import number, plain
from apps.datasets.models import DatasetVersion
from apps.datasets.states import Partition
from apps.registry.models import Version
from apps.robustness.deciding import deciding, too_wide
from apps.robustness.models import ProbePlan, ProbeReport
from apps.robustness.rules import outdated
from apps.robustness.states import Verdict
from apps.validations import cases as per_case
from apps.validations.answering import reading
from apps.validations.failures import CannotCompute, in_words
from apps.validations.models import Plan
from apps.validations.sandbox import ClassAnswers, ModelFailed, Session, session
from apps.validations.states import Exclusion, Task
from apps.validations.stored import AREA, put_results

SCHEMA = "robustness.results/3"
RESTARTS = 25  # a model that fails on disturbed input takes its process with it
Progress = Callable[[int, int, str], None]


class Asker:
    """`analysis.probes.Ask` of a model in the sandbox. Where it fails there is no usable answer."""

    def __init__(self, stack: ExitStack, open_session: Callable[[], Any], by: Deciding) -> None:
        self._stack, self._open, self._by = stack, open_session, by
        self._left = RESTARTS
        self.failures: list[str] = []
        self.asked = 0
        self.session: Session = self._begin()

    def _begin(self) -> Session:
        self._current = self._stack.enter_context(ExitStack())
        begun: Session = self._current.enter_context(self._open())
        return begun

    def __call__(self, frame: Frame) -> Answers:
        try:
            found = self._answers(_table(frame, self.session.columns))
        except ModelFailed as error:
            if not self.asked or not self._left:
                raise
            self._left -= 1
            self.failures.append(str(error))
            self._current.close()
            self.session = self._begin()
            return self._silent(frame.n)
        self.asked += frame.n
        return found

    def _answers(self, table: pa.Table) -> Answers:
        by = self._by
        if by.numeric:
            values = self.session.score_reals(table).values
            return Answers(np.zeros(len(values), dtype=np.int8), values, np.isfinite(values), by)
        if by.classes:
            return self._of_classes(self.session.score_classes(table, by.classes))
        scored = self.session.score(table)
        if scored.scores is None:
            return Answers(scored.predictions, None, np.ones(scored.n, dtype=bool), by)
        with np.errstate(invalid="ignore"):
            decided = (scored.scores >= by.threshold).astype(np.int8)
        return Answers(decided, scored.scores, np.isfinite(scored.scores), by)

    def _of_classes(self, found: ClassAnswers) -> Answers:
        """The class that the model says, or that with the highest score, as in a run."""
        names, scores = self._by.classes, found.scores
        if scores is None:
            assert found.labels is not None  # one of both is there: sandbox.answers
            decided = places_of(found.labels, names)
        else:
            decided = np.argmax(np.nan_to_num(scores, nan=-np.inf), axis=1)
            if found.labels is not None:  # mostly the class with the highest score
                odd = np.flatnonzero(np.array(names, dtype=object)[decided] != found.labels)
                decided[odd] = places_of(found.labels[odd], names)
        usable = decided >= 0
        if scores is not None:
            usable &= np.isfinite(scores).all(axis=1)
        return Answers(np.maximum(decided, 0), scores, usable, self._by)

    def _silent(self, n: int) -> Answers:
        """No usable answer to any of n cases."""
        shape = (n, len(self._by.classes)) if self._by.classes else (n,)
        scores = np.full(shape, np.nan) if self._by.classes or self._by.numeric else None
        return Answers(np.zeros(n, dtype=np.int64), scores, np.zeros(n, dtype=bool), self._by)


def places_of(labels: Any, names: Sequence[str]) -> NDArray[np.int64]:
    """(n,) the place of each label among the names; -1 where it is none of them."""
    at = {name: place for place, name in enumerate(names)}
    return np.array([at.get(str(label), -1) for label in labels], dtype=np.int64)


def _table(frame: Frame, columns: tuple[str, ...]) -> pa.Table:
    made: dict[str, pa.Array] = {}
    for name in columns:
        values, kind = frame.columns[name], frame.kinds[name]
        if kind == TEXT:
            made[name] = pa.array(values, type=pa.string())
        elif kind == WHOLE:
            bounded = np.clip(values, -(2.0**62), 2.0**62)
            made[name] = pa.array(bounded.astype(np.int64))
        else:
            made[name] = pa.array(values.astype(np.float64))
    return pa.table(made)


def compute(report: ProbeReport, progress: Progress) -> dict[str, Any]:
    """Probe, judge, draw and store. Returns what `finish_report` takes; raises `CannotCompute`."""
    plan, validation = report.plan, report.plan.validation_plan
    version = validation.version
    if why := outdated(plan.ref, plan.catalogue):
        raise CannotCompute(why)
    wanted = [limit["probe"] for limit in plan.limits]
    progress(0, len(wanted), "Checking the bytes of model and data")
    by = deciding(plan)
    with in_words(), ExitStack() as stack:
        model = blobs.checked_path(version.artefact_digest)
        data = blobs.checked_path(validation.test_data.table_digest, area="vault")
        used = training_sets(version)
        schema = pq.read_schema(data)

        def begin() -> Any:
            return session(
                model,
                version.artefact_format,
                schema,
                features=list(version.features) or None,
                positive=validation.positive_value,
                threshold=by.threshold,
            )

        ask = Asker(stack, begin, by)
        settings = settings_of(plan)
        groups = list(validation.group_columns)
        test = read_cases([(validation.test_data.ref, data)], validation, ask.session, settings, groups)
        paths = [(each.ref, blobs.checked_path(each.table_digest, area=each.area)) for each in used]
        train = read_cases(paths, validation, ask.session, settings) if paths else None
        findings = probes.run_probes(
            ask,
            test,
            train,
            settings,
            wanted,
            parity=_parity(report),
            epsilons=_epsilons(report),
            progress=progress,
        )
        said = ask.session
    wide = too_wide(by, test.labels)
    summary = [judged(limit, findings, by, wide.get(limit["probe"], "")) for limit in plan.limits]
    drawn = draw(findings, summary)
    results = {
        "schema": SCHEMA,
        "catalogue": plan.catalogue,
        "task": validation.task,
        "classes": list(by.classes),
        "target_unit": by.unit,
        "plan": plan.ref,
        "version": version.ref,
        "artefact_digest": version.artefact_digest,
        "test_set": _named(validation.test_data),
        "train_sets": [_named(each) for each in used],
        "test_cases": test.n,
        "train_rows": train.n if train else 0,
        "bounds": plan.bounds,
        "evidence": [e.file_digest for e in (report.parity, report.epsilon) if e],
        "failures_of_the_model": ask.failures,
        "findings": [finding.as_dict() for finding in findings],
        "limits": summary,
        "charts": drawn,
    }
    return {
        "results_digest": put_results(results),
        "chart_digest": drawn[0]["digest"] if drawn else "",
        "environment": plain({"runtime": said.info.runtime, "isolation": said.info.isolation}),
        "summary": summary,
        "verdict": overall(summary),
    }


def settings_of(plan: ProbePlan) -> probes.Settings:
    bounds = plan.bounds
    return probes.Settings(
        seed=int(bounds["seed"]),
        rows=int(bounds["rows"]),
        shift=float(bounds["shift"]),
        epsilon=float(bounds["epsilon"]),
        flips=int(bounds["flips"]),
        budget=int(bounds["budget"]),
        cases=int(bounds["cases"]),
    )


def training_sets(version: Version) -> list[DatasetVersion]:
    """Every declared training data version, each content once, by digest: the order of declaring says nothing."""
    links = version.data.filter(dataset_version__partition=Partition.TRAIN).order_by("-dataset_version_id")
    declared = [link.dataset_version for link in links.select_related("dataset_version__dataset")]
    by_content = {each.table_digest: each for each in declared}  # the earliest of the same content
    return [by_content[digest] for digest in sorted(by_content)]


def _named(data: DatasetVersion) -> dict[str, str]:
    return {"ref": data.ref, "table_digest": data.table_digest}


def read_cases(
    files: Sequence[tuple[str, Path]],
    plan: Plan,
    asked: Session,
    settings: probes.Settings,
    groups: Sequence[str] = (),
) -> Cases:
    """The columns that the model asks for, labels and groups of canonical Parquet files, (ref, path), taken together.

    At most `settings.rows` of all their rows: a sample that gives each row of each file the same chance.
    """
    sizes = [pq.read_metadata(path).num_rows for _, path in files]
    total = sum(sizes)
    chosen = np.arange(total)
    if total > settings.rows:
        rng = np.random.default_rng([settings.seed, len(groups), len(files)])
        chosen = np.sort(rng.choice(total, settings.rows, replace=False))
    parts, labelled_parts, start = [], [], 0
    exclude = plan.exclusion == Exclusion.EXCLUDE
    for (ref, path), size in zip(files, sizes, strict=True):
        absent = sorted(set(asked.columns) - set(pq.read_schema(path).names))
        if absent:
            raise CannotCompute(f"{ref} has no column {', '.join(absent)}, which the model needs.")
        rows = chosen[(chosen >= start) & (chosen < start + size)] - start
        of = replace(reading(plan), groups=tuple(groups))
        labelled = per_case.read_cases(path, of).take(rows)
        part = pq.read_table(path, columns=list(asked.columns)).take(rows)
        if exclude:  # what a run leaves out with its reason is no case of a probe either
            fit = labelled[per_case.EXCLUDED].is_null().to_numpy()
            for column in asked.whole:
                fit &= part[column].is_valid().to_numpy()
            part = part.filter(pa.array(fit))
            labelled = per_case.counted(labelled.filter(pa.array(fit)))
        parts.append(part)
        labelled_parts.append(labelled)
        start += size
    columns, kinds = {}, {}
    for column in asked.columns:
        found = [_values(part[column], column in asked.whole) for part in parts]
        if len({kind for _, kind in found}) > 1:
            raise CannotCompute(f"“{column}” holds text in one training set and numbers in another.")
        columns[column], kinds[column] = np.concatenate([values for values, _ in found]), found[0][1]
    return Cases(
        Frame(columns, kinds),
        np.concatenate([_labels(each, plan) for each in labelled_parts]),
        {group: np.array(labelled_parts[0][group].to_pylist(), dtype=object) for group in groups},
    )


def _labels(cases: pa.Table, plan: Plan) -> NDArray[Any]:
    """(n,) labels as `analysis.probes.Cases` takes them."""
    if plan.task == Task.MULTICLASS:
        return places_of(cases[per_case.LABEL].to_pylist(), plan.classes)
    values = cases[per_case.LABEL].to_numpy()
    return values.astype(np.float64 if plan.task == Task.REGRESSION else np.int8)


def _values(column: pa.ChunkedArray, whole: bool) -> tuple[Any, str]:
    if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
        return np.array(column.to_pylist(), dtype=object), TEXT
    values = column.cast(pa.float64(), safe=False).to_numpy().astype(np.float64)
    return values, WHOLE if whole else NUMBER


def _parity(report: ProbeReport) -> dict[str, Any] | None:
    if report.parity is None:
        return None
    found = dict(report.parity.outcome)
    greatest = found.get("max_difference")
    return found | {
        "max_difference": None if greatest is None else float(greatest),
        "submitted_by": report.parity.submitted_by.printed_name,
    }


def _epsilons(report: ProbeReport) -> list[dict[str, Any]] | None:
    if report.epsilon is None:
        return None
    return [
        row | {"epsilon": float(row["epsilon"]), "utility": float(row["utility"])}
        for row in report.epsilon.outcome["rows"]
    ]


def judged(limit: dict[str, Any], findings: list[Finding], by: Deciding, wide: str = "") -> dict[str, Any]:
    """One locked limit held against the finding of its probe that decides it. wide: why it could hardly be breached."""
    probe = probes.PROBES[limit["probe"]]
    how = (float(limit["limit"]), limit["rule"], limit["min_n"])
    found = probes.decisive(findings, limit["probe"], *how)
    verdict, sentence = probes.judge(found, *how)
    wide = wide or (probes.out_of_reach(found, *how[:2]) if found else "")
    if wide and verdict == probes.Verdict.WITHIN:
        verdict = probes.Verdict.UNDECIDED
        sentence = f"Nothing could breach this limit: {wide}. {found.sentence if found else ''}"
    return {
        "id": limit["id"],
        "probe": limit["probe"],
        "family": probe.family,
        "what": probe.label,
        "measure": by.measure(probe.measure),
        "submitted": probe.submitted,
        "where": found.where if found else "",
        "value": (number(found.value) or "") if found else "",
        "low": (number(found.low) or "") if found else "",
        "high": (number(found.high) or "") if found else "",
        "level": number(found.level) if found else "",
        "n": found.n if found else 0,
        "limit": limit["limit"],
        "rule": limit["rule"],
        "min_n": limit["min_n"],
        "verdict": str(verdict),
        "sentence": sentence,
    }


def overall(summary: list[dict[str, Any]]) -> str:
    """Breached if any limit is, else undecided if any is, else within."""
    found = {line["verdict"] for line in summary}
    order = (Verdict.BREACHED, Verdict.UNDECIDED)
    return next((str(v) for v in order if v in found), str(Verdict.WITHIN))


def draw(findings: list[Finding], summary: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One chart of what decides each limit, with its interval, n and limit; stored as SVG."""
    rows = []
    for line in summary:
        of = [each for each in findings if each.probe == line["probe"] and each.where == line["where"]]
        if line["probe"] == "epsilon" or not of:
            continue
        found = of[0]
        state = {Verdict.BREACHED: charts.FAIL, Verdict.WITHIN: charts.OK}.get(
            Verdict(line["verdict"]), charts.FEW
        )
        name = f"{line['what']}: {found.where}" if found.where else line["what"]
        if found.value is None:
            state = charts.NONE
        rows.append(
            charts.Mark(
                name, found.value, found.low, found.high, found.n, state, found.reason, float(line["limit"])
            )
        )
    if not rows:
        return []
    title = "What each probe found at worst, with interval, cases and limit"
    svg = charts.forest(
        rows, title=title, axis="Share of cases, fall, advantage or area; smaller is better"
    ).svg
    return [{"title": title, "digest": blobs.put(svg.encode(), area=AREA).digest}]
