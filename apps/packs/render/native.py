"""Whether PDF can be made on this machine, asked without importing WeasyPrint."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from apps.core import native

from .types import PdfUnavailable

LOADER = Path(native.__file__)  # the layout process loads it by path, so that it needs nothing of the project
INSTALL = (
    "apt-get install --no-install-recommends "
    "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 libfontconfig1"
)


@cache
def pdf_available() -> str:
    """Empty when PDF can be made here, else one sentence with the command that helps.

    Worker and web server do not pass through `manage.py`, so libraries unpacked into `.native/` are loaded here.
    """
    missing = native.preload_native()
    if not missing:
        return ""
    return f"PDF is off: {', '.join(missing)} cannot be loaded. Install with: {INSTALL}"


def require_pdf() -> None:
    """Raise PdfUnavailable with the sentence of `pdf_available` when PDF cannot be made."""
    if sentence := pdf_available():
        raise PdfUnavailable(sentence)
