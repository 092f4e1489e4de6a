"""Stored files against the records that name them: missing, cut and altered ones are named with the record."""

from __future__ import annotations

import os
import shutil

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import models

from apps.core import blobs
from apps.trail import identity, verifier
from apps.trail.detectors import files
from tests.factories.data import train_csv
from tests.factories.foundation import data_version

pytestmark = pytest.mark.django_db
# Digests that name no stored bytes: of content, of statements, of what lies elsewhere.
ELSEWHERE = {
    *("access.SeparationRules.digest", "access.RulesChange.digest", "approvals.Snapshot.digest"),
    *("registry.Version.closure_digest", "registry.Version.image_digest", "packs.Pack.content_digest"),
    *("fairness.Report.cells_digest", "trail.Entry.digest", "trail.Leaf.body_digest"),
    *("trail.Signature.content_digest", "trail.Signature.statement_digest"),
    *("access.TrainingMatrix.digest", "access.AccessReview.result_digest"),
    *("verification.Claim.data_digest", "verification.Claim.script_digest"),  # of files that stayed elsewhere
    "verification.Requirement.approved_digest",
}


@pytest.fixture
def made(world, settings, tmp_path):
    """A data folder of the test's own with the world's log, and a finished dataset version in it."""
    for place in ("keys", "witness"):
        source = settings.COUNTERSIGN_DATA / place / identity.keys().origin
        if source.exists():
            shutil.copytree(source, tmp_path / place / source.name)
    settings.COUNTERSIGN_DATA = tmp_path
    return data_version(world, "train", train_csv())


def told(**how):
    return {
        (each.table, each.row, each.field, each.detail.partition(": ")[2])
        for each in verifier.verify(**how).findings
    }


def stored(version, field="file_digest"):
    return blobs.path(getattr(version, field), area=version.area)


def overwrite(path, content):
    path.chmod(0o640)
    before = path.read_bytes()
    path.write_bytes(content)
    assert before != content, "the attack changed nothing"


def test_whole_files_are_no_finding(made):
    assert told() == set()
    result = verifier.verify(read_files=True)
    assert result.findings == []
    assert result.checked["files"] >= 3


@pytest.mark.parametrize("field", ["file_digest", "table_digest", "row_digests", "profile_digest"])
def test_a_missing_file_is_named_with_its_record(made, field):
    stored(made, field).unlink()
    wanted = {("datasets_datasetversion", str(made.pk), field, "the stored bytes are missing")}
    assert told() == wanted
    assert told(read_files=True) == wanted


def test_a_cut_file_is_seen_by_its_size_alone(made):
    content = stored(made).read_bytes()
    overwrite(stored(made), content[:-1])
    [(table, row, field, detail)] = told()
    assert (table, row, field) == ("datasets_datasetversion", str(made.pk), "file_digest")
    assert detail == f"{len(content) - 1} bytes are stored, the record says {len(content)}"


def test_an_altered_byte_needs_reading(made, capsys):
    content = bytearray(stored(made).read_bytes())
    content[0] ^= 1
    overwrite(stored(made), bytes(content))
    assert told() == set()
    differs = "the stored bytes differ from their digest"
    assert told(read_files=True) == {("datasets_datasetversion", str(made.pk), "file_digest", differs)}
    with pytest.raises(SystemExit) as stop:
        call_command("verify_trail", "--files")
    assert stop.value.code == 1
    assert f"datasets_datasetversion row {made.pk}, field file_digest" in capsys.readouterr().out


def test_every_column_that_holds_a_digest_is_declared_or_known_to_name_none():
    declared = {f"{model._meta.label}.{each.field}" for model, named in files.holders() for each in named}
    columns = {
        f"{model._meta.label}.{field.name}"
        for model in apps.get_models()
        if model.__module__.startswith("apps.") and not model.__name__.startswith("Historical")
        for field in model._meta.concrete_fields
        if isinstance(field, models.CharField) and "digest" in field.name
    }
    assert columns - declared <= ELSEWHERE
    for model, named in files.holders():
        for each in named:
            assert model._meta.get_field(each.field)
            assert each.area in blobs.AREAS or hasattr(model, "area")


def test_bytes_compared_once_are_read_again_only_when_touched(made, monkeypatch):
    read = []
    original = blobs.verify
    monkeypatch.setattr(
        blobs, "verify", lambda digest, *, area: read.append(digest) or original(digest, area=area)
    )
    digest, path = made.file_digest, stored(made)
    assert [blobs.quick_fault(digest, area=made.area) for _ in range(3)] == ["", "", ""]
    assert read == [digest]
    before = path.stat()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    overwrite(path, bytes(content))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # the thief sets the time back
    assert blobs.quick_fault(digest, area=made.area) == "altered"
    path.unlink()
    assert blobs.quick_fault(digest, area=made.area) == "missing"
