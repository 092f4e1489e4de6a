"""What waits for whom, at every step from registration to release: exact sets for each person of the cast."""

from __future__ import annotations

import pytest

from apps.access.sharing import shared
from apps.approvals.acts import open_gate, sign_approval, sign_responsibility, sign_review
from apps.approvals.queries import work_for
from apps.core import blobs
from apps.core.jobs import run_queued
from apps.fairness.acts import request_report, sign_report
from apps.quality.acts import open_deviation
from apps.quality.review_acts import open_trail_review, sign_trail_review
from apps.registry.acts import freeze, sign_intended_use_expert, sign_intended_use_owner, write_intended_use
from apps.validations.acts import sign_plan_approval, sign_plan_author, start_run, write_plan
from tests.approvals.conftest import slot_of
from tests.cast import EVERYBODY
from tests.factories.data import FEATURES, onnx_model, train_csv, vault_csv
from tests.factories.evidence import plan_input, signed
from tests.factories.foundation import USE, data_version, registered_version, sign
from tests.factories.probes import probed_leniently
from tests.factories.reviews import seen_whole
from tests.factories.verification import verified

pytestmark = pytest.mark.django_db


def waiting(world) -> dict[str, set[str]]:
    """Person -> the tasks that wait for them; who has none is left out."""
    with shared():
        found = {name: {task.title for task in work_for(world.people[name]).mine} for name in EVERYBODY}
    return {name: titles for name, titles in found.items() if titles}


# Verification waits from the registration on, the limits of probes from the locked plan on.
VERIFICATION = {
    "author": {"Attach evidence"},
    "colleague": {"Attach evidence"},
    "process_expert": {"Write requirement"},
    "owner": {"Write requirement"},
}
PROBES = {"validator": {"Write limits of probes"}, "bias_tester": {"Write limits of probes"}}


def together(*parts: dict[str, set[str]]) -> dict[str, set[str]]:
    names = {name for part in parts for name in part}
    return {name: set().union(*(part.get(name, set()) for part in parts)) for name in names}


@pytest.mark.long
def test_each_step_waits_for_exactly_who_does_it(world):
    use = write_intended_use(world.process_expert, world.model.pk, given=USE, reason="First statement")
    train, test = data_version(world, "train", train_csv()), data_version(world, "test", vault_csv())
    version = registered_version(
        world, label="1.0.0", artefact=blobs.put(onnx_model()), features=FEATURES, train=train, use=use
    )
    owner = {"owner": {"Approve as owner"}}
    expert = {"process_expert": {"Sign as process expert"}}
    assert waiting(world) == together(VERIFICATION, expert, owner)
    sign_intended_use_expert(world.process_expert, use.pk, signature=sign(use))
    assert waiting(world) == together(VERIFICATION, owner)
    sign_intended_use_owner(world.owner, use.pk, signature=sign(use))
    assert waiting(world) == together(VERIFICATION, {"author": {"Freeze"}, "colleague": {"Freeze"}})

    freeze(world.author, version.pk)
    assert waiting(world) == together(VERIFICATION, {"validator": {"Write plan"}})
    plan = write_plan(world.validator, version.pk, **plan_input(test))
    run_queued()
    assert waiting(world) == together(VERIFICATION, {"validator": {"Sign as author"}})
    sign_plan_author(world.validator, plan.pk, signature=signed(plan))
    approves = {"approver": {"Approve plan"}, "approver2": {"Approve plan"}}
    assert waiting(world) == together(VERIFICATION, approves)
    sign_plan_approval(world.approver, plan.pk, signature=signed(plan))
    assert waiting(world) == together(VERIFICATION, PROBES, {"validator": {"Run validation"}})

    run = start_run(world.validator, plan.pk)
    assert waiting(world) == together(VERIFICATION, PROBES)
    run_queued()
    opens = {"owner": {"Open release gate"}}
    computes = {"bias_tester": {"Compute bias report"}}
    assert waiting(world) == together(VERIFICATION, PROBES, computes, opens)
    report = request_report(world.bias_tester, run.pk)
    run_queued()
    reviews = {"approver": {"Review the audit trail"}, "approver2": {"Review the audit trail"}}
    signs = {"bias_tester": {"Sign bias report"}}
    assert waiting(world) == together(VERIFICATION, PROBES, opens, reviews, signs)
    report.refresh_from_db()
    sign_report(world.bias_tester, report.pk, signature=signed(report))
    assert waiting(world) == together(VERIFICATION, PROBES, opens, reviews)
    verified(world, version)
    assert waiting(world) == together(PROBES, opens, reviews)
    probed_leniently(world, plan)
    assert waiting(world) == together(opens, reviews)
    review = open_trail_review(world.approver, version.pk)
    independent = ("approver2", "compliance", "compliance2")  # the first approver approved the plan
    assert waiting(world) == opens | {name: {"Go through"} for name in independent}
    seen_whole(review, world.approver2)
    assert waiting(world) == opens | {name: {"Sign the review"} for name in independent}
    review.refresh_from_db()
    sign_trail_review(world.approver2, review.pk, signature=signed(review))
    assert waiting(world) == opens

    gate = open_gate(world.owner, version.pk)
    run_queued()
    assert waiting(world) == {
        "approver": {"Sign: QA approval"},
        "approver2": {"Sign: QA approval"},
        "owner": {"Sign: accept residual risk"},
        "compliance": {"Sign: compliance review"},
        "compliance2": {"Sign: compliance review"},
    }

    first, second = (
        open_deviation(world.validator, version.pk, title=title, description="A unit was mixed up.")
        for title in ("Late", "Later")
    )
    accept = {f"Accept deviation: {first.ref}", f"Accept deviation: {second.ref}"}
    assert waiting(world) == {"approver": accept, "approver2": accept}
    assert gate.state == "open"


@pytest.mark.evidence("gate")
def test_after_each_signature_only_the_missing_ones_wait(world, gate):
    for code, act, person in (
        ("approval", sign_approval, "approver"),
        ("responsibility", sign_responsibility, "owner"),
        ("review", sign_review, "compliance"),
    ):
        assert person in waiting(world)
        slot = slot_of(gate, code)
        act(world.people[person], slot.pk, signature=signed(slot))
        assert person not in waiting(world)
    assert waiting(world) == {}


@pytest.mark.evidence("gate")
def test_work_costs_the_same_for_one_version_and_for_three(world, gate, django_assert_max_num_queries):
    with django_assert_max_num_queries(30):
        work_for(world.approver)
    use = gate.version.intended_use
    train = gate.version.data.get().dataset_version
    for label in ("1.0.1", "1.0.2"):
        registered_version(
            world,
            label=label,
            artefact=blobs.put(onnx_model(label)),
            features=FEATURES,
            train=train,
            use=use,
        )
    with django_assert_max_num_queries(30):
        work_for(world.approver)
