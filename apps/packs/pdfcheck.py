"""Structural checks of a finished pack with pikepdf: what PDF/A-3a and PDF/UA-1 ask and a program can see.

No PDF/A-3 validator can be installed with the product, so these are partial: a pack is "checked by" this
list (and by qpdf where it is present), never "certified". Clauses: ISO 19005-3 (A), ISO 14289-1 (UA).
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pikepdf
from lxml import etree
from pikepdf import Name

from apps.packs.pdftags import (
    Findings,
    Opened,
    figures,
    identifiers,
    leaves,
    marked_content,
    parent_tree,
    structure,
)
from apps.packs.render.types import Check

XMP = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "pdfaid": "http://www.aiim.org/pdfa/ns/id/",
    "pdfuaid": "http://www.aiim.org/pdfua/ns/id/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
}
FORBIDDEN_ACTIONS = frozenset(
    ["/Launch", "/Sound", "/Movie", "/ResetForm", "/ImportData", "/Hide", "/SetOCGState", "/Rendition",
     "/Trans", "/GoTo3DView", "/JavaScript", "/SubmitForm"]
)  # fmt: skip
TOLD = 5  # findings quoted in a check's detail


def metadata(opened: Opened) -> Findings:
    """A 6.6: one XMP packet naming PDF/A-3 level A and PDF/UA-1, agreeing with the information dictionary."""
    if "/Metadata" not in opened.root:
        yield "no XMP metadata"
        return
    tree = etree.fromstring(
        opened.root.Metadata.read_bytes(), etree.XMLParser(resolve_entities=False, no_network=True)
    )
    for path, wanted in (
        ("//pdfaid:part", "3"),
        ("//pdfaid:conformance", "A"),
        ("//pdfuaid:part", "1"),
        ("//dc:title//rdf:li", str(opened.pdf.docinfo.get("/Title", ""))),
    ):
        found = [node.text or "" for node in tree.xpath(path, namespaces=XMP)]
        if found != [wanted]:
            yield f"{path} is {found}, not {wanted!r}"
    for key, path in (("/CreationDate", "//xmp:CreateDate"), ("/ModDate", "//xmp:ModifyDate")):
        written = "".join(filter(str.isdigit, str(opened.pdf.docinfo.get(key, ""))))[:14]
        stated = [node.text or "" for node in tree.xpath(path, namespaces=XMP)]
        if [("".join(filter(str.isdigit, text)))[:14] for text in stated] != [written]:
            yield f"{key} and {path} differ"


def identity(opened: Opened) -> Findings:
    """A 6.1.3, UA 7.1 and 7.2: /ID, /Lang, title shown, marked, not encrypted."""
    if "/ID" not in opened.pdf.trailer:
        yield "no /ID"
    if opened.pdf.is_encrypted:
        yield "encrypted"
    if not str(opened.root.get("/Lang", "")):
        yield "no language"
    if not str(opened.pdf.docinfo.get("/Title", "")):
        yield "no title"
    if opened.root.get("/ViewerPreferences", {}).get("/DisplayDocTitle") is not True:
        yield "the title is not displayed"
    if opened.root.get("/MarkInfo", {}).get("/Marked") is not True:
        yield "not marked as tagged"


def colour(opened: Opened) -> Findings:
    """A 6.2.3 and 6.2.4: one RGB output intent with its profile; no other device colours."""
    intents = opened.root.get("/OutputIntents", ())
    if len(intents) != 1:
        yield f"{len(intents)} output intents"
        return
    profile = intents[0].get("/DestOutputProfile")
    if intents[0].get("/S") != Name.GTS_PDFA1 or profile is None or profile.get("/N") != 3:
        yield "the output intent is not PDF/A with an RGB profile"
    elif profile.read_bytes()[36:40] != b"acsp":
        yield "the output profile is not an ICC profile"


def attachments(opened: Opened) -> Findings:
    """A 6.8: each embedded file described, related, and associated exactly once."""
    names = opened.root.get("/Names", {}).get("/EmbeddedFiles")
    listed = [item for leaf in leaves(names, "/Names") for item in list(leaf)[1::2]] if names else []
    associated = [spec.objgen for spec in opened.root.get("/AF", ())]
    if sorted(associated) != sorted(spec.objgen for spec in listed):
        yield f"{len(listed)} embedded, {len(associated)} associated: not each once"
    for spec in listed:
        name = spec.get("/UF", "?")
        for key in ("/F", "/UF", "/AFRelationship", "/EF", "/Desc"):
            if key not in spec:
                yield f"{name}: no {key}"
        stream = spec.get("/EF", {}).get("/F")
        if stream is None or "/Subtype" not in stream or "/Params" not in stream:
            yield f"{name}: no type or parameters"
        elif stream.Params.get("/Size") != len(stream.read_bytes()):
            yield f"{name}: size differs"
        elif "/ModDate" not in stream.Params:
            yield f"{name}: no modification date"


def fonts(opened: Opened) -> Findings:
    """A 6.2.11: every font embedded, with widths and a map to Unicode; .notdef never shown is tested in render."""
    for item in opened.objects:
        if not isinstance(item, pikepdf.Dictionary) or item.get("/Type") != Name.Font:
            continue
        if item.get("/Subtype") in (Name.CIDFontType0, Name.CIDFontType2):
            continue
        name = str(item.get("/BaseFont", "?"))
        if "/ToUnicode" not in item:
            yield f"{name}: no ToUnicode"
        inner = item.DescendantFonts[0] if item.get("/Subtype") == Name.Type0 else item
        if item.get("/Subtype") == Name.Type3:
            continue
        descriptor = inner.get("/FontDescriptor", {})
        if not any(key in descriptor for key in ("/FontFile", "/FontFile2", "/FontFile3")):
            yield f"{name}: not embedded"
        if inner.get("/Subtype") == Name.CIDFontType2 and "/CIDToGIDMap" not in inner:
            yield f"{name}: no CIDToGIDMap"


def notes(opened: Opened) -> Findings:
    """A 6.3 and UA 7.18: printed, described, tied to the structure, pages in structure order."""
    for number, page in enumerate(opened.pdf.pages, 1):
        if "/Annots" not in page.obj:
            continue
        if page.obj.get("/Tabs") != Name.S:
            yield f"page {number}: tab order is not the structure's"
        for note in page.obj.Annots:
            kind = str(note.get("/Subtype", "?"))
            flags = int(note.get("/F", 0))
            if kind != "/Popup" and (not flags & 4 or flags & 0b100011):
                yield f"page {number}: {kind} flags {flags}"
            if not str(note.get("/Contents", "")):
                yield f"page {number}: {kind} without description"
            if "/StructParent" not in note and kind != "/Popup":
                yield f"page {number}: {kind} outside the structure"
            target = note.get("/Dest")
            if isinstance(target, pikepdf.Array) and target[0].objgen not in opened.page_number:
                yield f"page {number}: a link leads to no page of this file"


def actions(opened: Opened) -> Findings:
    """A 6.5 and security: no script, launch, form or media action; no additional actions; no XFA."""
    for key in ("/AA", "/OpenAction"):
        if key in opened.root:
            yield f"the document has {key}"
    if opened.root.get("/Names", {}).get("/JavaScript") is not None:
        yield "the document holds scripts"
    if opened.root.get("/AcroForm", {}).get("/XFA") is not None:
        yield "the document holds an XFA form"
    for item in opened.objects:
        if not isinstance(item, pikepdf.Dictionary):
            continue
        if "/AA" in item:
            yield f"object {item.objgen[0]} has additional actions"
        found = item.get("/A")
        for action in (item, found if isinstance(found, pikepdf.Dictionary) else item):
            kind = action.get("/S")
            if isinstance(kind, pikepdf.Name) and str(kind) in FORBIDDEN_ACTIONS:
                yield f"object {item.objgen[0]}: action {kind}"
        if isinstance(found, pikepdf.Dictionary) and found.get("/S") == Name.URI:
            target = str(found.URI)
            if not target.startswith(("https://", "http://", "mailto:")):
                yield f"object {item.objgen[0]}: link to {target}"


def streams(opened: Opened) -> Findings:
    """A 6.1.7 and 6.2.9: no LZW, no external streams, no PostScript or reference objects, no hidden layers."""
    if "/OCProperties" in opened.root:
        yield "the document has optional content"
    for item in opened.objects:
        if not isinstance(item, pikepdf.Stream):
            continue
        if "/LZWDecode" in str(item.get("/Filter", "")):
            yield f"object {item.objgen[0]}: LZW"
        if "/F" in item or item.get("/Subtype") == Name.PS or "/Ref" in item:
            yield f"object {item.objgen[0]}: external or PostScript"
        if item.get("/Subtype") == Name.Image and item.get("/Interpolate") is True:
            yield f"object {item.objgen[0]}: interpolated image"


def outline(opened: Opened) -> Findings:
    """Pack rule 9: bookmarks, each leading to a page of this file."""
    with opened.pdf.open_outline() as found:
        items = list(found.root)
    if not items:
        yield "no bookmarks"
    while items:
        item = items.pop()
        target = item.destination
        if not isinstance(target, pikepdf.Array) or target[0].objgen not in opened.page_number:
            yield f"bookmark {item.title!r} leads to no page"
        items.extend(item.children)


CHECKS: dict[str, Callable[[Opened], Findings]] = {
    "metadata": metadata,
    "identity": identity,
    "colour": colour,
    "attachments": attachments,
    "fonts": fonts,
    "annotations": notes,
    "actions": actions,
    "structure": structure,
    "parent_tree": parent_tree,
    "identifiers": identifiers,
    "figures": figures,
    "marked_content": marked_content,
    "streams": streams,
    "outline": outline,
}


def check_pdf(path: Path) -> list[Check]:
    """Every structural check on the file at `path`, and qpdf's own where the program is installed."""
    checks = []
    with pikepdf.open(path) as pdf:
        opened = Opened(pdf)
        for code, check in CHECKS.items():
            findings = list(check(opened))
            more = f" … and {len(findings) - TOLD} more" if len(findings) > TOLD else ""
            checks.append(Check(code, not findings, "; ".join(findings[:TOLD]) + more))
    program = shutil.which("qpdf")
    if program:
        done = subprocess.run(
            [program, "--check", str(path)], capture_output=True, text=True, timeout=600, check=False
        )
        said = (done.stdout + done.stderr).strip().splitlines()
        checks.append(
            Check("qpdf", done.returncode == 0, "" if done.returncode == 0 else "; ".join(said[-TOLD:]))
        )
    return checks
