"""Separation of duties, pure: rules and deeds in, the first broken rule out. No database here.

Deeds come from recorded acts and declared facts (who is named as author), never from duties held today, so
giving up a duty clears nothing (engine rule 1). Scopes of a rule:

version   the model version with its plan, runs, reports, gate, and the versions it was derived from
lineage   the version scope plus every dataset version it was made from
family    every version of the model with its records and test sets
record    the one record acted on
siblings  the other signature slots of the same gate
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

SCOPES = ("record", "siblings", "version", "lineage", "family")
Pair = tuple[str, str]  # subject kind, subject id


@dataclass(frozen=True)
class Deed:
    """What a person did: a verb on a record, with the words that tell it."""

    person: str  # uuid
    verb: str
    kind: str
    id: str
    told: str  # e.g. "registered a model version (LOTX/3.2.0) on 2026-11-18"


@dataclass(frozen=True)
class DynamicRule:
    id: str
    first: str
    second: str
    scope: str
    waivable: bool
    text: str
    source: str

    def other(self, verbs: frozenset[str]) -> set[str]:
        """The verbs that would conflict with doing `verbs` now."""
        found = set()
        if self.first in verbs:
            found.add(self.second)
        if self.second in verbs:
            found.add(self.first)
        return found


@dataclass(frozen=True)
class StaticRule:
    id: str
    first: frozenset[str]
    second: frozenset[str]
    scope: str
    waivable: bool
    text: str
    source: str


@dataclass(frozen=True)
class Rules:
    version: int
    static: tuple[StaticRule, ...]
    dynamic: tuple[DynamicRule, ...]


@dataclass(frozen=True)
class Broken:
    rule: DynamicRule
    deed: Deed


def parse(data: Mapping) -> Rules:
    """Rules from their versioned data; an unknown scope is an error, not a rule that never fires."""
    static = tuple(
        StaticRule(
            r["id"],
            frozenset(r["first"]),
            frozenset(r["second"]),
            r["scope"],
            r["waivable"],
            r["text"],
            r["source"],
        )
        for r in data["static"]
    )
    dynamic = tuple(DynamicRule(**rule) for rule in data["dynamic"])
    for each in dynamic:
        if each.scope not in SCOPES:
            raise ValueError(f"{each.id}: unknown scope {each.scope}")
    for rule in static:
        if rule.scope not in ("global", "family"):
            raise ValueError(f"{rule.id}: unknown scope {rule.scope}")
    return Rules(data["version"], static, dynamic)


def first_conflict(
    rules: Rules,
    *,
    person: str,
    verbs: frozenset[str],
    closures: Mapping[str, frozenset[Pair]],
    deeds: Iterable[Deed],
) -> Broken | None:
    """The first dynamic rule that `person` would break by doing `verbs`, with the deed that blocks it."""
    mine = [deed for deed in deeds if deed.person == person]
    if not mine:
        return None
    for rule in rules.dynamic:
        opposite = rule.other(verbs)
        if not opposite:
            continue
        within = closures.get(rule.scope, frozenset())
        for deed in mine:
            if deed.verb in opposite and (deed.kind, deed.id) in within:
                return Broken(rule, deed)
    return None


def conflicts_found(
    rules: Rules, closures: Mapping[str, frozenset[Pair]], deeds: Iterable[Deed]
) -> list[tuple[DynamicRule, Deed, Deed]]:
    """Every pair of deeds of one person that breaks a rule: the independent recomputation of gate and pack.

    Rules on one record are judged record by record.
    """
    by_person: dict[str, list[Deed]] = {}
    for deed in deeds:
        by_person.setdefault(deed.person, []).append(deed)
    found = []
    for mine in by_person.values():
        for rule in rules.dynamic:
            within = closures.get("version" if rule.scope == "record" else rule.scope, frozenset())
            firsts = [d for d in mine if d.verb == rule.first and (d.kind, d.id) in within]
            seconds = [d for d in mine if d.verb == rule.second and (d.kind, d.id) in within]
            for one in firsts:
                for two in seconds:
                    same_record = (one.kind, one.id) == (two.kind, two.id)
                    if rule.scope == "record" and not same_record:
                        continue
                    if rule.scope == "siblings" and same_record:
                        continue
                    if rule.first == rule.second and (one.kind, one.id) >= (two.kind, two.id):
                        continue
                    found.append((rule, one, two))
    return found


def static_conflict(
    rules: Rules, duty: str, held: Iterable[tuple[str, bool]]
) -> tuple[StaticRule, str] | None:
    """The first static rule broken by holding `duty` besides `held`: (duty, in the same model family?)."""
    for other, same_family in held:
        for rule in rules.static:
            pair = (duty in rule.first and other in rule.second) or (
                duty in rule.second and other in rule.first
            )
            if pair and (rule.scope == "global" or same_family):
                return rule, other
    return None
