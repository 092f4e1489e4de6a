"""Many tables scored by one sandboxed process: for probes and explanations, which ask a model again and again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from apps.validations.sandbox import columns as cols
from apps.validations.sandbox.answers import Collector
from apps.validations.sandbox.errors import ModelInputMismatch
from apps.validations.sandbox.results import ClassAnswers, Limits, ModelInfo, RealAnswers, ScoreResult
from apps.validations.sandbox.run import _batch, _loaded, _Process
from apps.validations.sandbox.sniff import detect_format

LIMITS = Limits(cpu_s=900, wall_s=1800)


class Session:
    """A loaded model that answers as often as it is asked, within the limits of its process all in all.

    columns: what it asks for, in order; whole: those that take whole numbers only, where no cell may be empty;
    rows: how many were scored so far.
    """

    def __init__(
        self,
        process: _Process,
        info: ModelInfo,
        columns: list[str],
        size: int,
        positive: str | None,
        threshold: float,
    ) -> None:
        self.info = replace(info, runtime={**info.runtime, "batch": size})
        self.columns = tuple(columns)
        self.whole = cols.whole_inputs(info) & set(columns)
        self.rows = 0
        self._process, self._size = process, size
        self._positive, self._threshold = positive, threshold
        self._mirror = ""

    def score(self, table: pa.Table) -> ScoreResult:
        """The answers to the rows of `table`, which has `columns` in the types of the schema given to `session`.

        Raises the errors of `sandbox.score`.
        """
        started = time.monotonic()
        collector = self._asked(table)
        found = collector.result(
            self.info, self.columns, self._positive, self._threshold, time.monotonic() - started
        )
        self._mirror = collector.mirror
        if not self.info.classes and len(found.classes) == 2:  # a later table may bring out one class only
            self.info = replace(self.info, classes=found.classes)
        return found

    def score_classes(self, table: pa.Table, classes: tuple[str, ...]) -> ClassAnswers:
        """`score` of a model that tells `classes` apart. Raises the errors of `sandbox.score_classes`."""
        started = time.monotonic()
        return self._asked(table).of_classes(self.info, self.columns, classes, time.monotonic() - started)

    def score_reals(self, table: pa.Table) -> RealAnswers:
        """`score` of a model that gives one real number a row. Raises the errors of `sandbox.score_reals`."""
        started = time.monotonic()
        return self._asked(table).of_reals(self.info, self.columns, time.monotonic() - started)

    def _asked(self, table: pa.Table) -> Collector:
        if table.num_rows == 0:
            raise ModelInputMismatch("The data have no rows, so there is nothing to score.")
        collector, wanted = Collector(self._mirror), list(self.columns)
        for part in table.select(wanted).combine_chunks().to_batches(max_chunksize=self._size):
            self._process.send(b"ROWS", cols.packed(part, wanted, self.whole))
            header, buffers = self._process.expect(b"PRED", 64 * 1024 + part.num_rows * 4096)
            collector.add(header, buffers, part.num_rows)
        self.rows += table.num_rows
        return collector


@contextmanager
def session(
    model_path: str | Path,
    fmt: str | None,
    schema: pa.Schema,
    *,
    features: list[str] | None = None,
    positive: str | None = None,
    threshold: float = 0.5,
    limits: Limits = LIMITS,
) -> Iterator[Session]:
    """A model loaded once in a restricted process, to be asked many tables of `schema`. Arguments as of `score`.

    Only the model's bytes and the columns it asks for enter the process. Raises the errors of `inspect_model` and
    `ModelInputMismatch`.
    """
    model_path = Path(model_path)
    with _loaded(model_path, fmt or detect_format(model_path), limits) as (process, info, said):
        named: Any = said.get("named", info.columns is not None)
        wanted = cols.match(info, schema, features, named=bool(named))
        yield Session(process, info, wanted, _batch(said, cols.BATCH), positive, threshold)
