"""Reads of the separation rules for pages and API: versions, changes, and the cases a replay found."""

from __future__ import annotations

import json
from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.models import QuerySet

from apps.access import duties
from apps.access.actors import Actor
from apps.access.assigning import PARENTS
from apps.access.duties import Duty
from apps.access.gate import rules_in_force, visible
from apps.access.models import Proposal, RulesChange, SeparationRules
from apps.access.replay import LOOKED_BACK, Case, Comparison
from apps.access.rulebook import openable
from apps.access.rulesdiff import Difference, differences
from apps.access.separation import ANY, ENGINE, UNTOUCHABLE, DynamicRule, Rules, StaticRule, parse
from apps.accounts.models import User
from apps.core import blobs
from apps.core.clock import now

HIDDEN = "a record you may not see"
SORTS = {
    "act": "was done",
    "attempt": "was refused",
    "duty": "was asked for",
    "open": "by the duties held",
}


def versions(actor: Actor) -> list[SeparationRules]:
    """Every version, newest first; `change` is the change that made it.

    `current` tells which one is in force, `to_come` which one is not yet, `until` since when an earlier one is not.
    `signed`: the signatures of the change; none where the version came with the portal.
    """
    signers = [f"change__{each}" for each in Proposal.SIGNERS]
    rows = visible(actor, SeparationRules).select_related("change", *signers).order_by("-version")
    found: list[Any] = list(rows)
    in_force = next((row for row in found if row.effective_from <= now()), None)
    later: Any = None
    for row in found:
        row.current, row.to_come = row is in_force, row.effective_from > now()
        row.until = later.effective_from if later is not None and not (row.current or row.to_come) else None
        change = getattr(row, "change", None)
        row.signed = change.signatures if change is not None else []
        later = row if not row.to_come else later
    return found


@dataclass(frozen=True)
class Read:
    """One pair of a rule in words."""

    id: str
    text: str
    first: str
    second: str
    where: str
    waiver: str
    source: str
    note: str


SCOPE_WORDS = {
    "global": "anywhere",
    "family": "in one model family",
    "model": "on one model or dataset",
    "version": "on one model version",
    "lineage": "on one version and the data it is made of",
    "record": "on one record",
    "account": "on one account",
    "siblings": "in one gate",
}


def readable(rules: Rules) -> dict[str, list[Read]]:
    """The rules as people read them: two duties, two acts, and the rules about the rules."""
    offered = openable(rules)
    return {
        "static": [_read(rule, offered) for rule in rules.static],
        "dynamic": [_read(rule, offered) for rule in rules.dynamic if rule not in ENGINE],
        "engine": [_read(rule, offered) for rule in ENGINE],
    }


def _read(rule: StaticRule | DynamicRule, offered: Container[str]) -> Read:
    if isinstance(rule, StaticRule):
        first, second = (
            ", ".join(duties.WORDS[d] for d in Duty if d in side) for side in (rule.first, rule.second)
        )
        tiers = f"only warns at the {' and '.join(sorted(rule.warn_tiers))} tier" if rule.warn_tiers else ""
    else:
        first, second = (
            "any act" if verb == ANY else verb.replace("_", " ") for verb in (rule.first, rule.second)
        )
        tiers = f"at the {' and '.join(sorted(rule.tiers))} tiers only" if rule.tiers else ""
    waiver = "possible" if rule.id in offered else "would open nothing"  # where it cannot be asked for
    if rule.id in UNTOUCHABLE or not rule.waivable:
        waiver = "never"
    notes = "; ".join(part for part in (tiers, rule.note) if part)
    return Read(rule.id, rule.text, first, second, SCOPE_WORDS[rule.scope], waiver, rule.source, notes)


def difference_to_base(change: RulesChange) -> list[Difference]:
    base = SeparationRules.objects.get(version=change.base_version)
    return differences(parse(base.rules), parse(change.rules))


def gains_of(person: User, change: RulesChange) -> list[Case]:
    """What the change would newly allow this person, judged now against the rules in force (engine rule 4)."""
    since = now() - LOOKED_BACK
    return Comparison(rules_in_force(), parse(change.rules), since, looser=True).gains(person)


def changes(actor: Actor) -> QuerySet[RulesChange]:
    """Changes the reader may see, with their people."""
    rows = visible(actor, RulesChange)
    return rows.select_related("proposed_by", "ended_by", "job", "made", *Proposal.SIGNERS)


def _seen_scopes(actor: Actor) -> set[str]:
    seen = {duties.scope_text(duties.ORGANISATION, duties.ORGANISATION_ID), ""}
    for kind, label in PARENTS.items():
        ids = visible(actor, apps.get_model(label)).values_list("pk", flat=True)
        seen |= {duties.scope_text(kind, pk) for pk in ids}
    return seen


def replay_of(actor: Actor, change: RulesChange) -> dict[str, Any]:
    """What the replay found, with people and records left out of cases on what the reader may not see.

    Empty while there is no result. BlobDamaged when the stored result is not the one that was written.
    """
    if not change.replayed:
        return {}
    found: dict[str, Any] = json.loads(blobs.read(change.replay_digest, area="results"))
    seen = _seen_scopes(actor)
    found["cases"] = [
        case if case["scope"] in seen or case["person"] == actor.user.username else _masked(case)
        for case in found["cases"]
    ]
    return found


def _masked(case: Mapping[str, Any]) -> dict[str, Any]:
    told = {side: case[side].partition(":")[0] for side in ("before", "after")}
    return {**case, **told, "person": "", "name": "somebody", "record": HIDDEN, "scope": ""}


def as_file(row: SeparationRules) -> str:
    """The data of a version as a rules file that people edit: one rule a line."""
    lines = ["{", f'  "version": {row.version},']
    for part, end in (("static", "],"), ("dynamic", "]")):
        lines.append(f'  "{part}": [')
        lines.append(",\n".join("    " + json.dumps(rule, ensure_ascii=False) for rule in row.rules[part]))
        lines.append(f"  {end}")
    return "\n".join([*lines, "}", ""])
