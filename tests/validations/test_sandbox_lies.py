"""A process that has been taken over answers what it likes: the portal's side must end with a sentence, not break."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from apps.validations.sandbox import (
    Limits,
    ModelFailed,
    ModelInputMismatch,
    ModelTimedOut,
    SandboxError,
    run,
    score,
)
from apps.validations.sandbox.wire import WireError, pack, unpack
from tests.validations import models

ROOT = Path(__file__).resolve().parents[2]
HONEST = {
    "inputs": [{"name": "f0", "type": "number", "shape": [None, 1]}],
    "outputs": [{"name": "score", "type": "number", "shape": [None, 1]}],
    "fixed_batch": None,
    "runtime": {},
}
ANSWER = {"keys": None, "label": None, "width": 1}
GOOD = "wire.pack(" + repr(ANSWER) + ", [b'\\0' * 4000])"
PROCESS = """
import sys, time
sys.path.append({root!r})
from apps.validations.sandbox import wire
out, inp = sys.stdout.buffer, sys.stdin.buffer
wire.receive(inp, 1 << 40)
wire.send(out, b"REDY", *wire.pack({{"isolation": {{}}}}))
wire.receive(inp, 1 << 40)
{info}
wire.receive(inp, 1 << 40)
{answer}
"""


def _run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, info: str = "", answer: str = "", wall_s: int = 20
):
    info = info or f'wire.send(out, b"INFO", *wire.pack({HONEST!r}))'
    answer = answer or f'wire.send(out, b"PRED", *{GOOD})'
    script = tmp_path / "process.py"
    script.write_text(PROCESS.format(root=str(ROOT), info=info, answer=answer))
    monkeypatch.setattr(run, "_SCRIPT", script)
    data = models.write(tmp_path / "d.parquet", models.cases())
    return score(models.identity(tmp_path / "i.onnx"), "onnx", data, limits=Limits(wall_s=wall_s))


def test_the_honest_process_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _run(tmp_path, monkeypatch).n == models.ROWS


def _info(**changes: object) -> str:
    return f'wire.send(out, b"INFO", *wire.pack({HONEST | changes!r}))'


def _answer(body: str, **changes: object) -> str:
    return f'wire.send(out, b"PRED", *wire.pack({ANSWER | changes!r}, [{body}]))'


@pytest.mark.parametrize(
    "lie",
    [
        {"info": _info(inputs=[{"name": "f0"}])},
        {"info": _info(inputs="f0")},
        {"info": _info(inputs=[{"name": "f0", "type": "number", "shape": ["x"]}])},
        {"info": _info(runtime=7)},
        {"info": _info(fixed_batch="many")},
        {"info": _info(fixed_batch=-1)},
        {"info": 'wire.send(out, b"INFO", b"no json")'},
        {"info": 'wire.send(out, b"INFO", *wire.pack({"inputs": [0] * 10_000_000}))'},
        {"info": 'out.write(b"INFO" + (1 << 60).to_bytes(8, "big")); out.flush()'},
        {"info": 'wire.send(out, b"PRED", *wire.pack({}))'},
        {"info": 'wire.send(out, b"FAIL", *wire.pack({"kind": ["x"], "text": {"a": 1}}))'},
        {"info": "sys.exit(0)"},
        {"answer": _answer("b'\\0' * 8")},
        {"answer": _answer("b'\\0' * 4001")},
        {"answer": _answer("b'\\0' * 8000", width=2, keys=["only one"])},
        {"answer": _answer("b'\\0' * 4000", width=-1)},
        {"answer": _answer("b'\\0' * 4000", width="wide")},
        {"answer": _answer("b'\\0' * 4000", keys=[{"a": []}], width=3)},
        {"answer": _answer("b'[1, 2]'", label="text")},
        {"answer": _answer("", label=None, width=0)},
        {"answer": "wire.send(out, b'PRED', b'\\0' * 100_000_000)"},
        {"answer": "out.write(b'PR'); out.flush(); sys.exit(0)"},
        {"answer": "sys.exit(9)"},
    ],
)
def test_a_lie_ends_with_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lie: dict[str, str]
) -> None:
    with pytest.raises(SandboxError) as caught:
        _run(tmp_path, monkeypatch, **lie)
    assert isinstance(caught.value, ModelFailed)
    assert 20 < len(str(caught.value)) < 800


@pytest.mark.parametrize(
    "lie", [{"inputs": []}, {"named": False}, {"inputs": HONEST["inputs"] * 2, "named": False}]
)
def test_lies_about_the_inputs_are_mismatches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lie: dict[str, object]
) -> None:
    with pytest.raises(ModelInputMismatch):
        _run(tmp_path, monkeypatch, info=_info(**lie))


@pytest.mark.parametrize("lie", [{"info": "time.sleep(60)"}, {"answer": "time.sleep(60)"}])
def test_silence_ends_by_the_clock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lie: dict[str, str]
) -> None:
    with pytest.raises(ModelTimedOut):
        _run(tmp_path, monkeypatch, wall_s=1, **lie)


def test_frames_that_point_outside_themselves_are_refused() -> None:
    whole = b"".join(pack({"a": 1}, [b"xyz"]))
    assert [bytes(b) for b in unpack(whole)[1]] == [b"xyz"]
    for lengths in ([99], [-1], ["3"], None, {"a": 1}):
        text = json.dumps({"lengths": lengths}).encode()
        with pytest.raises(WireError):
            unpack(len(text).to_bytes(8, "big") + text + b"xyz")
    for cut in range(len(whole)):
        with pytest.raises(WireError):
            unpack(whole[:cut])


def test_what_a_process_says_of_rows_it_was_given_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its words may be cells of the vault: they would stand in the record, the trail and a deviation for good."""
    for kind, name in (("run", "ValueError"), ("load", "patient 4711"), ("run", "patient_4711")):
        said = {"kind": kind, "type": name, "text": "patient 4711 has 0.12345"}
        with pytest.raises(ModelFailed) as caught:
            _run(tmp_path, monkeypatch, answer=f'wire.send(out, b"FAIL", *wire.pack({said!r}))')
        assert "4711" not in str(caught.value)
        assert "0.12345" not in str(caught.value)
        assert ("ValueError" if name == "ValueError" else "without a known name") in str(caught.value)


def test_labels_are_told_by_number_and_type() -> None:
    from apps.validations.sandbox.answers import Collector
    from apps.validations.sandbox.results import ModelInfo
    from apps.validations.sandbox.wire import pack_text

    collector = Collector()
    collector.add(
        {"keys": None, "label": "text", "width": 0}, [memoryview(pack_text(["p 4711", "p 4712"]))], 2
    )
    info = ModelInfo(
        format="onnx", inputs=(), outputs=(), size=1, digest="", producer="", ir_version=None, opset={},
        estimator="", classes=(), runtime={}, isolation={},
    )  # fmt: skip
    with pytest.raises(ModelFailed, match=r"it says 2 other labels \(text\)\.") as caught:
        collector.result(info, (), "1", 0.5, 0.0)
    assert "4711" not in str(caught.value)
