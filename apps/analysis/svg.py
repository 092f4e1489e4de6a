"""What a chart's SVG needs to live both in a page and in a PDF.

The PDF renderer applies no page style inside an inline SVG, so the light colours stay as presentation
attributes; each gets a class for its role (`f-ink`, `s-accent` …) through which the page's stylesheet
recolours it, dark mode included. No style attributes, no script, no fixed size. The same drawing gives the
same bytes.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

from lxml import etree

NAMESPACE = "http://www.w3.org/2000/svg"
FONT = "Noto Sans, sans-serif"
COLOURS = {
    "ink": "#16202b",
    "muted": "#4a5868",
    "rule": "#d7dde4",
    "accent": "#0b57a4",
    "bad": "#b3261e",
    "warn": "#6b4300",
    "ok": "#0a6b4f",
    "surface": "#f5f7f9",
}
_ROLES = {colour: role for role, colour in COLOURS.items()}
_KEEP_NAMED = {"none", "transparent"}
_CLUTTER = ("class", "style", "font-family", "role", "pointer-events")
_GEOMETRY = ("transform", "d", "x", "y", "x2", "y2", "width", "height")
_LONG = re.compile(r"-?[0-9]+\.[0-9]{3,}")

# What XML 1.0 (2.2, Char) leaves out: control characters, lone surrogates, U+FFFE and U+FFFF.
_NOT_XML = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")


def shown(value: Any) -> Any:
    """`value` with each character XML cannot hold written as [U+XXXX], in every text of a specification.

    The drawing engine ends the whole process on such a character.
    """
    if isinstance(value, str):
        return _NOT_XML.sub(lambda match: f"[U+{ord(match[0]):04X}]", value)
    if isinstance(value, dict):
        return {shown(key): shown(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shown(inner) for inner in value]
    return value


def finish(drawn: str, title: str, description: str) -> str:
    """Post-process Vega's SVG; `title` becomes the figure's alternative text in the PDF."""
    root = etree.fromstring(drawn.encode(), etree.XMLParser(remove_blank_text=True, resolve_entities=False))
    width, height = root.attrib.pop("width"), root.attrib.pop("height")
    for element in root.iter(etree.Element):
        for name in list(element.attrib):
            if name in _CLUTTER or str(name).startswith("aria-"):
                del element.attrib[name]
        classes = [_role(element, attribute) for attribute in ("fill", "stroke")]
        if found := " ".join(c for c in classes if c):
            element.set("class", found)
        for name in _GEOMETRY:
            if value := element.get(name):
                element.set(
                    name, _LONG.sub(lambda match: f"{float(match[0]):.2f}".rstrip("0").rstrip("."), value)
                )
        for name in ("opacity", "fill-opacity", "stroke-opacity"):
            if element.get(name) == "1":
                del element.attrib[name]
    _prune(root)
    _name_clips(root, title + description)
    root.set("viewBox", root.get("viewBox") or f"0 0 {width} {height}")
    root.set("role", "img")
    root.set("font-family", FONT)
    root.set("overflow", "visible")  # where a browser lacks the font, a wider one must not be cut off
    for position, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = etree.Element(f"{{{NAMESPACE}}}{tag}")
        element.text = text
        root.insert(position, element)
    etree.cleanup_namespaces(root)
    return etree.tostring(root, encoding="unicode")


def _role(element: etree._Element, attribute: str) -> str:
    colour = (element.get(attribute) or "").lower()
    if not colour or colour in _KEEP_NAMED or colour.startswith("url("):
        if colour == "transparent":
            element.set(attribute, "none")
        return ""
    return f"{attribute[0]}-{_ROLES[colour]}"  # a colour outside the palette is a mistake in the chart


def _prune(root: etree._Element) -> None:
    """Drop empty groups and shapes that paint nothing (Vega sets fill none on its outermost group)."""
    for element in reversed(list(root.iter(etree.Element))):
        parent = element.getparent()
        if parent is None or etree.QName(parent).localname == "clipPath":
            continue
        tag = etree.QName(element).localname
        painted = any(element.get(name) not in (None, "none") for name in ("fill", "stroke"))
        if (tag == "g" and len(element) == 0) or (tag in ("path", "rect", "line") and not painted):
            parent.remove(element)


def _name_clips(root: etree._Element, seed: str) -> None:
    """Vega numbers clip paths through the life of the process: name them by content, unlike any other chart's."""
    stem = hashlib.sha256(seed.encode()).hexdigest()[:10]
    for i, clip in enumerate(root.iter(f"{{{NAMESPACE}}}clipPath")):
        old, new = clip.get("id"), f"clip-{stem}-{i}"
        clip.set("id", new)
        for element in root.iter(etree.Element):
            if element.get("clip-path") == f"url(#{old})":
                element.set("clip-path", f"url(#{new})")


def bars(counts: list[int], title: str) -> str:
    """A small bar chart for a table's cell: one bar per count, heights relative to the largest."""
    top = max(counts, default=0)
    root = etree.Element(f"{{{NAMESPACE}}}svg", nsmap={None: NAMESPACE})
    root.set("class", "bars")
    root.set("viewBox", f"0 0 {max(1, len(counts)) * 5} 20")
    root.set("preserveAspectRatio", "none")
    root.set("role", "img")
    etree.SubElement(root, f"{{{NAMESPACE}}}title").text = title
    for i, count in enumerate(counts):
        if count <= 0:
            continue
        height = max(1.0, round(20 * count / top, 2))  # the rarest value must still be seen
        bar = etree.SubElement(root, f"{{{NAMESPACE}}}rect")
        for name, value in (("x", i * 5), ("y", round(20 - height, 2)), ("width", 4), ("height", height)):
            bar.set(name, f"{value:g}")
        bar.set("fill", COLOURS["accent"])
        bar.set("class", "f-accent")
    return etree.tostring(root, encoding="unicode")
