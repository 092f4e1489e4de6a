"""Walls a process builds around itself: no network, only the named files, few system calls. Loaded by path or imported.

It imports nothing of the project, so that a child process needs nothing else of it. Three layers, each recorded as
reached or not: a network namespace of its own, Landlock (Linux 5.13: files by path, TCP), and a system call filter.
Landlock: Documentation/userspace-api/landlock; numbers from asm-generic/unistd.h, the same on every architecture.
"""

from __future__ import annotations

import ctypes
import os
import struct
import sys
import sysconfig
from collections.abc import Callable, Iterable
from typing import Any

_NO_NEW_PRIVS = 38
_NEWNET, _NEWUSER, _NEWIPC = 0x40000000, 0x10000000, 0x08000000
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_FS_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}  # access rights on files, by version of Landlock
_FOR_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | 1 << 14 | 1 << 15  # what a rule on one file may name
_LIBRARIES = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/usr/share", "/etc/ld.so.cache",
              "/etc/fonts", "/dev/null", "/dev/urandom")  # fmt: skip


def libc() -> ctypes.CDLL | None:
    """The C library, or None where these walls do not exist."""
    return ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def cut_network(library: ctypes.CDLL) -> str:
    """A network namespace of its own, while there is one thread: "namespace", or "none" where it is not granted."""
    flags = _NEWNET | _NEWIPC if os.geteuid() == 0 else _NEWUSER | _NEWNET | _NEWIPC
    return "namespace" if library.unshare(flags) == 0 else "none"


def library_paths() -> list[str]:
    """Where Python and the libraries it loads lie: nothing of the project and nothing of its data."""
    own = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    given = [path for path in os.environ.get("LD_LIBRARY_PATH", "").split(":") if path]
    return sorted(path for path in {*own, *_LIBRARIES, *given} if path and os.path.exists(path))


def fence(library: ctypes.CDLL, read: Iterable[str], write: Iterable[str]) -> str:
    """From now on this process opens only what lies beneath these paths. "fenced", or "open" without Landlock."""
    version = library.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)
    if version < 1:
        return "open"
    every = (1 << _FS_RIGHTS.get(version, 16)) - 1
    tcp = 0b11 if version >= 4 else 0
    scoped = 0b11 if version >= 6 else 0
    attributes = struct.pack("<QQQ", every, tcp, scoped)[: 24 if version >= 6 else 16 if version >= 4 else 8]
    ruleset = library.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if ruleset < 0:
        return "open"
    try:
        for paths, rights in ((read, _READ_FILE | _READ_DIR | _EXECUTE), (write, every)):
            for path in paths:
                _allow(library, ruleset, path, rights)
        if library.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) or library.syscall(_RESTRICT_SELF, ruleset, 0):
            return "open"
    finally:
        os.close(ruleset)
    return "fenced"


def _allow(library: ctypes.CDLL, ruleset: int, path: str, rights: int) -> None:
    handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        granted = rights if os.path.isdir(path) else rights & _FOR_FILES
        rule = struct.pack("<Qi", granted, handle)
        if library.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, 0):
            raise OSError(ctypes.get_errno(), "a rule of Landlock was refused", path)
    finally:
        os.close(handle)


def enclose(
    read: Iterable[str], write: Iterable[str], *, network: str, forbid: Callable[[Any], bool] | None = None
) -> dict[str, str]:
    """Fence and filter; `network` is what `cut_network` gave. Returns what was reached, by layer."""
    library = libc()
    reached = {"network": network, "files": "open", "system_calls": "open"}
    if library is None:
        return reached
    reached["files"] = fence(library, [*library_paths(), *read], write)
    if forbid is not None and library.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 and forbid(library):
        reached["system_calls"] = "filtered"
        if network == "none":
            reached["network"] = "filtered"
    return reached
