"""A system call filter: once set, the process can compute and talk through the pipes it has, and little else.

A deny list on top of the other walls (user, network namespace, limits), because an interpreter with NumPy and
onnxruntime needs a long and changing list of harmless calls. Denied calls fail with EPERM. Kernel:
Documentation/userspace-api/seccomp_filter; numbers from asm/unistd_64.h and asm-generic/unistd.h.
"""

from __future__ import annotations

import ctypes
import platform
import struct

# Calls that open, change or name files, reach the network, start processes or touch other processes.
_X86_64 = {
    "open": 2, "creat": 85, "openat": 257, "openat2": 437, "open_by_handle_at": 304, "socket": 41, "connect": 42,
    "accept": 43, "bind": 49, "listen": 50, "socketpair": 53, "accept4": 288, "sendto": 44, "sendmsg": 46,
    "clone": 56, "fork": 57, "vfork": 58, "clone3": 435, "execve": 59, "execveat": 322, "kill": 62, "tkill": 200,
    "tgkill": 234, "rt_sigqueueinfo": 129, "rt_tgsigqueueinfo": 297, "pidfd_send_signal": 424, "prlimit64": 302,
    "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "pidfd_open": 434, "pidfd_getfd": 438,
    "truncate": 76, "rename": 82, "renameat": 264, "renameat2": 316, "mkdir": 83, "mkdirat": 258, "rmdir": 84,
    "link": 86, "linkat": 265, "unlink": 87, "unlinkat": 263, "symlink": 88, "symlinkat": 266, "chmod": 90,
    "fchmodat": 268, "chown": 92, "fchownat": 260, "mknod": 133, "mknodat": 259, "mount": 165, "umount2": 166,
    "chroot": 161, "pivot_root": 155, "unshare": 272, "setns": 308, "keyctl": 250, "add_key": 248,
    "request_key": 249, "bpf": 321, "perf_event_open": 298, "userfaultfd": 323, "memfd_create": 319,
    "io_uring_setup": 425, "io_uring_enter": 426, "inotify_init1": 294, "fanotify_init": 300,
    "name_to_handle_at": 303, "shmget": 29, "msgget": 68, "setrlimit": 160, "quotactl": 179, "reboot": 169,
}  # fmt: skip
_AARCH64 = {
    "openat": 56, "openat2": 437, "open_by_handle_at": 265, "socket": 198, "socketpair": 199, "bind": 200,
    "listen": 201, "accept": 202, "connect": 203, "sendto": 206, "sendmsg": 211, "accept4": 242, "clone": 220,
    "clone3": 435, "execve": 221, "execveat": 281, "kill": 129, "tkill": 130, "tgkill": 131,
    "rt_sigqueueinfo": 138, "rt_tgsigqueueinfo": 240, "pidfd_send_signal": 424, "prlimit64": 261, "ptrace": 117,
    "process_vm_readv": 270, "process_vm_writev": 271, "pidfd_open": 434, "pidfd_getfd": 438, "truncate": 45,
    "renameat": 38, "renameat2": 276, "mkdirat": 34, "linkat": 37, "unlinkat": 35, "symlinkat": 36,
    "fchmodat": 53, "fchownat": 54, "mknodat": 33, "mount": 40, "umount2": 39, "chroot": 51, "pivot_root": 41,
    "unshare": 97, "setns": 268, "keyctl": 219, "add_key": 217, "request_key": 218, "bpf": 280,
    "perf_event_open": 241, "userfaultfd": 282, "memfd_create": 279, "io_uring_setup": 425,
    "io_uring_enter": 426, "inotify_init1": 26, "fanotify_init": 262, "name_to_handle_at": 264,
    "shmget": 194, "msgget": 186, "setrlimit": 164, "quotactl": 60, "reboot": 142,
}  # fmt: skip
_ARCHITECTURES = {"x86_64": (0xC000003E, _X86_64), "aarch64": (0xC00000B7, _AARCH64)}

_LOAD, _JUMP_EQ, _JUMP_GE, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _KILL, _EPERM = 0x7FFF0000, 0x80000000, 0x00050000 | 1
_PR_SET_SECCOMP, _MODE_FILTER = 22, 2


def _program(audit_arch: int, numbers: list[int]) -> bytes:
    """BPF: another architecture kills, a listed or x32 call gets EPERM, the rest passes."""

    def op(code: int, yes: int, no: int, value: int) -> bytes:
        return struct.pack("<HBBI", code, yes, no, value)

    out = [op(_LOAD, 0, 0, 4), op(_JUMP_EQ, 1, 0, audit_arch), op(_RETURN, 0, 0, _KILL), op(_LOAD, 0, 0, 0)]
    out += [op(_JUMP_GE, 0, 1, 0x40000000), op(_RETURN, 0, 0, _EPERM)]
    for number in numbers:
        out += [op(_JUMP_EQ, 0, 1, number), op(_RETURN, 0, 0, _EPERM)]
    return b"".join([*out, op(_RETURN, 0, 0, _ALLOW)])


class _Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


# Calls on files by name: spared where Landlock guards them, for a process that still has files of its own to open.
FILES = frozenset(
    "open creat openat openat2 truncate rename renameat renameat2 mkdir mkdirat rmdir link linkat unlink unlinkat "
    "symlink symlinkat chmod fchmodat chown fchownat prlimit64 setrlimit".split()
)
THREADS = frozenset({"clone", "clone3"})  # Pango starts one; another program still cannot be started


def restrict(libc: ctypes.CDLL, spared: frozenset[str] = frozenset()) -> bool:
    """Set the filter on this process for good, without the calls `spared`. False where there is no such filter."""
    known = _ARCHITECTURES.get(platform.machine())
    if known is None:
        return False
    program = _program(known[0], sorted(number for name, number in known[1].items() if name not in spared))
    buffer = ctypes.create_string_buffer(program, len(program))
    prog = _Filter(len(program) // 8, ctypes.addressof(buffer))
    return bool(libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(prog), 0, 0) == 0)
