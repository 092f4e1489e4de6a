"""Put the lines that a failure of the matrix or of the verdicts printed into their files: read them first.

    ONLY=waiver python -m pytest tests/house/test_access_matrix.py | tee failure.txt
    python tests/house/matrix_paste.py < failure.txt

A line replaces the one that asks the same; a new one is put at the end; what is told as gone is taken out.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

NAMED = re.compile(r"(\w+\.txt), as it is now:")
STATUSES = re.compile(r"([\w:.-]+ (?:GET|POST) \S+)((?: \d{3})+)")


def key_of(line: str) -> str:
    """What a line asks; empty for a line that is none."""
    if row := STATUSES.fullmatch(line):
        return row[1]
    asked, arrow, _ = line.partition(" -> ")
    return asked if arrow and not line.startswith(("#", "assert ")) else ""


def paste(lines: Iterable[str], folder: Path) -> dict[str, int]:
    """File name -> number of lines put into it or taken out."""
    told: dict[str, dict[str, str]] = {}
    into: dict[str, str] | None = None
    for line in lines:
        if not line.startswith("E "):
            continue
        said = line.removeprefix("E").strip()
        if named := NAMED.search(said):
            into = told.setdefault(named[1], {})
        elif into is not None and said.startswith("gone: "):
            into[said.removeprefix("gone: ")] = ""
        elif into is not None and (key := key_of(said)):
            into[key] = said
    for name, new in told.items():
        path, left = folder / name, dict(new)
        kept = [left.pop(key_of(line), line) for line in path.read_text(encoding="utf-8").splitlines()]
        path.write_text("\n".join(line for line in [*kept, *left.values()] if line) + "\n", encoding="utf-8")
    return {name: len(new) for name, new in told.items()}


if __name__ == "__main__":
    print(paste(sys.stdin, Path(__file__).parent))
