"""What separation, visibility and lineage ask of models and versions.

A version's closure: `version` holds its own records and those of the versions it was derived from (a fine-tuned
version inherits developers); `lineage` adds the dataset versions it was made from (a derived dataset's curators);
`family` every version of the model. Higher apps add their records through `registries.closure`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from django.db.models import Q

from apps.access import duties
from apps.access.facts import Facts, Pair, Told, pairs
from apps.access.gate import Scopes
from apps.access.separation import Deed
from apps.access.sharing import gathered, grouped, once
from apps.core import registries
from apps.datasets.models import Dataset, DatasetVersion
from apps.registry.loading import authors_of_versions, data_of_versions
from apps.registry.models import IntendedUse, Model, Version, VersionAuthor, VersionData

KIND = Version.subject_kind


@dataclass(frozen=True)
class Kin:
    """What closures ask of a version: what it was derived from, its intended use, all versions of its model, and who
    else registered the same bytes (itself among them)."""

    parent: int | None
    use: int
    family: frozenset[int]
    twins: frozenset[int]


def kin_of(version_ids: Collection[int]) -> dict[int, Kin]:
    """Version id -> its kin. One query brings all versions of the models concerned; no version, no kin."""

    def load(ids: list[int]) -> dict[int, Kin]:
        models = Version.objects.filter(pk__in=ids).order_by().values("model_id")
        mine = Version.objects.filter(model_id__in=models).order_by()
        twins = Version.objects.filter(artefact_digest__in=mine.values("artefact_digest")).order_by()
        columns = ("pk", "parent_id", "model_id", "artefact_digest", "intended_use_id")
        rows = list(mine.values_list(*columns).union(twins.values_list(*columns)))
        by_model, by_digest = grouped(rows, lambda row: row[2]), grouped(rows, lambda row: row[3])
        asked = set(ids)
        # A model none of whose versions was asked for came along by its twins only: it is not here whole.
        families = {
            model: frozenset(row[0] for row in found)
            for model, found in by_model.items()
            if any(row[0] in asked for row in found)
        }
        return {
            pk: Kin(parent, use, families[model], frozenset(row[0] for row in by_digest[digest]))
            for pk, parent, model, digest, use in rows
            if model in families
        }

    return {pk: kin for pk, kin in gathered("version kin", version_ids, load).items() if kin is not None}


def ancestors(version_ids: Iterable[int]) -> set[int]:
    """The versions, all they were derived from, and every registration of the same bytes.

    One query for each model that the line crosses and no limit: neither a long line nor a second upload of a file
    hides its makers.
    """
    known: set[int] = set()
    ring = set(version_ids)
    while ring:
        known |= ring
        kin = kin_of(ring).values()
        ring = {each.parent for each in kin if each.parent is not None} - known
        ring |= set().union(*(each.twins for each in kin)) - known
    return known


def families_of(version_ids: Iterable[int]) -> set[int]:
    """The versions with all they were derived from, and every version of the models these belong to."""
    line = ancestors(version_ids)
    return line.union(*(kin.family for kin in kin_of(line).values()))


@registries.declared(KIND)
def declared_authors(version_ids: Collection[int | str]) -> tuple[Deed, ...]:
    found = authors_of_versions([int(pk) for pk in version_ids]).values()
    return tuple(
        Deed(
            str(row.person.uuid),
            "develop",
            KIND,
            str(row.version_id),
            f"became a declared author of {row.version.ref}",
        )
        for rows in found
        for row in rows
    )


def version_closures(
    version_ids: Iterable[int],
) -> tuple[dict[str, frozenset], tuple[Deed, ...]]:
    """Closures and declared deeds of versions; used for a version and for every record that hangs on one."""
    line = ancestors(version_ids)
    family = families_of(line)
    data = {row.dataset_version_id for rows in data_of_versions(line).values() for row in rows}
    own = pairs(KIND, line)
    closures = {
        "version": own,
        "lineage": own | pairs("datasets.version", data),
        "family": pairs(KIND, family),
    }
    # The family first: who answers for it has answered for the line that lies in it.
    for scope, ids in (("family", family), ("version", line), ("lineage", line)):
        for give in registries.closure[f"{KIND}s:{scope}"]:
            closures[scope] = closures[scope] | give(ids)
    closures["lineage"] |= closures["version"]
    closures["family"] |= closures["lineage"]
    return closures, declared_authors(family)


def facts_on_version(version: Version) -> Facts:
    """Facts of anything that hangs on one model version."""
    return once(("version facts", version.pk), lambda: _facts_on_version(version))


def _facts_on_version(version: Version) -> Facts:
    def told() -> Told:
        closures, declared = version_closures([version.pk])
        return {**closures, "itself": pairs(KIND, [version.pk])}, declared

    return Facts(parents=((duties.MODEL, version.model_id),), later=told)


@registries.facts(KIND)
def version_facts(version: Version) -> Facts:
    return facts_on_version(version)


@registries.facts("registry.author")
@registries.facts("registry.version_data")
def part_facts(part: VersionAuthor | VersionData) -> Facts:
    return facts_on_version(part.version)


@registries.facts("registry.model")
def model_facts(model: Model) -> Facts:
    """A model has no version yet to judge; its family is judged, so that a test-data reader starts no new version."""

    def told() -> Told:
        versions = set(Version.objects.filter(model=model).values_list("pk", flat=True))
        closures, declared = version_closures(versions)
        return {"family": closures["family"]}, declared

    return Facts(parents=((duties.MODEL, model.pk),), later=told)


@registries.facts("registry.intended_use")
def intended_use_facts(use: IntendedUse) -> Facts:
    return Facts(parents=((duties.MODEL, use.model_id),))


@registries.parents("datasets.dataset")
def models_made_of_dataset(dataset: Dataset) -> tuple[Pair, ...]:
    ids = (
        VersionData.objects.filter(dataset_version__dataset=dataset)
        .values_list("version__model_id", flat=True)
        .distinct()
    )
    return tuple((duties.MODEL, pk) for pk in ids)


@registries.parents("datasets.version")
def models_made_of(dataset_version: DatasetVersion) -> tuple[Pair, ...]:
    ids = (
        VersionData.objects.filter(dataset_version=dataset_version)
        .values_list("version__model_id", flat=True)
        .distinct()
    )
    return tuple((duties.MODEL, pk) for pk in ids)


@registries.visibility("registry.Model")
def models_seen(scopes: Scopes) -> Q:
    return Q(pk__in=scopes.of(duties.MODEL))


@registries.visibility("registry.IntendedUse")
@registries.visibility("registry.Version")
def on_model_seen(scopes: Scopes) -> Q:
    return Q(model_id__in=scopes.of(duties.MODEL))


@registries.visibility("registry.VersionAuthor")
@registries.visibility("registry.VersionData")
def on_version_seen(scopes: Scopes) -> Q:
    return Q(version__model_id__in=scopes.of(duties.MODEL))


@registries.visibility("datasets.DatasetVersion")
def data_of_models_seen(scopes: Scopes) -> Q:
    """Who has a duty on a model sees (not: may fetch) the dataset versions it was made of."""
    used = VersionData.objects.filter(version__model_id__in=scopes.of(duties.MODEL)).values(
        "dataset_version_id"
    )
    return Q(pk__in=used)


@registries.visibility("datasets.Dataset")
def datasets_of_models_seen(scopes: Scopes) -> Q:
    used = VersionData.objects.filter(version__model_id__in=scopes.of(duties.MODEL)).values(
        "dataset_version__dataset_id"
    )
    return Q(pk__in=used)
