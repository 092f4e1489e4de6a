"""`render_sheet`: one short chapter in, one PDF/A-3a in memory out: a cover sheet, a receipt. No contents page."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from .engine import Layout, require_input
from .fonts import visible_text
from .merge import merge
from .native import require_pdf
from .pool import LayoutPool
from .types import Chapter, Limits, PackMeta

# A sheet is made while somebody waits: it gets seconds, not minutes.
SHEET = Limits(cpu_seconds=20, wall_seconds=30, html_bytes=1024**2, children=1)


def render_sheet(chapter: Chapter, *, meta: PackMeta, stamp: str | None = None) -> bytes:
    """Lay out `chapter` behind the same walls as a pack. Raises PdfUnavailable, RenderFailed, ValueError."""
    require_input([chapter], [])
    require_pdf()
    html, _strange = visible_text(chapter.html)
    shown = replace(chapter, html=html, title=visible_text(chapter.title)[0])
    with tempfile.TemporaryDirectory(prefix="countersign-sheet-") as name:
        work = Layout(Path(name), [shown], meta, SHEET, lambda done, total, stage: None)
        with LayoutPool(work.scratch, work.fontconfig, SHEET) as pool:
            parts = work.run(pool)
        made = Path(name) / "sheet.pdf"
        merge(parts, meta, [], made, stamp)
        return made.read_bytes()
