"""The HTML around a chapter, and the contents chapter with its literal page numbers."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path

from .types import Chapter, PackMeta

STYLESHEET = Path(__file__).resolve().parents[3] / "templates" / "pdf" / "base_pack.css"
CONTENTS_ID = "contents"
ID = re.compile(r"""\sid=["']([^"']+)["']""")


def anchors_in(chapter: Chapter) -> set[str]:
    """Every id a link may aim at in this chapter."""
    return {chapter.id, *ID.findall(chapter.html)}


def whole_page(chapter: Chapter, meta: PackMeta) -> str:
    """The full HTML document of one chapter."""
    heading = ""
    if not chapter.bare:
        number = f'<span class="chapter-number">{escape(chapter.number)}</span> ' if chapter.number else ""
        heading = f'<h1 class="chapter-title">{number}{escape(chapter.title)}</h1>'
    paper = "letter" if meta.paper == "Letter" else "a4"
    return (
        f'<!doctype html><html lang="{escape(meta.lang)}" class="{paper}"><head><meta charset="utf-8">'
        f"<title>{escape(meta.title)}</title></head>"
        f'<body class="{"bare" if chapter.bare else "ordinary"}">'
        f'<section class="chapter" id="{escape(chapter.id)}">{heading}{chapter.html}</section></body></html>'
    )


def contents_chapter(chapters: list[Chapter], meta: PackMeta) -> Chapter:
    """The contents: a table of number, title and page; page numbers are filled in at layout."""
    rows = []
    for chapter in chapters:
        if not chapter.bare:
            rows.append(_line(chapter.number, chapter.title, chapter.id, 1))
        rows.extend(_line("", title, anchor, level) for level, title, anchor in chapter.toc)
    html = (
        '<table class="toc"><colgroup><col class="w-10"><col class="w-80"><col class="w-10"></colgroup>'
        '<thead><tr><th scope="col">No.</th><th scope="col">Section</th>'
        '<th scope="col" class="num">Page</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )
    return Chapter(CONTENTS_ID, meta.contents_title, "", html, late=True)


def _line(number: str, title: str, anchor: str, level: int) -> str:
    target = escape(anchor)
    return (
        f'<tr class="toc-{min(max(level, 1), 3)}"><td>{escape(number)}</td>'
        f'<td><a href="#{target}">{escape(title)}</a></td>'
        f'<td class="num" data-page-of="{target}"></td></tr>'
    )
