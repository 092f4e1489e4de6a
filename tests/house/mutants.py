"""Small faults put into the policy table and the separation rules, one at a time: does a reviewed line notice?

A mutant is a copy of one row or rule with one thing changed; it stands in the table in this process while its lines
are asked again, and is taken out after. No source is edited. Only the lines that the fault can touch are asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from apps.access import policy as table
from apps.access.policy import TABLE, Policy
from apps.access.separation import DynamicRule, Rules, StaticRule
from apps.accounts.models import User
from tests.house import verdicts
from tests.house.verdicts import Table


@dataclass(frozen=True)
class Mutant:
    name: str
    row: Policy | None = None  # stands in the table instead of the row of its act
    rules: Rules | None = None  # are in force instead of the rules


def of_rows() -> Iterator[Mutant]:
    """Each duty, verb and flag of each row taken away (or, where there is none, put in)."""
    for row in list(TABLE.values()):
        for duty in sorted(row.duties):
            yield Mutant(f"{row.act} without the duty {duty}", replace(row, duties=row.duties - {duty}))
        for verb in sorted(row.verbs):
            yield Mutant(f"{row.act} does not count as {verb}", replace(row, verbs=row.verbs - {verb}))
        if row.reason:
            yield Mutant(f"{row.act} without a reason", replace(row, reason=False))
        if row.changes:
            yield Mutant(f"{row.act} without a preview", replace(row, changes=False))
        if not row.token:
            yield Mutant(f"{row.act} with a token", replace(row, token=True))
        if row.shows:
            yield Mutant(f"{row.act} without a factor that is held", replace(row, shows=False))
            yield Mutant(
                f"{row.act} otherwise after a recovery code", replace(row, recovers=not row.recovers)
            )
        if row.meaning:
            yield Mutant(f"{row.act} without a signature", replace(row, meaning=""))
            other = "review" if row.meaning != "review" else "approval"
            yield Mutant(f"{row.act} signed as {other}", replace(row, meaning=other))
        if row.service:
            yield Mutant(f"{row.act} by anybody", replace(row, service=False, anyone=True))
        elif not row.anyone:
            yield Mutant(f"{row.act} needs no duty", replace(row, anyone=True))


def of_rules(rules: Rules) -> Iterator[Mutant]:
    """Each rule taken away, opened to waivers or closed to them, moved to another scope, freed of its tiers."""
    for kind, each in (("dynamic", rules.dynamic), ("static", rules.static)):
        for index, rule in enumerate(each):
            pair = f"{rule.first} × {rule.second}" if isinstance(rule, DynamicRule) else "duties"
            name = f"{rule.id} {pair} ({kind} {index + 1})"
            for told, changed in _changed(rule):
                others = [*each[:index], *([changed] if changed else []), *each[index + 1 :]]
                yield Mutant(f"{name} {told}", rules=replace(rules, **{kind: tuple(others)}))


def _changed(rule: DynamicRule | StaticRule) -> Iterator[tuple[str, Any]]:
    yield "is gone", None
    yield "may be waived, or no longer", replace(rule, waivable=not rule.waivable)
    if isinstance(rule, DynamicRule):
        yield "has another scope", replace(rule, scope="account" if rule.scope != "account" else "record")
        if rule.tiers:
            yield "counts at every tier", replace(rule, tiers=frozenset())
        return
    near = {"global": "family", "family": "model", "model": "global"}
    yield "reaches elsewhere", replace(rule, scope=near[rule.scope])
    for duty in sorted(rule.first):
        yield f"forgets {duty} first", replace(rule, first=rule.first - {duty})
    for duty in sorted(rule.second):
        yield f"forgets {duty} second", replace(rule, second=rule.second - {duty})
    if rule.warn_tiers:
        yield "warns nowhere", replace(rule, warn_tiers=frozenset())
    if rule.past:
        yield "forgets the past", replace(rule, past={})


@contextmanager
def standing(row: Policy) -> Iterator[None]:
    """`row` in the table instead of the row of its act."""
    before, index = TABLE[row.act], next(i for i, each in enumerate(table._ROWS) if each.act == row.act)
    TABLE[row.act] = table._ROWS[index] = row
    try:
        yield
    finally:
        TABLE[row.act] = table._ROWS[index] = before


class Judges:
    """The reviewed tables that need no database, and how to ask the lines a mutant can touch."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.person = User(username="somebody", printed_name="Somebody")
        names = ("demands.txt", "conflicts.txt", "rules.txt")
        self.demands, self.conflicts, self.about_rules = map(verdicts.read, names)
        self.verbs = {row.act: row.verbs for row in TABLE.values()}

    def killer(self, mutant: Mutant) -> str:
        """The first line that notices; empty when the mutant lives."""
        row = mutant.row
        if row is None:
            rules = mutant.rules or self.rules
            return _noticed(self.about_rules, verdicts.verb_conflicts(rules) | verdicts.duty_conflicts(rules))
        with standing(row):
            if row.verbs != self.verbs[row.act]:
                return _noticed(self.conflicts, verdicts.act_conflicts(self.rules))
            return _different(self.demands, verdicts.demands(self.person, [row.act]))


def _different(said: Table, found: Table) -> str:
    """The first of the lines found that is not as reviewed."""
    return next((f"{key} -> {value}" for key, value in found.items() if said.get(key) != value), "")


def _noticed(said: Table, found: Table) -> str:
    """The same, where lines may be gone."""
    return _different(said, found) or next((f"gone: {key}" for key in said if key not in found), "")
