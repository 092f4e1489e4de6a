"""JSON of others: bounded nesting, no NaN, a sentence with line and column for what is not JSON."""

from __future__ import annotations

import json
import re
from typing import Any

from apps.verification.parsers.found import Unreadable, clip


def _no_constant(name: str) -> None:
    raise Unreadable(f"{name} is not a JSON number.")


_UNPAIRED = re.compile("[\ud800-\udfff]")


def _refuse_half_characters(found: Any) -> None:
    """Half of a surrogate pair, written as an escape, is no character: nothing can store it as UTF-8."""
    waiting = [found]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            waiting += [*each, *each.values()]
        elif isinstance(each, list):
            waiting += each
        elif isinstance(each, str) and (half := _UNPAIRED.search(each)):
            raise Unreadable(
                f"The text “\\u{ord(half[0]):04x}” is half of a character: write both halves of the pair, or neither."
            )


def load(data: bytes) -> dict[str, Any]:
    """The object the bytes hold; Unreadable for anything else."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"Byte {error.start + 1} is not UTF-8. Write the file in UTF-8.") from None
    try:
        found = json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise Unreadable(f"Line {error.lineno}, column {error.colno}: {error.msg}.") from None
    except RecursionError:
        raise Unreadable("The JSON is nested too deep to be read.") from None
    except ValueError as error:  # a whole number of thousands of digits
        raise error if isinstance(error, Unreadable) else Unreadable(f"{error}.") from None
    if "\\u" in text:
        _refuse_half_characters(found)
    if not isinstance(found, dict):
        raise Unreadable("The file holds JSON, but not an object of named parts.")
    return found


def objects(value: Any, where: str) -> list[dict[str, Any]]:
    """A list of objects; nothing counts as an empty list. `where` names the place in the sentence."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise Unreadable(f"“{where}” is not a list.")
    for place, each in enumerate(value):
        if not isinstance(each, dict):
            raise Unreadable(f"“{where}”, entry {place + 1}: this is not an object of named parts.")
    return value


def part(value: Any) -> dict[str, Any]:
    """The object, or an empty one: what is optional may be left out or be null."""
    return value if isinstance(value, dict) else {}


def text(value: Any) -> str:
    return clip(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def whole(value: Any, where: str) -> int:
    """A count; Unreadable where it is none."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**53:
        raise Unreadable(f"“{where}” is not a count.")
    return value
