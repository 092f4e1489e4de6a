"""The same file, label, or number twice at the same instant: real threads, real connections."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from apps.core import blobs
from apps.core.errors import Refused
from apps.datasets.acts import upload_version
from apps.datasets.models import DatasetVersion
from apps.registry.acts import freeze, write_intended_use
from apps.registry.models import IntendedUse, Version
from tests.factories.data import FEATURES, onnx_model, train_csv
from tests.factories.foundation import PROVENANCE, USE, data_version, registered_version, signed_use

pytestmark = pytest.mark.django_db(transaction=True)


def together(*calls):
    """Run the calls at one barrier; each answer is a result or the Refused it met."""
    barrier, answers = threading.Barrier(len(calls)), [None] * len(calls)

    def one(index, call):
        barrier.wait()
        try:
            answers[index] = call()
        except Refused as refused:
            answers[index] = refused
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return answers


def refusals(answers):
    return [a for a in answers if isinstance(a, Refused)]


def test_the_same_file_uploaded_twice_at_once_is_stored_once(trail_allows_flush, world):
    blob = blobs.put(b"patient,b\n7,8\n")

    def upload():
        given = {"file_digest": blob.digest, "file_name": "t.csv", **PROVENANCE}
        return upload_version(world.curator, world.dataset.pk, partition="train", **given)

    answers = together(upload, upload)
    assert [r.status for r in refusals(answers)] == [409], answers
    assert DatasetVersion.objects.count() == 1


def test_numbers_of_intended_uses_have_no_gap_and_no_twin(trail_allows_flush, world):
    def write():
        return write_intended_use(world.process_expert, world.model.pk, given=USE, reason="At once")

    answers = together(write, write, write)
    assert not refusals(answers)
    assert sorted(IntendedUse.objects.values_list("number", flat=True)) == [1, 2, 3]


def test_one_label_registered_and_frozen_twice_at_once_happens_once(trail_allows_flush, world):
    ground = {
        "artefact": blobs.put(onnx_model()),
        "features": FEATURES,
        "train": data_version(world, "train", train_csv()),
        "use": signed_use(world),
    }

    def register():
        return registered_version(world, label="1.0.0", **ground)

    answers = together(register, register)
    assert len(refusals(answers)) == 1, answers
    version = Version.objects.get()

    answers = together(lambda: freeze(world.author, version.pk), lambda: freeze(world.colleague, version.pk))
    assert [r.rule for r in refusals(answers)] == ["frozen-is-frozen"], answers
    assert Version.objects.get().history.count() == 2
