"""An ONNX model under onnxruntime: one thread, deterministic, from bytes (so that external data are refused)."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

_TYPES = {
    "tensor(float)": ("number", np.float32),
    "tensor(double)": ("number", np.float64),
    "tensor(int64)": ("integer", np.int64),
    "tensor(int32)": ("integer", np.int32),
    "tensor(bool)": ("boolean", np.bool_),
    "tensor(string)": ("text", np.object_),
}


def prepare() -> None:
    """Nothing to do: onnxruntime has loaded all it needs when it is imported."""


class Model:
    """A loaded model. `describe()` gives plain JSON types; `predict` one batch."""

    def __init__(self, data: bytes):
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.use_deterministic_compute = True
        options.enable_cpu_mem_arena = False
        options.log_severity_level = 4
        self.session = ort.InferenceSession(data, options, providers=["CPUExecutionProvider"])
        unknown = [i for i in self.session.get_inputs() if i.type not in _TYPES]
        if unknown:
            raise ValueError(
                f"input {unknown[0].name} has the type {unknown[0].type}, which no data column can fill"
            )
        first = self.session.get_inputs()[0].shape if self.session.get_inputs() else []
        self.fixed_batch = first[0] if first and isinstance(first[0], int) and first[0] > 0 else None

    def describe(self) -> dict[str, Any]:
        """Inputs, outputs, producer and the runtime that decides the bits."""
        return {
            "inputs": [_port(i) for i in self.session.get_inputs()],
            "outputs": [_port(o) for o in self.session.get_outputs()],
            "fixed_batch": self.fixed_batch,
            "runtime": {
                "python": platform.python_version(),
                "numpy": np.__version__,
                "onnxruntime": ort.__version__,
                "provider": self.session.get_providers()[0],
                "machine": platform.machine(),
                "threads": 1,
            },
        }

    def predict(self, columns: dict[str, NDArray[Any]], order: list[str]) -> dict[str, Any]:
        """One batch. columns: name -> array (n,); order: the columns in the order a matrix input wants them.

        Returns labels (n,) or None, scores (n, k) or None, keys (class names of the scores' columns) or None.
        """
        inputs = self.session.get_inputs()
        feed: dict[str, NDArray[Any]] = {}
        if len(inputs) == 1 and len(inputs[0].shape) == 2 and inputs[0].shape[1] != 1:
            kind = _TYPES[inputs[0].type][1]
            feed[inputs[0].name] = np.column_stack([columns[c].astype(kind) for c in order])
        else:
            for item in inputs:
                array: NDArray[Any] = columns[item.name].astype(_TYPES[item.type][1])
                feed[item.name] = array.reshape(-1, 1) if len(item.shape) == 2 else array
        n = len(next(iter(feed.values())))
        feed = {name: self._padded(array) for name, array in feed.items()}
        return _read(self.session.run(None, feed), n)

    def _padded(self, array: NDArray[Any]) -> NDArray[Any]:
        """Models exported with a fixed number of rows get the last row repeated; the extra answers are dropped."""
        if self.fixed_batch is None or len(array) == self.fixed_batch:
            return array
        return np.concatenate([array, np.repeat(array[-1:], self.fixed_batch - len(array), axis=0)])


def _port(item: Any) -> dict[str, Any]:
    shape = [d if isinstance(d, int) else None for d in item.shape or []]
    return {"name": item.name, "type": _TYPES.get(item.type, (item.type,))[0], "shape": shape}


def _read(outputs: list[Any], n: int) -> dict[str, Any]:
    """Label and probability out of whatever the exporter made: ZipMap on or off, a matrix, or a single score."""
    labels = scores = keys = None
    for value in outputs:
        if isinstance(value, list) and value and isinstance(value[0], dict):
            names = list(value[0])
            scores, keys = np.array([[row[k] for k in names] for row in value], dtype=np.float64), names
        elif isinstance(value, np.ndarray) and value.dtype.kind in "iuOUSb" and labels is None:
            labels = value.reshape(len(value), -1)[:, 0] if value.size else value
        elif isinstance(value, np.ndarray) and value.dtype.kind == "f" and scores is None:
            scores = value.astype(np.float64).reshape(len(value), -1)
    return {
        "labels": None if labels is None else labels[:n],
        "scores": None if scores is None else scores[:n],
        "keys": None if keys is None else [str(k) for k in keys],
    }
