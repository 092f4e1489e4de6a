"""Conflicts flow along lineage: derived data, shared test sets, a plan and its runs, a model and its risk."""

from __future__ import annotations

import pytest

from apps.access.gate import Judge, would_conflict
from apps.access.policy import policy
from apps.approvals.independence import conflicts_of
from apps.core import blobs, registries
from apps.core.errors import BadInput, Conflict
from apps.datasets.acts import upload_version
from apps.datasets.lineage import kin_of, sources_of
from apps.registry.acts import add_author, write_intended_use
from tests.access.people import crowd
from tests.cast import give
from tests.factories.data import table_csv
from tests.factories.evidence import validated_world
from tests.factories.foundation import PROVENANCE, USE, data_version

pytestmark = pytest.mark.django_db


def derived(world, by: str, seed: int, source: str):
    blob = blobs.put(table_csv(seed, 40), area="files")
    return upload_version(
        world.people[by],
        world.dataset.pk,
        partition="train",
        file_digest=blob.digest,
        file_name="part.csv",
        derived_from=source,
        **PROVENANCE,
    )


def test_a_derived_dataset_inherits_its_curators(world):
    crowd(world, ["curator2"])
    give(world, "curator2", "curator", world.dataset)
    first = data_version(world, "train", table_csv(5, 60))
    second = derived(world, "curator2", 6, first.ref)
    third = derived(world, "curator2", 7, second.ref)
    apart = derived(world, "curator2", 8, "")
    assert sources_of([third.pk]) == {first.pk, second.pk, third.pk}
    assert kin_of([first.pk]) == {first.pk, second.pk, third.pk}
    verify = frozenset({"verify_labels"})
    broken = would_conflict(world.curator, verify, third)
    assert (broken.rule.id, broken.deed.id) == ("DY7", str(first.pk))
    assert would_conflict(world.curator, verify, apart) is None
    content = registries.content["datasets.version"]
    assert content(third)["derived_from"] == second.ref
    assert "derived_from" not in content(apart), "what was signed before keeps its digest"


@pytest.mark.parametrize("ref", ["nowhere/v1", "trial/v99", "trial", "plant/v1"])
def test_a_source_is_a_version_one_may_see(world, ref):
    with pytest.raises(BadInput) as refused:
        derived(world, "curator", 9, ref)
    assert refused.value.fields["derived_from"][0].startswith("Name a dataset version you may see")


def test_training_data_are_not_derived_from_test_data(world):
    vault = data_version(world, "test", table_csv(12, 50))
    with pytest.raises(BadInput) as refused:
        derived(world, "curator", 9, vault.ref)
    assert "is test data" in refused.value.fields["derived_from"][0]


@pytest.mark.evidence("drafted")
def test_who_develops_answers_neither_for_the_risk_nor_for_the_criteria(world):
    """DY11 and DY9, as the acts count: a version's author may not approve its risk or lock its plan."""
    evidence = validated_world(world, until="drafted")
    with pytest.raises(Conflict) as refused:  # the owner approved the risk of this model
        add_author(world.author, evidence.version.pk, person_id=world.owner.pk, reason="Wrote a feature")
    assert refused.value.rule.startswith("DY11")
    signing = policy("registry.sign_intended_use_owner").verbs
    broken, _ = Judge(second_use(world)).judged(world.author, signing)
    assert broken.rule.id == "DY11"
    judge = Judge(evidence.plan)
    broken, _ = judge.judged(world.author, policy("validations.sign_plan_approval").verbs)
    assert broken.rule.id == "DY9"
    assert judge.judged(world.approver, policy("validations.sign_plan_approval").verbs) == (None, ())


def second_use(world):
    return write_intended_use(world.process_expert, world.model.pk, given=USE, reason="Second statement")


@pytest.mark.evidence("run")
def test_the_recomputation_sees_who_ran_a_test_and_approved_its_plan(world):
    """DY10 on the records: the run is entered on itself, and counts as part of its plan."""
    evidence = validated_world(world, until="run")
    assert conflicts_of(evidence.version) == []
    runs = registries.as_one["registry.versions"][0]([evidence.version.pk])
    assert runs == {
        ("validations.run", str(evidence.run.pk)): ("validations.plan", str(evidence.plan.pk)),
    }


@pytest.mark.evidence("run")
def test_a_run_is_judged_with_every_family_of_its_test_set(world):
    """DY6 from both sides: the set and its runs stand in the family of what they test."""
    evidence = validated_world(world, until="run")
    family = Judge(evidence.run).facts.closures["family"]
    assert ("registry.version", str(evidence.version.pk)) in family
    assert ("datasets.version", str(evidence.test.pk)) in family
    assert ("validations.run", str(evidence.run.pk)) in Judge(evidence.version).facts.closures["family"]
