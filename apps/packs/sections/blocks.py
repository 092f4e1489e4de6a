"""What a section is built of: each block is HTML by a template of templates/pdf, user text escaped there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from apps.core.outcomes import WORDS, CheckState
from apps.packs.render import Chapter

Column = tuple[str, str, str]  # heading, width class or "", "num" or ""


@dataclass(frozen=True)
class Cell:
    """One table cell. kind: "" | num | code | state; `state` is one of the ten gate states."""

    text: Any
    kind: str = ""
    state: str = ""


@dataclass
class Section:
    """One section while it is written; `chapter()` gives it to the engine."""

    id: str
    number: str
    title: str
    as_of: str
    parts: list[str] = field(default_factory=list)
    toc: list[tuple[int, str, str]] = field(default_factory=list)

    def put(self, template: str, **context: Any) -> None:
        self.parts.append(render_to_string(f"pdf/{template}.html", {"as_of": self.as_of, **context}))

    def heading(self, text: str) -> None:
        anchor = f"{self.id}-{len(self.toc) + 1}"
        self.toc.append((2, text, anchor))
        self.put("pack_heading", text=text, anchor=anchor)

    def text(self, text: str, *, lead: bool = False, before: bool = False) -> None:
        """`before`: it introduces what follows and stays on its page."""
        self.put("pack_text", text=text, lead=lead, before=before)

    def facts(self, facts: Iterable[Sequence[Any]]) -> None:
        """(name, value) or (name, value, "code"); what is empty is said to be."""
        self.put("base_facts", facts=[(f[0], _shown(f[1]), *f[2:]) for f in facts])

    def table(
        self,
        caption: str,
        columns: Sequence[Column],
        rows: Iterable[Sequence[Any]],
        *,
        small: bool = False,
        responsible: str = "",
    ) -> None:
        """Cells are text or `Cell`. An empty table says so, and whose duty it is."""
        made = [[c if isinstance(c, Cell) else Cell(_shown(c)) for c in row] for row in rows]
        made = [
            [
                Cell(c.text, "num", c.state) if head[2] == "num" and not c.kind else c
                for c, head in zip(row, columns, strict=True)
            ]
            for row in made
        ]
        self.put(
            "pack_table", caption=caption, columns=columns, rows=made, small=small, responsible=responsible
        )

    def note(self, word: str, text: str, weight: str = "") -> None:
        self.put("base_note", word=word, text=text, weight=weight)

    def none(self, duty: str) -> None:
        """ "None recorded as of T", with the duty that is responsible."""
        self.note("None recorded", f"None recorded as of {self.as_of}. Responsible: {duty}.")

    def figure(self, svg: str, caption: str) -> None:
        """`svg` is made by the charts module, its text escaped there."""
        self.put("base_figure", svg=svg, caption=caption)

    def box(self, state: CheckState, **facts: str) -> None:
        self.put(
            "base_box",
            state=str(state),
            word=WORDS[state],
            **{
                name: facts.get(name) or "–"
                for name in ("requirement", "source", "limit", "result", "evidence", "author", "reviewer")
            },
        )

    def chapter(self, **more: Any) -> Chapter:
        return Chapter(
            self.id, self.title, self.number, SafeString("".join(self.parts)), toc=self.toc, **more
        )


def _shown(value: Any) -> Any:
    return "–" if value is None or value == "" else value


def at(moment: str) -> str:
    """`2026-11-19 14:02:07 UTC` of a canonical time."""
    return f"{moment[:10]} {moment[11:19]} UTC" if moment else "–"


def named(person: dict[str, str]) -> str:
    """`Martha Chen (mchen)`."""
    return f"{person['printed_name']} ({person['username']})" if person else "–"


def short(digest: str) -> str:
    """`3f2a9c41d07b…` of a digest."""
    return f"{digest.removeprefix('sha256:')[:12]}…" if digest else "–"


def decimal(text: Any, places: int = 3) -> str:
    """A stored decimal for reading, a rounded zero without a sign; the bundle has all its places."""
    return "–" if text in (None, "") else f"{float(text):z.{places}f}"


def interval(row: dict[str, Any], places: int = 3) -> str:
    """`0.812 to 0.871`, or a dash."""
    if row.get("low") in (None, "") or row.get("high") in (None, ""):
        return "–"
    return f"{decimal(row['low'], places)} to {decimal(row['high'], places)}"


def estimate(row: dict[str, Any], places: int = 3) -> str:
    """`0.842 (0.812 to 0.871), n = 400`."""
    if row.get("value") in (None, ""):
        return f"too little data, n = {row.get('n', 0)}"
    return f"{decimal(row['value'], places)} ({interval(row, places)}), n = {row.get('n', 0)}"


def counted(number: int, one: str, many: str = "") -> str:
    """`1 entry`, `2 entries`."""
    return f"{number} {one if number == 1 else many or one + 's'}"
