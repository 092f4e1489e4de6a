"""The sandboxed process. Started as a script with `python -I`; talks frames over its standard input and output.

HELO (limits, format) -> REDY; MODL (bytes) -> INFO; then ROWS -> PRED until the input ends. Any trouble -> FAIL.
"""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

if __name__ == "__main__":
    _HERE = Path(__file__).resolve()
    sys.path.append(str(_HERE.parents[4]))  # `-I` leaves the project off the path
    # The package's `__init__` is the portal's side, with pyarrow and more: a third of the start, and nothing of it is
    # used in here.
    _package = ModuleType("apps.validations.sandbox")
    _package.__path__ = [str(_HERE.parents[1])]
    sys.modules[_package.__name__] = _package

from apps.validations.sandbox import wire
from apps.validations.sandbox.inside import jail

_LIMIT = 1 << 40  # the portal is trusted; the other direction has narrow limits
_MODULES = {"onnx": "onnx_model", "skops": "skops_model"}


def _out_of_memory(error: BaseException) -> bool:
    text = str(error)
    return isinstance(error, MemoryError) or any(
        sign in text
        for sign in ("bad_alloc", "Failed to allocate memory", "Unable to allocate", "bad allocation")
    )


def _fail(out: BinaryIO, stage: str, error: BaseException) -> None:
    kind = "memory" if _out_of_memory(error) else stage
    # A runtime's text may print cells of the rows it was given, so only that of loading leaves the process.
    text = (" ".join(str(error).split())[:600] if stage == "load" else "") or type(error).__name__
    wire.send(out, b"FAIL", *wire.pack({"kind": kind, "type": type(error).__name__, "text": text}))


def _columns(header: dict[str, Any], buffers: list[memoryview]) -> dict[str, Any]:
    import numpy as np

    columns = {}
    for spec, buffer in zip(header["columns"], buffers, strict=True):
        if spec["dtype"] == "text":
            columns[spec["name"]] = np.array(wire.unpack_text(buffer), dtype=object)
        else:
            columns[spec["name"]] = np.frombuffer(buffer, dtype=spec["dtype"])
    return columns


def _answer(result: dict[str, Any]) -> list[bytes]:
    import numpy as np

    labels, scores = result["labels"], result["scores"]
    header: dict[str, Any] = {"keys": result["keys"], "label": None, "width": 0}
    buffers = []
    if labels is not None:
        header["label"] = "text" if labels.dtype.kind in "OUS" else "int"
        text = header["label"] == "text"
        buffers.append(wire.pack_text([str(v) for v in labels]) if text else labels.astype("<i8").tobytes())
    if scores is not None:
        header["width"] = int(scores.shape[1])
        buffers.append(np.ascontiguousarray(scores, dtype="<f8").tobytes())
    return wire.pack(header, buffers)


def main() -> None:
    """Serve one model, then end."""
    parent = os.getppid()
    network = jail.cut_network(parent)
    # Whatever native code prints goes to the error pipe, never between the frames.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    inp = sys.stdin.buffer
    warnings.simplefilter("ignore")
    _, payload = wire.receive(inp, _LIMIT)
    hello, _ = wire.unpack(payload)
    runner = importlib.import_module(f"apps.validations.sandbox.inside.{_MODULES[hello['format']]}")
    runner.prepare()
    reached = jail.lock(hello["limits"], parent, network)
    wire.send(out, b"REDY", *wire.pack({"isolation": reached}))
    _, data = wire.receive(inp, _LIMIT)
    stage = "load"
    try:
        model = runner.Model(data)
        del data
        wire.send(out, b"INFO", *wire.pack(model.describe()))
        stage = "run"
        while True:
            tag, payload = wire.receive(inp, _LIMIT)
            if tag != b"ROWS":
                return
            header, buffers = wire.unpack(payload)
            wire.send(out, b"PRED", *_answer(model.predict(_columns(header, buffers), header["order"])))
    except BaseException as error:  # whatever the model does becomes a sentence
        _fail(out, stage, error)


if __name__ == "__main__":
    main()
