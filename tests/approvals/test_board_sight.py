"""What a seat opens for reading: the version a board is asked about, its gate and evidence, while it is asked."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.urls import reverse

from apps.access.acts import create_token
from apps.access.gate import offers, visible
from apps.approvals import acts, board_acts, board_seat_acts
from apps.approvals.board_models import Attendance, Meeting
from apps.approvals.board_sight import OPENED
from apps.approvals.models import Gate
from apps.approvals.templates import template_for
from apps.core import blobs, registries
from apps.quality.acts import open_deviation
from apps.registry.models import Model, Version
from apps.robustness.models import ProbeEvidence, ProbePlan, ProbeReport
from apps.trail.models import Signature
from tests.approvals.boards import SEATS, approved, decided, founded, minuted, planned, proposed, seat, seats
from tests.factories.data import onnx_model, train_csv
from tests.factories.evidence import signed, validated_world
from tests.factories.foundation import data_version, registered_version
from tests.factories.reviews import trail_reviewed
from tests.factories.services import as_service, service, service_token

pytestmark = pytest.mark.evidence("reported")
BACKEND = "django.contrib.auth.backends.ModelBackend"
LABELS = sorted(registries.visibility._functions)
Seen = dict[str, set[Any]]


def seen_by(person) -> Seen:
    """Every row of every model that the person may see, by the model's label."""
    return {
        label: set(visible(person, apps.get_model(label)).values_list("pk", flat=True)) for label in LABELS
    }


def more(after: Seen, before: Seen) -> Seen:
    assert all(before[label] <= after[label] for label in LABELS)
    return {label: after[label] - before[label] for label in LABELS if after[label] - before[label]}


@pytest.fixture
def evidence(world):
    """Beside the version that is asked about stand another version, with data, a plan and a deviation of its own."""
    made = validated_world(world)
    unused = data_version(world, "train", train_csv(), file_name="second.csv")
    other = registered_version(
        world,
        label="2.0.0",
        artefact=blobs.put(onnx_model("second")),
        features=made.version.features,
        train=unused,
        use=made.use,
    )
    for version in (made.version, other):
        given = {"title": "Noted", "description": "Seen in review.", "blocking": False}
        open_deviation(world.validator, version.pk, **given)
    return made


@pytest.fixture
def high_gate(world, evidence, monkeypatch) -> Gate:
    monkeypatch.setattr(acts, "template_for", lambda _tier: template_for("high"))
    return acts.open_gate(world.owner, evidence.version.pk)


def expected(evidence, gate: Gate) -> Seen:
    """What hangs on the version, and what it was made of and is tested on."""
    version, plan, run = evidence.version, evidence.plan, evidence.run
    kinds = {"registry.intended_use": evidence.use.pk, "validations.plan": plan.pk}
    kinds |= {"robustness.plan": ProbePlan.objects.get().pk, "fairness.report": evidence.report.pk}
    signatures = {
        pk
        for kind, subject in kinds.items()
        for pk in Signature.objects.filter(subject_kind=kind, subject_id=str(subject)).values_list(
            "pk", flat=True
        )
    }
    found = {
        "registry.Model": {version.model_id},
        "registry.IntendedUse": {evidence.use.pk},
        "registry.Version": {version.pk},
        "registry.VersionAuthor": set(version.authors.values_list("pk", flat=True)),
        "registry.VersionData": set(version.data.values_list("pk", flat=True)),
        "datasets.Dataset": {evidence.train.dataset_id, evidence.test.dataset_id},
        "datasets.DatasetVersion": {evidence.train.pk, evidence.test.pk},
        "validations.Plan": {plan.pk},
        "validations.Run": {run.pk},
        "validations.Comparison": set(plan.comparisons.values_list("pk", flat=True)),
        "validations.Result": set(run.results.values_list("pk", flat=True)),
        "fairness.Report": {evidence.report.pk},
        "robustness.ProbeEvidence": {ProbeEvidence.objects.get().pk},
        "robustness.ProbePlan": {ProbePlan.objects.get().pk},
        "robustness.ProbeReport": {ProbeReport.objects.get().pk},
        "quality.Deviation": set(version.deviations.values_list("pk", flat=True)),
        "approvals.Gate": {gate.pk},
        "approvals.Slot": set(gate.slots.values_list("pk", flat=True)),
        "approvals.Meeting": {meeting.pk for meeting in gate.meetings.all()},
        "trail.Signature": signatures,
    }
    return {label: rows for label, rows in found.items() if rows}


def test_a_seat_opens_exactly_what_its_board_is_asked_about(world, evidence, high_gate):
    board = founded(world)
    before, outsider = seen_by(world.stranger), seen_by(world.other_developer)
    assert before["registry.Model"] == set()
    meeting = planned(world, high_gate, board)
    assert more(seen_by(world.stranger), before) == expected(evidence, high_gate)
    assert seen_by(world.other_developer) == outsider
    minuted(world, meeting)
    attended = set(Attendance.objects.values_list("pk", flat=True))
    assert more(seen_by(world.stranger), before) == {
        **expected(evidence, high_gate),
        "approvals.Attendance": attended,
    }


