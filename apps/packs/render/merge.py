"""Joins laid-out chapters into one tagged PDF/A-3a, keeping each chapter's structure tree."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

import pikepdf
from pikepdf import Array, Dictionary, Name, OutlineItem, String

from .child import KEYS_PER_CHAPTER
from .stamp import Stamper, number
from .types import Attachment, Chapter, PackMeta
from .xmp import pdf_date, xmp_packet


@dataclass
class Part:
    """A chapter with its laid-out file and what the layout reported; `first` is its first page, from 0."""

    chapter: Chapter
    file: Path
    index: int
    report: dict[str, Any]
    first: int = 0

    @property
    def heading(self) -> str:
        return f"{self.chapter.number} {self.chapter.title}".strip()


def merge(
    parts: list[Part], meta: PackMeta, attachments: list[Attachment], out: Path, stamp: str | None
) -> int:
    """Write the pack to `out`; return its number of pages."""
    pdf = pikepdf.new()
    roots = []
    for part in parts:
        part.first = len(pdf.pages)
        with pikepdf.open(part.file) as source:
            pdf.pages.extend(source.pages)
            roots.append(pdf.copy_foreign(source.Root.StructTreeRoot))
    join_structure(pdf, parts, roots)
    aim_links(pdf, parts)
    stamper = Stamper(pdf, meta, [part.heading for part in parts], stamp)
    total = len(pdf.pages)
    for part in parts:
        for offset in range(part.report["pages"]):
            position = part.first + offset
            stamper.draw(pdf.pages[position], position + 1, total, part.heading, bare=part.chapter.bare)
    add_outline(pdf, parts)
    attach(pdf, attachments, meta)
    add_identity(pdf, meta)
    pdf.save(
        out,
        min_version="1.7",
        object_stream_mode=pikepdf.ObjectStreamMode.generate,
        deterministic_id=True,
    )
    return total


def join_structure(pdf: pikepdf.Pdf, parts: list[Part], roots: list[Any]) -> None:
    """One Document with a Sect for each chapter; the parent and id trees get a leaf for each chapter.

    The layout process has already shifted keys and made ids unique, so no leaf is rewritten here.
    """
    root = pdf.make_indirect(Dictionary(Type=Name.StructTreeRoot))
    document = pdf.make_indirect(Dictionary(Type=Name.StructElem, S=Name.Document, P=root, K=Array()))
    parents, ids = Array(), Array()
    for part, old in zip(parts, roots, strict=True):
        section = old.K[0]
        section.S = Name.Sect
        section.P = document
        section.T = String(part.heading)
        document.K.append(section)
        numbers = old.ParentTree.Nums
        limits = Array([numbers[0], numbers[len(numbers) - 2]])
        parents.append(pdf.make_indirect(Dictionary(Limits=limits, Nums=numbers)))
        names = old.IDTree.Names
        if len(names):
            limits = Array([names[0], names[len(names) - 2]])
            ids.append(pdf.make_indirect(Dictionary(Limits=limits, Names=names)))
    root.K = Array([document])
    root.ParentTree = pdf.make_indirect(Dictionary(Kids=parents))
    root.ParentTreeNextKey = (max(part.index for part in parts) + 1) * KEYS_PER_CHAPTER
    if len(ids):
        root.IDTree = pdf.make_indirect(Dictionary(Kids=ids))
    pdf.Root.StructTreeRoot = root
    pdf.Root.MarkInfo = Dictionary(Marked=True)


def aim_links(pdf: pikepdf.Pdf, parts: list[Part]) -> None:
    """Turn named and cross-chapter links into explicit destinations with a description."""
    everywhere: dict[str, tuple[int, float, float]] = {}
    for part in parts:
        for name, (page, x, y) in part.report["anchors"].items():
            everywhere.setdefault(name, (part.first + page, x, y))
    for part in parts:
        local = part.report["anchors"]
        for offset in range(part.report["pages"]):
            for annotation in pdf.pages[part.first + offset].obj.get("/Annots", ()):
                action = annotation.get("/A")
                if "/Dest" in annotation:
                    name = str(annotation.Dest)
                    page, x, y = local[name]
                    target = (part.first + int(page), x, y)
                elif action is not None and str(action.URI).startswith("xref:"):
                    target = everywhere[str(action.URI).removeprefix("xref:")]
                    del annotation["/A"]
                else:
                    annotation.Contents = String(f"Opens {action.URI}")
                    continue
                annotation.Dest = destination(pdf, *target)
                annotation.Contents = String(f"Goes to page {target[0] + 1}")


def destination(pdf: pikepdf.Pdf, page: int, x: float, y: float) -> Array:
    """An explicit /XYZ destination; `page` counts from 0, x and y are points."""
    return Array([pdf.pages[page].obj, Name.XYZ, number(x), number(y), 0])


def add_outline(pdf: pikepdf.Pdf, parts: list[Part]) -> None:
    """Bookmarks: one for each chapter, its headings below."""

    def item(title: str, page: int, x: float, y: float, children: list[Any], first: int) -> OutlineItem:
        made = OutlineItem(title, first + page, "XYZ", left=number(x), top=number(y), zoom=0)
        made.is_closed = True
        made.children.extend(item(*child, first) for child in children)
        return made

    with pdf.open_outline() as outline:
        for part in parts:
            tree = part.report["outline"]
            below = tree[0][4] + tree[1:] if tree else []
            page, x, y = part.report["anchors"].get(part.chapter.id, (0, 0, 842))
            outline.root.append(item(part.heading, int(page), x, y, below, part.first))
    pdf.Root.PageMode = Name.UseOutlines


def attach(pdf: pikepdf.Pdf, attachments: list[Attachment], meta: PackMeta) -> None:
    """Embed files, each named once in EmbeddedFiles and once in /AF (ISO 19005-3, 6.8)."""
    names, associated = Array(), Array()
    moment = String(pdf_date(meta.generated_at))
    for attachment in sorted(attachments, key=lambda each: each.name):
        content = attachment.read()
        embedded = pdf.make_stream(content, Type=Name.EmbeddedFile, Subtype=Name("/" + attachment.mime))
        embedded.Params = Dictionary(
            Size=len(content),
            ModDate=moment,
            CheckSum=String(hashlib.md5(content, usedforsecurity=False).digest()),
        )
        stream = pdf.make_indirect(embedded)
        spec = pdf.make_indirect(
            Dictionary(
                Type=Name.Filespec,
                F=String(attachment.name),
                UF=String(attachment.name),
                Desc=String(attachment.description),
                AFRelationship=Name("/" + attachment.relationship),
                EF=Dictionary(F=stream, UF=stream),
            )
        )
        names.extend((String(attachment.name), spec))
        associated.append(spec)
    if len(associated):
        pdf.Root.Names = Dictionary(EmbeddedFiles=pdf.make_indirect(Dictionary(Names=names)))
        pdf.Root.AF = associated


def add_identity(pdf: pikepdf.Pdf, meta: PackMeta) -> None:
    """Title, language, dates, colour intent and the metadata packet."""
    producer = f"WeasyPrint {version('weasyprint')}, pikepdf {version('pikepdf')}"
    profile = pdf.make_stream((files("weasyprint") / "pdf" / "sRGB2014.icc").read_bytes(), N=3)
    intent = Dictionary(
        Type=Name.OutputIntent,
        S=Name.GTS_PDFA1,
        OutputConditionIdentifier=String("sRGB2014"),
        Info=String("sRGB2014"),
        DestOutputProfile=pdf.make_indirect(profile),
    )
    pdf.Root.OutputIntents = Array([pdf.make_indirect(intent)])
    pdf.Root.Lang = String(meta.lang)
    pdf.Root.ViewerPreferences = Dictionary(DisplayDocTitle=True)
    packet = pdf.make_stream(xmp_packet(meta, producer), Type=Name.Metadata, Subtype=Name.XML)
    pdf.Root.Metadata = pdf.make_indirect(packet)
    moment = String(pdf_date(meta.generated_at))
    info = {"/Title": meta.title, "/Author": meta.author, "/Subject": meta.subject, "/Creator": meta.creator}
    for key, value in {**info, "/Producer": producer}.items():
        if value:
            pdf.docinfo[key] = String(value)
    pdf.docinfo["/CreationDate"] = moment
    pdf.docinfo["/ModDate"] = moment
