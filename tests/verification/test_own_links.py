"""Links that developers make by hand, tests that outlive their requirement, and who is asked to close an open end."""

from __future__ import annotations

import pytest

from apps.access.models import Assignment
from apps.approvals.queries import work_for
from apps.core.errors import Conflict
from apps.core.outcomes import CheckState
from apps.registry.models import Version
from apps.verification import acts
from apps.verification.checks import traceability_complete
from apps.verification.matrix import Line, claimed
from apps.verification.models import Link
from apps.verification.queries import lines_of
from apps.verification.states import Lack
from tests.cast import give
from tests.factories.evidence import validated_world
from tests.factories.foundation import sign
from tests.factories.verification import approved, attached
from tests.verification.files import FAILED, case, junit

pytestmark = pytest.mark.evidence("frozen")


@pytest.fixture
def version(world):
    return validated_world(world, until="frozen").version


def fresh(version):
    return Version.objects.select_related("model", "intended_use").get(pk=version.pk)


def link(world, version, req, by, pattern="*test_units"):
    return acts.link_requirement(
        world.people[by], version.pk, requirement=req, target="test", pattern=pattern, reason="It checks this"
    )


def shown(version, req):
    return [(line.outcome, line.lack) for line in lines_of(fresh(version)) if line.requirement == req]


@pytest.mark.parametrize(
    "by", ["author", "colleague"]
)  # who developed it; a developer who did nothing on it yet
def test_what_a_developer_links_is_claimed_until_somebody_independent_makes_the_same_link(world, version, by):
    made = approved(world)
    attached(world, version, "junit", junit(case("test_units")))
    first = link(world, version, made.ref, by)
    assert shown(version, made.ref) == [("claimed", Lack.OWN_LINK)]
    outcome = traceability_complete(fresh(version))
    assert (outcome.state, outcome.needs) == (
        CheckState.NOT_MET,
        (("verification.link_requirement", "registry.version", version.pk),),
    )
    assert outcome.why.startswith("Requirement shown by a link of who developed the version, not confirmed")
    assert "Link to requirement" in {task.title for task in work_for(world.validator).mine}
    assert "Link to requirement" not in {task.title for task in work_for(world.author).mine}
    with pytest.raises(Conflict):
        link(world, version, made.ref, "author")
    second = link(world, version, made.ref, "validator")
    first.refresh_from_db()
    assert (first.ended_by, first.end_reason[:9]) == (world.validator, "Confirmed")
    assert list(Link.objects.filter(ended_at=None)) == [second]
    assert shown(version, made.ref) == [("passed", "")]
    assert traceability_complete(fresh(version)).state is CheckState.MET
    with pytest.raises(Conflict):
        link(world, version, made.ref, "process_expert")


def test_who_develops_after_linking_has_claimed(world, version):
    made = approved(world)
    attached(world, version, "junit", junit(case("test_units")))
    link(world, version, made.ref, "process_expert")
    assert shown(version, made.ref) == [("passed", "")]
    held = Assignment.objects.get(person=world.process_expert, duty="process_expert")
    from apps.access.acts import end_assignment

    end_assignment(world.owner, held.pk, reason="Goes over to the developers")
    give(world, "process_expert", "developer", world.model)
    attached(world, version, "junit", junit(case("test_more")), by="process_expert", title="More")
    assert shown(version, made.ref) == [("claimed", Lack.OWN_LINK)]


def test_a_failed_test_fails_whoever_linked_it(world, version):
    made = approved(world)
    attached(world, version, "junit", junit(case("test_units", inner=FAILED)))
    link(world, version, made.ref, "author")
    assert shown(version, made.ref) == [("failed", Lack.FAILED_TEST)]


@pytest.mark.parametrize("outcome", ["passed", "failed", "undecided"])
def test_what_was_accepted_for_what_it_is_proves_nothing_by_a_link_of_its_makers(outcome):
    """An accepted breach of a limit: the deviation says that it may stand, not that it shows this requirement."""
    found = claimed(Line(outcome=outcome, accepted="DEV-1"))
    assert (found.outcome, found.accepted) == ("claimed", "")
    bad = Line(outcome="failed")
    assert claimed(bad) == bad


def test_a_test_that_names_a_withdrawn_requirement_is_told_and_holds_nothing_up(world, version):
    kept, gone = approved(world), approved(world, text="It answers within a second.")
    attached(world, version, "junit", junit(case("test_both", f"REQ-{kept.number}", f"REQ-{gone.number}")))
    acts.withdraw_requirement(world.approver, gone.pk, reason="Another system answers", signature=sign(gone))
    found = [line for line in lines_of(fresh(version)) if line.lack]
    assert [(line.lack, line.requirement, line.blocks) for line in found] == [
        (Lack.WITHDRAWN_REQUIREMENT, f"REQ-{gone.number}", False)
    ]
    assert traceability_complete(fresh(version)).state is CheckState.MET
    attached(world, version, "junit", junit(case("test_ghost", "REQ-4711", f"REQ-{gone.number}")), title="G")
    outcome = traceability_complete(fresh(version))
    assert outcome.state is CheckState.NOT_MET
    assert outcome.why.startswith("Test names a requirement that is not in force")


def test_every_open_end_says_who_closes_it(world, version):
    bare = approved(world)
    outcome = traceability_complete(fresh(version))
    assert (outcome.state, bare.ref in outcome.why) == (CheckState.NOT_MET, True)
    assert [act for act, _, _ in outcome.needs] == [
        "verification.attach_evidence",
        "verification.link_requirement",
    ]
    assert "Attach evidence" in {task.title for task in work_for(world.author).mine}
    acts.write_risk(
        world.owner,
        world.model.pk,
        given={
            "hazard": "Drift",
            "harm": "Wrong order",
            "severity": "low",
            "likelihood": "low",
            "control": "None",
        },
        reason="Found in review",
    )
    needs = traceability_complete(fresh(version)).needs
    assert ("verification.write_requirement", "registry.model", version.model_id) in needs
    assert "Write requirement" in {task.title for task in work_for(world.process_expert).mine}
