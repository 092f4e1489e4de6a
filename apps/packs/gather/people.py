"""Who did what, under which duties, and whether anybody checked their own work."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Q

from apps.access import duties
from apps.access.facts import facts_of
from apps.access.gate import rules_in_force
from apps.access.models import Assignment, SeparationRules
from apps.access.policy import TABLE
from apps.access.separation import static_conflict
from apps.approvals.checks import conflicts_of
from apps.core.clock import iso
from apps.packs.gather.records import moment, person
from apps.packs.gather.trail import condition_on, lines
from apps.registry.models import Version
from apps.trail.models import Entry, Kind


def separation(version: Version, as_of: datetime) -> dict[str, Any]:
    """Acts by person, every rule with its verdict, conflicts recomputed from the trail, refused attempts."""
    rules = rules_in_force()
    row = SeparationRules.objects.filter(version=rules.version).first()
    conflicts = conflicts_of(version)
    broken = {(c["rule"], c["text"]): 0 for c in conflicts}
    for conflict in conflicts:
        broken[conflict["rule"], conflict["text"]] += 1
    held = _static_findings(version, as_of)
    closure = facts_of(version).closures["lineage"] | {
        (version.intended_use.subject_kind, str(version.intended_use_id))
    }
    about = condition_on(closure)
    acts = Entry.objects.filter(about, kind=Kind.ACT, at__lte=as_of).order_by("id")
    refusals = Entry.objects.filter(about, kind=Kind.REFUSAL, at__lte=as_of).order_by("id")
    return {
        "rules_version": rules.version,
        "rules_digest": row.digest if row else "",
        "matrix": _matrix(acts),
        "authors": sorted(a.person.printed_name for a in version.authors.select_related("person")),
        "dynamic": [
            {
                "id": r.id,
                "text": r.text,
                "source": r.source,
                "scope": r.scope,
                "conflicts": broken.get((r.id, r.text), 0),
            }
            for r in rules.dynamic
        ],
        "static": [
            {
                "id": r.id,
                "text": r.text,
                "source": r.source,
                "scope": r.scope,
                "conflicts": sum(found["rule"] == r.id for found in held),
            }
            for r in rules.static
        ],
        "conflicts": conflicts,
        "static_conflicts": held,
        "refusals": lines(refusals),
    }


def _matrix(acts) -> list[dict[str, Any]]:
    """Person × act, counted; what the worker did counts as the machine's, on behalf of whom it did it."""
    counted: dict[tuple[str, str], dict[str, int]] = {}
    for entry in acts:
        row = TABLE.get(entry.act)
        who = (entry.actor_name, entry.on_behalf_name)
        told = row.sentence if row else entry.act
        counted.setdefault(who, {})
        counted[who][told] = counted[who].get(told, 0) + 1
    return [
        {
            "who": who,
            "on_behalf": behalf,
            "acts": [{"act": told, "times": n} for told, n in sorted(found.items())],
        }
        for (who, behalf), found in sorted(counted.items())
    ]


def _parents(version: Version) -> Q:
    """Duties on the model, on the data it was made of and tested on, and on the organisation."""
    wanted = Q(scope_kind=duties.MODEL, scope_id=version.model_id) | Q(scope_kind=duties.ORGANISATION)
    datasets = set(version.data.values_list("dataset_version__dataset_id", flat=True))
    datasets |= set(version.plans.values_list("test_data__dataset_id", flat=True))
    return wanted | Q(scope_kind=duties.DATASET, scope_id__in=datasets)


def _static_findings(version: Version, as_of: datetime) -> list[dict[str, str]]:
    """People whose duties in force break a rule on holding two."""
    held: dict[int, list[Assignment]] = {}
    for each in (
        Assignment.objects.active(as_of).filter(_parents(version)).select_related("person").order_by("pk")
    ):
        held.setdefault(each.person_id, []).append(each)
    found = []
    for mine in held.values():
        for number, each in enumerate(mine):
            # What lies on the model and its data is one family by construction of `_parents`.
            others = [(o.duty, o.scope_kind != duties.ORGANISATION) for o in mine[number + 1 :]]
            broken = static_conflict(rules_in_force(), each.duty, others)
            if broken:
                rule, other = broken
                found.append(
                    {
                        "rule": rule.id,
                        "text": rule.text,
                        "person": each.person.printed_name,
                        "first": each.duty,
                        "second": other,
                    }
                )
    return found


def duties_over_time(version: Version, as_of: datetime) -> list[dict[str, Any]]:
    """Every duty asked for up to `as_of` on the model, its data and the organisation: also refused and ended ones.

    Organisation duties are told of those who hold no other, too: they see everything.
    """
    rows = (
        Assignment.objects.filter(_parents(version), requested_at__lte=as_of)
        .select_related("person", "requester", "approver")
        .order_by("person__username", "pk")
    )
    names = _place_names(version)
    return [
        {
            "person": person(a.person),
            "active": a.person.is_active,
            "duty": a.duty,
            "duty_word": duties.WORDS[duties.Duty(a.duty)],
            "on": names.get(a.scope, a.scope),
            "state": a.state,
            "starts_at": iso(a.starts_at),
            "ends_at": moment(a.ends_at),
            "in_force": a.person.is_active and a.in_force(as_of),
            "requester": person(a.requester),
            "approver": person(a.approver),
            "decided_at": moment(a.decided_at),
            "reason": a.reason,
            "end_reason": a.end_reason,
        }
        for a in rows
    ]


def _place_names(version: Version) -> dict[str, str]:
    names = {
        duties.scope_text(duties.ORGANISATION, duties.ORGANISATION_ID): "organisation",
        version.scope: version.model.slug,
    }
    used = [d.dataset_version.dataset for d in version.data.select_related("dataset_version__dataset")]
    used += [p.test_data.dataset for p in version.plans.select_related("test_data__dataset")]
    return names | {each.scope: each.slug for each in used}


def holders(content: dict[str, Any], duty: str) -> list[str]:
    """Names of those who hold `duty` in a gathered content."""
    return sorted(
        {d["person"]["printed_name"] for d in content["duties"] if d["duty"] == duty and d["in_force"]}
    )


__all__ = ["duties_over_time", "holders", "separation"]
