"""Data, a signed intended use and a frozen version, made by the people of the cast through acts."""

from __future__ import annotations

from apps.access.signing import SignatureInput, content_digest
from apps.core import blobs
from apps.core.jobs import run_queued
from apps.datasets.acts import upload_test_version, upload_version
from apps.datasets.models import DatasetVersion
from apps.registry.acts import (
    freeze,
    register_version,
    sign_intended_use_expert,
    sign_intended_use_owner,
    write_intended_use,
)
from apps.registry.inspecting import inspect_artefact
from apps.registry.models import IntendedUse
from tests.cast import PASSWORD, World

USE = {
    "question": "Is this lot likely to fail its release test?",
    "purpose": "Rank lots for a second look by QC, beside the laboratory's own results.",
    "input_space": "Two process measures of finished lots of both sites.",
    "subgroups": "Sex of the operator and site, as recorded.",
    "limits": "Not for lots made before 2020.",
    "misuse": "Releasing a lot on the score alone.",
    "operator_duties": "Look at the laboratory's results before deciding.",
    "gmp_critical": False,
    "gmp_rationale": "The laboratory's test decides the release.",
    "affects_people": False,
    "influence": "medium",
    "influence_rationale": "One source of evidence among three.",
    "consequence": "medium",
    "consequence_rationale": "A missed lot is caught by the laboratory.",
    "residual_risk": "Lots of unusual composition are ranked less well.",
}
PROVENANCE = {
    "source": "Trial database",
    "collection": "Recorded at the site in 2024",
    "transformation_commit": "4be19d0",
}


def sign(subject) -> SignatureInput:
    return SignatureInput(digest=content_digest(subject), password=PASSWORD)


def data_version(
    world: World, partition: str, data: bytes, *, file_name: str = "", unit: str = "patient"
) -> DatasetVersion:
    """A fixed dataset version from bytes; test data by the steward into the vault, the rest by the curator."""
    test = partition == "test"
    blob = blobs.put(data, area="vault" if test else "files")
    known = DatasetVersion.objects.filter(dataset=world.dataset, file_digest=blob.digest).first()
    if known is not None:  # a second version of the model made from the same data
        return known
    given = {
        "file_digest": blob.digest,
        "file_name": file_name or f"{partition}.csv",
        "entity_column": unit,
        **PROVENANCE,
    }
    if test:
        made = upload_test_version(world.steward, world.dataset.pk, **given)
    else:
        made = upload_version(world.curator, world.dataset.pk, partition=partition, **given)
    run_queued()
    made.refresh_from_db()
    return made


def signed_use(world: World, **changes) -> IntendedUse:
    """An intended use written and signed by the process expert, approved by the owner."""
    use = write_intended_use(
        world.process_expert, world.model.pk, given=USE | changes, reason="First statement"
    )
    sign_intended_use_expert(world.process_expert, use.pk, signature=sign(use))
    sign_intended_use_owner(world.owner, use.pk, signature=sign(use))
    return use


def registered_version(
    world: World, *, label: str, artefact: blobs.Blob, features, train, use, by: str = "author", **changes
):
    """A version registered by `by`, with the author declared."""
    found = inspect_artefact(artefact.digest)
    given = {
        "label": label,
        "intended_use_id": use.pk,
        "artefact_digest": artefact.digest,
        "artefact_size": artefact.size,
        "artefact_name": "model.onnx",
        "artefact_format": found["format"],
        "interface": found["interface"],
        "features": list(features),
        "code_commit": "4be19d0c",
        "data_version_ids": [train.pk],
        "author_ids": [world.author.pk],
        "hyperparameters": {"C": 1.0},
        "claimed_metrics": {"auc": 0.9},
    }
    return register_version(world.people[by], world.model.pk, **(given | changes))


def frozen_version(
    world: World, *, label: str, artefact: blobs.Blob, features, train: bytes, test: bytes, **changes
):
    """(intended use, train, test, version): all signed and fixed."""
    made_from = data_version(world, "train", train)
    held_out = data_version(world, "test", test)
    use = signed_use(world, **changes)
    version = registered_version(
        world, label=label, artefact=artefact, features=features, train=made_from, use=use
    )
    return use, made_from, held_out, freeze(world.author, version.pk)
