"""Running heads, "Page x of y" and the page stamp, drawn as artifacts on finished pages."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO

import pikepdf
from fontTools import subset
from fontTools.ttLib import TTFont
from fontTools.varLib.instancer import instantiateVariableFont
from pikepdf import Array, Dictionary, Name

from .fonts import sans_file, visible_text
from .types import PackMeta

SIDE = 51.0  # 18 mm, the page's side margin in points
HEAD_FROM_TOP = 36.0
FOOT_FROM_BOTTOM = 28.0
SIZE = 7.5
STAMP_SIZE = 10.0
ELLIPSIS = "…"


class StampFont:
    """One weight of the sans font, cut down to the given text and embedded as Type 0, Identity-H."""

    def __init__(self, pdf: pikepdf.Pdf, text: str, weight: int, name: str) -> None:
        font = TTFont(str(sans_file()), recalcTimestamp=False)
        options = subset.Options(notdef_outline=True, hinting=False, layout_features=[])
        for table in ("GSUB", "GPOS", "GDEF", "STAT", "MVAR", "HVAR", "DSIG", "meta"):
            if table in font:  # dropped unread: parsing them takes ten times as long as all the rest
                del font[table]
        cutter = subset.Subsetter(options)
        cutter.populate(text=text + ELLIPSIS + "?")
        cutter.subset(font)
        font = instantiateVariableFont(font, {"wght": weight, "wdth": 100}, inplace=True)
        self.cmap: dict[int, int] = {
            point: font.getGlyphID(glyph) for point, glyph in font.getBestCmap().items()
        }
        order = font.getGlyphOrder()
        scale = 1000 / font["head"].unitsPerEm
        self.widths = [round(font["hmtx"][glyph][0] * scale) for glyph in order]
        file = BytesIO()
        font.save(file)
        box = [round(getattr(font["head"], side) * scale) for side in ("xMin", "yMin", "xMax", "yMax")]
        base = Name(f"/CSSTMP+{name}")
        descriptor = Dictionary(
            Type=Name.FontDescriptor,
            FontName=base,
            Flags=4,
            FontBBox=Array(box),
            ItalicAngle=0,
            Ascent=round(font["hhea"].ascent * scale),
            Descent=round(font["hhea"].descent * scale),
            CapHeight=714,
            StemV=80 if weight < 600 else 140,
            FontFile2=pdf.make_indirect(pdf.make_stream(file.getvalue(), Length1=len(file.getvalue()))),
        )
        descendant = Dictionary(
            Type=Name.Font,
            Subtype=Name.CIDFontType2,
            BaseFont=base,
            CIDSystemInfo=Dictionary(
                Registry=pikepdf.String("Adobe"), Ordering=pikepdf.String("Identity"), Supplement=0
            ),
            CIDToGIDMap=Name.Identity,
            FontDescriptor=pdf.make_indirect(descriptor),
            W=Array([0, Array(self.widths)]),
        )
        self.resource = pdf.make_indirect(
            Dictionary(
                Type=Name.Font,
                Subtype=Name.Type0,
                BaseFont=base,
                Encoding=Name("/Identity-H"),
                DescendantFonts=Array([pdf.make_indirect(descendant)]),
                ToUnicode=pdf.make_indirect(pdf.make_stream(self._to_unicode())),
            )
        )

    def _to_unicode(self) -> bytes:
        lines = "\n".join(
            f"<{glyph:04X}> <{chr(point).encode('utf-16-be').hex().upper()}>"
            for point, glyph in sorted(self.cmap.items())
        )
        return (
            "/CIDInit /ProcSet findresource begin 12 dict begin begincmap\n"
            "/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def\n"
            "/CMapName /Adobe-Identity-UCS def /CMapType 2 def\n"
            "1 begincodespacerange <0000> <FFFF> endcodespacerange\n"
            f"{len(self.cmap)} beginbfchar\n{lines}\nendbfchar\n"
            "endcmap CMapName currentdict /CMap defineresource pop end end"
        ).encode("ascii")

    def glyphs(self, text: str) -> list[int]:
        fallback = self.cmap[ord("?")]
        return [self.cmap.get(ord(char), fallback) for char in text]

    def width(self, text: str, size: float) -> float:
        return sum(self.widths[glyph] for glyph in self.glyphs(text)) * size / 1000

    def fitted(self, text: str, size: float, room: float) -> str:
        """`text`, cut with an ellipsis where it is wider than `room` points."""
        if self.width(text, size) <= room:
            return text
        while text and self.width(text + ELLIPSIS, size) > room:
            text = text[:-1]
        return text + ELLIPSIS

    def show(self, text: str, size: float, x: float, y: float, key: str) -> str:
        codes = "".join(f"{glyph:04X}" for glyph in self.glyphs(text))
        return f"BT /{key} {size:g} Tf 1 0 0 1 {x:.2f} {y:.2f} Tm <{codes}> Tj ET\n"


class Stamper:
    """Draws the page furniture of one pack; `draw` once for each page."""

    def __init__(self, pdf: pikepdf.Pdf, meta: PackMeta, titles: list[str], stamp: str | None) -> None:
        self.pdf, self.stamp = pdf, clean(stamp or "")
        self.head = clean(meta.head or meta.title)
        self.foot = footer_text(meta)
        texts = "".join([self.head, self.foot, "Page of 0123456789", *(clean(title) for title in titles)])
        self.regular = StampFont(pdf, texts, 400, "NotoSans-Regular")
        self.bold = StampFont(pdf, self.stamp or "x", 700, "NotoSans-Bold") if self.stamp else None
        self.opened = pdf.make_indirect(pdf.make_stream(b"q\n"))
        self.prepared: set[tuple[int, int]] = set()

    def draw(self, page: pikepdf.Page, number: int, total: int, title: str, *, bare: bool) -> None:
        """Add head, foot and stamp to a page, each in its own pagination artifact (ISO 32000-1, 14.8.2.2)."""
        self._prepare(page)
        width = float(page.mediabox[2])
        height = float(page.mediabox[3])
        parts = ["Q\n"]
        if not bare:
            top = height - HEAD_FROM_TOP
            room = (width - 2 * SIDE - 12) / 2
            right = self.regular.fitted(clean(title), SIZE, room)
            text = self.regular.show(self.regular.fitted(self.head, SIZE, room), SIZE, SIDE, top, "CsR")
            text += self.regular.show(right, SIZE, width - SIDE - self.regular.width(right, SIZE), top, "CsR")
            parts.append(artifact("Header", text + rule(width, top - 5)))
        count = f"Page {number} of {total}"
        count_width = self.regular.width(count, SIZE)
        foot = self.regular.fitted(self.foot, SIZE, width - 2 * SIDE - count_width - 12)
        text = self.regular.show(foot, SIZE, SIDE, FOOT_FROM_BOTTOM, "CsR")
        text += self.regular.show(count, SIZE, width - SIDE - count_width, FOOT_FROM_BOTTOM, "CsR")
        parts.append(artifact("Footer", text + rule(width, FOOT_FROM_BOTTOM + 10)))
        if self.bold is not None:
            wide = self.bold.width(self.stamp, STAMP_SIZE)
            x, y = (width - wide) / 2, height - 20
            box = f"0.8 w {x - 8:.2f} {y - 4:.2f} {wide + 16:.2f} 15 re S\n"
            parts.append(artifact("Header", box + self.bold.show(self.stamp, STAMP_SIZE, x, y, "CsB")))
        page.contents_add(self.opened, prepend=True)
        page.contents_add(self.pdf.make_stream("".join(parts).encode("ascii")))

    def _prepare(self, page: pikepdf.Page) -> None:
        resources = page.obj.Resources
        if Name.Font not in resources:
            resources.Font = Dictionary()
        fonts = resources.Font
        key = fonts.objgen if fonts.is_indirect else resources.objgen
        if key in self.prepared and key != (0, 0):
            return
        self.prepared.add(key)
        fonts["/CsR"] = self.regular.resource
        if self.bold is not None:
            fonts["/CsB"] = self.bold.resource


def clean(text: str) -> str:
    """`text` on one line, with characters the font lacks spelt out."""
    return visible_text(" ".join(text.split()))[0]


def instant(moment: datetime) -> str:
    """An aware time as `2026-11-19 14:02 UTC`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def footer_text(meta: PackMeta) -> str:
    """Pack, as-of, generation time and short digest: both times stand on each page."""
    parts = [meta.pack_ref, f"As of {instant(meta.as_of)}", f"Generated {instant(meta.generated_at)}"]
    parts += [part for part in (meta.digest_short, meta.footer) if part]
    return clean(" · ".join(parts))


def artifact(subtype: str, operators: str) -> str:
    """Operators wrapped as a pagination artifact, in black, in a saved graphics state."""
    return f"/Artifact <</Type /Pagination /Subtype /{subtype}>> BDC q 0 g 0 G\n{operators}Q EMC\n"


def rule(width: float, y: float) -> str:
    """A hairline across the text width."""
    return f"0.5 w {SIDE:.2f} {y:.2f} m {width - SIDE:.2f} {y:.2f} l S\n"


def number(value: float) -> Decimal:
    """A coordinate as pikepdf takes it, two places."""
    return Decimal(str(round(value, 2)))
