"""The sealer as a process of its own: seals what is pending, every half second, one process at a time.

Every batch is one transaction and the witness copy follows its commit, so the process may be killed anywhere: what
was not committed is still pending, what was not copied is copied by the next. What stops a seal (no database, a full
disk, a fork) is said once, and tried again: entries wait meanwhile, none is lost.
"""

from __future__ import annotations

import fcntl
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import IO

from django.db import DatabaseError, connection

from apps.trail import sealer, witness
from apps.trail.identity import keys
from apps.trail.keys import KeyMissing

log = logging.getLogger("countersign.trail")
INTERVAL = 0.5
# Seconds before the next try after a failure: doubled up to the last.
FIRST_PAUSE, LAST_PAUSE = 0.5, 10.0
# Any constant but the one of a single seal (sealer.LOCK).
PROCESS_LOCK = 0x7261696D


class Place:
    """The one place of a sealing process: an advisory lock of the session, or a lock file beside SQLite's file.

    The kernel or the database gives it free however its holder ends.
    """

    def __init__(self, number: int = PROCESS_LOCK, suffix: str = ".sealer") -> None:
        self.number = number
        self.suffix = suffix
        self._held_on: object | None = None
        self._file: IO[str] | None = None

    def take(self) -> bool:
        """True when this process has the place, now or already."""
        if connection.vendor == "postgresql":
            connection.ensure_connection()
            if (
                self._held_on is not connection.connection
            ):  # the session that held it is gone, and the lock with it
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_try_advisory_lock(%s)", [self.number])
                    got = bool(cursor.fetchone()[0])
                self._held_on = connection.connection if got else None
            return self._held_on is not None
        if self._file is None:
            name = f"{connection.settings_dict['NAME']}{self.suffix}"
            file = open(name, "a+", encoding="ascii")  # noqa: SIM115 (held as long as the place)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                return False
            self._file = file
        return True

    def leave(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._held_on is not None and self._held_on is connection.connection:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s)", [self.number])
        self._held_on = None


def tell_supervisor() -> None:
    """COUNTERSIGN_READY_FILE is how a supervisor sees that the process answers."""
    if name := os.environ.get("COUNTERSIGN_READY_FILE"):
        Path(name).touch()


def watch(stop: threading.Event, say: Callable[[str], None]) -> None:
    """Seal until `stop` is set. A second process stands by, and takes over when the first ends."""
    place = Place()
    pause, told, first = FIRST_PAUSE, "", True
    try:
        while not stop.is_set():
            try:
                if place.take():
                    sealer.seal()
                    if first:
                        witness.catch_up(keys().origin)  # what a process killed after its commit left
                    if told:
                        say("Sealing.")
                    first, told, pause = False, "", FIRST_PAUSE
                    wait = INTERVAL
                else:
                    told = _once(say, told, "Another sealer is at work; standing by.")
                    wait, first = INTERVAL, True
                tell_supervisor()
            except (DatabaseError, OSError, sealer.ForkRefused, KeyMissing, ValueError) as error:
                told = _once(say, told, f"Nothing is sealed: {error} What waits is kept.")
                wait, pause, first = pause, min(2 * pause, LAST_PAUSE), True
                begin_again()
            stop.wait(wait)
    finally:
        try:
            place.leave()
        except DatabaseError:
            log.info("the database was gone when the sealer ended")


def _once(say: Callable[[str], None], told: str, sentence: str) -> str:
    if sentence != told:
        say(sentence)
    return sentence


def begin_again() -> None:
    """A new connection for the next try; an old one may be the fault."""
    try:
        connection.close()
    except DatabaseError as error:
        log.info("the broken connection could not be closed: %s", error)
