"""Model versions: registered by whom, made by whom, frozen when, changed never."""

from __future__ import annotations

import pytest
from django.db import DatabaseError, transaction

from apps.access import gate
from apps.access.acts import end_assignment
from apps.access.models import Assignment
from apps.access.signing import content_digest
from apps.core import blobs
from apps.core.errors import BadInput, Conflict, NotAllowed, NotVisible, WrongState
from apps.datasets.acts import read_test_profile, upload_version
from apps.datasets.queries import reads_of
from apps.registry import queries
from apps.registry.acts import add_author, download_artefact, freeze, write_intended_use
from apps.registry.inspecting import inspect_artefact
from apps.registry.lineage import descendants, made_from, uses_of
from apps.registry.models import Version, VersionAuthor
from apps.trail.current import WriteOutsideAct
from apps.trail.models import Entry
from apps.validations.acts import read_cases
from tests.cast import give
from tests.factories.data import FEATURES, onnx_model, train_csv, vault_csv
from tests.factories.evidence import validated_world
from tests.factories.foundation import PROVENANCE, USE, data_version, registered_version, signed_use


@pytest.fixture
def artefact(world):
    return blobs.put(onnx_model())


@pytest.fixture
def ground(world, artefact):
    """Arguments of `registered_version` that hold: a model file, its training data, a signed use."""
    return {
        "artefact": artefact,
        "features": FEATURES,
        "train": data_version(world, "train", train_csv()),
        "use": signed_use(world),
    }


def last(kind: str = "act") -> Entry:
    return Entry.objects.filter(kind=kind).latest("id")


def fetched(version: Version) -> Version:
    return Version.objects.select_related("model", "intended_use__model").get(pk=version.pk)


def test_registering_writes_version_data_authors_history_and_entry(world, ground):
    version = registered_version(world, label="1.0.0", **ground)
    assert (version.ref, version.state, version.artefact_format) == ("lotx/1.0.0", "registered", "onnx")
    assert [a.person for a in version.authors.all()] == [world.author]
    assert [d.dataset_version for d in version.data.all()] == [ground["train"]]
    assert version.history.count() == 1
    assert version.interface["inputs"][0]["shape"] == [None, 3]
    entry = last()
    assert (entry.act, entry.subject_id) == ("registry.register_version", str(version.pk))


def test_numbers_are_kept_as_they_were_entered_in_every_database(world, ground):
    given = {"C": 1.0, "tol": 1e-20, "big": 1e20, "layers": [1, 2.5], "note": "a"}
    version = fetched(registered_version(world, label="1.0.0", **ground, hyperparameters=given))
    assert version.hyperparameters == {
        "C": "1.0",
        "tol": "1e-20",
        "big": "1e+20",
        "layers": [1, "2.5"],
        "note": "a",
    }
    assert content_digest(version) == content_digest(fetched(version))


def test_the_uploader_counts_as_author_beside_the_declared_ones(world, ground):
    version = registered_version(world, label="1.0.0", by="colleague", **ground)
    assert {a.person.username for a in version.authors.all()} == {"author", "colleague"}


def test_who_may_register(world, ground):
    with pytest.raises(NotVisible):
        registered_version(world, label="1.0.0", by="stranger", **ground)
    with pytest.raises(NotVisible):
        registered_version(world, label="1.0.0", by="other_developer", **ground)
    for person in ("owner", "approver", "validator", "compliance"):
        with pytest.raises(NotAllowed):
            registered_version(world, label="1.0.0", by=person, **ground)
    assert not Version.objects.exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"label": ""}, "label"),
        ({"label": "1.0/../x"}, "label"),
        ({"label": "people"}, "label"),
        ({"artefact_digest": "sha256:" + "0" * 64}, "artefact"),
        ({"artefact_digest": "md5:00"}, "artefact"),
        ({"artefact_size": 1}, "artefact"),
        ({"artefact_format": "pickle"}, "artefact"),
        ({"artefact_name": " "}, "artefact"),
        ({"code_commit": "main"}, "code_commit"),
        ({"code_commit": ""}, "code_commit"),
        ({"code_archive_digest": "sha256:" + "1" * 64}, "code_archive"),
        ({"environment_digest": "sha256:" + "1" * 64}, "environment"),
        ({"image_digest": "registry/image:latest"}, "image_digest"),
        ({"hyperparameters": {"Größe": 1}}, "hyperparameters"),
        ({"hyperparameters": {"seed": 2**60}}, "hyperparameters"),
        ({"hyperparameters": {"alpha": float("nan")}}, "hyperparameters"),
        ({"claimed_metrics": [0.9]}, "claimed_metrics"),
        ({"features": ["age", "age", "dose"]}, "features"),
        ({"features": ["age", "dose"]}, "features"),
        ({"features": []}, "features"),
        ({"author_ids": []}, "authors"),
        ({"author_ids": [0]}, "authors"),
        ({"data_version_ids": []}, "data_versions"),
        ({"data_version_ids": [0]}, "data_versions"),
        ({"intended_use_id": 0}, "intended_use"),
        ({"parent_id": 0xFFFF}, "parent"),
        ({"note": "\x00"}, "note"),
    ],
)
def test_bad_input_is_said_beside_its_field(world, ground, changes, field):
    with pytest.raises(BadInput) as refused:
        registered_version(world, **({"label": "1.0.0"} | ground | changes))
    assert list(refused.value.fields) == [field]
    assert all(refused.value.fields[field])
    assert not Version.objects.exists()


