"""Structural checks of a finished pack with pikepdf: what PDF/A-3a and PDF/UA-1 ask and a program can see.

No PDF/A-3 validator can be installed with the product, so these are partial: a pack is "checked by" this
list (and by qpdf where it is present), never "certified". Clauses: ISO 19005-3 (A), ISO 14289-1 (UA).
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pikepdf
from lxml import etree
from pikepdf import Name

from apps.packs.render.types import Check

Findings = Iterator[str]
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
SHOWS = frozenset("Tj TJ ' \" f F f* B B* b b* S s sh Do BI INLINE IMAGE".split())
READ = " ".join(sorted(SHOWS - {"INLINE", "IMAGE"})) + " BDC BMC EMC"
TOLD = 5  # findings quoted in a check's detail


class Opened:
    """A PDF with what several checks read: its structure elements, its fonts, marked content per page."""

    def __init__(self, pdf: pikepdf.Pdf) -> None:
        self.pdf = pdf
        self.root = pdf.Root
        self.elements = list(self._elements())
        self.page_number = {page.obj.objgen: number for number, page in enumerate(pdf.pages, 1)}
        self.content = [page_content(page) for page in pdf.pages]

    def _elements(self) -> Iterator[Any]:
        tree = self.root.get("/StructTreeRoot")
        stack = list(children(tree)) if tree is not None else []
        while stack:
            element = stack.pop()
            if isinstance(element, pikepdf.Dictionary) and "/S" in element:
                yield element
                stack.extend(children(element))


def children(element: Any) -> list[Any]:
    """The kids of a structure element as a list: elements, object references, content numbers."""
    kids = element.get("/K")
    if kids is None:
        return []
    return list(kids) if isinstance(kids, pikepdf.Array) else [kids]


def leaves(tree: Any, key: str) -> Iterator[Any]:
    """The leaf arrays of a name or number tree."""
    stack = [tree]
    while stack:
        node = stack.pop()
        if key in node:
            yield node[key]
        stack.extend(node.get("/Kids", ()))


def page_content(page: pikepdf.Page) -> tuple[set[int], int, list[str]]:
    """Content numbers used on a page, showing operators outside marked content, and nesting faults."""
    used: set[int] = set()
    uncovered, stack, faults = 0, [], []
    for operands, operator in pikepdf.parse_content_stream(page, operators=READ):
        name = str(operator)
        if name in ("BDC", "BMC"):
            tag = str(operands[0])
            number = operands[1].get("/MCID") if name == "BDC" and hasattr(operands[1], "get") else None
            if number is not None:
                if int(number) in used:
                    faults.append(f"content number {number} twice")
                used.add(int(number))
                if any(kind == "/Artifact" for kind, _ in stack):
                    faults.append(f"content number {number} inside an artifact")
            stack.append((tag, number))
        elif name == "EMC":
            if stack:
                stack.pop()
            else:
                faults.append("marked content ended that never began")
        elif name in SHOWS and not any(tag == "/Artifact" or number is not None for tag, number in stack):
            uncovered += 1
    if stack:
        faults.append("marked content not ended")
    return used, uncovered, faults


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
    for item in opened.pdf.objects:
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


def annotations(opened: Opened) -> Findings:
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
    for item in opened.pdf.objects:
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
            if not str(found.URI).startswith(("https://", "http://", "mailto:")):
                yield f"object {item.objgen[0]}: link to {found.URI}"


def structure(opened: Opened) -> Findings:
    """UA 7.1: one Document at the top; every element's parent is the one that lists it."""
    tree = opened.root.get("/StructTreeRoot")
    if tree is None:
        yield "no structure tree"
        return
    top = children(tree)
    if len(top) != 1 or top[0].get("/S") != Name.Document:
        yield "the structure's top is not one Document"
    for parent in [tree, *opened.elements]:
        for kid in children(parent):
            if isinstance(kid, pikepdf.Dictionary) and "/S" in kid and kid.get("/P", kid).objgen != parent.objgen:
                yield f"{kid.S} has another parent than the element that lists it"


def parent_tree(opened: Opened) -> Findings:
    """ISO 32000-1, 14.7.4.4: the parent tree and the pages' content numbers agree, both ways."""
    tree = opened.root.get("/StructTreeRoot", {}).get("/ParentTree")
    if tree is None:
        yield "no parent tree"
        return
    entries: dict[int, Any] = {}
    for leaf in leaves(tree, "/Nums"):
        items = list(leaf)
        for key, value in zip(items[0::2], items[1::2], strict=True):
            if int(key) in entries:
                yield f"key {key} twice"
            entries[int(key)] = value
    claimed: dict[tuple[int, int], set[int]] = {}
    for element in opened.elements:
        for kid in children(element):
            if isinstance(kid, int):
                claimed.setdefault(element.Pg.objgen, set()).add(kid)
    for number, page in enumerate(opened.pdf.pages, 1):
        used = opened.content[number - 1][0]
        key = page.obj.get("/StructParents")
        listed = entries.get(int(key)) if key is not None else None
        if listed is None:
            yield f"page {number}: not in the parent tree"
        elif used != set(range(len(listed))):
            yield f"page {number}: {len(used)} content numbers, {len(listed)} in the parent tree"
        if used != claimed.get(page.obj.objgen, set()):
            yield f"page {number}: content and structure elements name different content numbers"
        for note in page.obj.get("/Annots", ()):
            owner = entries.get(int(note.get("/StructParent", -1)))
            if owner is None or not any(
                isinstance(kid, pikepdf.Dictionary)
                and kid.get("/Obj") is not None
                and kid.Obj.objgen == note.objgen
                for kid in children(owner)
            ):
                yield f"page {number}: an annotation's parent does not list it"


def identifiers(opened: Opened) -> Findings:
    """ISO 32000-1, 14.7.2: element ids once each, all in the id tree; table headers name existing ones."""
    tree = opened.root.get("/StructTreeRoot", {}).get("/IDTree")
    named = {str(key) for leaf in leaves(tree, "/Names") for key in list(leaf)[0::2]} if tree else set()
    seen: set[str] = set()
    for element in opened.elements:
        key = str(element.get("/ID", ""))
        if key:
            if key in seen:
                yield f"id {key} twice"
            seen.add(key)
    if seen != named:
        yield f"{len(seen)} ids, {len(named)} in the id tree"
    for element in opened.elements:
        attributes = element.get("/A")
        if isinstance(attributes, pikepdf.Dictionary):
            for key in attributes.get("/Headers", ()):
                if str(key) not in seen:
                    yield f"a cell names the header {key}, which is not there"


def figures(opened: Opened) -> Findings:
    """UA 7.3: every figure says what it shows."""
    for element in opened.elements:
        if element.get("/S") == Name.Figure and not str(element.get("/Alt", "")).strip():
            page = opened.page_number.get(element.Pg.objgen, "?") if "/Pg" in element else "?"
            yield f"page {page}: a figure without alternative text"


def marked_content(opened: Opened) -> Findings:
    """UA 7.1: everything shown is either tagged or an artifact, well nested."""
    for number, (_used, uncovered, faults) in enumerate(opened.content, 1):
        if uncovered:
            yield f"page {number}: {uncovered} operators show something outside marked content"
        for fault in faults:
            yield f"page {number}: {fault}"


def streams(opened: Opened) -> Findings:
    """A 6.1.7 and 6.2.9: no LZW, no external streams, no PostScript or reference objects, no hidden layers."""
    if "/OCProperties" in opened.root:
        yield "the document has optional content"
    for item in opened.pdf.objects:
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
    "annotations": annotations,
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
