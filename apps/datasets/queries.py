"""Reads of datasets for pages, API and packs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Q, QuerySet

from apps.access import gate
from apps.access.actors import Actor
from apps.access.facts import facts_of
from apps.access.past import of_today
from apps.access.policy import policy
from apps.accounts.models import User
from apps.core.errors import NotVisible
from apps.core.models import Job
from apps.datasets.models import Dataset, DatasetVersion
from apps.datasets.profiling import stored_profile
from apps.datasets.states import State
from apps.trail.models import Entry, Kind

READS = (
    "datasets.upload_test_version",
    "datasets.read_test_profile",
    "datasets.read_profile",
    "datasets.download_version",
)
READS_CASES = "validations.read_cases"


@dataclass(frozen=True)
class Read:
    """One read of a version: when, by whom, how (the trail's sentence), why, and its entry."""

    at: datetime
    person: str
    sentence: str
    reason: str
    entry_id: int


@dataclass(frozen=True)
class VersionPage:
    """profile: None for test data and for what is not fixed; job: the newest profiling."""

    version: DatasetVersion
    profile: dict[str, Any] | None
    job: Job | None
    reads: list[Read]


def register(actor: Actor | User) -> QuerySet[Dataset]:
    """Datasets the person may see, with `version_count` and `newest` upload, by short name."""
    rows = gate.visible(actor, Dataset).select_related("registered_by", "marked_by")
    return rows.annotate(version_count=Count("versions"), newest=Max("versions__uploaded_at"))


def dataset(actor: Actor | User, slug: str) -> Dataset:
    """The dataset by short name; NotVisible when it is not there or not for this person."""
    found = register(actor).filter(slug=slug).first()
    if found is None:
        raise NotVisible()
    return found


def versions(actor: Actor | User, of: Dataset | None = None) -> QuerySet[DatasetVersion]:
    """Versions the person may see, newest first."""
    rows = gate.visible(actor, DatasetVersion).select_related("dataset", "uploaded_by")
    if of is not None:
        rows = rows.filter(dataset=of)
    return rows.order_by("dataset__slug", "-number")


def version(actor: Actor | User, slug: str, number: int) -> DatasetVersion:
    found = versions(actor).filter(dataset__slug=slug, number=number).first()
    if found is None:
        raise NotVisible()
    return found


def version_page(actor: Actor | User, slug: str, number: int) -> VersionPage:
    found = version(actor, slug, number)
    # A look at the values of test data and of sensitive data is an act of its own; what is shut today is shut.
    shut = found.in_vault or found.dataset.sensitive or of_today(found.dataset).sensitive
    open_profile = found.state == State.FIXED and not shut
    return VersionPage(
        version=found,
        profile=stored_profile(found) if open_profile else None,
        job=job_of(found),
        reads=reads_of(found),
    )


def public_view(version: DatasetVersion) -> dict[str, Any]:
    """What everybody who sees a version may know of it, test data too: aggregates, never a value of a row."""
    return {
        "ref": version.ref,
        "partition": str(version.partition),
        "state": str(version.state),
        "rows": version.row_count,
        "columns": [{"name": c["name"], "type": c["type"]} for c in version.columns],
        "file_digest": version.file_digest,
        "file_size": version.file_size,
        "source": version.source,
        "collection": version.collection,
        "transformation_commit": version.transformation_commit,
        "entity_column": version.entity_column,
    }


def reads_of(version: DatasetVersion) -> list[Read]:
    """Who read or took rows of this version or per-case results on it, from the trail, newest first (PC23)."""
    own = Q(act__in=READS, subject_kind=version.subject_kind, subject_id=str(version.pk))
    wanted = own
    if version.in_vault:
        family = facts_of(version).closures["family"]
        runs = [pk for kind, pk in family if kind == "validations.run"]
        wanted |= Q(act=READS_CASES, subject_kind="validations.run", subject_id__in=runs)
    found = []
    for entry in Entry.objects.filter(wanted, kind=Kind.ACT).order_by("-id"):
        body = json.loads(entry.body)
        if entry.act == READS_CASES and body["facts"]["test_data"] != version.ref:
            continue  # a run on another test set of the same model
        sentence = policy(entry.act).sentence
        found.append(Read(entry.at, entry.actor_name, sentence, body["reason"], entry.pk))
    return found


def job_of(version: DatasetVersion) -> Job | None:
    """The newest job of a version: progress, stage and log while it is profiled."""
    return (
        Job.objects.filter(subject_kind=version.subject_kind, subject_id=version.pk).order_by("-id").first()
    )
