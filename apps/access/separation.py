"""Separation of duties, pure: rules and deeds in, broken rules out. No database here.

Deeds come from recorded acts, logged reads and declared facts (who is named as author), never from duties held
today, so giving up a duty clears nothing (engine rule 1). Scopes of a dynamic rule:

version   the model version with its plan, runs, reports, gate, and the versions it was derived from
lineage   the version scope plus every dataset version it was made from, and those these were derived from
family    every version of the model with its records and test sets, and the readers of shared test sets
record    the one record acted on, with what counts as one with it (a plan and its runs)
account   the one account acted on
siblings  the other signature slots of the same gate

Scopes of a static rule: global (anywhere), family (a model, the data it or what it was derived from was made of, what
those were derived from, and the kin of its test sets), model (the same model or dataset).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from apps.access.duties import counted

SCOPES = ("record", "account", "siblings", "version", "lineage", "family")
STATIC_SCOPES = ("global", "family", "model")
TIERS = ("low", "medium", "high")
ANY = "*"  # as the first verb of a rule: any recorded act, done before the second
# No version of the rules may leave these out or open them to a waiver (engine rule 5).
UNTOUCHABLE = frozenset({"ST1", "ST2", "DY2", "DY14", "DY20"})
ALONE = ("record", "account")  # scopes judged record by record
Pair = tuple[str, str]  # subject kind, subject id
BEGINNING = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Deed:
    """What a person did: a verb on a record, with the words that tell it. `at` is None for what is declared."""

    person: str  # uuid
    verb: str
    kind: str
    id: str
    told: str  # e.g. "registered a model version (LOTX/3.2.0) on 2026-11-18"
    at: datetime | None = None

    @property
    def when(self) -> datetime:
        return self.at or BEGINNING


@dataclass(frozen=True)
class DynamicRule:
    id: str
    first: str
    second: str
    scope: str
    waivable: bool
    text: str
    source: str
    tiers: frozenset[str] = frozenset()  # judged at these tiers only; empty: at every tier
    note: str = ""

    def other(self, verbs: frozenset[str]) -> set[str]:
        """The verbs that would conflict with doing `verbs` now. What comes after a review is not what it reviewed."""
        found = set()
        if self.first in verbs:
            found.add(self.second)
        if self.second in verbs:
            found.add(self.first)
        return found

    def judged_at(self, tier: str) -> bool:
        """A tier nobody has fixed yet counts as the strictest."""
        return not self.tiers or tier not in TIERS or tier in self.tiers


@dataclass(frozen=True)
class StaticRule:
    id: str
    first: frozenset[str]
    second: frozenset[str]
    scope: str
    waivable: bool
    text: str
    source: str
    warn_tiers: frozenset[str] = frozenset()  # at these tiers it warns and does not refuse
    past: Mapping[str, str] = field(default_factory=dict)  # verb done in the family -> duty it shuts
    note: str = ""


class Relation(enum.IntEnum):
    """How near the place of one duty is to the place of another."""

    ELSEWHERE = 0
    FAMILY = 1  # a model and the data it is made of or tested with
    SAME = 2


NEAR_ENOUGH = {"global": Relation.ELSEWHERE, "family": Relation.FAMILY, "model": Relation.SAME}


@dataclass(frozen=True)
class Rules:
    version: int
    static: tuple[StaticRule, ...]
    dynamic: tuple[DynamicRule, ...]

    def texts(self) -> dict[str, str]:
        """Rule id -> its text (several pairs of one id: the first)."""
        found: dict[str, str] = {}
        for rule in self.every:
            found.setdefault(rule.id, rule.text)
        return found

    @property
    def every(self) -> tuple[StaticRule | DynamicRule, ...]:
        return (*self.static, *self.dynamic)

    @property
    def waivable(self) -> frozenset[str]:
        """Ids that a waiver may open: every pair of the id says so, and none is untouchable."""
        closed = {rule.id for rule in self.every if not rule.waivable}
        return frozenset(self.texts()) - closed - UNTOUCHABLE


@dataclass(frozen=True)
class Broken:
    rule: DynamicRule
    deed: Deed


# Rules about the rules. They stand in code, so that no version of the data can be without them: whoever changes a
# rule or opens one cannot do it alone, nor for themself (engine rules 4 and 5), nor who acted in an emergency (6).
ENGINE = (
    DynamicRule(
        "EN4",
        "propose_rules",
        "sign_rules",
        "record",
        False,
        "a change of the rules takes two signatures, neither by who proposed it",
        "indirect authority",
    ),
    DynamicRule(
        "EN4",
        "sign_rules",
        "sign_rules",
        "record",
        False,
        "a change of the rules takes the signatures of two people",
        "indirect authority",
    ),
    DynamicRule(
        "EN4",
        "owe_duty",
        "approve_grant",
        "record",
        False,
        "nobody approves a duty for the person who approved their own: two people do not empower each other",
        "indirect authority",
    ),
    DynamicRule(
        "EN5",
        "benefit_waiver",
        "sign_waiver",
        "record",
        False,
        "nobody signs a waiver they benefit from",
        "indirect authority",
    ),
    DynamicRule(
        "EN5",
        "request_waiver",
        "sign_waiver",
        "record",
        False,
        "nobody signs a waiver they asked for",
        "indirect authority",
    ),
    DynamicRule(
        "EN5",
        "sign_waiver",
        "sign_waiver",
        "record",
        False,
        "a waiver takes the signatures of two people",
        "indirect authority",
    ),
    DynamicRule(
        "EN5",
        "benefit_waiver",
        "revoke_waiver",
        "record",
        False,
        "nobody decides on a waiver they benefit from",
        "indirect authority",
    ),
    DynamicRule(
        "EN6",
        "suspend",
        "confirm_suspension",
        "record",
        False,
        "who suspended a version in an emergency does not sign for it afterwards",
        "break-glass",
    ),
)


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
            frozenset(r.get("warn_tiers", ())),
            dict(r.get("past", {})),
            r.get("note", ""),
        )
        for r in data["static"]
    )
    dynamic = tuple(DynamicRule(**{**r, "tiers": frozenset(r.get("tiers", ()))}) for r in data["dynamic"])
    for each in dynamic:
        if each.scope not in SCOPES:
            raise ValueError(f"{each.id}: unknown scope {each.scope}")
    for rule in static:
        if rule.scope not in STATIC_SCOPES:
            raise ValueError(f"{rule.id}: unknown scope {rule.scope}")
    return Rules(data["version"], static, (*dynamic, *ENGINE))


def conflicts(
    rules: Rules,
    *,
    person: str,
    verbs: frozenset[str],
    closures: Mapping[str, frozenset[Pair]],
    deeds: Iterable[Deed],
    tier: Callable[[], str] = str,
) -> Iterator[Broken]:
    """Every dynamic rule that `person` would break by doing `verbs`, with each deed that blocks it.

    `tier` is asked only for a rule that depends on it.
    """
    mine = [deed for deed in deeds if deed.person == person]
    if not mine:
        return
    for rule in rules.dynamic:
        opposite = rule.other(verbs)
        if not opposite:
            continue
        within = closures.get(rule.scope, frozenset())
        for deed in mine:
            # Reviewing is not what is reviewed: who marks an entry as seen may sign that it was seen.
            met = deed.verb in opposite or (ANY in opposite and deed.verb not in verbs)
            if met and (deed.kind, deed.id) in within and (not rule.tiers or rule.judged_at(tier())):
                yield Broken(rule, deed)


def first_conflict(
    rules: Rules,
    *,
    person: str,
    verbs: frozenset[str],
    closures: Mapping[str, frozenset[Pair]],
    deeds: Iterable[Deed],
    tier: Callable[[], str] = str,
) -> Broken | None:
    """The first dynamic rule that `person` would break by doing `verbs`, with the deed that blocks it."""
    found = conflicts(rules, person=person, verbs=verbs, closures=closures, deeds=deeds, tier=tier)
    return next(found, None)


def conflicts_found(
    rules: Rules,
    closures: Mapping[str, frozenset[Pair]],
    deeds: Iterable[Deed],
    *,
    as_one: Mapping[Pair, Pair] | None = None,
    tier: str = "",
) -> list[tuple[DynamicRule, Deed, Deed]]:
    """Every pair of deeds of one person that breaks a rule: the independent recomputation of gate and pack.

    Rules on one record are judged record by record; `as_one` says which records count as part of another (a run as
    part of its plan). Not judged twice: one deed whose act counts as both verbs of a rule on siblings.
    """
    one_of = as_one or {}

    def record(deed: Deed) -> Pair:
        pair = (deed.kind, deed.id)
        return one_of.get(pair, pair)

    by_person: dict[str, list[Deed]] = {}
    for deed in deeds:
        by_person.setdefault(deed.person, []).append(deed)
    found = []
    for mine in by_person.values():
        for rule in rules.dynamic:
            if not rule.judged_at(tier):
                continue
            within = closures.get("version" if rule.scope in ALONE else rule.scope, frozenset())
            here = [d for d in mine if (d.kind, d.id) in within]
            firsts = [d for d in here if rule.first in (d.verb, ANY)]
            for two in (d for d in here if d.verb == rule.second):
                for one in firsts:
                    same_record = record(one) == record(two)
                    if same_record == (rule.scope == "siblings") and rule.scope in (*ALONE, "siblings"):
                        continue
                    if rule.first == rule.second and record(one) >= record(two):
                        continue
                    if rule.first == ANY and (one.verb == rule.second or one.when > two.when):
                        continue
                    found.append((rule, one, two))
    return found


def static_conflicts(
    rules: Rules, duty: str, held: Iterable[tuple[str, int]], tier: str = "", *, warn: bool = False
) -> Iterator[tuple[StaticRule, str]]:
    """Every static rule that forbids `duty` besides `held` (duty, how near its place is: `Relation`).

    `warn`: those that at this tier warn and do not refuse.
    """
    one = counted(duty)
    for other, relation in held:
        two = counted(other)
        for rule in rules.static:
            pair = (one in rule.first and two in rule.second) or (one in rule.second and two in rule.first)
            if pair and relation >= NEAR_ENOUGH[rule.scope] and (tier in rule.warn_tiers) == warn:
                yield rule, other


def static_conflict(
    rules: Rules, duty: str, held: Iterable[tuple[str, int]], tier: str = ""
) -> tuple[StaticRule, str] | None:
    """The first static rule that forbids `duty` besides `held`."""
    return next(static_conflicts(rules, duty, held, tier), None)


def past_conflict(
    rules: Rules, *, person: str, duty: str, family: frozenset[Pair], deeds: Iterable[Deed]
) -> tuple[StaticRule, Deed] | None:
    """The first static rule that a past deed in the model's family shuts `duty` by (ST5: who has read test data)."""
    for deed in deeds:
        for rule in rules.static:
            shut = deed.person == person and rule.past.get(deed.verb) == duty
            if shut and (deed.kind, deed.id) in family:
                return rule, deed
    return None
