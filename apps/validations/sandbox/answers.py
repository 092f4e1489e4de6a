"""From what a model answers to predictions and scores, whatever shape the exporter chose: of two classes, of several,
or one real number a row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.validations.sandbox import wire
from apps.validations.sandbox.errors import ModelFailed
from apps.validations.sandbox.results import ClassAnswers, ModelInfo, RealAnswers, ScoreResult


class Collector:
    """Answers of all batches, checked as they come: nothing the process says is taken on trust."""

    def __init__(self, mirror: str = "") -> None:
        """`mirror`: what `mirror` of an earlier collector of the same loaded model says; "" where there was none."""
        self.n = 0
        self.mirror = mirror  # of a single score of the other class: see `_mirrored`; "" while nothing tells
        self._labels: list[NDArray[Any]] = []
        self._scores: list[NDArray[np.float64]] = []
        self._shape: tuple[Any, ...] | None = None
        self._keys: list[str] | None = None

    def add(self, header: dict[str, Any], buffers: list[memoryview], rows: int) -> None:
        """One batch. Raises `ModelFailed` when it does not have one answer for each row."""
        try:
            keys = None if header["keys"] is None else [str(k)[:200] for k in header["keys"]]
            if keys is not None and len(keys) != header["width"]:
                raise ValueError("names and scores differ")
            shape = (str(header["label"]), int(header["width"]), tuple(keys or ()))
            if self._shape not in (None, shape):
                raise ValueError("the batches differ")
            parts = iter(buffers)
            if header["label"] is not None:
                raw = next(parts)
                text = header["label"] == "text"
                labels = np.array(wire.unpack_text(raw), dtype=object) if text else np.frombuffer(raw, "<i8")
                if len(labels) != rows:
                    raise ValueError("labels missing")
                self._labels.append(labels)
            if header["width"]:
                scores = np.frombuffer(next(parts), "<f8").reshape(-1, int(header["width"]))
                if len(scores) != rows:
                    raise ValueError("scores missing")
                self._scores.append(scores)
            if header["label"] is None and not header["width"]:
                raise ValueError("no answer")
        except (ValueError, KeyError, TypeError, StopIteration, wire.WireError) as error:
            raise ModelFailed("The model did not give one label or one score for each row.") from error
        self._shape, self._keys = shape, keys
        self.n += rows

    def result(
        self,
        info: ModelInfo,
        columns: tuple[str, ...],
        positive: str | None,
        threshold: float,
        seconds: float,
        skipped: tuple[int, ...] = (),
    ) -> ScoreResult:
        """Everything put together. Raises `ModelFailed` when there are more than two classes."""
        labels = np.concatenate(self._labels) if self._labels else None
        matrix = np.concatenate(self._scores) if self._scores else None
        seen = [] if labels is None else sorted({str(v) for v in np.unique(labels)})
        width = 0 if matrix is None else matrix.shape[1]
        names = list(self._keys or info.classes)
        if not names:
            names = seen if len(seen) == 2 or width <= 1 else _names(labels, matrix, seen)
        classes = sorted(set(names) | set(seen))
        if labels is not None and len(classes) == 1 and classes[0] in ("0", "1"):
            classes = ["0", "1"]
        if len(classes) > 2 or width > 2:
            raise ModelFailed(
                f"The model tells {max(len(classes), width)} classes apart; the plan is about two."
            )
        if positive is None:
            positive = classes[-1] if classes else "1"
        elif labels is not None and positive not in classes:
            # Told by count and type: a model may say texts that it copied from the rows.
            kind = "text" if labels.dtype.kind == "O" else "whole numbers"
            said = f"{len(classes)} other label{'' if len(classes) == 1 else 's'} ({kind})"
            raise ModelFailed(f"The model never says {positive!r}; it says {said}.")
        scores = None
        warnings = []
        if matrix is not None:
            order = names if len(names) == 2 else ["0", "1"]
            at = order.index(positive) if width == 2 and positive in order else width - 1
            scores = np.ascontiguousarray(matrix[:, at])
            if width == 1:
                # A single score is of the second class; one text label alone does not tell which that is.
                if not self.mirror and (len(names) == 2 or set(names) <= {"0", "1"}):
                    self.mirror = _mirror(scores) if positive == order[0] else AS_IT_IS
                scores = _mirrored(scores, self.mirror)
        if labels is not None:
            predictions = (labels.astype(str) == positive).astype(np.int8)
        else:
            assert scores is not None
            predictions = (scores >= threshold).astype(np.int8)
            warnings.append(f"The model gives no label: a score of {threshold} or more counts as positive.")
        bad = 0 if scores is None else int((~np.isfinite(scores)).sum())
        if bad:
            warnings.append(f"{bad:,} of {self.n:,} scores are not finite numbers.")
        return ScoreResult(
            predictions=predictions,
            scores=scores,
            n=self.n,
            nan_scores=bad,
            positive=positive,
            classes=tuple(classes),
            columns=columns,
            seconds=round(seconds, 3),
            info=info,
            warnings=tuple(warnings),
            skipped=skipped,
        )

    def of_classes(
        self,
        info: ModelInfo,
        columns: tuple[str, ...],
        classes: tuple[str, ...],
        seconds: float,
        skipped: tuple[int, ...] = (),
    ) -> ClassAnswers:
        """Labels and scores of several classes, scores in the order of `classes`.

        Columns of scores are those the model names; where it names none, the first is of the first class, and so on.
        Raises `ModelFailed` when it has another number of scores or names other classes.
        """
        labels = np.concatenate(self._labels).astype(str).astype(object) if self._labels else None
        matrix = np.concatenate(self._scores) if self._scores else None
        warnings: list[str] = []
        if matrix is None:
            warnings.append("The model gives labels without scores.")
        else:
            if matrix.shape[1] != len(classes):
                numbers = f"{matrix.shape[1]:,} score{'' if matrix.shape[1] == 1 else 's'}"
                raise ModelFailed(f"The model gives {numbers} a case; the plan names {len(classes)} classes.")
            names = self._keys or list(info.classes)
            if names:
                if set(names) != set(classes):
                    raise ModelFailed("The model names its scores after other classes than the plan does.")
                matrix = matrix[:, [names.index(name) for name in classes]]
        if labels is None:
            warnings.append(
                "The model gives no label: the class with the highest score is the prediction, of equal ones the first "
                "in the plan's order."
            )
        return ClassAnswers(
            n=self.n,
            columns=columns,
            seconds=round(seconds, 3),
            info=info,
            warnings=tuple(warnings),
            skipped=skipped,
            labels=labels,
            scores=None if matrix is None else np.ascontiguousarray(matrix),
            classes=classes,
        )

    def of_reals(
        self, info: ModelInfo, columns: tuple[str, ...], seconds: float, skipped: tuple[int, ...] = ()
    ) -> RealAnswers:
        """One real number a row. Raises `ModelFailed` for labels, and for several numbers a row."""
        if not self._scores or self._labels:
            raise ModelFailed("The model gives labels; the plan is about one real number a case.")
        matrix = np.concatenate(self._scores)
        if matrix.shape[1] != 1:
            raise ModelFailed(f"The model gives {matrix.shape[1]:,} numbers a case; the plan is about one.")
        return RealAnswers(
            n=self.n,
            columns=columns,
            seconds=round(seconds, 3),
            info=info,
            warnings=(),
            skipped=skipped,
            values=np.ascontiguousarray(matrix[:, 0]),
        )


AS_IT_IS, SHARE, NEGATED = "as it is", "share", "negated"


def _mirror(scores: NDArray[np.float64]) -> str:
    """How a score of the other class is mirrored, so that higher means more positive; "" where none is finite."""
    known = scores[np.isfinite(scores)]
    if not len(known):
        return ""
    return SHARE if known.min() >= 0 and known.max() <= 1 else NEGATED


def _mirrored(scores: NDArray[np.float64], how: str) -> NDArray[np.float64]:
    """`how` is decided once for a loaded model, by the first answers that tell: its tables are compared."""
    return {SHARE: 1 - scores, NEGATED: -scores}.get(how, scores)


def _names(labels: NDArray[Any] | None, matrix: NDArray[np.float64] | None, seen: list[str]) -> list[str]:
    """Class names of a two-column score when the file does not say and only one label occurred: 0 and 1, or, for
    text, the label and its counterpart, placed by which column is the greater where it was said."""
    if labels is None or all(s in ("0", "1") for s in seen):
        return ["0", "1"]
    assert matrix is not None
    at = int(np.median(np.argmax(np.nan_to_num(matrix, nan=-np.inf), axis=1)))
    other = f"not {seen[0]}"
    return [seen[0], other] if at == 0 else [other, seen[0]]
