"""Who holds or held which duty, and who holds two that a rule keeps apart."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Q

from apps.access import duties, second_factor_rule
from apps.access.models import Assignment
from apps.access.rulebook import rules_in_force
from apps.access.separation import Relation, static_conflicts
from apps.core.clock import iso
from apps.packs.gather.records import moment, person
from apps.registry.models import Version


def _parents(version: Version) -> Q:
    """Duties on the model, on the data it was made of and tested on, and on the organisation."""
    wanted = Q(scope_kind=duties.MODEL, scope_id=version.model_id) | Q(scope_kind=duties.ORGANISATION)
    datasets = set(version.data.values_list("dataset_version__dataset_id", flat=True))
    datasets |= set(version.plans.values_list("test_data__dataset_id", flat=True))
    return wanted | Q(scope_kind=duties.DATASET, scope_id__in=datasets)


def static_findings(version: Version, as_of: datetime) -> list[dict[str, str]]:
    """People whose duties in force break a rule on holding two, by the rules in force."""
    rules = rules_in_force()
    held: dict[int, list[Assignment]] = {}
    for each in (
        Assignment.objects.active(as_of).filter(_parents(version)).select_related("person").order_by("pk")
    ):
        held.setdefault(each.person_id, []).append(each)
    found = []
    for mine in held.values():
        for number, each in enumerate(mine):
            others = [(other.duty, _nearness(each, other)) for other in mine[number + 1 :]]
            found += [
                {
                    "rule": rule.id,
                    "text": rule.text,
                    "person": each.person.printed_name,
                    "first": each.duty,
                    "second": other,
                }
                for rule, other in static_conflicts(rules, each.duty, others, version.intended_use.tier)
            ]
    return found


def _nearness(one: Assignment, other: Assignment) -> Relation:
    """What lies on the model and its data is one family by construction of `_parents`."""
    if (one.scope_kind, one.scope_id) == (other.scope_kind, other.scope_id):
        return Relation.SAME
    at_large = duties.ORGANISATION in (one.scope_kind, other.scope_kind)
    return Relation.ELSEWHERE if at_large else Relation.FAMILY


def duties_over_time(version: Version, as_of: datetime) -> list[dict[str, Any]]:
    """Every duty asked for up to `as_of` on the model, its data and the organisation: also refused and ended ones.

    Organisation duties are told of those who hold no other, too: they see everything.
    """
    rows = (
        Assignment.objects.filter(_parents(version), requested_at__lte=as_of)
        .select_related("person", "requester", "approver", "ended_by")
        .order_by("person__username", "pk")
    )
    names = place_names(version)
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
            "ended_by": person(a.ended_by),
            "ended_at": moment(a.ended_at),
            "end_reason": a.end_reason,
        }
        for a in rows
    ]


def sign_in(as_of: datetime) -> dict[str, Any] | None:
    """Whether second factors were required, as the trail had it; None: it said nothing yet."""
    found = second_factor_rule.entered(as_of)
    if found is None:
        return None
    return {
        "second_factors_required": found.required,
        "because": found.because,
        "told": found.told(),
        "since": iso(found.since),
        "entry": found.entry,
    }


def place_names(version: Version) -> dict[str, str]:
    """The slugs of what duties of this pack lie on, by the scope that duties and signatures keep."""
    names = {
        duties.scope_text(duties.ORGANISATION, duties.ORGANISATION_ID): "organisation",
        version.scope: version.model.slug,
    }
    used = [d.dataset_version.dataset for d in version.data.select_related("dataset_version__dataset")]
    used += [p.test_data.dataset for p in version.plans.select_related("test_data__dataset")]
    return names | {each.scope: each.slug for each in used}
