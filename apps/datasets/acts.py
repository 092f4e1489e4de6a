"""Every verb on datasets and their versions."""

from __future__ import annotations

import re
from typing import Any

from apps.access.acting import Act, act
from apps.access.duties import Duty
from apps.access.gate import ORGANISATION_SUBJECT, visible
from apps.access.naming import name_owner
from apps.core import blobs, jobs, registries
from apps.core.clock import now
from apps.core.entered import Entered
from apps.core.errors import BadInput, Conflict
from apps.core.models import Job
from apps.datasets import rules
from apps.datasets.ingest import IngestError
from apps.datasets.models import Dataset, DatasetVersion
from apps.datasets.profiling import stored_profile
from apps.datasets.receiving import Download, base_name, download_of, format_of
from apps.datasets.states import PARTITION_WORDS, TRANSITIONS, Partition, State

SLUG = re.compile(r"[a-z0-9][a-z0-9-]{1,59}")
SOURCE = re.compile(r"([a-z0-9][a-z0-9-]{1,59})/v?([0-9]{1,9})")
PROFILE = "datasets.profile"


def marked(act: Act, why: str = "") -> dict[str, Any]:
    """Who marks a dataset as sensitive, when and why."""
    return {"marked_by": act.user, "marked_at": now(), "mark_reason": why or act.reason}


@act("datasets.register_dataset")
def register_dataset(
    act: Act, *, slug: str, name: str, owner_id: int, description: str = "", sensitive: bool = False
) -> Dataset:
    """Register a dataset and name its owner, whose duty a compliance officer then approves."""
    act.allow(ORGANISATION_SUBJECT)
    problems: dict[str, list[str]] = {}
    if not SLUG.fullmatch(slug) or slug == "register":  # /datasets/register/ is a page
        problems["slug"] = ["2 to 60 small letters, digits and dashes, starting with a letter or digit."]
    elif Dataset.objects.filter(slug=slug).exists():
        problems["slug"] = ["A dataset has this short name already."]
    if not name.strip():
        problems["name"] = ["Enter a name."]
    if problems:
        raise BadInput("The dataset was not registered.", fields=problems)
    dataset = act.create(
        Dataset,
        slug=slug,
        name=name.strip(),
        description=description,
        sensitive=sensitive,
        **(marked(act, "Registered as sensitive") if sensitive else {}),
        registered_by=act.user,
        registered_at=now(),
    )
    name_owner(act, dataset, owner_id, Duty.OWNER)
    act.about(dataset)
    return dataset


@act("datasets.upload_version")
def upload_version(
    act: Act,
    dataset_id: int,
    *,
    partition: str,
    file_digest: str,
    file_name: str,
    source: str,
    collection: str,
    transformation_commit: str = "",
    entity_column: str = "",
    derived_from: str = "",
) -> DatasetVersion:
    """Register received bytes as the next training or tuning version and queue its profile.

    file_digest: of a blob in the area `files` (`receiving.receive`). entity_column: the column that names one
    physical unit (patient, batch), if there is one. derived_from: the version it was made of, such as trial/v2.
    """
    entered = Entered("The version was not uploaded.")
    if partition == Partition.TEST:
        entered.wrong("partition", "Test data go into the vault: a test-data steward uploads them there.")
    elif partition not in list(Partition):
        entered.wrong("partition", "Choose train or tune.")
    said = (source, collection, transformation_commit, entity_column, derived_from)
    return _take(act, dataset_id, entered, partition, file_digest, file_name, *said)


@act("datasets.upload_test_version")
def upload_test_version(
    act: Act,
    dataset_id: int,
    *,
    file_digest: str,
    file_name: str,
    source: str,
    collection: str,
    transformation_commit: str = "",
    entity_column: str = "",
    derived_from: str = "",
) -> DatasetVersion:
    """Register bytes received in the vault as the next test version. It counts as reading test data (DY6)."""
    entered = Entered("The test version was not uploaded.")
    said = (source, collection, transformation_commit, entity_column, derived_from)
    return _take(act, dataset_id, entered, Partition.TEST, file_digest, file_name, *said)


def _take(
    act: Act,
    dataset_id: int,
    entered: Entered,
    partition: str,
    file_digest: str,
    file_name: str,
    source: str,
    collection: str,
    transformation_commit: str,
    entity_column: str,
    derived_from: str,
) -> DatasetVersion:
    dataset = act.lock(Dataset.objects.all(), pk=dataset_id)
    act.allow(dataset)
    test = partition == Partition.TEST
    area = "vault" if test else "files"
    digest = entered.digest("file", file_digest, missing="Choose a file.")
    name = base_name(entered.text("file", file_name, missing="The file has no name."))
    fields = {
        "source": entered.text("source", source, missing="Say where the data come from."),
        "collection": entered.text("collection", collection, missing="Say how and when they were collected."),
        "transformation_commit": entered.commit("transformation_commit", transformation_commit),
        "entity_column": entered.text("entity_column", entity_column, most=120),
        "derived_from": _source_version(act, entered, derived_from, test),
    }
    file_format = ""
    if digest and not blobs.exists(digest, area=area):
        entered.wrong("file", "The file did not arrive. Choose it again.")
    elif digest:
        try:
            file_format = format_of(digest, name, test=test)
        except IngestError as error:
            entered.wrong("file", str(error))
    entered.done()
    _refuse_known_bytes(dataset, digest, test)
    newest = dataset.versions.order_by("-number").first()
    version = act.create(
        DatasetVersion,
        dataset=dataset,
        number=newest.number + 1 if newest else 1,
        partition=partition,
        file_name=name,
        file_digest=digest,
        file_size=blobs.path(digest, area=area).stat().st_size,
        file_format=file_format,
        uploaded_by=act.user,
        uploaded_at=now(),
        **fields,
    )
    act.event(file=digest, partition=str(partition))
    act.after_commit(PROFILE, version)
    act.about(version)
    return version


