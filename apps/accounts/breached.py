"""Passwords that are known from breaches, looked up without asking anybody (NIST SP 800-63B-4, 3.1.1.2).

Two lists: Django's 20,000 most common passwords, also with digits and signs around them; and, where
`BREACHED_PASSWORDS_FILE` names it, the Pwned Passwords list as a file ordered by hash (lines `SHA-1:count`), in which
a binary search finds a hash among a billion with some thirty reads.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.contrib.auth.password_validation import CommonPasswordValidator
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ValidationError

LINE = re.compile(rb"[0-9A-F]{40}:[0-9]+\r?\n?")
FEWEST = 5  # different characters; "aaaaaaaaaaaa" is long and no secret


@cache
def _common() -> frozenset[str]:
    return frozenset(CommonPasswordValidator().passwords)


def is_common(password: str) -> bool:
    """One of the common ones, bare or with digits and signs around it; or nearly nothing but one character."""
    plain = password.casefold().strip()
    core = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", plain)
    return plain in _common() or (len(core) > 3 and core in _common()) or len(set(plain)) < FEWEST


def in_file(password: str, path: Path) -> bool:
    """Whether the list knows the password."""
    wanted = hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper().encode()
    with path.open("rb") as file:
        low, high = 0, file.seek(0, 2)  # the line wanted begins at or after low, and before high
        while low < high:
            middle = (low + high) // 2
            line, begins = _line_from(file, middle)
            if not line or begins >= high:
                high = middle
            elif line[:40] == wanted:
                return True
            elif line[:40] < wanted:
                low = begins + len(line)
            else:
                high = middle
    return False


def _line_from(file: IO[bytes], place: int) -> tuple[bytes, int]:
    """(the first line that begins at or after `place`, where it begins)."""
    file.seek(max(0, place - 1))
    if place:
        file.readline()
    begins = file.tell()
    return file.readline(), begins


class BreachedPasswordValidator:
    """Refuses what anybody guesses first."""

    def validate(self, password: str, user: Any = None) -> None:
        named = settings.BREACHED_PASSWORDS_FILE
        if is_common(password) or (named and in_file(password, Path(named))):
            raise ValidationError(
                "This password is known from breaches or is easily guessed. Choose another, best a long phrase.",
                code="password_breached",
            )

    def get_help_text(self) -> str:
        return "It must not be a password that is known from breaches."


@register()
def usable_file(**_given: Any) -> list[CheckMessage]:
    """The list that the settings name is there and is ordered by hash."""
    named = settings.BREACHED_PASSWORDS_FILE
    if not named:
        return []
    path = Path(named)
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            lines = [_line_from(file, size * part // 16)[0] for part in range(16)]
    except OSError as error:
        return [
            Error(f"BREACHED_PASSWORDS_FILE names {named}, which cannot be read: {error}", id="accounts.E001")
        ]
    lines = [line for line in lines if line]
    if not lines or not all(LINE.fullmatch(line) for line in lines) or lines != sorted(lines):
        return [
            Error(
                f"BREACHED_PASSWORDS_FILE names {named}, which is not the Pwned Passwords list ordered by hash "
                "(lines SHA-1:count).",
                id="accounts.E002",
            )
        ]
    return []
