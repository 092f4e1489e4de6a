"""Reads of models, intended uses and versions for pages, API and packs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.db.models import Case, Exists, IntegerField, OuterRef, QuerySet, Subquery, Value, When

from apps.access.actors import Actor
from apps.access.gate import visible, visible_within
from apps.access.models import Assignment
from apps.access.signing import content_of
from apps.accounts.models import User
from apps.core.errors import NotVisible
from apps.registry.loading import data_of_versions
from apps.registry.models import IntendedUse, Model, Version, VersionAuthor
from apps.registry.states import Level, State

VERSION_PARTS = ("model", "intended_use__model", "parent__model", "registered_by")
MAX_DEPTH = 20
HIDDEN_VERSION = "a version you may not see"


def inventory(actor: Actor | User) -> QuerySet[Model]:
    """Models the person may see, each with `tier` (of its newest intended use; `tier_rank` sorts it),
    `newest_label`, `newest_state`, `newest_at` and `released_label`; all in one query.

    Of uses and versions only those the person may see: a seat on a review board opens the model for one version.
    """
    uses = visible_within(actor, IntendedUse).filter(model=OuterRef("pk")).order_by("-number")
    versions = visible_within(actor, Version).filter(model=OuterRef("pk")).order_by("-registered_at", "-pk")
    ranks = [When(tier=level.value, then=Value(place)) for place, level in enumerate(Level, start=1)]
    return (
        visible(actor, Model)
        .select_related("registered_by")
        .annotate(
            tier=Subquery(uses.values("tier")[:1]),
            newest_label=Subquery(versions.values("label")[:1]),
            newest_state=Subquery(versions.values("state")[:1]),
            newest_at=Subquery(versions.values("registered_at")[:1]),
            released_label=Subquery(versions.filter(state=State.RELEASED).values("label")[:1]),
        )
        .annotate(tier_rank=Case(*ranks, default=Value(0), output_field=IntegerField()))
    )


def versions(actor: Actor | User, model: Model | None = None) -> QuerySet[Version]:
    """Versions the person may see, newest first, each with `parent_seen` (`parent_told` needs it)."""
    rows = with_parent_seen(actor, visible(actor, Version))
    rows = rows.select_related(*VERSION_PARTS).order_by("-registered_at", "-pk")
    return rows if model is None else rows.filter(model=model)


def with_parent_seen(actor: Actor | User, rows: QuerySet[Version]) -> QuerySet[Version]:
    """The same rows, each with `parent_seen`: whether the person may see what it was derived from."""
    seen = visible_within(actor, Version).filter(pk=OuterRef("parent_id")).order_by()
    return rows.annotate(parent_seen=Exists(seen))


def parent_told(version: Any) -> str | None:
    """What a version read by `versions` was derived from, in words for this reader."""
    if version.parent_id is None:
        return None
    return version.parent.ref if version.parent_seen else HIDDEN_VERSION


def content_told(version: Any) -> dict[str, Any]:
    """The content of a version read by `versions`; a parent that the reader may not see is not named in it."""
    content: dict[str, Any] = content_of(version)
    if version.parent_id is None or version.parent_seen:
        return content
    return content | {"parent": HIDDEN_VERSION, "parent_artefact": HIDDEN_VERSION}


def resolve(actor: Actor | User, slug: str, label: str) -> Version:
    """The version by the model's short name and its label; NotVisible when there is none for this person."""
    found = versions(actor).filter(model__slug=slug, label=label).first()
    if found is None:
        raise NotVisible()
    return found


def intended_uses(actor: Actor | User, model: Model | None = None) -> QuerySet[IntendedUse]:
    """Intended uses the person may see, newest number first."""
    rows = visible(actor, IntendedUse).select_related("model", "written_by").order_by("model_id", "-number")
    return rows if model is None else rows.filter(model=model)


def possible_authors(actor: Actor | User, model: Model) -> list[User]:
    """People who hold or held a duty on the model that the person may see, and the person: for the authors' list."""
    held = (
        visible(actor, Assignment)
        .filter(scope_kind=model.subject_kind, scope_id=model.pk)
        .values("person_id")
    )
    own = actor.user.pk if isinstance(actor, Actor) else actor.pk
    people = User.objects.filter(is_active=True, is_service=False)
    return list((people.filter(pk__in=held) | people.filter(pk=own)).order_by("printed_name", "pk"))


@dataclass(frozen=True)
class Node:
    """One record of a lineage: `record` for its link, `what` it is, `hidden` where the reader may not see it."""

    what: str
    record: object | None = None
    text: str = ""
    digest: str = ""
    below: list[Node] = field(default_factory=list)


def made_of(actor: Actor | User, version: Version) -> list[Node]:
    """What a version was made of, nested: code, environment, data, and the versions it was derived from.

    Three queries a generation. Records the reader may not see are named as such, never left out.
    """
    return _made_of(actor, version, frozenset(), MAX_DEPTH)


def _made_of(actor: Actor | User, version: Version, seen: frozenset[int], left: int) -> list[Node]:
    nodes = [Node("Model file", text=version.artefact_name, digest=version.artefact_digest)]
    code = [Node("Code archive", digest=version.code_archive_digest)] if version.code_archive_digest else []
    nodes.append(Node("Code", text=f"commit {version.code_commit}", below=code))
    if version.environment_digest:
        nodes.append(Node("Environment lock", digest=version.environment_digest))
    if version.image_digest:
        nodes.append(Node("Container image", digest=version.image_digest))
    used = [row.dataset_version for row in data_of_versions([version.pk])[version.pk]]
    for data in sorted(used, key=lambda each: (each.dataset.slug, each.number)):
        nodes.append(
            Node(
                f"{data.get_partition_display()} data",
                data,
                digest=data.file_digest,
                below=[Node("Source", text=data.source), Node("Collected", text=data.collection)],
            )
        )
    if version.parent_id is not None and version.parent_id not in seen and left:
        parent = versions(actor).filter(pk=version.parent_id).first()
        if parent is None:
            nodes.append(Node("Derived from", text=HIDDEN_VERSION))
        else:
            below = _made_of(actor, parent, seen | {version.pk}, left - 1)
            nodes.append(Node("Derived from", parent, digest=parent.artefact_digest, below=below))
    return nodes


def derived_from(actor: Actor | User, version: Version, left: int = MAX_DEPTH) -> list[Node]:
    """Versions made from this one, nested; those the reader may not see are counted."""
    seen = visible(actor, Version).filter(pk=OuterRef("pk")).order_by()
    rows = list(
        Version.objects.filter(parent=version)
        .select_related("model")
        .annotate(seen=Exists(seen))
        .order_by("pk")
    )
    open_ones = {row.pk for row in rows if row.seen}
    nodes = [
        Node(
            "Derived version",
            row,
            digest=row.artefact_digest,
            below=derived_from(actor, row, left - 1) if left else [],
        )
        for row in rows
        if row.pk in open_ones
    ]
    hidden = len(rows) - len(open_ones)
    if hidden:
        nodes.append(Node("Derived versions", text=f"{hidden} that you may not see"))
    return nodes


def authors_of(version: Version) -> QuerySet[VersionAuthor]:
    return version.authors.select_related("person", "declared_by").order_by("person__printed_name")
