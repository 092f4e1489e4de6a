"""What was made from what, forwards: from dataset versions and model versions to everything made of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Q, QuerySet

from apps.access.actors import Actor
from apps.access.gate import visible
from apps.accounts.models import User
from apps.datasets.models import DatasetVersion
from apps.registry.models import Version, VersionData


@dataclass(frozen=True)
class Use:
    """A model version made of a dataset version: itself, or through a version it was derived from."""

    version: Version
    direct: bool


def descendants(version_ids: Iterable[int]) -> set[int]:
    """The versions and all that were derived from them, one query a generation."""
    known: set[int] = set()
    ring = set(version_ids)
    while ring:  # ends: a parent is named once, when its child is registered
        known |= ring
        ring = set(Version.objects.filter(parent_id__in=ring).values_list("pk", flat=True)) - known
    return known


def inheriting(version_ids: Iterable[int]) -> set[int]:
    """The versions, all derived from them, and every registration of the same bytes: whose makers theirs are.

    One query a generation. `apps.registry.facts.ancestors` backwards.
    """
    known: set[int] = set()
    ring = set(version_ids)
    while ring:
        known |= ring
        digests = Version.objects.filter(pk__in=ring).order_by().values("artefact_digest")
        near = Version.objects.filter(Q(parent_id__in=ring) | Q(artefact_digest__in=digests))
        ring = set(near.order_by().values_list("pk", flat=True)) - known
    return known


def models_inheriting(versions: QuerySet[Version]) -> set[int]:
    """Ids of the models of these versions and of all that inherit from them."""
    ids = inheriting(versions.order_by().values_list("pk", flat=True))
    return set(Version.objects.filter(pk__in=ids).order_by().values_list("model_id", flat=True).distinct())


def made_from(dataset_version: DatasetVersion) -> set[int]:
    """Ids of every model version trained or tuned on it, or derived from one that was."""
    direct = VersionData.objects.filter(dataset_version=dataset_version).values_list("version_id", flat=True)
    return descendants(direct)


def uses_of(actor: Actor | User, dataset_version: DatasetVersion) -> tuple[list[Use], int]:
    """(the versions made of it that the person may see, newest first; how many more there are)."""
    every = made_from(dataset_version)
    direct = set(
        VersionData.objects.filter(dataset_version=dataset_version).values_list("version_id", flat=True)
    )
    rows = (
        visible(actor, Version).filter(pk__in=every).select_related("model").order_by("-registered_at", "-pk")
    )
    seen = [Use(version, version.pk in direct) for version in rows]
    return seen, len(every) - len(seen)
