"""Whether anybody checked their own work: acts by person, what is shared and why it counts, rules, deeds to recount."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from apps.access.facts import Facts, facts_of
from apps.access.models import SeparationRules
from apps.access.policy import TABLE
from apps.access.queries import waivers_for
from apps.access.rulebook import rules_at, rules_in_force
from apps.access.separation import Rules
from apps.access.telling import told_act
from apps.approvals.independence import conflicts_of, decided_at, found_in, waived_in
from apps.core import registries
from apps.packs.gather.people import static_findings
from apps.packs.gather.trail import condition_on, facts_in, lines
from apps.registry.models import IntendedUse, Version
from apps.trail.models import Entry, Kind

Pair = tuple[str, str]
# What a version shares with others: title, why what people did there counts for this version.
SHARED = {
    "use": ("Intended use and risk", "Shared by the versions of the model that state it."),
    "data": (
        "Data it was made of",
        "Counts by the rules on the lineage: who curated the data or read test data may not have developed from it.",
    ),
    "ancestors": (
        "Versions it was derived from",
        "Counts by the rules on the version: their developers are developers of this one.",
    ),
    "family": (
        "Other versions of the model, and its test data",
        "Counts by the rules on the family; only acts that these rules judge are listed.",
    ),
}


def own_records(version: Version) -> frozenset[Pair]:
    """The version with its own plans, runs, reports, gates, slots and deviations; nothing of other versions."""
    found = frozenset({(version.subject_kind, str(version.pk))})
    for give in registries.closure[f"{version.subject_kind}s:version"]:
        found |= give([version.pk])
    return frozenset(pair for pair in found if pair[0] != IntendedUse.subject_kind)  # versions share it


def separation(version: Version, as_of: datetime) -> dict[str, Any]:
    """Acts by person, every rule with its verdict, conflicts recomputed from the trail, refused attempts."""
    decided, facts = decided_at(version), facts_of(version)
    rules = rules_at(decided) if decided else rules_in_force()  # as the gate judges it
    row = SeparationRules.objects.filter(version=rules.version).first()
    conflicts = conflicts_of(version)
    held = static_findings(version, as_of)
    own = own_records(version)
    use = {(IntendedUse.subject_kind, str(version.intended_use_id))}
    about = condition_on(own | use | (facts.closures["lineage"] - facts.closures["version"]))
    return {
        "rules_version": rules.version,
        "rules_digest": row.digest if row else "",
        "matrix": _matrix(_acts(own, as_of)),
        "shared": _shared(rules, facts, own, use, as_of),
        "authors": sorted(a.person.printed_name for a in version.authors.select_related("person")),
        "dynamic": [
            {
                "id": r.id,
                "first": r.first,
                "second": r.second,
                "text": r.text,
                "source": r.source,
                "scope": r.scope,
                "judged": r.judged_at(version.intended_use.tier),
                "note": r.note,
                "conflicts": sum((c["rule"], c["text"]) == (r.id, r.text) for c in conflicts),
            }
            for r in rules.dynamic
        ],
        "static": [
            {
                "id": r.id,
                "text": r.text,
                "source": r.source,
                "scope": r.scope,
                "note": r.note,
                "conflicts": sum(found["rule"] == r.id for found in held),
            }
            for r in rules.static
        ],
        "conflicts": conflicts,
        "waived": waived_in(version),
        "waivers": waivers_for(version),
        "static_conflicts": held,
        "refusals": lines(Entry.objects.filter(about, kind=Kind.REFUSAL, at__lte=as_of).order_by("id")),
        **_to_recount(version, rules, facts),
    }


def _to_recount(version: Version, rules: Rules, facts: Facts) -> dict[str, Any]:
    """What check_pack.py needs to find the conflicts again from the trail's extract alone, and what it should find."""
    judged = {verb for rule in rules.dynamic for verb in (rule.first, rule.second)}
    return {
        "counts_as": {
            act: sorted(row.verbs & judged) for act, row in sorted(TABLE.items()) if row.verbs & judged
        },
        "as_one": sorted([list(part), list(whole)] for part, whole in _as_one(version, facts).items()),
        "conflicts_recorded": [
            {
                "rule": each.rule.id,
                "text": each.rule.text,
                "person": each.first.person,
                "waived": each.waiver is not None,
            }
            for each in found_in(version)
        ],
        "closures": {
            scope: sorted(list(pair) for pair in within) for scope, within in sorted(facts.closures.items())
        },
        "declared": sorted(
            ({"person": d.person, "verb": d.verb, "kind": d.kind, "id": d.id} for d in facts.declared),
            key=lambda d: (d["person"], d["verb"], d["kind"], d["id"]),
        ),
    }


def _as_one(version: Version, facts: Facts) -> dict[Pair, Pair]:
    """Records that count as part of another, as a run does of its plan."""
    ids = {int(pk) for kind, pk in facts.closures["version"] if kind == version.subject_kind}
    gives = registries.as_one[f"{version.subject_kind}s"]
    return {part: whole for give in gives for part, whole in give(ids).items()}


def _acts(about: Iterable[Pair], as_of: datetime) -> QuerySet[Entry]:
    return Entry.objects.filter(condition_on(about), kind=Kind.ACT, at__lte=as_of).order_by("id")


def _shared(
    rules: Rules, facts: Facts, own: frozenset[Pair], use: set[Pair], as_of: datetime
) -> list[dict[str, Any]]:
    lineage, line = facts.closures["lineage"], facts.closures["version"]
    families = [rule for rule in rules.dynamic if rule.scope == "family"]
    judged = {verb for rule in families for verb in (rule.first, rule.second)}
    counting = [act for act, row in TABLE.items() if row.verbs & judged]
    groups = {
        "use": _acts(use, as_of),
        "data": _acts(lineage - line, as_of),
        "ancestors": _acts(line - own, as_of),
        "family": _acts(facts.closures["family"] - lineage, as_of).filter(act__in=counting),
    }
    return [
        {"what": SHARED[name][0], "why": SHARED[name][1], "matrix": _matrix(rows)}
        for name, rows in groups.items()
    ]


def _matrix(acts: Iterable[Entry]) -> list[dict[str, Any]]:
    """Person × act, counted; what the worker did counts as the machine's, on behalf of whom it did it."""
    counted: dict[Pair, dict[str, int]] = {}
    for entry in acts:
        told = told_act(entry.act, facts_in(entry))
        mine = counted.setdefault((entry.actor_name, entry.on_behalf_name), {})
        mine[told] = mine.get(told, 0) + 1
    return [
        {
            "who": who,
            "on_behalf": behalf,
            "acts": [{"act": told, "times": n} for told, n in sorted(found.items())],
        }
        for (who, behalf), found in sorted(counted.items())
    ]
