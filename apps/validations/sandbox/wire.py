"""Frames between the portal and the sandboxed process: tag (4 bytes), length (8 bytes, big-endian), payload.

Nothing in a frame is ever unpickled or evaluated, and a reader states beforehand how long a frame may be: after
the model is loaded the other side is not trusted.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable
from typing import Any, BinaryIO

_HEAD = struct.Struct(">4sQ")
_SIZE = struct.Struct(">Q")


class WireError(Exception):
    """A frame that is cut off, too long, or of the wrong kind."""


def send(stream: BinaryIO, tag: bytes, *parts: bytes) -> None:
    """Write one frame and flush it."""
    stream.write(_HEAD.pack(tag, sum(map(len, parts))))
    for part in parts:
        stream.write(part)
    stream.flush()


def receive(stream: BinaryIO, limit: int) -> tuple[bytes, bytes]:
    """Read one frame of at most `limit` bytes: (tag, payload). (b"", b"") at the end of the stream."""
    head = stream.read(_HEAD.size)
    if not head:
        return b"", b""
    if len(head) < _HEAD.size:
        raise WireError("frame head cut off")
    tag, length = _HEAD.unpack(head)
    if length > limit:
        raise WireError(f"frame of {length} bytes, at most {limit} expected")
    payload = stream.read(length)
    if len(payload) < length:
        raise WireError("frame cut off")
    return tag, payload


def pack(header: dict[str, Any], buffers: Iterable[bytes] = ()) -> list[bytes]:
    """A JSON header and any number of buffers, whose lengths the header then names."""
    body = list(buffers)
    text = json.dumps({**header, "lengths": [len(b) for b in body]}).encode()
    return [_SIZE.pack(len(text)), text, *body]


def unpack(payload: bytes) -> tuple[dict[str, Any], list[memoryview]]:
    """The reverse of `pack`; the buffers are views into the payload."""
    view = memoryview(payload)
    try:
        (size,) = _SIZE.unpack(view[: _SIZE.size])
        start = _SIZE.size + size
        header = json.loads(bytes(view[_SIZE.size : start]))
        buffers = []
        for length in header["lengths"]:
            if not isinstance(length, int) or length < 0 or start + length > len(view):
                raise WireError("buffer outside its frame")
            buffers.append(view[start : start + length])
            start += length
    except (struct.error, ValueError, KeyError, TypeError, RecursionError) as error:
        raise WireError("frame does not parse") from error
    return header, buffers


def pack_text(values: list[str | None]) -> bytes:
    """Text values as JSON."""
    return json.dumps(values).encode()


def unpack_text(buffer: memoryview) -> list[str]:
    """The reverse; only strings and nulls (as "") come out."""
    try:
        values = json.loads(bytes(buffer))
    except (ValueError, RecursionError) as error:
        raise WireError("text column does not parse") from error
    if not isinstance(values, list) or any(v is not None and not isinstance(v, str) for v in values):
        raise WireError("text column does not parse")
    return [v or "" for v in values]