def test_pages_show_a_seat_the_evidence_and_neither_the_trail_nor_who_did_what(
    world, evidence, high_gate, client
):
    """The owner reads on the same pages what the seat does not open: nothing is hidden from a duty."""
    version = evidence.version
    review = trail_reviewed(world, version)
    planned(world, high_gate, founded(world))
    assert not visible(world.stranger, Signature).filter(subject_kind=review.subject_kind).exists()

    def read(person: str, *way: str) -> str:
        client.force_login(world.people[person], backend=BACKEND)
        address = reverse(way[0], args=[version.model.slug, *way[1:]])
        return client.get(address).content.decode()

    for person, shown in (("owner", True), ("stranger", False)):
        signed_on = read(person, "web:section", version.label, "signatures")
        assert evidence.plan.ref in signed_on
        assert (review.ref in signed_on) is shown
        who = read(person, "web:section", version.label, "people")
        assert "Made by" in who
        assert "Conflicts found" in who
        assert ("Who did what" in who) is shown
        assert ("Who holds which duty now" in who) is shown
        assert ("by a seat on a review board" in who) is not shown
        duties = read(person, "web:model_people")
        assert ("Who holds which duty now" in duties) is shown
        assert ("What one leaver would block" in duties) is shown


def test_reading_is_all_that_a_seat_opens(world, evidence, high_gate):
    board = founded(world)
    meeting = planned(world, high_gate, board)
    seen = seen_by(world.stranger)
    for label in (
        *OPENED,
        "registry.Model",
        "registry.IntendedUse",
        "datasets.Dataset",
        "datasets.DatasetVersion",
    ):
        for record in apps.get_model(label).objects.filter(pk__in=seen[label])[:2]:
            allowed = [each.act for each in offers(world.stranger, record) if each.allowed]
            assert allowed == [], record
    assert [each.act for each in offers(world.stranger, meeting) if each.allowed] == []


@pytest.mark.parametrize("how", ["seat ended", "withdrawn", "rejected", "deactivated"])
def test_what_was_opened_is_shut_again(world, evidence, high_gate, how):
    board = founded(world)
    meeting = planned(world, high_gate, board)
    assert seen_by(world.stranger)["registry.Version"] == {evidence.version.pk}
    if how == "seat ended":
        board_seat_acts.end_seat(world.compliance, seats(board, "stranger")[0], reason="Left")
    elif how == "withdrawn":
        board_acts.withdraw_meeting(world.owner, meeting.pk, reason="Not needed")
    elif how == "rejected":
        refusal = signed(minuted(world, meeting), decision="rejected")
        board_acts.sign_minute_chair(
            world.security, meeting.pk, signature=refusal, reason="Not what was said"
        )
    else:
        world.stranger.is_active = False
    seen = seen_by(world.stranger)
    assert all(
        not seen[label] for label in (*OPENED, "registry.Model", "registry.IntendedUse", "datasets.Dataset")
    )
    assert bool(seen["approvals.Meeting"]) == (how in ("withdrawn", "rejected"))


def test_a_decided_gate_shuts_its_evidence_and_leaves_the_minute(world, evidence, high_gate):
    meeting = decided(world, high_gate, founded(world))
    assert seen_by(world.stranger)["approvals.Gate"] == {high_gate.pk}
    Gate.objects.filter(pk=high_gate.pk).update(state="passed")
    seen = seen_by(world.stranger)
    assert (seen["approvals.Gate"], seen["registry.Version"]) == (set(), set())
    assert seen["approvals.Meeting"] == {meeting.pk}


def test_a_seat_that_waits_or_on_another_board_opens_nothing(world, evidence, high_gate):
    asked = approved(world, proposed(world))
    for name in ("security", "process_expert"):
        seat(world, asked, name, SEATS[name][0], chair=SEATS[name][1])
    other = founded(world, {}, name="Data board")
    seat(world, other, "stranger", "ethics")
    before = seen_by(world.stranger)
    board_seat_acts.request_seat(
        world.registrar, asked.pk, person_id=world.stranger.pk, function="ethics", reason="Ethics"
    )
    planned(world, high_gate, asked)
    assert set(more(seen_by(world.stranger), before)) == {"approvals.BoardMember"}


def test_no_narrow_token_and_no_service_reads_by_the_seat_of_its_owner(world, evidence, high_gate):
    board = founded(world)
    seat(world, board, "other_developer", "legal")
    meeting = planned(world, high_gate, board)
    there = [("registry.model", world.other_model.pk)]
    pipeline = service(world, by="other_owner", owner="other_developer", objects=there)
    narrow = as_service(service_token(world, pipeline))
    assert set(visible(world.other_developer, Version)) == {evidence.version}
    for label in (*OPENED, "registry.IntendedUse", "datasets.Dataset", "approvals.Meeting"):
        assert not visible(narrow, apps.get_model(label)).exists(), label
    assert set(visible(narrow, Model)) == {world.other_model}
    whole = as_service(create_token(world.stranger, name="own", days=30))
    assert set(visible(whole, Meeting)) == {meeting}
