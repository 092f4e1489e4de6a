"""Limits name the version of the probe catalogue they were locked under; a later one makes no probe under them."""

from __future__ import annotations

import pytest

from apps.access.schemas import signed_as
from apps.access.signing import content_digest, content_of, standings
from apps.analysis.probes import VERSION
from apps.core import jobs
from apps.core.digests import digest
from apps.core.errors import BadInput, NotAllowed, NotVisible, WrongState
from apps.core.outcomes import CheckState
from apps.quality.models import Deviation
from apps.registry.models import Version
from apps.robustness.acts import request_report, sign_plan_approval, sign_plan_author, write_plan
from apps.robustness.checks import robustness
from apps.robustness.content import plan_content_1
from apps.robustness.models import ProbePlan
from apps.trail.models import Entry
from tests.factories.evidence import signed, validated_world
from tests.factories.probes import LIMITS, done_probes, handed_in, locked_probes, plan_input

pytestmark = pytest.mark.evidence("locked")


@pytest.fixture
def locked(world):
    return validated_world(world, until="locked")


def fresh(version: Version) -> Version:
    return Version.objects.select_related("model", "intended_use").get(pk=version.pk)


def test_the_version_is_signed_and_what_was_signed_before_still_stands(world, locked):
    plan = locked_probes(world, locked.plan)
    content = content_of(plan)
    assert (content["schema"], content["catalogue"]) == ("robustness.plan/2", VERSION)
    assert plan_content_1(plan) is None  # the earlier schema could not say it
    ProbePlan.objects.filter(pk=plan.pk).update(catalogue=VERSION + 1)
    plan.refresh_from_db()
    assert [each.valid for each in standings(plan)] == [False, False]


def test_limits_of_an_earlier_catalogue_are_read_with_their_own_schema(world, locked, monkeypatch):
    monkeypatch.setattr("apps.robustness.rules.VERSION", 1)
    plan = locked_probes(world, locked.plan, no_answer="", limits=answering())
    monkeypatch.undo()
    assert plan.catalogue == 1
    earlier = plan_content_1(plan)
    assert earlier["schema"] == "robustness.plan/1"
    assert "catalogue" not in earlier
    assert digest(earlier) != content_digest(plan)
    assert signed_as("robustness.plan", plan, content_of(plan), digest(earlier)) == earlier
    ProbePlan.objects.filter(pk=plan.pk).update(limits=plan.limits[:-1])
    plan.refresh_from_db()
    assert signed_as("robustness.plan", plan, content_of(plan), digest(earlier)) is None


def answering():
    """The usual limits, and one on cases without an answer."""
    extra = {"id": "U", "probe": "missing_unanswered", "limit": "0.5", "rule": "near", "min_n": 20}
    return [*map(dict, LIMITS), extra]


def old_limits(world, locked, monkeypatch):
    """Locked by both while the catalogue was at its first version."""
    with monkeypatch.context() as before:
        before.setattr("apps.robustness.rules.VERSION", 1)
        before.setattr("apps.robustness.computing.outdated", lambda *_: "")
        plan = locked_probes(world, locked.plan)
        handed_in(world, locked.version)
        return done_probes(world, plan)


def test_no_probe_is_made_under_them_until_new_limits_are_signed(world, locked, monkeypatch):
    report = old_limits(world, locked, monkeypatch)
    plan = report.plan
    assert robustness(fresh(locked.version)).state is CheckState.MET  # what was made stands
    with pytest.raises(WrongState) as refused:
        request_report(world.validator, plan.pk)
    assert (refused.value.rule, refused.value.who) == (
        "probe-catalogue",
        ("a validator or bias tester, by writing the limits anew: they are signed again then",),
    )
    assert "was locked under version 1 of the probe catalogue" in refused.value.fact
    assert "missing value" in refused.value.fact
    new = write_plan(world.validator, locked.plan.pk, **plan_input())
    plan.refresh_from_db()
    assert (plan.state, new.catalogue) == ("superseded", VERSION)
    told = Deviation.objects.get(criterion="limits-change")
    assert told.title == f"{plan.ref} was replaced by {new.ref} after it was locked"
    assert f"The results of {report.ref} were known by then." in told.description
    entry = Entry.objects.filter(act="robustness.write_plan").exclude(kind="row").latest("id")
    assert f'"replaced":"{plan.ref}"' in entry.body.replace(" ", "")
    assert robustness(fresh(locked.version)).state is CheckState.WAITING
    sign_plan_author(world.validator, new.pk, signature=signed(new))
    sign_plan_approval(world.approver, new.pk, signature=signed(new))
    assert done_probes(world, new).verdict == "within"
    with pytest.raises(WrongState) as again:
        write_plan(world.validator, locked.plan.pk, **plan_input())
    assert "cannot change any more" in again.value.fact


def test_the_gate_tells_it_where_no_report_was_made_and_a_queued_one_fails(world, locked, monkeypatch):
    with monkeypatch.context() as before:
        before.setattr("apps.robustness.rules.VERSION", 1)
        plan = locked_probes(world, locked.plan)
        report = request_report(world.validator, plan.pk)
    told = robustness(fresh(locked.version))
    assert (told.state, told.rule) == (CheckState.OUT_OF_DATE, "probe-catalogue")
    assert told.needs == (("robustness.write_plan", "validations.plan", locked.plan.pk),)
    jobs.run_queued()
    report.refresh_from_db()
    assert (report.state, "version 1 of the probe catalogue" in report.failure) == ("failed", True)


def test_only_who_may_write_limits_replaces_them_and_not_after_the_decision(world, locked, monkeypatch):
    old_limits(world, locked, monkeypatch)
    with pytest.raises(NotAllowed):
        write_plan(world.approver, locked.plan.pk, **plan_input())
    with pytest.raises(NotVisible):
        write_plan(world.other_developer, locked.plan.pk, **plan_input())
    Version.objects.filter(pk=locked.version.pk).update(state="released")
    with pytest.raises(WrongState) as decided:
        write_plan(world.validator, locked.plan.pk, **plan_input())
    assert decided.value.rule == "decided"
    assert ProbePlan.objects.count() == 1


def test_a_draft_of_an_earlier_catalogue_is_not_signed(world, locked, monkeypatch):
    with monkeypatch.context() as before:
        before.setattr("apps.robustness.rules.VERSION", 1)
        draft = write_plan(world.validator, locked.plan.pk, **plan_input())
    with pytest.raises(WrongState) as refused:
        sign_plan_author(world.validator, draft.pk, signature=signed(draft))
    assert "was written under version 1" in refused.value.fact


def test_a_plan_of_more_than_low_tier_says_whether_cases_may_go_without_an_answer(world, locked):
    def refused(**given):
        with pytest.raises(BadInput) as error:
            write_plan(world.validator, locked.plan.pk, **plan_input(**given))
        return error.value.fields

    assert "or say why a case may go without an answer" in refused(no_answer=" ")["no_answer"][0]
    assert "leave this empty" in refused(limits=answering())["no_answer"][0]
    assert "At most 2,000" in refused(no_answer="a" * 2001)["no_answer"][0]
    either = write_plan(world.validator, locked.plan.pk, **plan_input(limits=answering(), no_answer=""))
    assert "no_answer" not in content_of(either)
    other = write_plan(world.validator, locked.plan.pk, **plan_input())
    assert content_of(other)["no_answer"] == plan_input()["no_answer"]
