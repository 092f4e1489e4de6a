"""The native libraries WeasyPrint needs, looked for without importing WeasyPrint."""

from __future__ import annotations

import ctypes
import ctypes.util
import runpy
from functools import cache
from pathlib import Path

from .types import PdfUnavailable

ROOT = Path(__file__).resolve().parents[3]
BOOTSTRAP = ROOT / "portal" / "bootstrap.py"
SONAMES = (
    "libgobject-2.0.so.0",
    "libpango-1.0.so.0",
    "libharfbuzz.so.0",
    "libharfbuzz-subset.so.0",
    "libfontconfig.so.1",
    "libpangoft2-1.0.so.0",
)
INSTALL = (
    "apt-get install --no-install-recommends "
    "libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 libfontconfig1"
)


def preload(bootstrap: Path = BOOTSTRAP) -> None:
    """Load libraries unpacked into `.native/`, by the bootstrap's own function where it has one."""
    if bootstrap.exists():
        found = runpy.run_path(str(bootstrap), run_name="countersign_bootstrap").get("preload_native")
        if found is not None:
            found()


@cache
def missing_libraries() -> tuple[str, ...]:
    """Names of the shared libraries that cannot be loaded; empty when PDF works here."""
    preload()
    missing = []
    for name in SONAMES:
        try:
            ctypes.CDLL(name, mode=ctypes.RTLD_GLOBAL)
        except OSError:
            missing.append(name)
    return tuple(missing)


def pdf_available() -> str:
    """Empty when PDF can be made here, else one sentence with the command that helps."""
    missing = missing_libraries()
    if not missing:
        return ""
    return f"PDF is off: {', '.join(missing)} cannot be loaded. Install with: {INSTALL}"


def require_pdf() -> None:
    """Raise PdfUnavailable with the sentence of `pdf_available` when PDF cannot be made."""
    if sentence := pdf_available():
        raise PdfUnavailable(sentence)
