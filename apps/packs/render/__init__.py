"""The PDF engine: chapters in, one PDF/A-3a with attachments out. See docs/pdf.md.

`render_pack` is imported when it is asked for: the PDF and font libraries take a third of a second that processes
without packs do not pay.
"""

from typing import TYPE_CHECKING, Any

from .native import pdf_available
from .types import (
    Attachment,
    Chapter,
    Check,
    Limits,
    PackMeta,
    PdfUnavailable,
    RenderFailed,
    RenderResult,
)

if TYPE_CHECKING:
    from .engine import render_pack

__all__ = [
    "Attachment",
    "Chapter",
    "Check",
    "Limits",
    "PackMeta",
    "PdfUnavailable",
    "RenderFailed",
    "RenderResult",
    "pdf_available",
    "render_pack",
]


def __getattr__(name: str) -> Any:
    if name == "render_pack":
        from .engine import render_pack

        return render_pack
    raise AttributeError(f"{__name__} has no {name}")
