"""What the release gate wants of verification: an approved requirement, tests that show it, a bill of materials."""

from __future__ import annotations

from typing import Any

from apps.core import blobs, uploads
from apps.registry.models import Model, Version
from apps.verification.acts import approve_requirement, attach_evidence, write_requirement, write_risk
from apps.verification.models import Evidence, Requirement, Risk
from apps.verification.queries import requirements_of
from apps.verification.receiving import receive
from apps.verification.states import WANTED, Kind
from tests.cast import World
from tests.factories.foundation import sign
from tests.verification.claims import RISK
from tests.verification.files import case, cyclonedx, junit, sarif

REQUIREMENT: dict[str, Any] = {
    "text": "The model ranks lots that fail above lots that pass.",
    "source": "use",
    "risks": [],
    "clauses": ["EU GMP Annex 22 draft 4.1"],
}


def requirement(world: World, *, model: Model | None = None, **changes: Any) -> Requirement:
    """Written by the process expert, waiting for approval."""
    of = model or world.model
    return write_requirement(
        world.process_expert, of.pk, given=REQUIREMENT | changes, reason="From the intended use"
    )


def risk(world: World, **changes: Any) -> Risk:
    """Written by the owner."""
    return write_risk(world.owner, world.model.pk, given=RISK | changes, reason="Found in review")


def approved(world: World, **changes: Any) -> Requirement:
    """Written by the process expert, approved by the approver."""
    made = requirement(world, **changes)
    return approve_requirement(world.approver, made.pk, signature=sign(made))


def attached(
    world: World, version: Version, kind: str, data: bytes, *, by: str = "author", **given: Any
) -> Evidence:
    """A file attached by the author, as a page or a pipeline would."""
    upload = uploads.of(blobs.put(data), f"{kind}.xml" if data.startswith(b"<") else f"{kind}.json")
    said = {"title": kind, "tool": "pytest", "tool_version": "9.0", "commit": "4be19d0c"} | given
    return attach_evidence(world.people[by], version.pk, received=receive(upload, kind), **said)


def verified(world: World, version: Version) -> Requirement:
    """Everything verification gives a gate of the version's tier: every requirement it inherits is shown."""
    for each in requirements_of(version):
        if each.intended_use_id != version.intended_use_id:  # confirmed for the use of this version
            newer = write_requirement(
                world.process_expert,
                version.model_id,
                given=REQUIREMENT,
                revises=each.number,
                reason="Holds here too",
            )
            approve_requirement(world.approver, newer.pk, signature=sign(newer))
    made = approved(world, model=version.model)
    shown = [f"REQ-{each.number}" for each in requirements_of(version)]
    attached(world, version, "junit", junit(case("test_ranking", *shown), case("test_reads_file")))
    attached(world, version, "sbom", cyclonedx())
    if Kind.SARIF in WANTED[version.intended_use.tier]:
        attached(world, version, "sarif", sarif())
    return made
