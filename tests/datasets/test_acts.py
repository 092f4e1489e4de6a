"""Dataset versions: uploaded by whom, profiled how, handed out to whom."""

from __future__ import annotations

import io
import json
import os
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import override_settings

from apps.access import gate
from apps.access.actors import Actor
from apps.access.signing import content_digest
from apps.core import blobs, jobs
from apps.core.errors import BadInput, Conflict, NotAllowed, NotVisible, WrongState
from apps.core.models import Job
from apps.datasets import queries
from apps.datasets.acts import (
    download_version,
    fail_profile,
    finish_profile,
    read_test_profile,
    upload_test_version,
    upload_version,
)
from apps.datasets.models import DatasetVersion
from apps.datasets.profiling import compute, stored_profile
from apps.datasets.receiving import receive
from apps.trail.models import Entry
from tests.cast import give

CSV = b"patient,age,arm\nP1,61,a\nP2,47,b\nP3,,a\n"
SAID = {"source": "Trial ACTG 175", "collection": "1991 to 1994, 43 sites"}


def put(data: bytes, *, test: bool = False, name: str = "trial.csv", **more) -> dict:
    return {"file_digest": receive(data, test=test).digest, "file_name": name} | SAID | more


def uploaded(world, data: bytes = CSV, **more) -> DatasetVersion:
    made = upload_version(world.curator, world.dataset.pk, partition="train", **put(data, **more))
    jobs.run_queued()
    return DatasetVersion.objects.select_related("dataset").get(pk=made.pk)


def in_vault(world, data: bytes = CSV, **more) -> DatasetVersion:
    made = upload_test_version(world.steward, world.dataset.pk, **put(data, test=True, **more))
    jobs.run_queued()
    return DatasetVersion.objects.select_related("dataset").get(pk=made.pk)


def last(kind: str = "act") -> Entry:
    return Entry.objects.filter(kind=kind).latest("id")


def test_an_upload_is_a_record_with_history_and_entry_and_waits_for_its_profile(world):
    made = upload_version(
        world.curator,
        world.dataset.pk,
        partition="tune",
        **put(CSV, name="C:\\data\\trial.csv", transformation_commit="ABCDEF0"),
    )
    assert (made.ref, made.state, made.partition) == ("trial/v1", "uploaded", "tune")
    assert (made.file_name, made.file_size, made.file_format) == ("trial.csv", len(CSV), "csv")
    assert made.transformation_commit == "abcdef0"
    assert made.history.count() == 1
    entry = last()
    assert (entry.act, entry.subject_id, entry.actor_uuid) == (
        "datasets.upload_version",
        str(made.pk),
        str(world.curator.uuid),
    )
    assert Job.objects.get(subject_kind=made.subject_kind, subject_id=made.pk).requested_by == world.curator


def test_the_job_fixes_the_version_with_its_table_and_profile(world):
    version = uploaded(world)
    assert (version.state, version.row_count, version.failure) == ("fixed", 3, "")
    assert [c["name"] for c in version.columns] == ["patient", "age", "arm"]
    table = pq.read_table(io.BytesIO(blobs.read(version.table_digest)))
    assert table.num_rows == 3
    assert len(blobs.read(version.row_digests)) == 3 * 32
    profile = stored_profile(version)
    age = next(c for c in profile["columns"] if c["name"] == "age")
    assert (age["n"], age["missing"], age["max"]) == (2, 1, 61)
    finished = last()
    assert (finished.act, finished.on_behalf_name) == ("datasets.finish_profile", world.curator.printed_name)
    job = Job.objects.get(subject_kind=version.subject_kind, subject_id=version.pk)
    assert (job.state, job.done, job.total) == ("done", 3, 3)


def test_no_cell_stands_in_an_entry_whatever_is_odd_about_it(world):
    """A warning quotes cells to who may read the profile; the entry is read by everybody with a duty on the dataset."""
    odd = CSV + b"p4,PAT-0031 Meier,a\n"
    version = in_vault(world, odd)
    assert any("PAT-0031 Meier" in each for each in stored_profile(version)["warnings"])
    assert Entry.objects.filter(body__contains="0031 Meier").count() == 0
    assert json.loads(Entry.objects.get(act="datasets.finish_profile").body)["facts"]["warnings"] == 1