def _source_version(act: Act, entered: Entered, ref: str, test: bool) -> DatasetVersion | None:
    """The visible version that `ref` (trial/v2) names; training data are never derived from test data."""
    if not ref.strip():
        return None
    named = SOURCE.fullmatch(ref.strip())
    rows = visible(act.actor, DatasetVersion).select_related("dataset")
    found = rows.filter(dataset__slug=named[1], number=int(named[2])).first() if named else None
    if found is None:
        entered.wrong(
            "derived_from", "Name a dataset version you may see, such as trial/v2, or leave it empty."
        )
    elif found.in_vault and not test:
        entered.wrong("derived_from", f"{found.ref} is test data: nothing derived from it may train a model.")
        return None
    return found


def _refuse_known_bytes(dataset: Dataset, digest: str, test: bool) -> None:
    """The same bytes are stored once in a dataset, and never both in the vault and outside it."""
    others = DatasetVersion.objects.filter(file_digest=digest).exclude(state=State.FAILED)
    same = others.filter(dataset=dataset).select_related("dataset").first()
    if same is not None:
        raise Conflict(
            "This file is here already.",
            fact=f"It is {same.ref}, {PARTITION_WORDS[Partition(same.partition)].lower()} data, uploaded on "
            f"{same.uploaded_at:%Y-%m-%d}. Nothing was stored twice.",
            rule="once-only",
            who=[f"whoever needs it: use {same.ref}"],
        )
    crossing = others.exclude(partition=Partition.TEST) if test else others.filter(partition=Partition.TEST)
    if crossing.exists():
        where = "outside the vault, where people may have read them" if test else "in the test-data vault"
        raise Conflict(
            "This file cannot be used here.",
            fact=f"The same bytes are already kept in another dataset {where}.",
            rule="PC23: test data are never training data",
            who=["nobody: choose other data"],
        )


def _locked(act: Act, version_id: int) -> DatasetVersion:
    return act.lock(DatasetVersion.objects.select_related("dataset"), pk=version_id)


@act("datasets.finish_profile")
def finish_profile(act: Act, version_id: int, *, job: Job, found: dict) -> DatasetVersion:
    """Fix the version with what was computed (`profiling.compute`), once."""
    version = _locked(act, version_id)
    act.allow(version)
    jobs.end(job)
    act.write(version, state=_next(version, "finish_profile"), failure="", **found["fields"])
    act.event(
        rows=version.row_count,
        table=version.table_digest,
        profile=version.profile_digest,
        warnings=len(found["warnings"]),  # their sentences quote cells: they stand in the profile alone
    )
    return version


@act("datasets.fail_profile")
def fail_profile(act: Act, version_id: int, *, job: Job, message: str) -> DatasetVersion:
    """Keep the version as unreadable with the sentence that says why; the same bytes may be uploaded again."""
    version = _locked(act, version_id)
    act.allow(version)
    jobs.end(job, state=Job.State.FAILED, error=message)
    act.write(version, state=_next(version, "fail_profile"), failure=message)
    act.event(failure=message)
    return version


def _next(version: DatasetVersion, verb: str) -> State:
    rules.may_finish(version.ref, version.state)
    return TRANSITIONS[State(version.state), verb]


@registries.precondition("datasets.download_version")
def download_precondition(version: DatasetVersion) -> None:
    rules.may_hand_out(version.ref, version.partition, version.state, version.failure)


@act("datasets.download_version")
def download_version(act: Act, version_id: int) -> Download:
    """The bytes as uploaded, for a stated reason. Its entry is the read log."""
    version = _locked(act, version_id)
    if version.in_vault and act.sees(version):  # told before duty is asked: no duty opens the vault
        act.subject = version
        download_precondition(version)
    act.allow(version)
    found = download_of(version.file_name, version.file_digest, area=version.area)
    act.event(file=found.digest, rows=version.row_count)
    return found


@registries.precondition("datasets.read_test_profile")
def read_test_profile_precondition(version: DatasetVersion) -> None:
    rules.may_read_profile(version.ref, version.partition, version.state, version.failure)


@act("datasets.read_test_profile")
def read_test_profile(act: Act, version_id: int) -> dict:
    """The profile of a test version, with a few values of each column: a read of test data (DY6)."""
    version = _locked(act, version_id)
    act.allow(version)
    profile = stored_profile(version)
    act.event(profile=version.profile_digest)
    return profile
