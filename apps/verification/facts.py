"""What separation and visibility ask of requirements, risks, evidence, links and claims.

Who attaches evidence, makes a link or submits a claim does so on the version, and counts there; who uploads results is
one of its makers. A requirement belongs to the model: who developed any version of it may not approve it (DY9), who
wrote it may not either (DY13).
"""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Q

from apps.access import duties
from apps.access.facts import Facts, Told, pairs
from apps.access.gate import Scopes
from apps.access.sharing import gathered, grouped
from apps.core import registries
from apps.registry.facts import KIND, facts_on_version, version_closures
from apps.registry.hanging import ON, Hanging
from apps.registry.models import Version
from apps.verification.models import Claim, Evidence, Requirement, Risk


@registries.facts("verification.requirement")
def requirement_facts(requirement: Requirement) -> Facts:
    def told() -> Told:
        versions = versions_of_models([requirement.model_id])[requirement.model_id]
        closures, declared = version_closures(versions)
        return {"family": closures["family"], "version": pairs(KIND, versions)}, declared

    return Facts(parents=((duties.MODEL, requirement.model_id),), later=told)


def versions_of_models(model_ids: Collection[int]) -> dict[int, frozenset[int]]:
    """Model id -> its versions. One query."""

    def load(ids: list[int]) -> dict[int, frozenset[int]]:
        rows = Version.objects.filter(model_id__in=ids).order_by().values_list("model_id", "pk")
        return {pk: frozenset(v for _, v in found) for pk, found in grouped(rows, lambda row: row[0]).items()}

    found = gathered("versions of models", model_ids, load)
    return {pk: found[pk] or frozenset() for pk in model_ids}


@registries.facts("verification.risk")
def risk_facts(risk: Risk) -> Facts:
    return Facts(parents=((duties.MODEL, risk.model_id),))


@registries.facts("verification.evidence")
@registries.facts("verification.claim")
def on_version_facts(record: Evidence | Claim) -> Facts:
    return facts_on_version(record.version)


@registries.hanging(ON)
def requirements() -> tuple[Hanging, ...]:
    """Who approved a requirement set a criterion for every version that inherits it, and may not develop one (DY9)."""
    return (Hanging(Requirement, "model__versions"),)


@registries.visibility("verification.Requirement")
@registries.visibility("verification.Risk")
def on_model_seen(scopes: Scopes) -> Q:
    return Q(model_id__in=scopes.of(duties.MODEL))


@registries.visibility("verification.Evidence")
@registries.visibility("verification.Claim")
@registries.visibility("verification.Link")
def on_version_seen(scopes: Scopes) -> Q:
    return Q(version__model_id__in=scopes.of(duties.MODEL))
