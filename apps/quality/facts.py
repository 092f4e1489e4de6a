"""What separation and visibility ask of deviations."""

from __future__ import annotations

from django.db.models import Q

from apps.access import duties
from apps.access.facts import Facts
from apps.access.gate import Scopes
from apps.access.separation import Deed
from apps.core import registries
from apps.quality.models import Deviation
from apps.registry.facts import facts_on_version
from apps.registry.hanging import ON, Hanging


@registries.facts("quality.deviation")
def deviation_facts(deviation: Deviation) -> Facts:
    """Raised by the portal on behalf of a person: that person counts as its author (DY13)."""
    kind, pk = deviation.subject_kind, str(deviation.pk)
    raisers = [
        p for p in (deviation.raised_by, deviation.raised_on_behalf_of) if p is not None and not p.is_service
    ]
    told = f"raised {deviation.ref}"
    declared = tuple(Deed(str(p.uuid), "author", kind, pk, told) for p in raisers)
    return facts_on_version(deviation.version).besides(declared=lambda: declared)


@registries.hanging(ON)
def deviations() -> tuple[Hanging, ...]:
    return (Hanging(Deviation, "version_id"),)


@registries.visibility("quality.Deviation")
def deviations_seen(scopes: Scopes) -> Q:
    return Q(version__model_id__in=scopes.of(duties.MODEL))