def test_a_label_is_never_reused(world, ground):
    registered_version(world, label="1.0.0", **ground)
    with pytest.raises(BadInput) as refused:
        registered_version(world, label="1.0.0", **ground)
    assert "label" in refused.value.fields


def test_the_same_artefact_may_stand_in_two_versions(world, ground):
    one = registered_version(world, label="1.0.0", **ground)
    two = registered_version(world, label="1.0.1", **ground)
    assert one.artefact_digest == two.artefact_digest


def test_test_data_are_never_training_data(world, ground):
    test = data_version(world, "test", vault_csv())
    with pytest.raises(BadInput) as refused:
        registered_version(world, label="1.0.0", **(ground | {"train": test}))
    assert "test data" in refused.value.fields["data_versions"][0]


def test_data_that_are_not_fixed_or_not_visible_are_refused(world, ground):
    blob = blobs.put(b"a,b\n1,2\n")
    given = {"file_digest": blob.digest, "file_name": "t.csv", **PROVENANCE}
    waiting = upload_version(world.curator, world.dataset.pk, partition="train", **given)
    with pytest.raises(BadInput) as refused:
        registered_version(world, label="1.0.0", **(ground | {"train": waiting}))
    assert "not fixed" in refused.value.fields["data_versions"][0]
    give(world, "stranger", "curator", world.other_dataset, by="other_owner")
    hidden = upload_version(world.stranger, world.other_dataset.pk, partition="train", **given)
    with pytest.raises(BadInput) as refused:
        registered_version(world, label="1.0.0", **(ground | {"train": hidden}))
    assert "not known, or you may not see it" in refused.value.fields["data_versions"][0]


def test_an_author_who_curated_the_data_is_refused(world, ground):
    with pytest.raises(Conflict) as refused:
        registered_version(world, label="1.0.0", **ground, author_ids=[world.author.pk, world.curator.pk])
    assert refused.value.rule.startswith("DY5")
    assert "Curator Person" in refused.value.fact
    assert not Version.objects.exists()
    refusal = last("refusal")
    assert (refusal.act, refusal.subject_id) == ("registry.register_version", str(world.model.pk))


def test_who_curated_data_before_becoming_a_developer_is_refused_too(world, ground):

    held = Assignment.objects.get(person=world.curator, duty="curator", state="approved")
    end_assignment(world.owner, held.pk, reason="Moves to another team")
    give(world, "curator", "developer", world.model)
    give(world, "curator", "developer", world.dataset)
    with pytest.raises(Conflict) as refused:
        registered_version(world, label="1.0.0", by="curator", **ground)
    assert refused.value.rule.startswith("DY5")
    assert not Version.objects.exists()


def test_an_author_who_read_test_data_of_the_family_is_refused(world, ground):
    """The test set becomes the family's by a plan; here through the plan of an earlier version."""

    evidence = validated_world(world, until="drafted", label="0.9.0")
    read_test_profile(world.validator, evidence.test.pk)
    ground |= {"train": evidence.train, "use": evidence.use}
    for reader in ("steward", "validator"):
        with pytest.raises(Conflict) as refused:
            registered_version(
                world,
                label="1.0.0",
                **ground,
                author_ids=[world.author.pk, world.people[reader].pk],
            )
        assert refused.value.rule.startswith("DY6")
    assert not Version.objects.filter(label="1.0.0").exists()


def test_freezing_fixes_the_digest_of_everything(world, ground):
    version = registered_version(world, label="1.0.0", **ground)
    frozen = freeze(world.author, version.pk)
    assert (frozen.state, frozen.closure_digest) == ("frozen", content_digest(fetched(version)))
    assert frozen.frozen_at
    assert (last().act, frozen.history.count()) == ("registry.freeze", 2)
    with pytest.raises(WrongState) as refused:
        freeze(world.author, version.pk)
    assert refused.value.rule == "frozen-is-frozen"


