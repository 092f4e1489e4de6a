"""Why a record is changed after it was a draft: a code of a controlled list, and the person's own words (PC12).

The list is versioned data (`reason_data/`); a new version is a new file. An entry keeps code and version, and its
reason reads as words and text, so that trail, timeline, CSV and pack print both. Who gives no code gives "other".
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from apps.core.errors import BadInput

FOLDER = Path(__file__).resolve().parent / "reason_data"
VERSION = 1  # of the list that is asked now
OTHER = "other"


@cache
def words(version: int = VERSION) -> dict[str, str]:
    """Code -> words, in the order of the list."""
    data = json.loads((FOLDER / f"v{version}.json").read_text(encoding="utf-8"))
    return dict(data["codes"])


def choices() -> list[tuple[str, str]]:
    return list(words().items())


class Reason(str):
    """A reason as it is kept and printed (`words: text`), with the code it was given by and the text alone."""

    code: str
    text: str

    def __new__(cls, code: str, text: str) -> Reason:
        told = words().get(code, "")
        plain = text.strip()
        made = super().__new__(cls, f"{told}: {plain}" if plain and told and code != OTHER else plain)
        made.code, made.text = code, plain
        return made


def facts(reason: str) -> dict[str, Any]:
    """What the entry of a change keeps of its reason; raises BadInput for a code that is not on the list."""
    code = reason.code if isinstance(reason, Reason) else OTHER
    if code not in words():
        raise BadInput(
            "There is no such reason.",
            rule="reason",
            fields={"reason_code": [f"Choose one of: {', '.join(words())}."]},
        )
    return {"code": code, "list": VERSION, "words": words()[code]}
