"""The fonts of a pack, the same on every machine, and the characters they can show."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from xml.sax.saxutils import escape

import fontpkg
from fontTools.ttLib import TTFont

SANS = "Noto Sans"
MONO = "Source Code Pro"  # digests and code; also the fallback for ≤ ≥ → ✓, which Noto Sans does not have

# Characters that show nothing and change what a reader sees: bidirectional controls, zero-width marks.
INVISIBLE = frozenset(
    [
        *range(0x200B, 0x2010),
        *range(0x202A, 0x202F),
        *range(0x2060, 0x2070),
        0xFEFF,
        0x00AD,
        *range(0xE0000, 0xE0080),
    ]
)
LAYOUT = frozenset((0x09, 0x0A, 0x0D))


def sans_file() -> Path:
    """The variable Noto Sans file (upright)."""
    return next(file.path for file in fontpkg.family(SANS).files if file.style == "normal")


def font_folders() -> list[Path]:
    """Folders that hold the font files of both families."""
    return sorted({file.path.parent for name in (SANS, MONO) for file in fontpkg.family(name).files})


@cache
def coverage() -> frozenset[int]:
    """Code points that the upright fonts can show, invisible ones taken out."""
    points: set[int] = set()
    for name in (SANS, MONO):
        path = next(file.path for file in fontpkg.family(name).files if file.style == "normal")
        with TTFont(str(path), lazy=True) as font:
            points.update(font.getBestCmap())
    control = {*range(0x20), *range(0x7F, 0xA0)}
    return frozenset((points - control - INVISIBLE) | LAYOUT)


def visible_text(text: str) -> tuple[str, list[int]]:
    """`text` with each character no font shows, or that hides, written as [U+XXXX]; and those code points.

    A box or a gap in an inspection pack would be a silent change of the record's text; a PDF/A file may not
    hold a glyph that is not there (ISO 19005-3, 6.2.11.8).
    """
    shown = coverage()
    strange = sorted({ord(char) for char in set(text)} - shown)
    if strange:
        text = text.translate({point: f"[U+{point:04X}]" for point in strange})
    return text, strange


def write_fontconfig(folder: Path) -> Path:
    """Write a fontconfig file that knows our fonts only, with its cache beside it; return its path."""
    aliases = "".join(
        f"<alias binding='same'><family>{generic}</family><prefer><family>{name}</family></prefer></alias>"
        for generic, name in (("sans-serif", SANS), ("serif", SANS), ("monospace", MONO))
    )
    folders = "".join(f"<dir>{escape(str(path))}</dir>" for path in font_folders())
    path = folder / "fonts.conf"
    path.write_text(
        "<?xml version='1.0'?><!DOCTYPE fontconfig SYSTEM 'urn:fontconfig:fonts.dtd'>"
        f"<fontconfig>{folders}<cachedir>{escape(str(folder / 'cache'))}</cachedir>{aliases}</fontconfig>",
        encoding="utf-8",
    )
    return path
