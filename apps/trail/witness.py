"""The witness copy: every checkpoint, appended to a file outside the database.

A database restored from an older backup, or emptied, agrees with itself; only a copy that did not go back with it
tells. `COUNTERSIGN_DATA/witness/<origin>/checkpoints.jsonl`, one JSON line a checkpoint: size, root, note.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from apps.trail.models import Checkpoint


def path(origin: str) -> Path:
    return Path(settings.COUNTERSIGN_DATA) / "witness" / origin / "checkpoints.jsonl"


def lines(origin: str) -> Iterator[dict]:
    """The witnessed checkpoints in order: {"size", "root", "note"}; ValueError on a line that does not parse."""
    place = path(origin)
    if place.exists():
        with place.open(encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)


def last(origin: str) -> dict | None:
    """The newest witnessed checkpoint."""
    place = path(origin)
    if not place.exists():
        return None
    with place.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - 8192))
        tail = file.read().splitlines()
    return json.loads(tail[-1]) if tail else None


def catch_up(origin: str) -> int:
    """Append the checkpoints the witness has not seen; returns how many. Safe to call at any time, by several."""
    place = path(origin)
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with place.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        seen = last(origin)
        newer = Checkpoint.objects.filter(size__gt=seen["size"] if seen else -1).order_by("size")
        added = 0
        for row in newer.iterator():
            line = json.dumps({"size": row.size, "root": row.root, "note": row.note}, sort_keys=True)
            file.write(line.encode() + b"\n")
            added += 1
        if added:
            file.flush()
            os.fsync(file.fileno())
    return added
