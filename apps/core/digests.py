"""Canonical JSON and SHA-256. What is signed, stored, printed and exported is digested in this one way."""

from __future__ import annotations

import hashlib
import json
from typing import Any

MAX_SAFE_INTEGER = 2**53 - 1


def _refuse_floats(value: Any, where: str = "$") -> None:
    if value is None or isinstance(value, (str, bool)):
        return
    if isinstance(value, int):
        if abs(value) > MAX_SAFE_INTEGER:
            raise ValueError(f"{where}: whole numbers beyond 2^53 must be given as text")
        return
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str) or not key.isascii():
                raise ValueError(f"{where}: keys must be ASCII text, not {key!r}")
            _refuse_floats(item, f"{where}.{key}")
        return
    if isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            _refuse_floats(item, f"{where}[{index}]")
        return
    raise ValueError(f"{where}: {type(value).__name__} has no canonical form; give decimals as text")


def canonical_json(value: Any) -> bytes:
    """RFC 8785 for the values we allow: ASCII keys, no floats (decimals are text), whole numbers below 2^53.

    Within those limits plain `json.dumps` with sorted keys is byte-identical to RFC 8785.
    """
    _refuse_floats(value)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8")


def sha256_hex(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def digest(value: Any) -> str:
    """`sha256:<hex>` of the canonical JSON of `value`."""
    return "sha256:" + sha256_hex(canonical_json(value))


def number(value: float | int | None) -> str | None:
    """A decimal as canonical text: the shortest text that reads back as the same IEEE 754 double."""
    return None if value is None else repr(float(value))


def plain(value: Any) -> Any:
    """Copy of JSON-like data in which every float is canonical text, ready for `digest`."""
    if isinstance(value, float):
        return number(value)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return value
