"""Asking somebody to do what the rules shut to oneself."""

from __future__ import annotations

from apps.access.policy.types import row

ROWS = [
    row(
        "access.ask",
        "Ask",
        "asked somebody to do what they may not do themselves",
        "*",
        anyone=True,
        by=("sees",),
        offered=False,
    ),
    row(
        "access.answer_ask",
        "Answer",
        "answered what was asked of them",
        "access.ask",
        anyone=True,
        by=("asked",),
    ),
]
