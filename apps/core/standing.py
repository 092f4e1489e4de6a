"""What a record is now, where its state alone does not say it: one list of words for page, list and filter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from apps.core.clock import now


@dataclass(frozen=True)
class Standing:
    """One standing: its code in addresses, its word, and which rows have it at a moment."""

    code: str
    word: str
    rows: Callable[[datetime], Q]


def word_of(standings: Sequence[Standing], code: str) -> str:
    return next(each.word for each in standings if each.code == code)


def choices(standings: Sequence[Standing]) -> list[tuple[str, str]]:
    return [(each.code, each.word) for each in standings]


def standing_now(standings: Sequence[Standing]) -> Callable[[QuerySet, str], QuerySet]:
    """The filter of a list: rows that have this standing now."""
    by_code = {each.code: each for each in standings}
    return lambda rows, code: rows.filter(by_code[code].rows(now()))
