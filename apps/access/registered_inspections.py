"""What inspections and copies tell the gate: who asked and who receives, and who sees them."""

from __future__ import annotations

from django.db.models import Q

from apps.access import duties
from apps.access.facts import Facts
from apps.access.gate import ORGANISATION_PAIR, Scopes
from apps.access.inspection_models import Copy, Inspection, InspectionPlace
from apps.access.separation import Deed
from apps.core import registries

GIVERS = {duties.Duty.COMPLIANCE, duties.Duty.ADMINISTRATOR, duties.Duty.REGISTRAR}


@registries.facts("access.inspection")
def inspection_facts(inspection: Inspection) -> Facts:
    kind, pk = inspection.subject_kind, str(inspection.pk)
    declared = (
        Deed(str(inspection.requester.uuid), "request_grant", kind, pk, "asked for this inspection"),
        Deed(str(inspection.person.uuid), "receive_grant", kind, pk, "would be the inspector"),
    )
    return Facts(parents=(ORGANISATION_PAIR,), declared=declared)


@registries.facts("access.inspection_place")
@registries.facts("access.copy")
def of_organisation(_record: InspectionPlace | Copy) -> Facts:
    return Facts(parents=(ORGANISATION_PAIR,))


def _own_or(scopes: Scopes, seers: set[duties.Duty], own: Q) -> Q:
    return Q(pk__isnull=False) if seers & scopes.organisation_duties else own


@registries.visibility("access.Inspection")
def inspections_seen(scopes: Scopes) -> Q:
    """One's own, and all for those who ask for and approve them. No inspector sees another's."""
    return _own_or(scopes, GIVERS, Q(person=scopes.user))


@registries.visibility("access.InspectionPlace")
def places_seen(scopes: Scopes) -> Q:
    return _own_or(scopes, GIVERS, Q(inspection__person=scopes.user))


@registries.visibility("access.Copy")
def copies_seen(scopes: Scopes) -> Q:
    """One's own, and all for compliance."""
    return _own_or(scopes, {duties.Duty.COMPLIANCE}, Q(person=scopes.user))