def test_parquet_and_csv_of_the_same_rows_have_the_same_row_digests(world):
    table = pa.table({"patient": ["P1", "P2", "P3"], "age": [61, 47, None], "arm": ["a", "b", "a"]})
    out = io.BytesIO()
    pq.write_table(table, out)
    first, second = uploaded(world), uploaded(world, out.getvalue(), name="trial.parquet")
    assert (second.file_format, second.number) == ("parquet", 2)
    assert first.row_digests == second.row_digests


def test_test_data_and_all_made_of_them_lie_in_the_vault_only(world):
    version = in_vault(world, CSV + b"P9,33,c\n")  # bytes no other test puts among the files
    assert (version.state, version.partition, version.area) == ("fixed", "test", "vault")
    for digest in (version.file_digest, version.table_digest, version.row_digests, version.profile_digest):
        assert blobs.exists(digest, area="vault")
        assert not blobs.exists(digest, area="files")


@pytest.mark.parametrize("person", ["author", "owner", "steward", "validator", "approver", "compliance"])
def test_only_a_curator_uploads_and_only_a_steward_fills_the_vault(world, person):
    actor = world.people[person]
    expected = NotVisible if person == "approver" else NotAllowed
    with pytest.raises(expected):
        upload_version(actor, world.dataset.pk, partition="train", **put(CSV))
    assert last("refusal").act == "datasets.upload_version"
    if person != "steward":
        with pytest.raises(expected):
            upload_test_version(actor, world.dataset.pk, **put(CSV, test=True))
    assert not DatasetVersion.objects.exists()


def test_a_stranger_sees_no_dataset(world):
    with pytest.raises(NotVisible):
        upload_version(world.stranger, world.dataset.pk, partition="train", **put(CSV))
    with pytest.raises(NotVisible):
        upload_version(world.curator, world.other_dataset.pk, partition="train", **put(CSV))
    assert list(queries.register(world.stranger)) == []
    with pytest.raises(NotVisible):
        queries.dataset(world.stranger, "trial")


def test_test_data_by_the_wrong_act_are_refused(world):
    with pytest.raises(BadInput) as refused:
        upload_version(world.curator, world.dataset.pk, partition="test", **put(CSV))
    assert "steward" in refused.value.fields["partition"][0]
    with pytest.raises(BadInput) as refused:  # bytes that went to the files never become test data
        upload_test_version(world.steward, world.dataset.pk, **put(b"x,y\n1,2\n"))
    assert "file" in refused.value.fields


def test_every_problem_of_the_input_is_told_at_once(world):
    with pytest.raises(BadInput) as refused:
        upload_version(
            world.curator,
            world.dataset.pk,
            partition="holdout",
            file_digest="md5:1",
            file_name="",
            source=" ",
            collection="x" * 4001,
            transformation_commit="HEAD",
            entity_column="p\x00",
        )
    assert set(refused.value.fields) == {
        "partition",
        "file",
        "source",
        "collection",
        "transformation_commit",
        "entity_column",
    }
    assert refused.value.status == 422


@pytest.mark.parametrize(
    ("data", "name", "says"),
    [
        (b"", "empty.csv", "empty"),
        (b"PK\x03\x04rest of a workbook", "trial.xlsx", "Excel"),
        (b"PAR1 and then nothing more", "cut.parquet", "cut off"),
        (b"\xff\xfea\x00", "trial.csv", "UTF-16"),
    ],
)
def test_what_is_no_table_is_said_at_the_door(world, data, name, says):
    with pytest.raises(BadInput) as refused:
        upload_version(world.curator, world.dataset.pk, partition="train", **put(data, name=name))
    assert says in refused.value.fields["file"][0]
    assert not DatasetVersion.objects.exists()


def test_the_same_bytes_are_stored_once(world):
    first = uploaded(world)
    with pytest.raises(Conflict) as refused:
        upload_version(world.curator, world.dataset.pk, partition="tune", **put(CSV, name="other.csv"))
    assert first.ref in refused.value.fact
    with pytest.raises(Conflict) as refused:
        upload_test_version(world.steward, world.dataset.pk, **put(CSV, test=True))
    assert first.ref in refused.value.fact
    assert DatasetVersion.objects.count() == 1


