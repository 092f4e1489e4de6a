"""The tagged side of a finished pack: its structure tree against what stands on its pages.

Clauses: ISO 32000-1, 14.7 and 14.8; ISO 14289-1 (UA).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pikepdf
from pikepdf import Name

Findings = Iterator[str]
SHOWS = "Tj TJ ' \" f F f* B B* b b* S s sh Do BI"  # operators that put something on the page
READ = SHOWS + " BDC BMC EMC"


class Opened:
    """A PDF with what several checks read: its structure elements, its fonts, marked content per page."""

    def __init__(self, pdf: pikepdf.Pdf) -> None:
        self.pdf = pdf
        self.root = pdf.Root
        self.objects = list(pdf.objects)
        self.elements = list(self._elements())
        self.page_number = {page.obj.objgen: number for number, page in enumerate(pdf.pages, 1)}
        self.content = [page_content(page) for page in pdf.pages]

    def _elements(self) -> Iterator[tuple[Any, list[Any]]]:
        """Each structure element with its kids, read once: reading them is what takes the time."""
        tree = self.root.get("/StructTreeRoot")
        stack = list(children(tree)) if tree is not None else []
        while stack:
            element = stack.pop()
            if isinstance(element, pikepdf.Dictionary) and "/S" in element:
                kids = children(element)
                yield element, kids
                stack.extend(kids)


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
    uncovered, faults = 0, []
    stack: list[bool] = []  # for each open sequence: is what stands in it tagged or an artifact
    artifacts: list[bool] = []
    for operands, operator in pikepdf.parse_content_stream(page, operators=READ):
        name = str(operator)
        if name in ("BDC", "BMC"):
            number = operands[1].get("/MCID") if name == "BDC" and hasattr(operands[1], "get") else None
            if number is not None:
                if int(number) in used:
                    faults.append(f"content number {number} twice")
                used.add(int(number))
                if any(artifacts):
                    faults.append(f"content number {number} inside an artifact")
            artifacts.append(str(operands[0]) == "/Artifact")
            stack.append(artifacts[-1] or number is not None or (bool(stack) and stack[-1]))
        elif name == "EMC":
            if stack:
                stack.pop()
                artifacts.pop()
            else:
                faults.append("marked content ended that never began")
        elif not (stack and stack[-1]):
            uncovered += 1
    if stack:
        faults.append("marked content not ended")
    return used, uncovered, faults


def structure(opened: Opened) -> Findings:
    """UA 7.1: one Document at the top; every element's parent is the one that lists it."""
    tree = opened.root.get("/StructTreeRoot")
    if tree is None:
        yield "no structure tree"
        return
    top = children(tree)
    if len(top) != 1 or top[0].get("/S") != Name.Document:
        yield "the structure's top is not one Document"
    for parent, kids in [(tree, top), *opened.elements]:
        for kid in kids:
            if (
                isinstance(kid, pikepdf.Dictionary)
                and "/S" in kid
                and kid.get("/P", kid).objgen != parent.objgen
            ):
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
    for element, kids in opened.elements:
        for kid in kids:
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
    for element, _kids in opened.elements:
        key = str(element.get("/ID", ""))
        if key:
            if key in seen:
                yield f"id {key} twice"
            seen.add(key)
    if seen != named:
        yield f"{len(seen)} ids, {len(named)} in the id tree"
    for element, _kids in opened.elements:
        attributes = element.get("/A")
        if isinstance(attributes, pikepdf.Dictionary):
            for key in attributes.get("/Headers", ()):
                if str(key) not in seen:
                    yield f"a cell names the header {key}, which is not there"


def figures(opened: Opened) -> Findings:
    """UA 7.3: every figure says what it shows."""
    for element, _kids in opened.elements:
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
