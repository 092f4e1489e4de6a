"""What separation and visibility ask of requirements, risks, evidence, links and claims.

Who attaches evidence, makes a link or submits a claim does so on the version, and counts there; who uploads results is
one of its makers. A requirement belongs to the model: who developed any version of it may not approve it (DY9), who
wrote it may not either (DY13).
"""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Q

from apps.access import duties
from apps.access.facts import Facts, pairs
from apps.access.gate import Scopes
from apps.core import registries
from apps.registry.facts import KIND, facts_on_version, model_facts
from apps.registry.models import Version
from apps.verification.loading import dossiers_of
from apps.verification.models import Claim, Evidence, Requirement, Risk


@registries.facts("verification.requirement")
def requirement_facts(requirement: Requirement) -> Facts:
    versions = Version.objects.filter(model=requirement.model_id).values_list("pk", flat=True)
    base = model_facts(requirement.model)
    closures = {**base.closures, "version": pairs(KIND, versions)}
    return Facts(base.parents, closures, base.declared)


@registries.facts("verification.risk")
def risk_facts(risk: Risk) -> Facts:
    return Facts(parents=((duties.MODEL, risk.model_id),))


@registries.facts("verification.evidence")
@registries.facts("verification.claim")
def on_version_facts(record: Evidence | Claim) -> Facts:
    return facts_on_version(record.version)


@registries.closure("registry.versions:version")
def requirements_of(version_ids: Collection[int]) -> frozenset[tuple[str, str]]:
    """Who approved a requirement set a criterion for every version that inherits it, and may not develop one (DY9)."""
    found = dossiers_of(version_ids).values()
    return pairs(Requirement.subject_kind, {row.pk for each in found for row in each.requirements})


@registries.visibility("verification.Requirement")
@registries.visibility("verification.Risk")
def on_model_seen(scopes: Scopes) -> Q:
    return Q(model_id__in=scopes.of(duties.MODEL))


@registries.visibility("verification.Evidence")
@registries.visibility("verification.Claim")
@registries.visibility("verification.Link")
def on_version_seen(scopes: Scopes) -> Q:
    return Q(version__model_id__in=scopes.of(duties.MODEL))