def test_the_same_bytes_are_never_both_test_and_training_data_in_whatever_dataset(world):
    give(world, "curator", "curator", world.other_dataset, by="other_owner")
    in_vault(world)
    with pytest.raises(Conflict) as refused:
        upload_version(world.curator, world.other_dataset.pk, partition="train", **put(CSV))
    assert refused.value.rule.startswith("PC23")
    assert "trial" not in refused.value.fact  # where, is not for everybody to know


def test_a_double_click_makes_one_version(world):
    given = put(CSV)
    key = {"idempotency_key": "one-click"}
    one = upload_version(world.curator, world.dataset.pk, partition="train", **given, **key)
    two = upload_version(world.curator, world.dataset.pk, partition="train", **given, **key)
    assert one.pk == two.pk
    assert Job.objects.filter(subject_id=one.pk, kind="datasets.profile").count() == 1


def test_an_unreadable_file_is_kept_with_its_sentence_and_may_come_again(world):
    bad = b"a,b\n1,\xff\xfe\n"
    version = uploaded(world, bad)
    assert version.state == "failed"
    assert version.failure
    assert version.table_digest == ""
    assert last().act == "datasets.fail_profile"
    again = uploaded(world, bad)
    assert (again.number, again.failure) == (2, version.failure)
    with pytest.raises(WrongState) as refused:
        download_version(world.curator, version.pk, reason="See what is wrong")
    assert version.failure in refused.value.fact


def test_a_unit_column_that_is_not_there_is_said(world):
    version = uploaded(world, entity_column="subject")
    assert version.state == "failed"
    assert "subject" in version.failure
    assert "patient" in version.failure


def test_a_header_without_rows_is_said(world):
    version = uploaded(world, b"a,b\n")
    assert version.state == "failed"
    assert "rows" in version.failure


def test_a_version_is_profiled_once_and_by_the_worker_only(world):
    version = uploaded(world)
    job = Job.objects.get(subject_id=version.pk, kind="datasets.profile")
    with pytest.raises(NotAllowed):
        fail_profile(world.curator, version.pk, job=job, message="no")
    worker = Actor.service("worker", on_behalf=world.curator)
    with pytest.raises(jobs.Lost):
        finish_profile(worker, version.pk, job=job, found={"fields": {}, "warnings": []})
    again = jobs.claim(jobs.enqueue("datasets.profile", version, world.curator).pk)
    with pytest.raises(WrongState):
        finish_profile(worker, version.pk, job=again, found={"fields": {"row_count": 9}, "warnings": []})
    assert DatasetVersion.objects.get(pk=version.pk).row_count == 3
    assert Job.objects.get(pk=again.pk).state == "running"  # the refused end was rolled back with its effect


def test_damaged_bytes_are_found_before_they_are_read(world):
    made = upload_version(world.curator, world.dataset.pk, partition="train", **put(CSV + b"P4,1,b\n"))
    path = blobs.path(made.file_digest)
    path.chmod(0o640)
    path.write_bytes(CSV)
    jobs.run_queued()
    version = DatasetVersion.objects.get(pk=made.pk)
    assert (version.state, "digest" in version.failure) == ("failed", True)


def test_rows_are_handed_out_for_a_reason_and_the_entry_is_the_read_log(world):
    version = uploaded(world)
    with pytest.raises(BadInput):
        download_version(world.curator, version.pk)
    found = download_version(world.curator, version.pk, reason="Check the export")
    assert (found.name, found.size, found.path.read_bytes()) == ("trial.csv", len(CSV), CSV)
    read = queries.reads_of(version)[0]
    assert (read.person, read.reason) == (world.curator.printed_name, "Check the export")
    with pytest.raises(NotVisible):
        download_version(world.stranger, version.pk, reason="Curious")
    assert download_version(world.author, version.pk, reason="Train").digest == version.file_digest
    with pytest.raises(NotAllowed):
        download_version(world.inspector, version.pk, reason="Curious")
    assert len(queries.reads_of(version)) == 2


