"""Put the rows that a failure of the access matrix printed into its two files: read them first.

    ONLY=waiver python -m pytest tests/house/test_access_matrix.py | tee failure.txt
    python tests/house/matrix_paste.py < failure.txt

A row replaces the one with the same URL, method and thing; a new one is put at the end.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

ROW = re.compile(r"([\w:.-]+) (GET|POST) (\S+)((?: \d{3})+)")


def paste(lines: Iterable[str], folder: Path) -> dict[str, int]:
    """File name -> number of rows put into it."""
    rows: dict[str, dict[tuple[str, ...], str]] = {}
    for line in lines:
        said = line.removeprefix("E").strip()
        if named := re.search(r"(access_\w+\.txt), as it is now:", said):
            into = rows.setdefault(named[1], {})
        elif (row := ROW.fullmatch(said)) and rows:
            into[row[1], row[2], row[3]] = said
    for name, new in rows.items():
        path = folder / name
        old = path.read_text(encoding="utf-8").splitlines()
        left = dict(new)
        kept = [left.pop(tuple(line.split()[:3]), line) for line in old]
        path.write_text("\n".join([*kept, *left.values()]) + "\n", encoding="utf-8")
    return {name: len(new) for name, new in rows.items()}


if __name__ == "__main__":
    print(paste(sys.stdin, Path(__file__).parent))
