"""The walls a process builds around itself, in two steps: before the libraries are loaded, and before the model is."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from typing import Any

from apps.core import seccomp, walls

_PDEATHSIG, _NO_NEW_PRIVS = 1, 38
_NOBODY = 65534


def _die_with(libc: ctypes.CDLL, parent: int) -> None:
    libc.prctl(_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:  # it died before the line above took hold
        os._exit(1)


def cut_network(parent: int) -> str:
    """Step one, while there is still one thread: own network namespace. Returns "namespace" or "none"."""
    libc = walls.libc()
    if libc is None:
        return "none"
    _die_with(libc, parent)
    return walls.cut_network(libc)


def _limit(kind: int, soft: int, hard: int) -> None:
    """Set a limit; where the machine already allows less, that stands."""
    allowed = resource.getrlimit(kind)[1]
    if allowed != resource.RLIM_INFINITY:
        soft, hard = min(soft, allowed), min(hard, allowed)
    resource.setrlimit(kind, (soft, hard))


def _become_nobody() -> str:
    """Give root up for good. "same" in a container that withholds the right to, which the record then says."""
    try:
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    except PermissionError:
        return "same"
    return "nobody"


def lock(limits: dict[str, int], parent: int, network: str) -> dict[str, Any]:
    """Step two, libraries loaded and model not: limits, another user, no new privileges, no system calls to speak of.

    Returns what was achieved, to be recorded with the result.
    """
    spent = int(sum(resource.getrusage(resource.RUSAGE_SELF)[:2])) + 1
    cpu = spent + limits["cpu_s"]
    memory = limits["memory_mb"] * 1024**2
    wanted = {
        resource.RLIMIT_CPU: (cpu, cpu + 1),
        resource.RLIMIT_FSIZE: (0, 0),
        resource.RLIMIT_CORE: (0, 0),
        resource.RLIMIT_NOFILE: (64, 64),
    }
    if sys.platform == "linux":
        wanted[resource.RLIMIT_AS] = (memory, memory)
    for kind, pair in wanted.items():
        _limit(kind, *pair)
    reached = {"user": "same", "network": network, "system_calls": "open", "memory": "limited"}
    if sys.platform != "linux":
        reached["memory"] = "open"
    if os.geteuid() == 0:
        reached["user"] = _become_nobody()
    libc = walls.libc()
    if libc is not None:
        _limit(resource.RLIMIT_NPROC, 0, 0)
        _die_with(libc, parent)  # a change of user clears it
        if libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 and seccomp.restrict(libc):
            reached["system_calls"] = "filtered"
            if network == "none":
                reached["network"] = "filtered"
    return reached
