"""What kind of file is this, judged by its bytes and never by its name, and without loading it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from apps.validations.sandbox.errors import ModelRefused
from apps.validations.sandbox.inside.allowed import forbidden

MAX_UNPACKED = 1024**3
MAX_RATIO = 200
MAX_MEMBERS = 20_000
MAX_SCHEMA = 16 * 1024**2

_ACCEPTED = "Upload the model as ONNX (.onnx), or as scikit-learn saved by skops (.skops)."
_PICKLE = (
    "This is a Python pickle. Opening a pickle runs whatever code it contains, so the portal never does. "
    + _ACCEPTED
)
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\x89HDF\r\n\x1a\n", "This is an HDF5 file (Keras or pandas). " + _ACCEPTED),
    (b"PAR1", "This is a Parquet file: data, not a model. " + _ACCEPTED),
    (b"GGUF", "This is a GGUF file of a language model. " + _ACCEPTED),
    (b"\x7fELF", "This is an executable program, not a model. " + _ACCEPTED),
    (b"MZ", "This is an executable program, not a model. " + _ACCEPTED),
    (b"%PDF", "This is a PDF document, not a model. " + _ACCEPTED),
    (
        b"\x1f\x8b",
        "This is a gzip archive; compressed joblib files look like this and are pickles. " + _ACCEPTED,
    ),
    (b"BZh", "This is a bzip2 archive; compressed joblib files look like this and are pickles. " + _ACCEPTED),
    (
        b"\xfd7zXZ",
        "This is an xz archive; compressed joblib files look like this and are pickles. " + _ACCEPTED,
    ),
    (b"\x78\x9c", "This is zlib-compressed; joblib files look like this and are pickles. " + _ACCEPTED),
    (b"\x78\x01", "This is zlib-compressed; joblib files look like this and are pickles. " + _ACCEPTED),
    (b"\x78\xda", "This is zlib-compressed; joblib files look like this and are pickles. " + _ACCEPTED),
    (b"7z\xbc\xaf", "This is a 7-Zip archive, not a model. " + _ACCEPTED),
    (b"<", "This is XML (PMML or a web page), not a model the portal runs. " + _ACCEPTED),
    (b"{", "This is JSON (XGBoost saves like this), not a model the portal runs. " + _ACCEPTED),
)


def detect_format(path: str | Path) -> str:
    """`"onnx"` or `"skops"`; anything else raises `ModelRefused` with a sentence that names what it is."""
    path = Path(path)
    size = path.stat().st_size
    if size == 0:
        raise ModelRefused("The file is empty.")
    with path.open("rb") as f:
        head = f.read(64)
        f.seek(max(0, size - 1))
        tail = f.read(1)
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
        return _zip_format(path)
    if head[0] == 0x80 and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05"):
        raise ModelRefused(_PICKLE)
    for magic, sentence in _MAGIC:
        if head.startswith(magic):
            raise ModelRefused(sentence)
    if tail == b"." and head[:1] in (b"(", b"c", b"]", b"}"):
        raise ModelRefused(_PICKLE)
    read_onnx_head(path)
    return "onnx"


def read_onnx_head(path: str | Path) -> dict[str, Any]:
    """Top level of an ONNX ModelProto, read without any ONNX library (onnx.proto, field numbers of ModelProto).

    Returns ir_version, producer, opset {domain: version}. Raises `ModelRefused` unless every byte of the file
    belongs to a known field, and a graph and an operator set are there.
    """
    data = Path(path).read_bytes()
    fields: dict[int, list[Any]] = {}
    try:
        for number, value in _fields(memoryview(data)):
            fields.setdefault(number, []).append(value)
    except ValueError as error:
        raise ModelRefused(
            "This is not an ONNX model: the file does not parse, or it is cut off. " + _ACCEPTED
        ) from error
    known = {1, 2, 3, 4, 5, 6, 7, 8, 14, 20, 25, 26}
    if (
        set(fields) - known
        or 7 not in fields
        or 8 not in fields
        or not isinstance(fields.get(1, [None])[-1], int)
    ):
        raise ModelRefused(
            "This is not an ONNX model: its graph or its operator set is missing. " + _ACCEPTED
        )
    opset: dict[str, int] = {}
    try:
        for entry in fields[8]:
            parts = dict(_fields(entry))
            opset[bytes(parts.get(1, b"")).decode() or "ai.onnx"] = int(parts.get(2, 0))
        producer = " ".join(bytes(fields[n][-1]).decode() for n in (2, 3) if n in fields).strip()
    except (ValueError, TypeError) as error:
        raise ModelRefused("This is not an ONNX model: its head does not parse. " + _ACCEPTED) from error
    return {"ir_version": fields[1][-1], "producer": producer[:200], "opset": opset}


def _fields(view: memoryview) -> Iterator[tuple[int, Any]]:
    """(field number, int or memoryview) of each field of a protobuf message; ValueError when it is none."""
    at, end = 0, len(view)
    while at < end:
        key, at = _varint(view, at)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise ValueError("field zero")
        if kind == 0:
            value, at = _varint(view, at)
            yield number, value
            continue
        if kind == 2:
            length, at = _varint(view, at)
        elif kind in (1, 5):
            length = 8 if kind == 1 else 4
        else:
            raise ValueError("unknown wire type")
        if at + length > end:
            raise ValueError("cut off")
        yield number, view[at : at + length]
        at += length


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(view):
            raise ValueError("cut off")
        byte = view[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("number too long")


def _zip_format(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _refuse_bomb(members)
            names = {m.filename for m in members}
            if any(n.endswith("data.pkl") for n in names):
                raise ModelRefused(
                    "This is a PyTorch file; inside is a Python pickle, which the portal never opens. "
                    + _ACCEPTED
                )
            if "schema.json" not in names:
                if {"config.json", "metadata.json"} <= names:
                    raise ModelRefused("This is a Keras archive. " + _ACCEPTED)
                if any(n.endswith(".npy") for n in names):
                    raise ModelRefused("This is a NumPy archive: arrays, not a model. " + _ACCEPTED)
                raise ModelRefused(
                    "This is a zip archive without a skops schema, so it is no model. " + _ACCEPTED
                )
            if archive.getinfo("schema.json").file_size > MAX_SCHEMA:
                raise ModelRefused("The skops schema is larger than 16 MB; the file is refused unopened.")
            schema = json.loads(archive.read("schema.json"))
    except (zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, OSError) as error:
        raise ModelRefused(
            "This zip archive is damaged, cut off or encrypted. Upload the file again."
        ) from error
    except (ValueError, RecursionError) as error:
        raise ModelRefused(
            "The skops schema in this file does not parse. Save the model again with skops."
        ) from error
    if not isinstance(schema, dict) or "_skops_version" not in schema or "__loader__" not in schema:
        raise ModelRefused("This zip archive holds a schema.json, but not one written by skops. " + _ACCEPTED)
    bad = forbidden(schema)
    if bad:
        raise ModelRefused(
            f"This skops file names what the portal does not build: {', '.join(bad[:5])}. "
            "It builds scikit-learn's own classifiers and regressors, and transformers without functions. Save the "
            "model that a search found (best_estimator_) rather than the search, let a transformer do what a function "
            "does (PowerTransformer for a logarithm), or export the model to ONNX."
        )
    return "skops"


def _refuse_bomb(members: list[zipfile.ZipInfo]) -> None:
    unpacked = sum(m.file_size for m in members)
    packed = max(1, sum(m.compress_size for m in members))
    if len(members) > MAX_MEMBERS:
        raise ModelRefused(
            f"This archive holds {len(members):,} files; at most {MAX_MEMBERS:,} are accepted."
        )
    if unpacked > MAX_UNPACKED or (unpacked > 10 * 1024**2 and unpacked / packed > MAX_RATIO):
        raise ModelRefused(
            f"This archive would unpack to {unpacked / 1024**2:,.0f} MB, {unpacked / packed:,.0f} times its size. "
            "It is refused unopened, as a zip bomb."
        )
