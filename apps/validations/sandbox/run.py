"""The portal's side of the sandbox: start the process, give it the model, feed it rows, read its answers."""

from __future__ import annotations

import builtins
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from apps.validations.sandbox import wire
from apps.validations.sandbox.errors import (
    ModelFailed,
    ModelInputMismatch,
    ModelOutOfMemory,
    ModelRefused,
    ModelTimedOut,
    SandboxError,
)
from apps.validations.sandbox.results import (
    ClassAnswers,
    Limits,
    ModelInfo,
    Port,
    RealAnswers,
    ScoreResult,
)
from apps.validations.sandbox.sniff import detect_format, read_onnx_head

if TYPE_CHECKING:
    from apps.validations.sandbox.answers import Collector

Progress = Callable[[int, int], None]
DEFAULT = Limits()
_SCRIPT = Path(__file__).parent / "inside" / "main.py"
_ENV = {
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/nonexistent",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
_MAX_INFO = 4 * 1024**2
# Names of errors that are repeated after rows were sent: onnxruntime's and Python's own. Any other name could itself be
# made from a cell by a process that was taken over.
_ERRORS = frozenset(
    {
        "EPFail",
        "Fail",
        "InvalidArgument",
        "InvalidGraph",
        "InvalidProtobuf",
        "NotFittedError",
        "NotImplemented",
        "RuntimeException",
        *(
            name
            for name, kind in vars(builtins).items()
            if isinstance(kind, type) and issubclass(kind, Exception)
        ),
    }
)


class _Process:
    """One sandboxed process and the clock over it."""

    def __init__(self, fmt: str, limits: Limits, cwd: str):
        self.limits = limits
        self.timed_out = False
        self.rows_sent = False
        self.child = subprocess.Popen(
            [sys.executable, "-I", str(_SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=_ENV,
            start_new_session=True,
            close_fds=True,
        )
        self.stdin = cast(BinaryIO, self.child.stdin)
        self.stdout = cast(BinaryIO, self.child.stdout)
        self.stderr = cast(BufferedReader, self.child.stderr)
        self.words: deque[bytes] = deque(maxlen=16)
        self.listener = threading.Thread(target=self._listen, daemon=True)
        self.listener.start()
        self.clock = threading.Timer(limits.wall_s, self._expire)
        self.clock.daemon = True
        self.clock.start()
        limit = {"cpu_s": limits.cpu_s, "memory_mb": limits.memory_mb}
        self.send(b"HELO", wire.pack({"format": fmt, "limits": limit}))
        self.isolation: dict[str, str] = self.expect(b"REDY", _MAX_INFO)[0]["isolation"]

    def _listen(self) -> None:
        while chunk := self.stderr.read1(4096):
            self.words.append(chunk)

    def _expire(self) -> None:
        self.timed_out = True
        self.child.kill()

    def send(self, tag: bytes, parts: list[bytes]) -> None:
        self.rows_sent = self.rows_sent or tag == b"ROWS"
        try:
            wire.send(self.stdin, tag, *parts)
        except BrokenPipeError:
            # It ended early. If it said why, the answer is still in the pipe for `expect`.
            return

    def expect(self, wanted: bytes, limit: int) -> tuple[dict[str, Any], list[memoryview]]:
        """The next frame's content; anything but `wanted` becomes the right error."""
        try:
            tag, payload = wire.receive(self.stdout, max(limit, 65536))
            header, buffers = wire.unpack(payload) if payload else ({}, [])
        except wire.WireError as error:
            raise ModelFailed(
                "The model's process answered with something unreadable, and was ended."
            ) from error
        if tag == wanted:
            return header, buffers
        if tag == b"FAIL":
            if self.rows_sent:
                raise _failed_on_rows(str(header.get("kind")), str(header.get("type")), self.limits)
            raise _failure(str(header.get("kind")), str(header.get("text"))[:600], self.limits)
        raise self._death()

    def _death(self) -> SandboxError:
        _close(self.stdout)
        try:
            code = self.child.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return ModelFailed("The model's process answered out of turn, and was ended.")
        self.listener.join(timeout=2)
        words = b"".join(self.words).decode("utf-8", "replace")
        if self.timed_out:
            return ModelTimedOut(
                f"The model did not finish within {self.limits.wall_s} seconds and was ended."
            )
        if code == -signal.SIGXCPU or (code == -signal.SIGKILL and not self.timed_out):
            return ModelTimedOut(
                f"The model used more than {self.limits.cpu_s} seconds of processor time and was ended."
            )
        if "bad_alloc" in words or "MemoryError" in words or "cannot allocate" in words.lower():
            return _failure("memory", "", self.limits)
        name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return ModelFailed(f"The model's process ended without an answer ({name}).")

    def close(self) -> None:
        self.clock.cancel()
        if self.child.poll() is None:
            try:
                os.killpg(self.child.pid, signal.SIGKILL)
            except ProcessLookupError:
                self.child.kill()
        self.child.wait()
        self.listener.join(timeout=2)
        for stream in (self.stdin, self.stdout, self.stderr):
            _close(stream)


def _close(stream: Any) -> None:
    try:
        stream.close()
    except BrokenPipeError:
        return


def _failure(kind: str, text: str, limits: Limits) -> SandboxError:
    text = "".join(c if c.isprintable() else " " for c in text)
    if kind == "memory":
        return ModelOutOfMemory(
            f"The model asked for more than the {limits.memory_mb:,} MB it is given, and was ended."
        )
    if kind == "load":
        return ModelRefused(f"The model could not be loaded. The runtime says: {text}")
    return ModelFailed(f"The model loaded, and then failed. The runtime says: {text}")


def _failed_on_rows(kind: str, name: str, limits: Limits) -> SandboxError:
    """Once rows were sent, whatever the process says may hold their values: it is told by the error's name alone."""
    if kind == "memory":
        return _failure("memory", "", limits)
    named = name if name in _ERRORS else "an error without a known name"
    return ModelFailed(
        f"The model loaded, and then failed on the data with {named}. What the runtime said of it is not kept: it "
        "may hold values of the test data."
    )


@contextmanager
def _loaded(path: Path, fmt: str, limits: Limits) -> Iterator[tuple[_Process, ModelInfo, dict[str, Any]]]:
    found = detect_format(path)
    if found != fmt:
        raise ModelRefused(f"The file was declared as {fmt}, but it is {found}.")
    size = path.stat().st_size
    if size > limits.model_mb * 1024**2:
        raise ModelRefused(f"The model has {size / 1024**2:,.0f} MB; at most {limits.model_mb:,} MB are run.")
    data = path.read_bytes()
    head = read_onnx_head(path) if fmt == "onnx" else {}
    with tempfile.TemporaryDirectory(prefix="cs-empty-") as cwd:
        process = _Process(fmt, limits, cwd)
        try:
            process.send(b"MODL", [data])
            said, _ = process.expect(b"INFO", _MAX_INFO)
            try:
                info = ModelInfo(
                    format=fmt,
                    inputs=_ports(said["inputs"]),
                    outputs=_ports(said["outputs"]),
                    size=size,
                    digest="sha256:" + hashlib.sha256(data).hexdigest(),
                    producer=str(said.get("producer") or head.get("producer", "")),
                    ir_version=head.get("ir_version"),
                    opset=head.get("opset", {}),
                    estimator=str(said.get("estimator", "")),
                    classes=tuple(map(str, said.get("classes", []))),
                    runtime=dict(said["runtime"]),
                    isolation=process.isolation,
                )
            except (KeyError, TypeError, ValueError) as error:
                raise ModelFailed("The model's process described it in a way that cannot be read.") from error
            yield process, info, said
        finally:
            process.close()


def _ports(said: list[dict[str, Any]]) -> tuple[Port, ...]:
    ports = []
    for port in said:
        shape = tuple(port["shape"])
        if not all(d is None or (isinstance(d, int) and d >= 0) for d in shape):
            raise ValueError("a dimension is no number")
        ports.append(Port(str(port["name"]), str(port["type"]), shape))
    return tuple(ports)


def _batch(said: dict[str, Any], usual: int) -> int:
    """Rows a batch: the usual number, or what the model was exported for."""
    fixed = said.get("fixed_batch")
    if fixed is None:
        return usual
    if not isinstance(fixed, int) or not 1 <= fixed <= 1_000_000:
        raise ModelFailed("The model was exported for a number of rows that cannot be served.")
    return fixed


def inspect_model(path: str | Path, fmt: str | None = None, *, limits: Limits = DEFAULT) -> ModelInfo:
    """Load a model in the sandbox and tell what it is. fmt: "onnx" or "skops"; None lets the bytes decide.

    Raises `ModelRefused` (not a model we run, or does not load), `ModelTimedOut`, `ModelOutOfMemory`, `ModelFailed`.
    """
    path = Path(path)
    with _loaded(path, fmt or detect_format(path), limits) as (_, info, _said):
        return info


def score(
    model_path: str | Path,
    fmt: str | None,
    data_path: str | Path,
    *,
    features: list[str] | None = None,
    positive: str | None = None,
    threshold: float = 0.5,
    limits: Limits = DEFAULT,
    progress: Progress | None = None,
    skip_unfit: bool = False,
) -> ScoreResult:
    """Run a model over a Parquet file, row by row in the file's order, in a restricted process.

    features: column names in order, for a model that takes one unnamed matrix; else the model names them itself.
    positive: the label counted as positive; default the greater of the two ("1", or alphabetically the last).
    threshold: only for models that give a score and no label: score >= threshold is positive.
    progress(done, total): called after each batch of rows.

    skip_unfit: rows with an empty cell in a whole-number input are left out and told in `skipped`, not refused.

    Only the model's bytes and the named columns enter the process: not the label, not the groups, no path.
    Raises the errors of `inspect_model` and `ModelInputMismatch`.
    """
    told = _asked(model_path, fmt, data_path, features, limits, progress, skip_unfit)
    return told.collector.result(told.info, told.columns, positive, threshold, told.seconds, told.skipped)


def score_classes(
    model_path: str | Path,
    fmt: str | None,
    data_path: str | Path,
    classes: tuple[str, ...],
    *,
    features: list[str] | None = None,
    limits: Limits = DEFAULT,
    progress: Progress | None = None,
    skip_unfit: bool = False,
) -> ClassAnswers:
    """`score` for a model that tells `classes` apart, in the order of the plan."""
    told = _asked(model_path, fmt, data_path, features, limits, progress, skip_unfit)
    return told.collector.of_classes(told.info, told.columns, classes, told.seconds, told.skipped)


def score_reals(
    model_path: str | Path,
    fmt: str | None,
    data_path: str | Path,
    *,
    features: list[str] | None = None,
    limits: Limits = DEFAULT,
    progress: Progress | None = None,
    skip_unfit: bool = False,
) -> RealAnswers:
    """`score` for a model that gives one real number a row."""
    told = _asked(model_path, fmt, data_path, features, limits, progress, skip_unfit)
    return told.collector.of_reals(told.info, told.columns, told.seconds, told.skipped)


@dataclass(frozen=True)
class _Told:
    """Everything a process answered, before it is read as one kind of answer."""

    collector: Collector
    info: ModelInfo
    columns: tuple[str, ...]
    seconds: float
    skipped: tuple[int, ...]


def _asked(
    model_path: str | Path,
    fmt: str | None,
    data_path: str | Path,
    features: list[str] | None,
    limits: Limits,
    progress: Progress | None,
    skip_unfit: bool,
) -> _Told:
    import pyarrow.parquet as pq

    from apps.validations.sandbox import columns as cols
    from apps.validations.sandbox.answers import Collector

    started = time.monotonic()
    model_path, data_path = Path(model_path), Path(data_path)
    meta = pq.ParquetFile(data_path)
    total = meta.metadata.num_rows
    if total == 0:
        raise ModelInputMismatch("The data have no rows, so there is nothing to score.")
    skipped: list[int] | None = [] if skip_unfit else None
    with _loaded(model_path, fmt or detect_format(model_path), limits) as (process, info, said):
        wanted = cols.match(
            info, meta.schema_arrow, features, named=bool(said.get("named", info.columns is not None))
        )
        size = _batch(said, cols.BATCH)
        info = replace(info, runtime={**info.runtime, "batch": size})
        collector = Collector()
        for rows, parts in cols.batches(data_path, wanted, info, size, skipped):
            process.send(b"ROWS", parts)
            header, buffers = process.expect(b"PRED", 64 * 1024 + rows * 4096)
            collector.add(header, buffers, rows)
            if progress is not None:
                progress(collector.n, total)
    if collector.n == 0:
        raise ModelInputMismatch(
            f"The model can take none of the {total:,} rows: a whole-number input is empty."
        )
    return _Told(collector, info, tuple(wanted), time.monotonic() - started, tuple(skipped or ()))


def score_twice(*args: Any, **kwargs: Any) -> tuple[ScoreResult, bool]:
    """`score` in two separate processes: the first result, and whether the second had the same bits."""
    first, second = score(*args, **kwargs), score(*args, **kwargs)
    return first, first.digest == second.digest
