"""The witness copy: every checkpoint, appended to a file outside the database.

A database restored from an older backup, or emptied, agrees with itself; only a copy that did not go back with it
tells. `COUNTERSIGN_DATA/witness/<origin>/checkpoints.jsonl`, one JSON line a checkpoint: size, root, note.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from django.conf import settings

from apps.trail.models import Checkpoint

# Bytes from the end that hold the last line, and more.
TAIL = 8192


def path(origin: str) -> Path:
    return Path(settings.COUNTERSIGN_DATA) / "witness" / origin / "checkpoints.jsonl"


def lines(origin: str) -> Iterator[dict]:
    """The witnessed checkpoints in order: {"size", "root", "note"}; ValueError on a line that does not parse.

    What stands after the last newline is a write that was cut off (kill, full disk); `catch_up` writes it again.
    """
    place = path(origin)
    if place.exists():
        with place.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield json.loads(line)


def last(origin: str) -> dict | None:
    """The newest witnessed checkpoint."""
    place = path(origin)
    if not place.exists():
        return None
    with place.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - TAIL))
        whole = file.read().split(b"\n")[:-1]
    return json.loads(whole[-1]) if whole else None


def _cut_torn_line(file: IO[bytes]) -> None:
    """Cut what stands after the last newline; the file ends with a whole line then. Under the lock."""
    end = file.seek(0, os.SEEK_END)
    start = max(0, end - TAIL)
    file.seek(start)
    tail = file.read()
    if tail and not tail.endswith(b"\n"):
        file.truncate(start + tail.rfind(b"\n") + 1)


def catch_up(origin: str, before: int | None = -1, made: Checkpoint | None = None) -> int:
    """Append the checkpoints the witness has not seen; returns how many. Safe to call at any time, by several.

    `made` is the checkpoint just signed, upon the one of `before` entries (None: upon nothing). Where the copy ends
    there, it is all that is missing, and the database is not asked.
    """
    place = path(origin)
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with place.open("a+b", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        _cut_torn_line(file)
        newest = last(origin)
        seen = newest["size"] if newest else None
        if made is not None and seen == before:
            missing: Iterable[Checkpoint] = [made]
        else:
            missing = Checkpoint.objects.filter(size__gt=-1 if seen is None else seen).order_by("size")
        added = 0
        for row in missing:
            line = json.dumps({"size": row.size, "root": row.root, "note": row.note}, sort_keys=True)
            rest = line.encode() + b"\n"
            while rest:  # a nearly full disk takes a part, then says why it takes no more
                rest = rest[file.write(rest) :]
            added += 1
        if added:
            os.fsync(file.fileno())
    return added
