"""How a cell begins that a spreadsheet takes for a formula (OWASP, CSV injection), full-width forms included."""

from __future__ import annotations

import re

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\x00", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def disarmed(text: str) -> str:
    """`text`, with a ' before it where a spreadsheet would run it; plain numbers stay numbers."""
    return f"'{text}" if text.startswith(FORMULA) and not _NUMBER.fullmatch(text) else text
