"""A file of separation rules, read with suspicion: every fault is told in words before anything is proposed.

The format is that of `separation_data/*.json`: `version`, `static` and `dynamic`. No database here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from apps.access.duties import Duty
from apps.access.separation import (
    ANY,
    ENGINE,
    SCOPES,
    STATIC_SCOPES,
    TIERS,
    UNTOUCHABLE,
    DynamicRule,
    Rules,
    StaticRule,
    parse,
)
from apps.core.errors import BadInput

MAX_BYTES = 256 * 1024
MAX_RULES = 200
MAX_TEXT = 300
SHIPPED = Path(__file__).resolve().parent / "separation_data"
ID = {"static": re.compile(r"ST[0-9]{1,3}", re.ASCII), "dynamic": re.compile(r"DY[0-9]{1,3}", re.ASCII)}
TEXTS = ("text", "source")
KEYS: dict[str, tuple[set[str], set[str]]] = {
    "static": (
        {"id", "first", "second", "scope", "waivable", *TEXTS},
        {"warn_tiers", "past", "note"},
    ),
    "dynamic": (
        {"id", "first", "second", "scope", "waivable", *TEXTS},
        {"tiers", "note"},
    ),
}
TOLD = 20  # faults that are told at once


def shipped(version: int) -> dict[str, Any]:
    """The rules as this release of the portal brings them."""
    found: dict[str, Any] = json.loads((SHIPPED / f"v{version}.json").read_text(encoding="utf-8"))
    return found


def newest_shipped() -> dict[str, Any]:
    return shipped(max(int(path.stem[1:]) for path in SHIPPED.glob("v*.json")))


def read_rules(
    content: bytes, *, verbs: Iterable[str], in_force: Rules, version: int
) -> tuple[dict[str, Any], Rules]:
    """(the data, the rules) of an uploaded file that is to become `version`; BadInput tells every fault, at `file`.

    verbs: those that acts count as; a rule on another verb would never be met.
    """
    data = _json(content)
    problems = list(_faults(data, frozenset(verbs) | {ANY}))
    if not problems and data["version"] != version:
        problems.append(f"version: {data['version']} is given; the next version here is {version}.")
    if problems:
        _refuse(problems)
    rules = parse(data)
    if problems := weakened_untouchable(in_force, rules):
        _refuse(problems)
    return data, rules


def weakened_untouchable(old: Rules, new: Rules) -> list[str]:
    """What the new rules take from those that may never be waived: each pair stays, as wide as it is, not waivable."""
    found = []
    for rule in old.every:
        if rule.id not in UNTOUCHABLE:
            continue
        same = [each for each in new.every if each.id == rule.id]
        if not any(_as_wide(each, rule) for each in same):
            found.append(f"{rule.id}: {rule.text}: may be neither left out, nor narrowed, nor made waivable.")
    return list(dict.fromkeys(found))


def _as_wide(new: StaticRule | DynamicRule, old: StaticRule | DynamicRule) -> bool:
    if new.waivable:
        return False
    if isinstance(new, DynamicRule) and isinstance(old, DynamicRule):
        return (new.first, new.second, new.scope, new.tiers) == (old.first, old.second, old.scope, old.tiers)
    if isinstance(new, StaticRule) and isinstance(old, StaticRule):
        return (
            new.first >= old.first
            and new.second >= old.second
            and new.scope == old.scope
            and new.warn_tiers <= old.warn_tiers
        )
    return False


def _refuse(problems: list[str]) -> None:
    told = problems[:TOLD]
    if len(problems) > TOLD:
        told.append(f"… and {len(problems) - TOLD} more.")
    raise BadInput("These rules cannot be proposed.", rule="rules-file", fields={"file": told})


def _json(content: bytes) -> Any:
    if len(content) > MAX_BYTES:
        _refuse([f"The file is larger than {MAX_BYTES // 1024} KiB: a set of rules is not."])

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"the key {twice[0]!r} stands twice in one object")
        return dict(pairs)

    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        _refuse([f"The file is not in UTF-8 (byte {error.start + 1}). Save it in UTF-8 and send it again."])
    try:
        return json.loads(text, object_pairs_hook=once)
    except (ValueError, RecursionError) as error:  # JSONDecodeError is a ValueError
        told = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        _refuse([f"The file is no JSON that can be read: {told}."])


def _faults(data: Any, verbs: frozenset[str]) -> Iterable[str]:
    if not isinstance(data, dict):
        yield "The file must hold one JSON object with version, static and dynamic."
        return
    for name in sorted(set(data) ^ {"version", "static", "dynamic"}):
        yield f"{name[:40]}: {'is missing' if name not in data else 'is not known here'}."
    version = data.get("version")
    if "version" in data and (type(version) is not int or not 0 < version < 10**6):
        yield "version: a whole number from 1."
    for part in ("static", "dynamic"):
        rules = data.get(part, [])
        if not isinstance(rules, list) or len(rules) > MAX_RULES:
            yield f"{part}: a list of at most {MAX_RULES} rules."
            continue
        seen: list[Any] = []
        for number, rule in enumerate(rules, 1):
            where = f"{part} rule {number}"
            if not isinstance(rule, dict):
                yield f"{where}: an object."
                continue
            if isinstance(rule.get("id"), str) and ID[part].fullmatch(rule["id"]):
                where = f"{rule['id']} ({where})"
            yield from (f"{where}: {fault}" for fault in _rule_faults(part, rule, verbs))
            key = (rule.get("id"), rule.get("first"), rule.get("second"))
            if key in seen:
                yield f"{where}: stands twice."
            seen.append(key)


def _rule_faults(part: str, rule: Mapping[str, Any], verbs: frozenset[str]) -> Iterable[str]:
    needed, more = KEYS[part]
    for name in sorted(needed - set(rule)):
        yield f"{name} is missing."
    for name in sorted(set(rule) - needed - more):
        yield f"{name[:40]} is not known here."
    if "id" in rule and not (isinstance(rule["id"], str) and ID[part].fullmatch(rule["id"])):
        reserved = ", ".join(sorted({each.id for each in ENGINE}))
        yield f"id must be {'ST' if part == 'static' else 'DY'} and a number ({reserved} stand in the code)."
    for name in (*TEXTS, "note"):
        value = rule.get(name, "x")
        told = isinstance(value, str) and len(value) <= MAX_TEXT and value.isprintable()
        if not told or (name in needed and not value.strip()):
            yield f"{name} must be a text of at most {MAX_TEXT} characters."
    if type(rule.get("waivable", True)) is not bool:
        yield "waivable must be true or false."
    scopes = STATIC_SCOPES if part == "static" else SCOPES
    if "scope" in rule and (not isinstance(rule["scope"], str) or rule["scope"] not in scopes):
        yield f"scope must be one of {', '.join(scopes)}."
    yield from (_static_faults if part == "static" else _dynamic_faults)(rule, verbs)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _static_faults(rule: Mapping[str, Any], verbs: frozenset[str]) -> Iterable[str]:
    known = {str(duty) for duty in Duty}
    for name in ("first", "second"):
        given = rule.get(name)
        if name in rule and (not _texts(given) or not given or not set(given) <= known):
            yield f"{name} must be a list of duties: {', '.join(sorted(known))}."
    yield from _tier_faults(rule, "warn_tiers")
    past = rule.get("past", {})
    good = isinstance(past, dict) and all(
        isinstance(duty, str) and verb in verbs and duty in known for verb, duty in past.items()
    )
    if not good:
        yield "past must name, for a verb that an act counts as, the duty it shuts."


def _dynamic_faults(rule: Mapping[str, Any], verbs: frozenset[str]) -> Iterable[str]:
    for name in ("first", "second"):
        verb = rule.get(name)
        if name in rule and (not isinstance(verb, str) or verb not in verbs):
            yield f"{name}: {str(verb)[:40]!r} is no verb that an act of this portal counts as."
    if rule.get("second") == ANY:
        yield f"second may not be {ANY!r}."
    yield from _tier_faults(rule, "tiers")


def _tier_faults(rule: Mapping[str, Any], name: str) -> Iterable[str]:
    given = rule.get(name, [])
    if not _texts(given) or not set(given) <= set(TIERS):
        yield f"{name} must be a list of {', '.join(TIERS)}."
