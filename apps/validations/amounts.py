"""Numbers as people enter them: plain decimal text, whole numbers. Pure."""

from __future__ import annotations

import math
from typing import Any


def decimal_text(given: Any) -> str | None:
    """The plain decimal text of a finite number, or None."""
    if isinstance(given, bool) or given is None:
        return None
    text = str(given).strip()
    try:
        number = float(text)
    except ValueError:
        return None
    return text if math.isfinite(number) and "_" not in text and text.isascii() else None


def whole_number(given: Any) -> int | None:
    """A whole number from 1 to 10⁹, or None."""
    if isinstance(given, bool):
        return None
    try:
        number = int(str(given).strip())
    except ValueError:
        return None
    return number if 1 <= number <= 10**9 else None
