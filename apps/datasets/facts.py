"""What separation, visibility and lineage ask of datasets."""

from __future__ import annotations

from django.db.models import Q

from apps.access import duties
from apps.access.facts import Facts, pairs
from apps.access.gate import Scopes
from apps.core import registries
from apps.datasets.models import Dataset, DatasetVersion


@registries.facts("datasets.dataset")
def dataset_facts(dataset: Dataset) -> Facts:
    return Facts(parents=((duties.DATASET, dataset.pk),))


@registries.facts("datasets.version")
def dataset_version_facts(version: DatasetVersion) -> Facts:
    own = pairs(version.subject_kind, [version.pk])
    return Facts(
        parents=((duties.DATASET, version.dataset_id),),
        closures={"version": own, "lineage": own, "family": own},
    )


@registries.visibility("datasets.Dataset")
def datasets_seen(scopes: Scopes) -> Q:
    return Q(pk__in=scopes.of(duties.DATASET))


@registries.visibility("datasets.DatasetVersion")
def dataset_versions_seen(scopes: Scopes) -> Q:
    return Q(dataset_id__in=scopes.of(duties.DATASET))
