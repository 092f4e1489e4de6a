"""The acts of a page: each as a link to its own page, or as a form of one button."""

from __future__ import annotations

from dataclasses import dataclass

from apps.access.gate import Verdict


@dataclass(frozen=True)
class Button:
    """`post`: the act is done by the button itself; else `url` is the page that asks what it needs."""

    verdict: Verdict
    url: str
    post: bool = False
    label: str = ""
    style: str = ""

    @property
    def text(self) -> str:
        return self.label or self.verdict.label
