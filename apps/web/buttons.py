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


@dataclass(frozen=True)
class Acts:
    """What a person may do to a record, and what not: `open` in the page's order, `shut` with their reasons."""

    buttons: tuple[Button, ...]

    @property
    def open(self) -> list[Button]:
        return [each for each in self.buttons if each.verdict.allowed]

    @property
    def shut(self) -> list[Button]:
        return [each for each in self.buttons if not each.verdict.allowed]

    @property
    def anchor(self) -> str:
        """Where "skip to what needs you" leads: here when a signature waits."""
        return "acts" if any(each.verdict.signs for each in self.open) else ""