def test_who_may_freeze(world, ground):
    version = registered_version(world, label="1.0.0", **ground)
    with pytest.raises(NotVisible):
        freeze(world.stranger, version.pk)
    for person in ("owner", "approver", "validator"):
        with pytest.raises(NotAllowed):
            freeze(world.people[person], version.pk)
    assert fetched(version).state == "registered"


def test_an_unsigned_use_stops_the_freeze_and_the_button_says_so(world, ground):
    use = write_intended_use(world.process_expert, world.model.pk, given=USE, reason="A second number")
    version = registered_version(world, label="1.0.0", **(ground | {"use": use}))
    with pytest.raises(WrongState) as refused:
        freeze(world.author, version.pk)
    assert refused.value.rule == "G3"
    assert "process expert" in refused.value.fact
    offered = {v.act: v for v in gate.offers(world.author, version)}
    assert offered["registry.freeze"].fact == refused.value.fact


def test_damaged_bytes_stop_the_freeze(world, ground):
    lock = blobs.put(b"numpy==2.4.0\n# this test's own")
    version = registered_version(world, label="1.0.0", **ground, environment_digest=lock.digest)
    path = blobs.path(lock.digest)
    path.chmod(0o640)
    path.write_bytes(b"numpy==1.0.0\n")
    with pytest.raises(WrongState) as refused:
        freeze(world.author, version.pk)
    assert "environment lock" in refused.value.fact
    assert fetched(version).state == "registered"


def test_an_author_is_added_for_a_reason_and_changes_what_was_frozen(world, ground):
    version = registered_version(world, label="1.0.0", **ground)
    frozen = freeze(world.author, version.pk)
    with pytest.raises(BadInput):
        add_author(world.author, version.pk, person_id=world.colleague.pk)
    add_author(world.author, version.pk, person_id=world.colleague.pk, reason="Wrote the features")
    assert content_digest(fetched(version)) != frozen.closure_digest
    assert last().act == "registry.add_author"
    with pytest.raises(Conflict) as refused:
        add_author(world.author, version.pk, person_id=world.colleague.pk, reason="Again")
    assert refused.value.rule == "duplicate"
    assert version.authors.count() == 2


def test_who_may_add_an_author_and_whom(world, ground):
    version = registered_version(world, label="1.0.0", **ground)
    with pytest.raises(NotVisible):
        add_author(world.stranger, version.pk, person_id=world.colleague.pk, reason="x")
    with pytest.raises(NotAllowed):
        add_author(world.approver, version.pk, person_id=world.colleague.pk, reason="x")
    with pytest.raises(BadInput):
        add_author(world.author, version.pk, person_id=0, reason="x")
    with pytest.raises(Conflict) as refused:
        add_author(world.author, version.pk, person_id=world.curator.pk, reason="x")
    assert refused.value.rule.startswith("DY5")


def test_authors_cannot_be_removed(world, ground):

    version = registered_version(world, label="1.0.0", **ground)
    with pytest.raises((WriteOutsideAct, DatabaseError)), transaction.atomic():
        VersionAuthor.objects.get(version=version).delete()
    assert version.authors.count() == 1


def test_a_declared_author_counts_as_developer_though_a_colleague_uploaded(world, ground):
    version = registered_version(world, label="1.0.0", by="colleague", **ground)
    broken = gate.would_conflict(world.author, frozenset({"approve"}), version)
    assert broken is not None
    assert broken.rule.id == "DY2"
    assert gate.would_conflict(world.approver, frozenset({"approve"}), version) is None


def test_the_model_file_is_handed_out_for_a_reason(world, ground, artefact):
    version = registered_version(world, label="1.0.0", **ground)
    with pytest.raises(BadInput):
        download_artefact(world.validator, version.pk)
    found = download_artefact(world.validator, version.pk, reason="Reproduce the scores")
    assert (found.digest, found.size) == (artefact.digest, artefact.size)
    assert last().act == "registry.download_artefact"
    with pytest.raises(NotAllowed):
        download_artefact(world.approver, version.pk, reason="Curious")
    with pytest.raises(NotVisible):
        download_artefact(world.stranger, version.pk, reason="Curious")


