"""A PostgreSQL cluster of the test's own, made with `initdb` as an ordinary user, that may be killed as a whole."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from django.db import connection

from tests.trail.children import until

USER = "postgres"


def program(name: str) -> str:
    """Where PostgreSQL's `name` lies; Debian keeps the server's programs out of the path."""
    found = shutil.which(name) or next(map(str, Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), "")
    assert found, f"{name} of PostgreSQL is not installed"
    return found


def _ordinary() -> dict[str, str]:
    """PostgreSQL does not run as root: then its own account is used."""
    return {"user": USER, "group": pwd.getpwnam(USER).pw_name} if os.getuid() == 0 else {}


class Cluster:
    """`start`, `kill`, `stop`; databases are made from a dump of the test's own."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="countersign-cluster-"))
        self.log = self.folder.with_suffix(".log")
        self.process: subprocess.Popen[bytes] | None = None
        if os.getuid() == 0:
            shutil.chown(self.folder, USER)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._run("initdb", "-D", str(self.folder / "data"), "-A", "trust", "-U", USER, "-E", "UTF8")

    def _run(self, name: str, *arguments: str) -> None:
        with self.log.open("ab") as log:
            subprocess.run(
                [program(name), *arguments],
                check=True,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
                timeout=300,
                **_ordinary(),
            )

    def start(self) -> None:
        """Waits until it answers, its recovery included. Our own child: one that nobody reaped would look alive."""
        options = ["-p", str(self.port), "-c", "listen_addresses=127.0.0.1"]
        options += ["-c", f"unix_socket_directories={self.folder}"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [program("postgres"), "-D", str(self.folder / "data"), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
                **_ordinary(),
            )
        ready = [program("psql"), "-q", *self.at("postgres"), "-c", "SELECT 1"]
        until(
            lambda: subprocess.run(ready, capture_output=True).returncode == 0,
            120,
            lambda: self.log.read_text(encoding="utf-8"),
        )

    def kill(self) -> None:
        """kill -9 of the postmaster and of every child it has."""
        assert self.process is not None
        first = self.process.pid
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        for pid in [first, *map(int, children)]:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue  # a backend that ended by itself
        self.process.wait()
        until(lambda: not any(Path(f"/proc/{pid}/cwd").exists() for pid in children))

    def stop(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder)
        self.log.unlink()

    def at(self, database: str) -> list[str]:
        return ["-h", "127.0.0.1", "-p", str(self.port), "-U", USER, database]

    def copy(self, source: list[str], name: str) -> None:
        """A new database from a dump of the one that `source` (options of pg_dump) names: backup and restore."""
        subprocess.run([program("createdb"), *self.at(name)], check=True)
        backup = subprocess.run([program("pg_dump"), *source], check=True, capture_output=True).stdout
        restore = [program("psql"), "-q", "-v", "ON_ERROR_STOP=1", *self.at(name)]
        subprocess.run(restore, input=backup, check=True, stdout=subprocess.DEVNULL)

    def connect(self, database: str) -> None:
        """From here on this (forked) process works on `database` of the cluster, each commit on the disk."""
        connection.close()
        connection.settings_dict |= {"HOST": "127.0.0.1", "PORT": str(self.port), "NAME": database}
        connection.settings_dict |= {"USER": USER, "PASSWORD": "", "OPTIONS": {}}


def own_database() -> list[str]:
    """Options of pg_dump for the test's own database."""
    given = connection.settings_dict
    place = [
        "-h",
        given["HOST"] or "127.0.0.1",
        "-p",
        str(given["PORT"] or 5432),
        "-U",
        given["USER"] or USER,
    ]
    return [*place, given["NAME"]]
