"""What differs between two versions of the separation rules, rule by rule. Pure: no database here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from apps.access import duties
from apps.access.duties import Duty
from apps.access.separation import ANY, DynamicRule, Rules, StaticRule

Pair = StaticRule | DynamicRule


@dataclass(frozen=True)
class Difference:
    """One rule id in both versions. kind: added | removed | changed | same. Lines as people read them."""

    id: str
    kind: str
    before: tuple[str, ...]
    after: tuple[str, ...]

    @property
    def word(self) -> str:
        return {"added": "New", "removed": "Left out", "changed": "Changed", "same": "Unchanged"}[self.kind]


def told(rule: Pair) -> str:
    """One pair of a rule, whole: `develop and approve, on the same version; may not be waived; DY2 text (source)`."""
    waiver = "may be waived" if rule.waivable else "may not be waived"
    if isinstance(rule, StaticRule):
        words = " and ".join(
            ", ".join(duties.WORDS[d] for d in Duty if d in side) for side in (rule.first, rule.second)
        )
        more = "".join(
            f"; who did {verb} may not be {duties.WORDS[Duty(duty)]}"
            for verb, duty in sorted(rule.past.items())
        )
        tiers = f"; only warns at the {_listed(rule.warn_tiers)} tier" if rule.warn_tiers else ""
        where = f"held ({rule.scope})"
    else:
        words = f"{'any act' if rule.first == ANY else rule.first} and {rule.second}"
        tiers = f"; at the {_listed(rule.tiers)} tier only" if rule.tiers else ""
        more, where = "", f"done ({rule.scope})"
    return f"{words}, {where}{tiers}{more}; {waiver}: {rule.text} [{rule.source}]"


def _listed(tiers: Iterable[str]) -> str:
    return " and ".join(sorted(tiers))


def differences(old: Rules, new: Rules) -> list[Difference]:
    """Every rule of either version, in the order of the new one, those left out last."""
    order = list(dict.fromkeys([*(r.id for r in new.every), *(r.id for r in old.every)]))
    found = []
    for rule_id in order:
        before = tuple(told(r) for r in old.every if r.id == rule_id)
        after = tuple(told(r) for r in new.every if r.id == rule_id)
        if not before or not after:
            kind = "removed" if before else "added"
        else:
            kind = "same" if sorted(before) == sorted(after) else "changed"
        found.append(Difference(rule_id, kind, before, after))
    return found


def _judges(rule: Pair) -> tuple[object, ...]:
    """What decides whether a rule is broken: words, source and waivers do not."""
    if isinstance(rule, StaticRule):
        past = tuple(sorted(rule.past.items()))
        return (rule.first, rule.second, rule.scope, rule.warn_tiers, past)
    return (rule.first, rule.second, rule.scope, rule.tiers)


def only_in(one: Iterable[Pair], other: Iterable[Pair]) -> tuple[Pair, ...]:
    """Pairs of `one` that `other` does not judge by."""
    known = {_judges(rule) for rule in other}
    return tuple(rule for rule in one if _judges(rule) not in known)
