"""Requirements, evidence, links and claims by acts: who may, who may not, when, and what stands in the trail."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from apps.access.acts import end_assignment
from apps.access.gate import would_conflict
from apps.access.models import Assignment
from apps.core import blobs, uploads
from apps.core.clock import now
from apps.core.errors import BadInput, Conflict, NotAllowed, NotVisible, WrongState
from apps.core.outcomes import CheckState
from apps.quality.acts import accept_deviation
from apps.quality.models import Deviation
from apps.registry.acts import add_author, write_intended_use
from apps.trail.models import Entry
from apps.verification import acts
from apps.verification.checks import traceability_complete, verification_evidence
from apps.verification.models import Evidence, Link, Requirement, Risk
from apps.verification.queries import counting, lines_of, requirements_of
from apps.verification.receiving import receive
from apps.verification.states import Lack
from tests.cast import give
from tests.factories.evidence import signed, validated_world
from tests.factories.foundation import USE
from tests.factories.verification import REQUIREMENT, approved, attached, requirement, verified
from tests.verification.claims import CLAIM, RISK
from tests.verification.files import FAILED, SKIPPED, case, cyclonedx, junit, sarif

pytestmark = pytest.mark.evidence("frozen")


@pytest.fixture
def version(world):
    return validated_world(world, until="frozen").version


def entry():
    return Entry.objects.filter(kind="act").latest("id")


def fresh(version):
    return type(version).objects.select_related("model", "intended_use__model").get(pk=version.pk)


def written(world, number=None, **changes):
    return acts.write_requirement(
        world.process_expert, world.model.pk, given=REQUIREMENT | changes, revises=number, reason="Why"
    )


# Requirements and risks


def test_a_requirement_is_written_approved_and_revised_and_the_old_one_stays_in_force_meanwhile(
    world, version
):
    first = approved(world)
    assert (first.ref, first.state, first.history.count()) == (f"REQ-{first.number}/v1", "approved", 2)
    assert first.approved_digest
    assert (entry().act, entry().subject_kind, entry().subject_id) == (
        "verification.approve_requirement", "verification.requirement", str(first.pk),
    )  # fmt: skip
    second = written(world, first.number, text="It ranks failing lots first.")
    assert (second.revision, second.state) == (2, "draft")
    assert requirements_of(version) == [first]
    third = written(world, first.number, text="It ranks failing lots above all others.")
    second.refresh_from_db()
    assert (second.state, third.state) == ("superseded", "draft")
    acts.approve_requirement(world.approver, third.pk, signature=signed(third))
    assert requirements_of(version) == [third]


def test_who_may_write_and_decide(world, version):
    for person, refusal in (("author", NotAllowed), ("validator", NotAllowed), ("stranger", NotVisible)):
        with pytest.raises(refusal):
            acts.write_requirement(world.people[person], world.model.pk, given=REQUIREMENT, reason="Why")
        with pytest.raises(refusal):
            acts.write_risk(world.people[person], world.model.pk, given=RISK, reason="Why")
    made = requirement(world)
    for person, refusal in (("owner", NotAllowed), ("author", NotAllowed), ("stranger", NotVisible)):
        with pytest.raises(refusal):
            acts.approve_requirement(world.people[person], made.pk, signature=signed(made))
    acts.approve_requirement(
        world.approver, made.pk, reason="It cannot be tested", signature=signed(made, decision="rejected")
    )
    made.refresh_from_db()
    assert (made.state, made.decision_reason) == ("rejected", "It cannot be tested")
    with pytest.raises(WrongState):
        acts.approve_requirement(world.approver, made.pk, signature=signed(made))
    assert requirements_of(version) == []


def test_who_wrote_a_requirement_or_developed_a_version_may_not_approve_it(world, version):
    give(world, "approver", "process_expert", world.model)
    own = acts.write_requirement(world.approver, world.model.pk, given=REQUIREMENT, reason="Why")
    with pytest.raises(Conflict) as refused:
        acts.approve_requirement(world.approver, own.pk, signature=signed(own))
    assert refused.value.rule.startswith("DY13")
    made = requirement(world)
    developer = Assignment.objects.get(person=world.author, duty="developer", scope_id=world.model.pk,
                                       scope_kind="registry.model", state="approved")  # fmt: skip
    end_assignment(world.owner, developer.pk, reason="Moves to quality")
    on_data = Assignment.objects.filter(person=world.author, duty="developer").exclude(pk=developer.pk)
    for each in on_data.filter(state="approved"):
        end_assignment(world.owner, each.pk, reason="Moves to quality")
    give(world, "author", "approver", world.model)
    with pytest.raises(Conflict) as refused:
        acts.approve_requirement(world.author, made.pk, signature=signed(made))
    assert refused.value.rule.startswith("DY9")


def test_who_approved_a_requirement_is_no_author_of_a_version_that_inherits_it(world, version):
    approved(world)
    with pytest.raises(Conflict) as refused:
        add_author(world.owner, version.pk, person_id=world.approver.pk, reason="Helped")
    assert refused.value.rule.startswith("DY9")


def test_withdrawing_is_signed_ends_drafts_and_cannot_be_taken_back(world, version):
    made = approved(world)
    draft = written(world, made.number)
    with pytest.raises(NotAllowed):
        acts.withdraw_requirement(world.owner, made.pk, reason="Not wanted", signature=signed(made))
    with pytest.raises(BadInput):
        acts.withdraw_requirement(
            world.approver, made.pk, reason="No", signature=signed(made, decision="rejected")
        )
    acts.withdraw_requirement(world.approver, made.pk, reason="Not wanted", signature=signed(made))
    draft.refresh_from_db()
    assert draft.state == "superseded"
    assert requirements_of(version) == []
    with pytest.raises(WrongState):
        acts.withdraw_requirement(world.approver, made.pk, reason="Again", signature=signed(made))
    with pytest.raises(WrongState):
        written(world, made.number)


def test_bad_requirements_and_risks_are_refused_field_by_field(world, version):
    with pytest.raises(BadInput) as refused:
        written(world, text=" ", source="hearsay", risks=[77], clauses=[""])
    assert set(refused.value.fields) == {"text", "source", "risks"}
    for changes, field in (({"source": "risk"}, "risks"), ({"source": "clause", "clauses": []}, "clauses")):
        with pytest.raises(BadInput) as refused:
            written(world, **changes)
        assert set(refused.value.fields) == {field}
    with pytest.raises(BadInput) as refused:
        written(world, 999)
    assert "revises" in refused.value.fields
    with pytest.raises(BadInput) as refused:
        acts.write_risk(
            world.owner, world.model.pk, given=RISK | {"severity": "huge", "harm": ""}, reason="Why"
        )
    assert set(refused.value.fields) == {"severity", "harm"}
    assert not Requirement.objects.exists()
    assert not Risk.objects.exists()
    with pytest.raises(WrongState):
        acts.write_risk(world.other_owner, world.other_model.pk, given=RISK, reason="Why")


def test_a_requirement_of_an_earlier_use_counts_and_is_told_one_of_a_later_use_does_not(world, version):
    old = approved(world)
    write_intended_use(world.process_expert, world.model.pk, given=USE, reason="Second statement")
    later = written(world)
    assert requirements_of(version) == [old]
    version.intended_use = later.intended_use
    assert requirements_of(version) == [old, later]
    lacks = {line.requirement: line.lack for line in lines_of(version) if line.lack == Lack.EARLIER_USE}
    assert lacks == {old.ref: Lack.EARLIER_USE}


# Evidence


def test_attaching_keeps_file_results_and_counts(world, version):
    made = attached(world, version, "junit", junit(case("a"), case("b", inner=SKIPPED)), title="Unit tests")
    assert (made.ref, made.kind, made.format, made.tool) == (
        f"VE-{made.number}",
        "junit",
        "junit-xml",
        "pytest",
    )
    assert made.summary == {"tests": 2, "passed": 1, "failed": 0, "skipped": 1}
    assert made.produced_at == datetime(2026, 11, 20, 9, 15, tzinfo=UTC)
    assert made.zone_stated
    assert blobs.verify(made.file_digest)
    assert blobs.verify(made.results_digest, area="results")
    assert made.history.count() == 1
    assert (entry().act, entry().subject_kind) == ("verification.attach_evidence", "registry.version")
    again = attached(world, version, "junit", junit(case("a")), title="Unit tests")
    assert counting(version) == [again]
    assert Evidence.objects.filter(version=version).count() == 2
    found = acts.download_evidence(world.inspector, made.pk)
    assert found.digest == made.file_digest


def test_who_may_attach_and_that_it_makes_them_a_maker(world, version):
    for person, refusal in (("validator", NotAllowed), ("approver", NotAllowed), ("stranger", NotVisible)):
        with pytest.raises(refusal):
            attached(world, version, "junit", junit(case("a")), by=person)
    give(world, "other_developer", "developer", world.model)
    attached(world, version, "junit", junit(case("a")), by="other_developer")
    assert would_conflict(world.other_developer, frozenset({"approve"}), version).rule.id == "DY2"


@pytest.mark.parametrize(
    ("kind", "data", "given", "field", "words"),
    [
        (
            "junit",
            junit(case("a")),
            {"commit": "deadbeef"},
            "commit",
            "attach them to the version of that commit",
        ),
        ("junit", junit(case("a")), {"commit": "zz"}, "commit", "A commit is"),
        ("junit", junit(case("a")), {"commit": ""}, "commit", "the file does not name it"),
        ("junit", junit(case("a")), {"tool": ""}, "tool", "does not name the tool"),
        ("junit", junit(case("a")), {"title": " "}, "title", "Name it"),
        ("junit", junit(case("a"), timestamp=""), {}, "produced_at", "names no time with a zone"),
        ("junit", junit(case("a"), timestamp="2099-01-01T00:00:00Z"), {}, "produced_at", "lies ahead"),
        ("sarif", sarif(), {"commit": "deadbeef"}, "commit", "The file says it is of commit 4be19d0c."),
    ],
)
def test_what_is_said_beside_the_file_must_be_there_and_agree_with_it(
    world, version, kind, data, given, field, words
):
    with pytest.raises(BadInput) as refused:
        attached(world, version, kind, data, **given)
    assert words in " ".join(refused.value.fields[field])
    assert not Evidence.objects.exists()


def test_a_file_that_cannot_be_read_leaves_no_record(world, version):
    upload = uploads.of(blobs.put(b"<testsuite/>"), "junit.xml")
    with pytest.raises(BadInput) as refused:
        receive(upload, "junit")
    assert refused.value.fields == {"file": ["The file holds no test case. A run of no tests shows nothing."]}
    assert refused.value.status == 422


def test_failed_tests_open_a_deviation_that_their_uploader_cannot_accept_and_an_approver_can(world, version):
    req = approved(world)
    attached(world, version, "sbom", cyclonedx())
    made = attached(world, version, "junit", junit(case("test_units", f"REQ-{req.number}", inner=FAILED)))
    deviation = Deviation.objects.get(source_kind="verification.evidence", source_id=str(made.pk))
    assert (deviation.blocking, deviation.criterion) == (True, "tests")
    assert "tests.test_model::test_units: assert 0.3 < 0.2" in deviation.description
    version = fresh(version)
    held = verification_evidence(version)
    assert held.state is CheckState.NOT_MET
    assert "1 test failed" in held.why
    assert traceability_complete(version).why.startswith("Requirement with a failed test")
    accept_deviation(
        world.approver, deviation.pk, reason="Known, mended in 1.0.1", signature=signed(deviation)
    )
    assert verification_evidence(version).state is CheckState.BY_DEVIATION
    traced = traceability_complete(version)
    assert (traced.state, traced.why) == (
        CheckState.BY_DEVIATION,
        f"A failed result is accepted by {deviation.ref}.",
    )


def test_findings_of_level_error_count_at_high_tier(world, version):
    verified(world, version)
    version = fresh(version)
    assert verification_evidence(version).state is CheckState.MET
    version.intended_use.tier = "high"
    assert verification_evidence(version).why == "Not attached yet: findings of a scan."
    attached(world, version, "sarif", sarif({"ruleId": "B301", "message": {"text": "pickle"}}))
    assert "1 finding is an error" in verification_evidence(version).why
    attached(world, version, "sarif", sarif())
    assert verification_evidence(version).state is CheckState.MET


def test_results_in_which_no_test_passed_show_nothing(world, version):
    attached(world, version, "junit", junit(case("a", inner=SKIPPED)))
    assert "every one of 1 tests was skipped" in verification_evidence(fresh(version)).why


def test_nothing_is_added_to_a_version_that_was_decided(world, version):
    made = approved(world)
    type(version).objects.filter(pk=version.pk).update(state="released")
    for attempt in (
        lambda: attached(world, version, "junit", junit(case("a"))),
        lambda: acts.submit_claim(world.author, version.pk, given=CLAIM),
        lambda: acts.link_requirement(
            world.author, version.pk, requirement=made.ref, target="test", pattern="*", reason="Why"
        ),
    ):
        with pytest.raises(WrongState):
            attempt()


# Links, matrix, claims


def link(world, version, req, target, pattern, by="validator"):
    return acts.link_requirement(
        world.people[by], version.pk, requirement=req, target=target, pattern=pattern, reason="It checks this"
    )


def test_links_by_hand_and_the_matrix_both_ways(world, version):
    risk = acts.write_risk(world.owner, world.model.pk, given=RISK, reason="Found in review")
    bare = acts.write_risk(
        world.owner, world.model.pk, given=RISK | {"hazard": "Drift"}, reason="Found in review"
    )
    one, two = approved(world, source="risk", risks=[risk.number]), approved(world)
    attached(world, version, "junit", junit(case("test_units[kg]"), case("test_units[lb]"), case("test_other"),
                                            case("test_ghost", "REQ-4711")))  # fmt: skip
    version = fresh(version)
    made = link(world, version, f"REQ-{one.number}", "test", "tests.test_model::test_units*")
    assert made.history.count() == 1
    lines = lines_of(version)
    shown = [line for line in lines if line.requirement == one.ref]
    assert [line.test for line in shown] == [
        "tests.test_model::test_units[kg]",
        "tests.test_model::test_units[lb]",
    ]
    assert {(line.risks, line.outcome, line.lack) for line in shown} == {(risk.ref, "passed", "")}
    assert all("Approver Person" in line.signature for line in shown)
    lacks = {(line.lack, line.requirement or line.risks or line.test) for line in lines if line.lack}
    assert lacks == {
        (Lack.NO_TEST, two.ref),
        (Lack.RISK_WITHOUT, bare.ref),
        (Lack.UNKNOWN_REQUIREMENT, "REQ-4711"),
        (Lack.TEST_WITHOUT, "tests.test_model::test_other"),
    }
    with pytest.raises(NotAllowed) as refused:
        acts.end_link(world.author, version.pk, link_id=made.pk, reason="It fails")
    assert set(refused.value.who) >= {"Validator Person"}
    own = link(world, version, f"REQ-{two.number}", "test", "*test_other", by="author")
    acts.end_link(world.author, version.pk, link_id=own.pk, reason="A slip of mine")
    acts.end_link(world.validator, version.pk, link_id=made.pk, reason="Wrong tests")
    assert not [line for line in lines_of(version) if line.requirement == one.ref and line.test]
    made.refresh_from_db()
    assert (made.ended_by, made.end_reason) == (world.validator, "Wrong tests")
    with pytest.raises(Conflict):
        acts.end_link(world.validator, version.pk, link_id=made.pk, reason="Again")


def test_links_that_name_nothing_are_refused(world, version):
    req = approved(world).ref
    attached(world, version, "junit", junit(case("test_units")))
    for target, pattern, words in (
        ("test", "test_units", "Did you mean “tests.test_model::test_units”?"),
        ("test", "", "Name the test"),
        ("criterion", "C9", "Not known for this version"),
        ("claim", "CL-1", "there is none yet"),
        ("poem", "x", "Choose what shows it"),
    ):
        with pytest.raises(BadInput) as refused:
            link(world, version, req, target, pattern)
        assert words in str(refused.value.fields)
    with pytest.raises(BadInput):
        link(world, version, "REQ-4711", "test", "*")
    link(world, version, req, "test", "*units")
    with pytest.raises(Conflict):
        link(world, version, req, "test", "*units")
    for person, refusal in (("approver", NotAllowed), ("stranger", NotVisible)):
        with pytest.raises(refusal):
            link(world, version, req, "test", "*", by=person)
        with pytest.raises(refusal):
            acts.end_link(world.people[person], version.pk, link_id=Link.objects.get().pk, reason="Why")


def test_a_claim_is_kept_with_its_digests_and_shows_a_requirement_at_low_tier_only(world, version):
    req = approved(world)
    made = acts.submit_claim(world.validator, version.pk, given=CLAIM)
    assert (made.ref, made.script_digest, made.history.count()) == (
        f"CL-{made.number}",
        CLAIM["script_digest"],
        1,
    )
    link(world, version, req.ref, "claim", made.ref)
    version = fresh(version)
    (line,) = [line for line in lines_of(version) if line.requirement == req.ref]
    assert (line.outcome, line.lack) == ("claimed", Lack.ONLY_CLAIMED)
    assert traceability_complete(version).state is CheckState.NOT_MET
    version.intended_use.tier = "low"
    assert traceability_complete(version).state is CheckState.MET


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"script_digest": ""}, "script_digest", "Give the digest of the script"),
        ({"script_digest": "sha256:1"}, "script_digest", "A digest is"),
        ({"data_digest": ""}, "data_digest", "Give the digest of the data"),
        ({"figures": []}, "figures", "at least one figure"),
        ({"figures": [CLAIM["figures"][0] | {"n": 0}]}, "figures", "n is the number of cases"),
        ({"figures": [CLAIM["figures"][0] | {"value": "good"}]}, "figures", "“good” is no value"),
        ({"figures": [CLAIM["figures"][0] | {"value": "0.99"}]}, "figures", "outside its interval"),
        ({"figures": [CLAIM["figures"][0] | {"low": ""}]}, "figures", "both ends of the interval"),
        ({"figures": [CLAIM["figures"][0] | {"metric": "wow"}]}, "figures", "“wow” is no metric"),
        ({"computed_at": None}, "computed_at", "when it was computed"),
        ({"origin": ""}, "origin", "who computed it"),
    ],
)
def test_bad_claims_are_refused(world, version, changes, field, words):
    with pytest.raises(BadInput) as refused:
        acts.submit_claim(world.author, version.pk, given=CLAIM | changes)
    assert words in " ".join(refused.value.fields[field])
    for person, refusal in (("owner", NotAllowed), ("stranger", NotVisible)):
        with pytest.raises(refusal):
            acts.submit_claim(world.people[person], version.pk, given=CLAIM)
    ahead = CLAIM | {"computed_at": now() + timedelta(days=1)}
    with pytest.raises(BadInput):
        acts.submit_claim(world.author, version.pk, given=ahead)


def test_the_gate_says_what_is_missing_first_and_what_waits(world, version):
    version = fresh(version)
    none = traceability_complete(version)
    assert none.state is CheckState.NOT_STARTED
    assert none.needs[0][0] == "verification.write_requirement"
    made = requirement(world)
    waiting = traceability_complete(version)
    assert waiting.state is CheckState.WAITING
    assert waiting.needs == (("verification.approve_requirement", "verification.requirement", made.pk),)
    bare = verification_evidence(version)
    assert bare.why == "Not attached yet: test results and bill of materials."
    assert bare.needs == (("verification.attach_evidence", "registry.version", version.pk),)
