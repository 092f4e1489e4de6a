"""Duties as a signature keeps them (`validator on registry.model:3`), in the words of who reads them."""

from __future__ import annotations

import re
from typing import Any

from django.apps import apps

from apps.access import duties
from apps.access.gate import visible
from apps.access.queries import PARENTS
from apps.access.sharing import once

SHAPE = re.compile(r"^(?P<duty>\w+) on (?P<kind>[\w.]+):(?P<pk>\d+)$")


def _names(reader: Any, kind: str) -> dict[int, str]:
    """Names of the models or datasets that the reader may see, by their numbers."""

    def load() -> dict[int, str]:
        return dict(visible(reader, apps.get_model(PARENTS[kind])).values_list("pk", "name"))

    return once(("names", kind, reader.pk), load)


def duties_in_words(reader: Any, kept: str, known: dict[str, dict[int, str]] | None = None) -> str:
    """`Validator of Progression risk; Compliance officer`. What the reader may not see stays a number; what has not the
    usual shape stays as it is. `known` keeps the names for the next signature on the same page."""
    known = {} if known is None else known
    return "; ".join(_one(reader, each.strip(), known) for each in kept.split(";") if each.strip())


def scope_in_words(reader: Any, kept: str) -> str:
    """`HIV progression risk` of `registry.model:1`; `the organisation`; empty for what is no such thing."""
    kind, _, number = kept.partition(":")
    if kind == duties.ORGANISATION:
        return "the organisation"
    if kind not in PARENTS or not number.isdigit():
        return ""
    names = _names(reader, kind) if getattr(reader, "is_authenticated", False) else {}
    return names.get(int(number)) or f"{kind.rpartition('.')[2]} no. {number}"


def _one(reader: Any, text: str, known: dict[str, dict[int, str]]) -> str:
    found = SHAPE.match(text)
    if found is None or found["duty"] not in duties.WORDS:
        return text
    word = duties.WORDS[duties.Duty(found["duty"])]
    word = word[:1].upper() + word[1:]
    kind, pk = found["kind"], int(found["pk"])
    if kind not in PARENTS:
        return word
    if kind not in known:
        known[kind] = _names(reader, kind) if getattr(reader, "is_authenticated", False) else {}
    return f"{word} of {known[kind].get(pk) or f'{kind.rpartition(chr(46))[2]} no. {pk}'}"
