"""Static rules follow lineage: who curates what the data of a model were derived from is near that model, and so is
who keeps the kin of its test set; from the dataset's side alike."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.access.acts import request_assignment
from apps.access.assigning import family_of, relation
from apps.access.duties import Duty
from apps.access.gate import Judge, would_conflict
from apps.access.rulesfile import newest_shipped
from apps.access.separation import Relation, parse, static_conflicts
from apps.access.staffing import Ground
from apps.core import blobs
from apps.core.errors import Conflict
from apps.core.jobs import run_queued
from apps.datasets.acts import upload_test_version, upload_version
from apps.registry.acts import freeze, register_model
from apps.validations.acts import write_plan
from tests.access.people import crowd
from tests.access.telling import refused
from tests.access.test_waivers import granted
from tests.cast import approve_owner, give
from tests.factories.data import FEATURES, onnx_model, table_csv, vault_csv
from tests.factories.evidence import plan_input, validated_world
from tests.factories.foundation import PROVENANCE, registered_version, signed_use

RULES = parse(newest_shipped())
MODEL, MADE_OF, SOURCE = ("registry.model", 1), ("datasets.dataset", 1), ("datasets.dataset", 2)


# ---------------------------------------------------------------- without a database


@pytest.mark.parametrize("duty", ["curator", "steward"])
@pytest.mark.parametrize(("family", "broken"), [({MODEL, MADE_OF}, False), ({MODEL, MADE_OF, SOURCE}, True)])
def test_what_is_in_the_family_is_kept_apart(duty, family, broken):
    """A duty on the source counts exactly where the source is in the model's family, whichever was held first."""
    near = relation(MODEL, SOURCE, family)
    assert near == (Relation.FAMILY if broken else Relation.ELSEWHERE)
    for asked, held in (("developer", duty), (duty, "developer")):
        found = [rule.id for rule, _ in static_conflicts(RULES, asked, [(held, near)])]
        assert found == ([{"curator": "ST4", "steward": "ST5"}[duty]] if broken else [])


# ---------------------------------------------------------------- with one


def uploaded(world, by: str, dataset, seed: int, source: str = "", *, partition="train", data=None):
    blob = blobs.put(data or table_csv(seed, 40), area="vault" if partition == "test" else "files")
    given = {"file_digest": blob.digest, "file_name": "part.csv", "derived_from": source, **PROVENANCE}
    if partition == "test":
        given["entity_column"] = "patient"
        made = upload_test_version(world.people[by], dataset.pk, **given)
    else:
        made = upload_version(world.people[by], dataset.pk, partition=partition, **given)
    run_queued()
    return made


def asked(world, person: str, duty: str, parent):
    return request_assignment(
        world.registrar,
        person_id=world.people[person].pk,
        duty=duty,
        scope_kind=parent.subject_kind,
        scope_id=parent.pk,
        reason="Needed for the work",
    )


@pytest.fixture
def derived(world):
    """lotx 0.9.0 is made of trial data that kim derived from plant data; lee curates the plant data alone."""
    crowd(world, ["kim", "lee", "nora"])
    for dataset in (world.dataset, world.other_dataset):
        give(
            world, "kim", "curator", dataset, by="other_owner" if dataset == world.other_dataset else "owner"
        )
    source = uploaded(world, "kim", world.other_dataset, 5)
    between = uploaded(world, "kim", world.other_dataset, 6, source.ref)
    made_of = uploaded(world, "kim", world.dataset, 7, between.ref)
    return source, made_of, made_from(world, made_of)


def made_from(world, train):
    return registered_version(
        world,
        label="0.9.0",
        artefact=blobs.put(onnx_model("0.9.0")),
        features=FEATURES,
        train=train,
        use=signed_use(world),
    )


@pytest.mark.django_db
def test_who_curates_the_source_of_derived_data_becomes_no_developer(world, derived):
    give(world, "lee", "curator", world.other_dataset, by="other_owner")
    with refused(Conflict, "ST4", act="access.request_assignment", by=world.registrar):
        asked(world, "lee", "developer", world.model)
    asked(world, "lee", "developer", world.other_model)  # made of none of it


@pytest.mark.django_db
def test_a_developer_becomes_no_curator_of_the_source(world, derived):
    with refused(Conflict, "ST4", act="access.request_assignment", by=world.registrar):
        asked(world, "author", "curator", world.other_dataset)
    asked(world, "other_developer", "curator", world.other_dataset)


@pytest.mark.django_db
def test_a_waiver_opens_nothing_on_a_third_model_that_shares_the_data(world, derived):
    """It stands on the model of one of the two duties, or it does not open them."""
    crowd(world, ["mara"])
    third = register_model(world.registrar, slug="third", name="Third", owner_id=world.owner.pk)
    approve_owner(world, third)
    for person in ("developer", "process_expert"):
        give(world, {"developer": "author"}.get(person, person), person, third)
    here, world.model = world.model, third
    made_from(world, derived[1])
    give(world, "mara", "developer", third)
    world.model = here
    for place in (third, here):
        assert ("datasets.dataset", world.other_dataset.pk) in family_of(place.subject_kind, place.pk)
    give(world, "lee", "curator", world.other_dataset, by="other_owner")
    granted(world, rule="ST4", person="lee")
    granted(world, rule="ST4", person="mara")
    with refused(Conflict, "ST4", act="access.request_assignment", by=world.registrar):
        asked(world, "lee", "developer", third)
    with refused(Conflict, "ST4", act="access.request_assignment", by=world.registrar):
        asked(world, "mara", "curator", world.other_dataset)
    shut = {c.person.username: c.rule for c in Ground(third).candidates(Duty.DEVELOPER)}
    free = {c.person.username: c.rule for c in Ground(here).candidates(Duty.DEVELOPER)}
    assert shut["lee"].startswith("ST4")
    assert free["lee"] == ""
    assert asked(world, "lee", "developer", here).state == "requested"
    granted(world, rule="ST4", person="author")
    with refused(Conflict, "ST4", act="access.request_assignment", by=world.registrar):
        asked(world, "author", "curator", world.other_dataset)  # develops the third one too


