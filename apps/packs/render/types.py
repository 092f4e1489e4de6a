"""What the PDF engine takes and gives: plain data, no Django."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path


class PdfUnavailable(Exception):
    """The PDF part cannot work on this machine; the text says what to install."""


class RenderFailed(Exception):
    """A pack could not be made; the text is a sentence for a person. `chapter` is the chapter's id, if one."""

    def __init__(self, sentence: str, *, chapter: str = "") -> None:
        super().__init__(sentence)
        self.chapter = chapter


@dataclass(frozen=True)
class Chapter:
    """One chapter of a pack.

    `html` is a fragment in the vocabulary of docs/pdf.md, user text already escaped. `toc` lists further lines
    of the contents as (level, title, anchor); the chapter itself is always listed unless `bare`.
    `late` chapters (cover, answers) are laid out last and may ask for page numbers of others.
    `bare` chapters print neither heading nor running head.
    """

    id: str
    title: str
    number: str
    html: str
    toc: list[tuple[int, str, str]] = field(default_factory=list)
    late: bool = False
    bare: bool = False


@dataclass(frozen=True)
class PackMeta:
    """Facts printed on every page and written into the document's metadata. Times are aware."""

    title: str
    lang: str
    pack_ref: str
    as_of: datetime
    digest_short: str
    generated_at: datetime
    head: str = ""
    footer: str = ""
    subject: str = ""
    author: str = ""
    creator: str = "Countersign"
    paper: str = "A4"
    contents_title: str = "Contents"


@dataclass(frozen=True)
class Attachment:
    """A file embedded in the PDF. `relationship` is an AFRelationship of ISO 19005-3, 6.8 (Data, Source, …)."""

    name: str
    mime: str
    content: Path | bytes
    description: str
    relationship: str = "Data"

    def read(self) -> bytes:
        return self.content if isinstance(self.content, bytes) else Path(self.content).read_bytes()


@dataclass(frozen=True)
class Limits:
    """What one chapter may use: CPU and wall seconds, bytes of address space, bytes of HTML; children at once."""

    cpu_seconds: int = 180
    wall_seconds: int = 300
    memory_bytes: int = 3 * 1024**3
    html_bytes: int = 32 * 1024**2
    children: int = 2
    chapters_per_child: int = 6


@dataclass(frozen=True)
class Check:
    """One line of a structural check: its code, whether it holds, and what was found."""

    code: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class RenderResult:
    """A finished PDF: pages, "sha256:…" of the file, structural checks, first page per chapter, remarks.

    `isolation`: which walls stood around the layout processes: network, files, system_calls.
    """

    pages: int
    sha256: str
    checks: list[Check]
    chapter_pages: dict[str, int]
    notes: list[str]
    isolation: dict[str, str] = field(default_factory=dict)

    @property
    def failed_checks(self) -> list[Check]:
        return [check for check in self.checks if not check.ok]


Progress = Callable[[int, int, str], None]
