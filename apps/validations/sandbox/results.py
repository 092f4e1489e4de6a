"""What goes into the sandbox and what comes out of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Limits:
    """Limits of one sandboxed process.

    cpu_s: processor seconds after the libraries are loaded; wall_s: seconds on the clock, all in all;
    memory_mb: address space in MiB, libraries included (onnxruntime alone maps about 300).
    """

    cpu_s: int = 120
    wall_s: int = 300
    memory_mb: int = 3072
    model_mb: int = 1024


@dataclass(frozen=True)
class Port:
    """One input or output of a model. type: number, integer, boolean, text, or the runtime's own word;
    shape: None for a dimension that is free."""

    name: str
    type: str
    shape: tuple[int | None, ...]


@dataclass(frozen=True)
class ModelInfo:
    """What a model file says about itself once it is loaded."""

    format: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    size: int
    digest: str
    producer: str = ""
    ir_version: int | None = None
    opset: dict[str, int] = field(default_factory=dict)
    estimator: str = ""
    classes: tuple[str, ...] = ()
    runtime: dict[str, Any] = field(default_factory=dict)
    isolation: dict[str, str] = field(default_factory=dict)

    @property
    def columns(self) -> list[str] | None:
        """The data columns the model names itself, in order; None when it takes one unnamed matrix."""
        if len(self.inputs) == 1 and len(self.inputs[0].shape) == 2 and self.inputs[0].shape[1] != 1:
            return None
        return [port.name for port in self.inputs]

    def as_json(self) -> dict[str, Any]:
        """The same as plain JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class ScoreResult:
    """Predictions of one model on one data file, in the order of the file's rows.

    predictions: int8, shape (n,), 1 where the model's label is the positive class.
    scores: float64, shape (n,), the model's own score of the positive class (NaN kept), or None.
    positive: the label taken as positive; classes: all labels, as text.
    nan_scores: rows whose score is not a finite number. Their prediction is what the model said.
    skipped: places (from 0) of rows that were not scored, where it was asked to leave them out; n counts them not.
    """

    predictions: NDArray[np.int8]
    scores: NDArray[np.float64] | None
    n: int
    nan_scores: int
    positive: str
    classes: tuple[str, ...]
    columns: tuple[str, ...]
    seconds: float
    info: ModelInfo
    warnings: tuple[str, ...] = ()
    skipped: tuple[int, ...] = ()

    @property
    def runtime(self) -> dict[str, Any]:
        """Versions and settings that decide the bits: library versions, threads, batch."""
        return self.info.runtime

    @property
    def isolation(self) -> dict[str, str]:
        """How far the process was cut off: keys user, network, system_calls, memory."""
        return self.info.isolation

    @property
    def digest(self) -> str:
        """`sha256:<hex>` over n, predictions (int8) and scores (float64 little-endian): equal bits, equal digest."""
        h = hashlib.sha256(f"countersign-scores/1 {self.n}\n".encode())
        h.update(self.predictions.astype("<i1").tobytes())
        h.update(b"scores" if self.scores is not None else b"none")
        if self.scores is not None:
            # One bit pattern for every NaN, or two equal runs could differ by a payload nobody can see.
            scores = np.where(np.isnan(self.scores), np.nan, self.scores)
            h.update(scores.astype("<f8").tobytes())
        return "sha256:" + h.hexdigest()


@dataclass(frozen=True)
class Answers:
    """What every result of a model has, whatever it answers; see `ScoreResult`."""

    n: int
    columns: tuple[str, ...]
    seconds: float
    info: ModelInfo
    warnings: tuple[str, ...]
    skipped: tuple[int, ...]

    @property
    def runtime(self) -> dict[str, Any]:
        """Versions and settings that decide the bits."""
        return self.info.runtime

    @property
    def isolation(self) -> dict[str, str]:
        """How far the process was cut off."""
        return self.info.isolation


@dataclass(frozen=True)
class ClassAnswers(Answers):
    """Answers of a model that tells several classes apart.

    labels: what the model said of each row, as text, shape (n,), or None where it gives scores alone.
    scores: float64, shape (n, k), in the order of `classes` (NaN kept), or None.
    """

    labels: NDArray[Any] | None
    scores: NDArray[np.float64] | None
    classes: tuple[str, ...]

    @property
    def digest(self) -> str:
        """`sha256:<hex>` over n, the labels as JSON and the scores (float64 little-endian)."""
        h = hashlib.sha256(f"countersign-classes/1 {self.n} {len(self.classes)}\n".encode())
        h.update(json.dumps(None if self.labels is None else self.labels.tolist()).encode())
        h.update(_bytes(self.scores))
        return "sha256:" + h.hexdigest()


@dataclass(frozen=True)
class RealAnswers(Answers):
    """Answers of a model that gives one real number a row: `values`, float64, shape (n,), NaN kept."""

    values: NDArray[np.float64]

    @property
    def digest(self) -> str:
        """`sha256:<hex>` over n and the values (float64 little-endian)."""
        h = hashlib.sha256(f"countersign-values/1 {self.n}\n".encode())
        h.update(_bytes(self.values))
        return "sha256:" + h.hexdigest()


def _bytes(values: NDArray[np.float64] | None) -> bytes:
    """One bit pattern for every NaN, as in `ScoreResult.digest`."""
    if values is None:
        return b"none"
    return b"scores" + np.ascontiguousarray(np.where(np.isnan(values), np.nan, values), dtype="<f8").tobytes()
