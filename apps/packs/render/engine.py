"""`render_pack`: chapters, facts and attachments in, one checked PDF/A-3a out."""

from __future__ import annotations

import hashlib
import json
import os
import re
import tempfile
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from .fonts import visible_text, write_fontconfig
from .merge import Part, merge
from .native import require_pdf
from .page import CONTENTS_ID, STYLESHEET, anchors_in, contents_chapter, whole_page
from .pool import LayoutPool
from .types import Attachment, Chapter, Limits, PackMeta, Progress, RenderFailed, RenderResult

MAX_CONTENTS_ROUNDS = 5
ID_FORM = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,80}")


def render_pack(
    chapters: list[Chapter],
    *,
    meta: PackMeta,
    attachments: list[Attachment] | None = None,
    out: Path,
    progress: Progress | None = None,
    stamp: str | None = None,
    limits: Limits | None = None,
) -> RenderResult:
    """Lay out `chapters` in child processes, join them, check the result, and put it at `out` in one move.

    The contents are made here and stand after the leading late chapters (cover, answers). `stamp` (DEMO,
    UNSIGNED, …) is printed in the top margin of every page. `progress(done, total, stage)` is called in this
    thread. Raises PdfUnavailable, RenderFailed, ValueError for wrong input; `out` is then untouched.
    """
    from apps.packs.pdfcheck import check_pdf

    attachments, limits = attachments or [], limits or Limits()
    require_input(chapters, attachments)
    require_pdf()
    tell = progress or (lambda done, total, stage: None)
    ordered, notes = prepare(chapters, meta)
    with tempfile.TemporaryDirectory(prefix="countersign-pdf-") as name:
        work = Layout(Path(name), ordered, meta, limits, tell)
        with LayoutPool(work.scratch, work.fontconfig, limits) as pool:
            parts = work.run(pool)
        notes += [f"{part.heading}: {note}" for part in parts for note in part.report["notes"]]
        tell(work.done, work.total, "Joining the chapters")
        draft = Path(name) / "pack.pdf"
        pages = merge(parts, meta, attachments, draft, stamp)
        tell(work.total - 1, work.total, "Checking the PDF")
        checks = check_pdf(draft)
        sha256 = move_into_place(draft, out)
    tell(work.total, work.total, "Finished")
    first = {part.chapter.id: part.first + 1 for part in parts}
    isolation = parts[0].report["isolation"]
    if isolation["files"] == "open":
        notes.append("This machine's kernel has no Landlock: the layout process could open files by name.")
    return RenderResult(pages, f"sha256:{sha256}", checks, first, notes, isolation)


def require_input(chapters: list[Chapter], attachments: list[Attachment]) -> None:
    """Raise ValueError for what a caller can only have got wrong."""
    if not chapters:
        raise ValueError("A pack needs at least one chapter.")
    for what, names in (
        ("chapter", [chapter.id for chapter in chapters]),
        ("attachment", [attachment.name for attachment in attachments]),
    ):
        twice = [name for name, times in Counter(names).items() if times > 1]
        if twice:
            raise ValueError(f"Each {what} is named once; given twice: {', '.join(sorted(twice))}.")
    for chapter in chapters:
        if chapter.id == CONTENTS_ID or not ID_FORM.fullmatch(chapter.id):
            raise ValueError(f"{chapter.id!r} cannot be a chapter's id.")


def prepare(chapters: list[Chapter], meta: PackMeta) -> tuple[list[Chapter], list[str]]:
    """Chapters in print order with the contents put in, strange characters spelt out, and remarks."""
    notes, shown = [], []
    for chapter in chapters:
        html, strange = visible_text(chapter.html)
        title, more = visible_text(chapter.title)
        if points := sorted({*strange, *more}):
            listed = ", ".join(f"U+{point:04X}" for point in points[:20])
            notes.append(f"{chapter.title}: characters no font of the pack shows were spelt out: {listed}.")
        toc = [(level, visible_text(line)[0], anchor) for level, line, anchor in chapter.toc]
        shown.append(replace(chapter, html=html, title=title, toc=toc))
    front = next((n for n, chapter in enumerate(shown) if not chapter.late), len(shown))
    contents = contents_chapter([chapter for chapter in shown if not chapter.bare], meta)
    return [*shown[:front], contents, *shown[front:]], notes


