"""Canonical content of models, intended uses and versions."""

from __future__ import annotations

from apps.access.signing import content_digest
from apps.core import registries
from apps.core.clock import iso
from apps.core.digests import plain
from apps.registry.loading import authors_of_versions, data_of_versions
from apps.registry.models import IntendedUse, Model, Version

USE_FIELDS = (
    "question",
    "purpose",
    "input_space",
    "subgroups",
    "limits",
    "misuse",
    "operator_duties",
    "gmp_critical",
    "gmp_rationale",
    "affects_people",
    "influence",
    "influence_rationale",
    "consequence",
    "consequence_rationale",
    "raised_by_one",
    "raised_rationale",
    "residual_risk",
    "tier",
)


@registries.content("registry.model")
def model_content(model: Model) -> dict:
    return {
        "schema": "registry.model/1",
        "model": model.slug,
        "name": model.name,
        "description": model.description,
    }


@registries.content("registry.intended_use")
def intended_use_content(use: IntendedUse) -> dict:
    said = {name: getattr(use, name) for name in USE_FIELDS}
    return {
        "schema": "registry.intended_use/1",
        "model": use.model.slug,
        "number": use.number,
        **said,
        "written_by": use.written_by.username,
        "written_at": iso(use.written_at),
    }


@registries.content("registry.version")
def version_content(version: Version) -> dict:
    """Artefact, code, environment, data, authors, use: what a release rests on. No state, no signatures."""
    authors = authors_of_versions([version.pk])[version.pk]
    data = data_of_versions([version.pk])[version.pk]
    return {
        "schema": "registry.version/1",
        "model": version.model.slug,
        "label": version.label,
        "artefact": {
            "name": version.artefact_name,
            "digest": version.artefact_digest,
            "size": version.artefact_size,
            "format": str(version.artefact_format),
        },
        "features": list(version.features),
        "code": {"commit": version.code_commit, "archive": version.code_archive_digest},
        "environment": {"lock": version.environment_digest, "image": version.image_digest},
        "hyperparameters": plain(version.hyperparameters),
        "claimed_metrics": plain(version.claimed_metrics),
        "data": [
            {
                "ref": d.dataset_version.ref,
                "partition": d.dataset_version.partition,
                "digest": d.dataset_version.file_digest,
                "table_digest": d.dataset_version.table_digest,
            }
            for d in data
        ],
        "intended_use": {"ref": version.intended_use.ref, "digest": content_digest(version.intended_use)},
        "authors": [{"username": a.person.username, "uuid": str(a.person.uuid)} for a in authors],
        "parent": version.parent.ref if version.parent else None,
        "parent_artefact": version.parent.artefact_digest if version.parent else None,
        "note": version.note,
        "registered_by": version.registered_by.username,
        "registered_at": iso(version.registered_at),
    }


@registries.predecessor("registry.IntendedUse")
def earlier_use(use: IntendedUse) -> IntendedUse | None:
    """The intended use that this one takes the place of."""
    return IntendedUse.objects.filter(model=use.model_id, number__lt=use.number).order_by("-number").first()
