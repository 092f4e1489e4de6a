"""Logs that this folder knows and this database is not: a replaced or emptied database leaves them behind.

Every log has its folders `keys/<origin>` and `witness/<origin>`. One that is not the present log is a finding, until
an operator retires it by `manage.py retire_log ORIGIN --reason …`: a line in `witness/retired` (JSON: origin, at, by,
reason, log) and an entry in the present log. The file lies where the owner of the database cannot write.
"""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

from django.conf import settings

from apps.core.clock import iso, now
from apps.trail.findings import Finding

PLACES = ("keys", "witness")


def retired_path() -> Path:
    return Path(settings.COUNTERSIGN_DATA) / "witness" / "retired"


def found(origin: str) -> dict[str, list[str]]:
    """Origin of each other log -> the folders of it that are there. `origin`: the present log's."""
    there: dict[str, list[str]] = {}
    for place in PLACES:
        folder = Path(settings.COUNTERSIGN_DATA) / place
        for each in sorted(folder.iterdir()) if folder.is_dir() else ():
            if each.is_dir() and each.name != origin:
                there.setdefault(each.name, []).append(place)
    return there


def retired() -> dict[str, dict[str, str]]:
    """Origin -> its line in the file of retired logs; ValueError when a line cannot be read."""
    place = retired_path()
    if not place.exists():
        return {}
    lines = [json.loads(line) for line in place.read_text(encoding="utf-8").splitlines() if line.strip()]
    try:
        return {
            line["origin"]: line for line in lines if line["reason"].strip() and line["by"] and line["at"]
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"a line lacks origin, at, by or reason ({error!r})") from error


def retire(origin: str, *, by: str, reason: str, log: str) -> None:
    """Append one line, durable. `log`: the present log, whose entry says the same."""
    place = retired_path()
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    line = {"origin": origin, "at": iso(now()), "by": by, "reason": reason, "log": log}
    with place.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.write(json.dumps(line, sort_keys=True, ensure_ascii=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def findings(origin: str) -> list[Finding]:
    """One finding for each other log that nobody retired."""
    made = []
    try:
        known = retired()
    except ValueError as error:
        made.append(Finding("other log", "witness", "retired", "", f"the file cannot be read: {error}"))
        known = {}
    for name, places in found(origin).items():
        if name not in known:
            where = " and ".join(f"{place}/{name}" for place in places)
            detail = f"{where} belong to a log that this database is not: it was replaced or emptied"
            made.append(Finding("other log", places[-1], name, "", detail))
    return made
