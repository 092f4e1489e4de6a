"""What the policy table and the separation rules say, as lines of text that a person can read and review.

Four tables, each compared with its reviewed file in this folder:

verdicts.txt    act × record × person: who may, whom a rule stops, who sees nothing (the others lack the duty)
demands.txt     act → the duties that count, a person instead of a token, a reason and how it is asked, a signature
                and what that says
conflicts.txt   act × scope → the rules it breaks, and after which earlier acts
rules.txt       verb × scope → rules, after which verbs, at which tiers; duty × duty → rules; what may be waived

The lines are made by asking the code (`Judge.verdict`, `front_refusal`, `conflicts`, `static_conflicts`), never by
printing the table (but for the preview, which is a flag of the row); the files are what is right. State is left out: a
record in the wrong state counts as "may".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from apps.access.actors import Actor
from apps.access.demands import demands as demanded
from apps.access.duties import Duty
from apps.access.fresh import NEVER, refuse_stale
from apps.access.gate import ORGANISATION_SUBJECT, Judge, front_refusal, is_visible
from apps.access.models import Assignment
from apps.access.policy import TABLE, Policy, meaning_sentence
from apps.access.recorded import counted_verbs
from apps.access.separation import (
    ANY,
    SCOPES,
    TIERS,
    Deed,
    Relation,
    Rules,
    conflicts,
    past_conflict,
    static_conflicts,
)
from apps.accounts.models import ApiToken, User
from apps.core.errors import Refused
from apps.core.subjects import models_by_kind

FOLDER = Path(__file__).parent
Table = dict[str, str]  # what is asked -> what is answered


def read(name: str) -> Table:
    """A reviewed file: `what is asked -> what is answered` a line, `#` begins a remark."""
    rows: Table = {}
    for line in (FOLDER / name).read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.startswith("#"):
            asked, _, answered = line.partition(" -> ")
            assert asked not in rows, f"{name}: {asked} stands twice"
            rows[asked] = answered
    return rows


def difference(expected: Table, found: Table) -> list[str]:
    """Lines of `found` that are new or different, as they would stand in the file; then what is gone."""
    told = [f"{key} -> {value}" for key, value in found.items() if expected.get(key) != value]
    return told + [f"gone: {key}" for key in expected if key not in found]


# --- who may


@dataclass
class Case:
    """One record that acts are asked about, and who sees it."""

    name: str
    subject: Any
    judge: Judge
    seen: frozenset[str]


class Bench:
    """The records and people of one world. Facts, holders and deeds are read once; only the table varies."""

    def __init__(self, people: dict[str, User], subjects: dict[str, Any]) -> None:
        self.actors = {name: Actor.of(user) for name, user in people.items()}
        self.cases: dict[str, list[Case]] = {}
        for name, subject in subjects.items():
            seen = frozenset(who for who, actor in self.actors.items() if is_visible(actor, subject))
            case = Case(name, subject, Judge(subject), seen)
            self.cases.setdefault(subject.subject_kind, []).append(case)

    def asked(self, row: Policy) -> list[Case]:
        """The records this act is asked about: every kind for an act that takes any."""
        kinds = ["registry.model", "datasets.dataset"] if row.subject == "*" else [row.subject]
        return [case for kind in kinds for case in self.cases.get(kind, [])]

    def verdicts(self, acts: Iterable[str]) -> Table:
        return {
            f"{act} on {case.name}": self._line(TABLE[act], case)
            for act in acts
            for case in self.asked(TABLE[act])
        }

    def _line(self, row: Policy, case: Case) -> str:
        groups: dict[str, list[str]] = {"may": []}
        hidden = []
        for who, actor in self.actors.items():
            if not row.service and who not in case.seen:
                hidden.append(who)
                continue
            verdict = case.judge.verdict(actor, row)
            if verdict.allowed or verdict.wrong_state:
                groups["may"].append(who)
            elif verdict.rule not in ("duty", "service", "service-never-decides"):
                groups.setdefault(verdict.rule.partition(":")[0], []).append(who)
        said = [f"{name}: {' '.join(whom) or 'nobody'}" for name, whom in groups.items()]
        if case.seen and not row.service:
            said.append(f"hidden: {' '.join(hidden) or 'from nobody'}")
        return " | ".join(said)


# --- what is demanded


def demands(person: User, acts: Iterable[str]) -> Table:
    """What each act asks of a person, of a token and of a service, before any record is touched, and of duties."""
    return {act: "; ".join(_demanded(person, TABLE[act])) for act in acts}


def _demanded(person: User, row: Policy) -> Iterator[str]:
    token = Actor(person, "api", token=ApiToken(owner=person, prefix="cs_none"))
    given = Actor.of(person)
    if front_refusal(given, row) is not None:
        yield "a service alone"
        if _refused(Actor.of(User(username="worker", is_service=True)), row, reason="") == "reason":
            yield "a reason"
        return
    judge = Judge(ORGANISATION_SUBJECT)
    counting = [duty for duty in Duty if judge.counts(Assignment(duty=duty), row)]
    yield " or ".join(counting) or "no duty"
    yield "no token" if front_refusal(token, row) is not None else "person or token"
    if _refused(given, row, reason="") == "reason":
        yield "a reason of the list, and a look at old and new" if row.changes else "a reason"
    if _refused(given, row, reason="why") == "signature":
        yield f"signs: {meaning_sentence(row.meaning, 'approved')}"
    if refuse_stale(Actor.of(person, signed_in_at=NEVER), row) is not None:
        yield "a recent sign-in"
    if row.anyone:
        yield "a seat on the board, with its training" if row.seat else "anybody, about their own"
    if row.shows:
        yield "a factor, of who holds one" + (", or a recovery code's session" if row.recovers else "")


def _refused(actor: Actor, row: Policy, *, reason: str) -> str:
    try:
        demanded(
            actor, replace(row, shows=False), reason, None, None
        )  # whether one is held stands in the database
    except Refused as refused:
        return refused.rule
    return ""


# --- what excludes what

PERSON = "somebody"
RECORD = ("registry.version", "1")


def _deeds(verbs: Iterable[str]) -> list[Deed]:
    return [Deed(PERSON, verb, *RECORD, told=verb) for verb in verbs]


def _broken(rules: Rules, verbs: frozenset[str], deeds: list[Deed], scope: str, tier: str) -> set[str]:
    closures = {scope: frozenset({RECORD})}
    found = conflicts(rules, person=PERSON, verbs=verbs, closures=closures, deeds=deeds, tier=lambda: tier)
    return {broken.rule.id for broken in found}


def _by_tier(rules: Rules, verbs: frozenset[str], deeds: list[Deed], scope: str) -> str:
    """Rule ids; those judged at some tiers only name them."""
    at = {tier: _broken(rules, verbs, deeds, scope, tier) for tier in ("", *TIERS)}
    said = []
    for rule in sorted(set().union(*at.values())):
        tiers = [tier for tier in TIERS if rule in at[tier]]
        said.append(rule if len(tiers) == len(TIERS) else f"{rule} ({' '.join(tiers)})")
    return " ".join(said)


def act_conflicts(rules: Rules) -> Table:
    """`act, scope` -> the rules it breaks and after which earlier acts: what a recorded act shuts."""
    counted = counted_verbs(rules)
    known: dict[frozenset[str], Table] = {}  # many acts count as the same verbs
    table: Table = {}
    for act, row in TABLE.items():
        if row.verbs not in known:
            known[row.verbs] = _shut_by(rules, row.verbs, counted)
        table |= {f"{act}, {scope}": told for scope, told in known[row.verbs].items()}
    return table


def _shut_by(rules: Rules, verbs: frozenset[str], earlier: dict[str, list[str]]) -> Table:
    """Scope -> `DY8 after this that; …`: what doing `verbs` breaks after each of `earlier` (name -> its verbs)."""
    table: Table = {}
    for scope in SCOPES:
        by_rule: dict[str, list[str]] = {}
        opposite = set().union(*(rule.other(verbs) for rule in rules.dynamic if rule.scope == scope))
        for name, done in sorted(earlier.items()):
            if (ANY in opposite or opposite & set(done)) and (
                rule := _by_tier(rules, verbs, _deeds(done), scope)
            ):
                by_rule.setdefault(rule, []).append(name)
        if by_rule:
            table[scope] = "; ".join(
                f"{rule} after {' '.join(names)}" for rule, names in sorted(by_rule.items())
            )
    return table


def verb_conflicts(rules: Rules) -> Table:
    """`to verb, scope` -> rules, for every verb the rules name, whether an act yields it yet or not."""
    verbs = sorted({verb for rule in rules.dynamic for verb in (rule.first, rule.second)} - {ANY})
    earlier = {verb: [verb] for verb in [*verbs, "act"]}
    table: Table = {}
    for verb in verbs:
        table |= {
            f"to {verb}, {scope}": told for scope, told in _shut_by(rules, frozenset({verb}), earlier).items()
        }
    table["may be waived"] = " ".join(sorted(rules.waivable))
    return table


def duty_conflicts(rules: Rules) -> Table:
    """`duty besides duty` -> rules and how near the places are; what a past deed shuts."""
    table: Table = {}
    for duty in Duty:
        for other in Duty:
            said = []
            for relation in reversed(Relation):
                for tier in TIERS:
                    for warn in (False, True):
                        for rule, _ in static_conflicts(rules, duty, [(other, relation)], tier, warn=warn):
                            said.append(f"{rule.id}{' warns' if warn else ''}/{relation.name.lower()}/{tier}")
            if said:
                table[f"{duty} besides {other}"] = " ".join(_shortened(said))
    verbs = {verb for rule in rules.static for verb in rule.past} | {"develop", "read_test", "curate"}
    for duty in Duty:
        for verb in sorted(verbs):
            found = past_conflict(
                rules, person=PERSON, duty=duty, family=frozenset({RECORD}), deeds=_deeds([verb])
            )
            if found:
                table[f"{duty} after {verb}"] = found[0].id
    return table


def _shortened(said: list[str]) -> list[str]:
    """`ST1/same/low ST1/same/medium ST1/same/high` as `ST1/same`; every nearness as the rule alone."""
    for nearness in [relation.name.lower() for relation in Relation]:
        for rule in {each.partition("/")[0] for each in said}:
            every = [f"{rule}/{nearness}/{tier}" for tier in TIERS]
            if all(each in said for each in every):
                said = [each for each in said if each not in every] + [f"{rule}/{nearness}"]
    for rule in {each.partition("/")[0] for each in said}:
        every = [f"{rule}/{relation.name.lower()}" for relation in Relation]
        if all(each in said for each in every):
            said = [each for each in said if each not in every] + [rule]
    return sorted(set(said))


def newest(kind: str) -> Any:
    """The newest record of a kind; None when there is none."""
    if kind == ORGANISATION_SUBJECT.subject_kind:
        return ORGANISATION_SUBJECT
    return models_by_kind()[kind]._default_manager.order_by("-pk").first()
