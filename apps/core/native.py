"""The native libraries WeasyPrint needs (Pango and friends), and where the bootstrap unpacks them without root.

Standard library only: `portal/bootstrap.py` loads this file by its path before any package is installed.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

NATIVE = Path(__file__).resolve().parents[2] / ".native"
SONAMES = (
    "libgobject-2.0.so.0",
    "libpango-1.0.so.0",
    "libharfbuzz.so.0",
    "libharfbuzz-subset.so.0",
    "libfontconfig.so.1",
    "libpangoft2-1.0.so.0",
)


def missing_libraries() -> list[str]:
    """Names from SONAMES that the dynamic linker cannot load in this process."""
    missing = []
    for name in SONAMES:
        try:
            ctypes.CDLL(name)
        except OSError:
            missing.append(name)
    return missing


def preload_native() -> list[str]:
    """Make the libraries under `.native/` available to later dlopen calls; return what is still missing.

    A library already loaded satisfies a later dlopen by its soname, so nothing has to be set in the
    environment. The unpacked files depend on each other in no known order: load until nothing more loads.
    """
    if not missing_libraries():
        return []
    waiting = sorted(path for path in NATIVE.rglob("*.so.*") if path.is_file())
    loaded = True
    while waiting and loaded:
        loaded = False
        for path in list(waiting):
            try:
                ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)
            except OSError:
                continue
            waiting.remove(path)
            loaded = True
    return missing_libraries()