def test_damaged_bytes_are_not_handed_out(world):
    version = uploaded(world, b"a,b\n5,6\n")
    path = blobs.path(version.file_digest)
    path.chmod(0o640)
    path.write_bytes(b"a,b\n5,7\n")
    with pytest.raises(Conflict) as refused:
        download_version(world.curator, version.pk, reason="Train")
    assert refused.value.rule == "content-address"


@pytest.mark.parametrize("person", ["steward", "owner", "curator", "compliance", "inspector", "registrar"])
def test_nobody_takes_test_data_out_of_the_vault(world, person):
    version = in_vault(world)
    with pytest.raises(NotAllowed) as refused:
        download_version(world.people[person], version.pk, reason="Just this once")
    assert refused.value.rule.startswith("PC23")
    refusal = last("refusal")
    assert (refusal.act, refusal.subject_id) == ("datasets.download_version", str(version.pk))


def test_the_profile_of_test_data_is_a_read(world):
    version = in_vault(world)
    profile = read_test_profile(world.steward, version.pk)
    assert profile["rows"] == 3
    sentences = [read.sentence for read in queries.reads_of(version)]
    assert sentences == ["read the profile of test data", "put a test version into the vault"]
    with pytest.raises(NotAllowed):
        read_test_profile(world.curator, version.pk)
    with pytest.raises(NotVisible):
        read_test_profile(world.stranger, version.pk)
    with pytest.raises(WrongState):
        read_test_profile(world.steward, uploaded(world, b"a,b\n1,2\n").pk)


def test_a_developer_sees_only_aggregates_of_test_data(world):
    version = in_vault(world)
    with pytest.raises(NotAllowed):
        read_test_profile(world.author, version.pk)
    page = queries.version_page(world.author, "trial", version.number)
    assert page.profile is None
    shown = json.dumps(queries.public_view(page.version))
    assert "P1" not in shown
    assert '"rows": 3' in shown
    assert queries.version_page(world.author, "trial", uploaded(world, b"a,b\n1,2\n").number).profile


def test_content_is_the_same_whenever_it_is_asked_and_changes_with_the_record(world):
    version = uploaded(world)
    first = content_digest(version)
    assert first == content_digest(DatasetVersion.objects.get(pk=version.pk))
    version.source = "Another trial"
    assert content_digest(version) != first


def test_buttons_know_what_the_acts_know(world):
    offered = {v.act: v for v in gate.offers(world.steward, in_vault(world))}
    assert not offered["datasets.download_version"].allowed
    assert offered["datasets.download_version"].rule.startswith("PC23")
    fixed = uploaded(world, b"a,b\n1,2\n")
    assert {v.act: v for v in gate.offers(world.curator, fixed)}["datasets.download_version"].allowed


@override_settings(UPLOAD_LIMIT_DATA=20)
def test_an_upload_over_the_limit_leaves_nothing_behind(world):
    with pytest.raises(BadInput) as refused:
        receive(SimpleUploadedFile("big.csv", CSV), test=True)
    assert (refused.value.status, refused.value.rule) == (413, "upload-limit")
    assert not list(blobs.path("sha256:" + "0" * 64, area="vault").parent.parent.glob(".part-*"))


def test_lists_cost_the_same_however_long_they_are(world, django_assert_num_queries):
    uploaded(world)
    with django_assert_num_queries(2):
        assert [d.version_count for d in queries.register(world.curator)] == [1]
    uploaded(world, b"a,b\n1,2\n")
    with django_assert_num_queries(2):
        assert [v.ref for v in queries.versions(world.curator)] == ["trial/v2", "trial/v1"]
    with django_assert_num_queries(2):
        assert [d.version_count for d in queries.register(world.curator)] == [2]


def test_what_a_killed_worker_left_is_removed_and_what_others_work_on_is_not(world, settings):
    work = Path(settings.COUNTERSIGN_DATA) / "work"
    old, new = work / "killed", work / "busy"
    for folder in (old, new):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "data.parquet").write_bytes(b"rows")
    os.utime(old, (0, 0))
    uploaded(world)
    assert (old.exists(), new.exists()) == (False, True)
    assert [each.name for each in work.iterdir()] == ["busy"]
    shutil.rmtree(new)


def test_the_same_file_gives_the_same_profile(world):
    version = uploaded(world)
    again = compute(version, lambda *_: None)
    assert again["fields"]["profile_digest"] == version.profile_digest
