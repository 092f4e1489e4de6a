"""The content digest as a QR code: what stands on paper is compared with the portal by a scan, nothing is fetched."""

from __future__ import annotations

from functools import cache

import segno
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

QUIET = 4  # modules of white on each side (ISO/IEC 18004, 9.1)


@cache
def qr_svg(text: str) -> SafeString:
    """The drawing of `text`, which is its own alternative text."""
    return drawn(text, f"QR code of {text}")


def drawn(text: str, title: str) -> SafeString:
    """One path of black modules on white, error correction M; `title` is the drawing's alternative text."""
    rows = [bytes(row) for row in segno.make(text, error="m", micro=False).matrix]
    size = len(rows) + 2 * QUIET
    path = []
    for y, row in enumerate(rows):
        x = 0
        while x < len(row):
            width = 0
            while x + width < len(row) and row[x + width]:
                width += 1
            if width:
                path.append(f"M{x + QUIET} {y + QUIET}h{width}v1h-{width}z")
            x += width or 1
    return format_html(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {0}" role="img"><title>{1}</title>'
        '<rect width="{0}" height="{0}" fill="#ffffff"/><path fill="#000000" d="{2}"/></svg>',
        size,
        title,
        mark_safe("".join(path)),  # digits and path letters only
    )