@pytest.mark.parametrize("data", [b"", b"\x80\x04\x95pickle", b"not a model at all"])
def test_what_is_no_model_is_said_in_a_sentence(world, data):
    with pytest.raises(BadInput) as refused:
        inspect_artefact(blobs.put(data).digest)
    assert refused.value.fields["artefact"][0].endswith(".")
    with pytest.raises(BadInput):
        inspect_artefact("sha256:" + "0" * 64)
    with pytest.raises(BadInput):
        inspect_artefact("nonsense")


def test_lineage_runs_both_ways_and_hides_what_is_not_for_everybody(world, ground):
    one = registered_version(world, label="1.0.0", **ground)
    two = registered_version(world, label="1.1.0", **ground, parent_id=one.pk)
    tune = data_version(world, "tune", b"patient,b\n1,2\n")
    three = registered_version(world, label="1.2.0", **(ground | {"train": tune}), parent_id=two.pk)
    assert descendants([one.pk]) == {one.pk, two.pk, three.pk} == made_from(ground["train"])
    assert made_from(tune) == {three.pk}
    uses, hidden = uses_of(world.curator, ground["train"])
    assert (uses, hidden) == ([], 3)
    uses, hidden = uses_of(world.author, ground["train"])
    assert ({u.version.label: u.direct for u in uses}, hidden) == (
        {"1.0.0": True, "1.1.0": True, "1.2.0": False},
        0,
    )
    line = queries.made_of(world.author, fetched(three))
    parent = next(node for node in line if node.what == "Derived from")
    assert parent.record == two
    assert [node.record for node in queries.derived_from(world.author, fetched(one))] == [two]


def test_a_version_is_found_by_name_by_those_who_may_see_it(world, ground):
    version = registered_version(world, label="1.0.0", **ground)
    assert queries.resolve(world.inspector, "lotx", "1.0.0") == version
    with pytest.raises(NotVisible):
        queries.resolve(world.stranger, "lotx", "1.0.0")
    with pytest.raises(NotVisible):
        queries.resolve(world.author, "lotx", "9.9.9")


def test_the_inventory_costs_the_same_however_long_it_is(world, ground, django_assert_num_queries):
    registered_version(world, label="1.0.0", **ground)
    with django_assert_num_queries(2):
        row = queries.inventory(world.author).get()
    assert (row.newest_label, row.newest_state, row.tier, row.released_label) == (
        "1.0.0",
        "registered",
        "medium",
        None,
    )
    registered_version(world, label="1.1.0", **ground)
    with django_assert_num_queries(2):
        assert [m.newest_label for m in queries.inventory(world.inspector)] == ["1.1.0", None]


def test_a_double_click_registers_one_version(world, ground):
    one = registered_version(world, label="1.0.0", **ground, idempotency_key="click")
    two = registered_version(world, label="1.0.0", **ground, idempotency_key="click")
    assert one.pk == two.pk
    assert Version.objects.count() == 1


def test_content_changes_with_anything_that_matters_and_with_nothing_else(world, ground):
    version = registered_version(world, label="1.0.0", **ground)
    before = content_digest(fetched(version))
    changed = fetched(version)
    changed.state = "frozen"
    assert content_digest(changed) == before
    for name, value in {
        "artefact_digest": "sha256:" + "1" * 64,
        "code_commit": "0000000",
        "environment_digest": "sha256:" + "1" * 64,
        "hyperparameters": {"C": "2.0"},
        "claimed_metrics": {},
        "features": ["dose", "marker", "age"],
        "note": "n",
    }.items():
        changed = fetched(version)
        setattr(changed, name, value)
        assert content_digest(changed) != before, name


def test_who_is_an_author_of_the_family_does_not_read_its_test_data(world):
    evidence = validated_world(world, until="drafted", label="0.9.0")
    assert read_test_profile(world.inspector, evidence.test.pk)["rows"] == 400
    reason = "Tuned the threshold"
    add_author(world.author, evidence.version.pk, person_id=world.compliance.pk, reason=reason)
    with pytest.raises(Conflict) as refused:
        read_test_profile(world.compliance, evidence.test.pk)
    assert refused.value.rule.startswith("DY6")
    assert "became a declared author of lotx/0.9.0" in refused.value.fact
    refusal = last("refusal")
    assert (refusal.act, refusal.subject_id) == ("datasets.read_test_profile", str(evidence.test.pk))


def test_per_case_results_stand_in_the_read_log_of_the_test_data(world):
    evidence = validated_world(world, until="run", label="0.9.0")
    read_cases(world.validator, evidence.run.pk)
    reads = reads_of(evidence.test)
    assert [(r.person, r.sentence) for r in reads] == [
        ("Validator Person", "read per-case results on test data"),
        ("Steward Person", "put a test version into the vault"),
    ]
