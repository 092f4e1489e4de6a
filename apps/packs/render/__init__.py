"""The PDF engine: chapters in, one PDF/A-3a with attachments out. See docs/pdf.md."""

from .engine import render_pack
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
