"""What stands for the parameters of the URLs of requirements, evidence, links and claims."""

from __future__ import annotations

from apps.registry.models import Version
from apps.verification.acts import link_requirement, submit_claim
from apps.verification.models import Evidence, Requirement, Risk
from tests.cast import World
from tests.factories.verification import risk
from tests.verification.claims import CLAIM


def verification(world: World, version: Version) -> dict[str, dict[str, object]]:
    """Name of each URL -> its parameters, of the model that the cast works on."""
    made: Requirement = Requirement.objects.get()
    evidence = Evidence.objects.filter(version=version).earliest("number")
    claim = submit_claim(world.author, version.pk, given=CLAIM)
    noted: Risk = risk(world)
    link = link_requirement(
        world.validator,
        version.pk,
        requirement=made.ref,
        target="test",
        pattern="*reads_file",
        reason="Needed",
    )
    of_version = (
        "web:traceability",
        "web:verification_attach",
        "web:requirement_link",
        "web:claim_new",
        "api:version_traceability",
        "api:version_evidence",
        "api:version_links",
        "api:version_claims",
    )
    of_requirement = ("api:requirements-detail", "api:requirements-approve", "api:requirements-withdraw")
    of_evidence = (
        "web:verification_evidence",
        "web:verification_file",
        "api:evidence-detail",
        "api:evidence-file",
    )
    ending = {"pk": version.pk, "link_id": link.pk}
    return {
        **{name: {"pk": version.pk} for name in of_version},
        **{name: {"pk": made.pk} for name in of_requirement},
        **{name: {"number": evidence.number} for name in of_evidence},
        "web:requirement": {"number": made.number, "revision": made.revision},
        "web:risk": {"number": noted.number, "revision": noted.revision},
        "api:risks-detail": {"pk": noted.pk},
        "web:claim": {"number": claim.number},
        "api:claims-detail": {"number": claim.number},
        "web:requirement_link_end": ending,
        "api:version_link_end": ending,
    }