@pytest.mark.django_db
def test_what_was_derived_from_the_data_of_a_model_is_not_its_data(world):
    """Data made later of the same source are no data of the model: their curator may develop it."""
    crowd(world, ["kim"])
    give(world, "kim", "curator", world.dataset)
    give(world, "kim", "curator", world.other_dataset, by="other_owner")
    train = uploaded(world, "kim", world.dataset, 5)
    made_from(world, train)
    uploaded(world, "kim", world.other_dataset, 6, train.ref)
    assert ("datasets.dataset", world.other_dataset.pk) not in family_of("registry.model", world.model.pk)
    assert ("registry.model", world.model.pk) not in family_of("datasets.dataset", world.other_dataset.pk)


@pytest.mark.django_db
def test_the_same_bytes_registered_elsewhere_are_the_same_data(world):
    """DY5 and ST4: a second registration hides neither who curated the first nor what it was derived from."""
    crowd(world, ["kim", "lee"])
    give(world, "kim", "curator", world.other_dataset, by="other_owner")
    first = uploaded(world, "kim", world.other_dataset, 5)
    version = made_from(world, uploaded(world, "curator", world.dataset, 5))
    assert first.file_digest == version.data.get().dataset_version.file_digest
    broken = would_conflict(world.kim, frozenset({"develop"}), version)
    assert (broken.rule.id, broken.deed.id) == ("DY5", str(first.pk))
    assert ("datasets.dataset", world.other_dataset.pk) in family_of("registry.model", world.model.pk)


@pytest.mark.django_db
def test_who_keeps_the_kin_of_a_test_set_becomes_no_developer(world):
    crowd(world, ["sam", "lee"])
    give(world, "sam", "steward", world.other_dataset, by="other_owner")
    give(world, "sam", "steward", world.dataset)
    source = uploaded(world, "sam", world.other_dataset, 0, partition="test", data=table_csv(12, 50))
    used = uploaded(world, "sam", world.dataset, 0, source.ref, partition="test", data=vault_csv())
    evidence = validated_world(world, until="frozen")
    assert evidence.test.pk == used.pk, "the set of the factory is the derived one"
    give(world, "lee", "steward", world.other_dataset, by="other_owner")
    asked(world, "other_developer", "curator", world.other_dataset)
    write_plan(world.validator, evidence.version.pk, **plan_input(evidence.test))
    with refused(Conflict, "ST5", act="access.request_assignment", by=world.registrar):
        asked(world, "lee", "developer", world.model)
    with refused(Conflict, "ST5", act="access.request_assignment", by=world.registrar):
        asked(world, "author", "steward", world.other_dataset)


@pytest.mark.django_db
@pytest.mark.evidence("drafted")
def test_a_test_set_of_two_models_bars_its_keepers_and_readers_from_both(world):
    """And judging it costs no more queries for three models than for two."""
    evidence = validated_world(world, until="drafted")
    counted, kinds = [], []
    for slug in ("visc2", "visc3"):
        model = register_model(world.registrar, slug=slug, name=slug, owner_id=world.owner.pk)
        approve_owner(world, model)
        for person in ("author", "validator", "process_expert"):
            duty = {"author": "developer"}.get(person, person)
            give(world, person, duty, model)
        here, world.model = world.model, model
        version = freeze(world.author, made_from(world, evidence.train).pk)
        world.model = here
        write_plan(world.validator, version.pk, **plan_input(evidence.test))
        kinds.append(("registry.version", str(version.pk)))
        with CaptureQueriesContext(connection) as queries:
            family = Judge(evidence.test).facts.closures["family"]
        counted.append(len(queries))
        assert set(kinds) <= family
        assert ("datasets.dataset", world.dataset.pk) in family_of("registry.model", model.pk)
        with refused(Conflict, "ST5", act="access.request_assignment", by=world.registrar):
            asked(world, "steward", "developer", model)
    assert counted[0] == counted[1]


@pytest.mark.django_db
def test_models_and_datasets_find_each_other_from_both_sides(world, derived):
    models, datasets = (world.model, world.other_model), (world.dataset, world.other_dataset)
    pairs = {
        (m.slug, d.slug)
        for m in models
        for d in datasets
        if ("datasets.dataset", d.pk) in family_of("registry.model", m.pk)
    }
    back = {
        (m.slug, d.slug)
        for m in models
        for d in datasets
        if ("registry.model", m.pk) in family_of("datasets.dataset", d.pk)
    }
    assert pairs == back == {("lotx", "trial"), ("lotx", "plant")}