class Layout:
    """Lays out one pack: ordinary chapters once, late ones until the page numbers they print are true."""

    def __init__(
        self, scratch: Path, chapters: list[Chapter], meta: PackMeta, limits: Limits, tell: Progress
    ) -> None:
        self.scratch, self.chapters, self.meta, self.limits, self.tell = scratch, chapters, meta, limits, tell
        self.total = len(chapters) + 3
        self.done = 0
        self.reports: dict[str, dict[str, Any]] = {}
        self.fontconfig = write_fontconfig(scratch)
        self.known = scratch / "known.json"
        names = sorted(set().union(*(anchors_in(chapter) for chapter in chapters)))
        self.known.write_text(json.dumps(names), encoding="utf-8")
        self.css = self._stylesheet()

    def run(self, pool: LayoutPool) -> list[Part]:
        """Lay everything out; return the parts in print order."""
        self._lay_out(pool, [chapter for chapter in self.chapters if not chapter.late], {})
        late = [chapter for chapter in self.chapters if chapter.late]
        lengths: dict[str, int] = {}
        pages: dict[str, int] = {}
        for _round in range(MAX_CONTENTS_ROUNDS):
            self._lay_out(pool, late, pages)
            found = self._anchor_pages()
            if found == pages:
                return self._parts()
            pages, lengths = found, {chapter.id: self.reports[chapter.id]["pages"] for chapter in late}
        raise RenderFailed(f"The contents did not settle: {lengths}.")

    def _lay_out(self, pool: LayoutPool, chapters: list[Chapter], pages: dict[str, int]) -> None:
        if not chapters:
            return
        requests = [(self._request(chapter, pages), f"“{chapter.title}”") for chapter in chapters]

        def finished(title: str) -> None:
            self.done = min(self.done + 1, len(self.chapters))
            self.tell(self.done, self.total, f"Laid out {title}")

        self.reports.update(pool.run(requests, finished))

    def _request(self, chapter: Chapter, pages: dict[str, int]) -> dict[str, Any]:
        index = self.chapters.index(chapter)
        text = whole_page(chapter, self.meta)
        data = text.encode("utf-8")
        if len(data) > self.limits.html_bytes:
            size = f"{len(data) / 1024**2:.0f} MB"
            raise RenderFailed(
                f"“{chapter.title}” is {size} of text; split it into chapters.", chapter=chapter.id
            )
        source = self.scratch / f"{index}.html"
        source.write_bytes(data)
        return {
            "id": chapter.id,
            "index": index,
            "html": str(source),
            "pdf": str(self.scratch / f"{index}.pdf"),
            "css": str(self.css),
            "known": str(self.known),
            "pages": pages,
            "size": len(data),
        }

    def _anchor_pages(self) -> dict[str, int]:
        """Printed page number of each anchor, by the lengths known now."""
        first, found = 1, {}
        for chapter in self.chapters:
            report = self.reports[chapter.id]
            for name, (page, _x, _y) in report["anchors"].items():
                found.setdefault(name, first + int(page))
            first += report["pages"]
        return found

    def _parts(self) -> list[Part]:
        parts = [
            Part(chapter, self.scratch / f"{index}.pdf", index, self.reports[chapter.id])
            for index, chapter in enumerate(self.chapters)
        ]
        for previous, part in pairwise(parts):
            part.first = previous.first + previous.report["pages"]
        return parts

    def _stylesheet(self) -> Path:
        size = "Letter" if self.meta.paper == "Letter" else "A4"
        path = self.scratch / "pack.css"
        path.write_text(
            STYLESHEET.read_text(encoding="utf-8") + f"\n@page {{ size: {size} }}\n", encoding="utf-8"
        )
        return path


def move_into_place(draft: Path, out: Path) -> str:
    """Copy to the target's folder, sync, rename: a reader sees the whole file or none. Returns the SHA-256."""
    sha256 = hashlib.sha256()
    handle, name = tempfile.mkstemp(dir=out.parent, prefix=f".{out.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as target, draft.open("rb") as source:
            while block := source.read(1 << 20):
                sha256.update(block)
                target.write(block)
            target.flush()
            os.fsync(target.fileno())
        temporary.replace(out)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return sha256.hexdigest()
