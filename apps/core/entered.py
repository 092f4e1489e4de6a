"""What people entered: trimmed, bounded, and every problem told at once instead of one at a time."""

from __future__ import annotations

import re
from typing import Any

from apps.core.digests import MAX_SAFE_INTEGER, number
from apps.core.errors import BadInput

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
COMMIT = re.compile(r"[0-9a-f]{7,64}")
# Controls, and the marks that turn the order of letters round: words that read otherwise than they are written.
# And what stands where bytes were no UTF-8: the letters that were meant are lost.
_UNSEEN = re.compile("[\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f\\u202a-\\u202e\\u2066-\\u2069\\ufffd]")
MAX_DEPTH = 8
MAX_ITEMS = 2000


def unseen(text: str) -> str:
    """Words for the first character of `text` that nobody can read and where it stands; empty where there is none."""
    found = _UNSEEN.search(text)
    if found is None:
        return ""
    if found[0] == "\ufffd":
        return f"a character that was lost on its way (U+FFFD), after {found.start()} characters"
    return f"a character that nobody sees (U+{ord(found[0]):04X}), after {found.start()} characters"


class Entered:
    """Collects problems by field; `done` raises BadInput when there are any."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.problems: dict[str, list[str]] = {}

    def wrong(self, name: str, message: str) -> None:
        self.problems.setdefault(name, []).append(message)

    def text(self, name: str, value: Any, *, most: int = 4000, missing: str = "") -> str:
        """Trimmed text of at most `most` characters; `missing` is the message where it is needed and empty."""
        if not isinstance(value, str):
            self.wrong(name, "Give text.")
            return ""
        value = value.strip()
        if missing and not value:
            self.wrong(name, missing)
        if len(value) > most:
            self.wrong(name, f"At most {most} characters.")
        if found := unseen(value):
            self.wrong(name, f"The text holds {found}. Type that place anew.")
        return value

    def digest(self, name: str, value: Any, *, missing: str = "") -> str:
        value = self.text(name, value, most=200, missing=missing)
        if value and not DIGEST.fullmatch(value):
            self.wrong(name, "A digest is sha256: followed by 64 of the characters 0-9 and a-f.")
            return ""
        return value

    def commit(self, name: str, value: Any, *, missing: str = "") -> str:
        value = self.text(name, value, most=200, missing=missing).lower()
        if value and not COMMIT.fullmatch(value):
            self.wrong(name, "A commit is 7 to 64 of the characters 0-9 and a-f.")
            return ""
        return value

    def settings(self, name: str, value: Any) -> dict:
        """A JSON object in the form records keep: decimals as text, ASCII keys, whole numbers below 2^53."""
        if not isinstance(value, dict):
            self.wrong(name, 'Give a JSON object, such as {"max_depth": 4}.')
            return {}
        try:
            return _kept(value, name, MAX_DEPTH)
        except ValueError as error:
            self.wrong(name, str(error))
            return {}

    def done(self) -> None:
        if self.problems:
            raise BadInput(self.what, fields=self.problems)


def _kept(value: Any, where: str, depth: int) -> Any:
    if depth == 0:
        raise ValueError(f"{where}: nested more than {MAX_DEPTH} deep.")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        if "\x00" in value:
            raise ValueError(f"{where}: holds a NUL character.")
        return value
    if isinstance(value, int):
        if abs(value) > MAX_SAFE_INTEGER:
            raise ValueError(f"{where}: give whole numbers beyond 2^53 as text.")
        return value
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise ValueError(f"{where}: give NaN and infinity as text.")
        return number(value)
    if isinstance(value, dict | list | tuple) and len(value) > MAX_ITEMS:
        raise ValueError(f"{where}: more than {MAX_ITEMS} items.")
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str) or not key.isascii() or "\x00" in key or not 0 < len(key) <= 120:
                raise ValueError(f"{where}: names are 1 to 120 ASCII characters, not {key!r}.")
        return {key: _kept(item, f"{where}.{key}", depth - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_kept(item, f"{where}[{i}]", depth - 1) for i, item in enumerate(value)]
    raise ValueError(f"{where}: {type(value).__name__} is not JSON.")
