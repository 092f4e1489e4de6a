"""What the gate says of an explanation from nothing to signed, and what the inspection pack tells of it."""

from __future__ import annotations

import pytest

from apps.core.clock import now
from apps.core.errors import WrongState
from apps.core.jobs import run_queued
from apps.explanation.acts import request_report, sign_review_expert, sign_review_quality, write_review
from apps.explanation.checks import explanation_reviewed, report_bound
from apps.explanation.models import Report
from apps.packs.check_pack import records
from apps.packs.gather import gather
from apps.packs.sections.explanation import explanation
from apps.quality.acts import accept_deviation
from apps.quality.models import Deviation
from apps.registry.models import Version
from tests.factories.evidence import signed, validated_world
from tests.factories.explanations import read, reviewed, said, submitted
from tests.factories.foundation import sign

pytestmark = pytest.mark.evidence("run")


@pytest.fixture
def tested(world):
    return validated_world(world, until="run")


def outcome(made, **use):
    """The check's answer where the intended use says so."""
    version = Version.objects.select_related("model", "intended_use").get(pk=made.version.pk)
    for name, value in (use or {"affects_people": True}).items():
        setattr(version.intended_use, name, value)
    return explanation_reviewed(version)


def test_it_is_asked_for_at_high_tier_and_where_people_are_affected(tested):
    spared = outcome(tested, affects_people=False)
    assert (spared.state, "the intended use says neither" in spared.why) == ("not_applicable", True)
    for use in ({"affects_people": True}, {"tier": "high"}):
        wanted = outcome(tested, **use)
        assert wanted.state == "not_started"
        assert wanted.needs == (("explanation.request_report", "validations.run", tested.run.pk),)


def test_each_step_has_its_state_and_the_act_that_moves_it(world, tested):
    submitted(world, tested.run)
    assert outcome(tested).state == "not_started"  # the gate asks for the portal's own
    report = request_report(world.validator, tested.run.pk)
    assert outcome(tested).state == "running"
    run_queued()
    steps = (
        ("explanation.write_review", lambda r: write_review(world.process_expert, r.pk, **said(r))),
        (
            "explanation.sign_review_expert",
            lambda r: sign_review_expert(world.process_expert, r.pk, signature=sign(r)),
        ),
        (
            "explanation.sign_review_quality",
            lambda r: sign_review_quality(world.approver, r.pk, signature=sign(r)),
        ),
    )
    for act, do in steps:
        found = outcome(tested)
        assert (found.state, found.needs[0][0]) == ("waiting", act)
        do(read(report))
    met = outcome(tested)
    assert (met.state, met.refs) == ("met", (report.ref,))
    assert "3 features ranked, marker first" in met.evidence
    again = request_report(world.validator, tested.run.pk)
    run_queued()
    assert outcome(tested).refs == (report.ref,)  # the same figures: the review stands
    Report.objects.filter(pk=again.pk).update(results_digest="sha256:" + "0" * 64)
    assert outcome(tested).state == "waiting"
    Report.objects.filter(pk=again.pk).update(state="failed", failure="The model broke.")
    assert (outcome(tested).state, outcome(tested).why) == ("not_met", "The model broke.")
    Report.objects.filter(pk=again.pk).update(state="cancelled")
    Report.objects.filter(pk=report.pk).update(review=report.review | {"conclusion": "Something else."})
    assert outcome(tested).state in ("out_of_date", "not_met")


def test_a_doubt_blocks_until_its_deviation_is_accepted_and_the_pack_tells_it(world, tested):
    report = reviewed(world, tested.run, dose=("not_plausible", "Dose has no part in this."))
    blocked = outcome(tested)
    assert (blocked.state, "dose: not plausible. Dose has no part in this." in blocked.why) == (
        "not_met",
        True,
    )
    deviation = Deviation.objects.get()
    accept_deviation(world.approver2, deviation.pk, reason="Kept small", signature=signed(deviation))
    assert outcome(tested).state == "by_deviation"

    gathered = gather(tested.version.pk, now())
    part = explanation(gathered.content, gathered.charts)
    assert (part.id, part.number) == ("s16", "16")
    for text in (
        report.summary["stability"],
        report.summary["examples"][0]["sentence"],
        "Dose has no part in this.",
        "The surrogate tree from the top",
        "Computed here",
        "Process Expert Person",
    ):
        assert text in part.html, text
    assert report.chart_digest in gathered.charts
    assert records(gathered.content)[1] == []
    kinds = {each["kind"]: each["valid"] for each in gathered.content["signatures"]}
    assert kinds["explanation.report"] is True


def test_a_new_question_unsays_no_signature_and_a_decided_version_takes_none(world, tested):
    """Gates bind the report that is done, of a decided gate the one done by then; afterwards nothing is added."""
    report = reviewed(world, tested.run)
    queued = request_report(world.validator, tested.run.pk)
    version = Version.objects.get(pk=tested.version.pk)
    assert report_bound(version, None) == report
    Report.objects.filter(pk=queued.pk).update(state="failed", finished_at=now())
    assert report_bound(version, None) == report
    other = {"results_digest": "sha256:other", "review_state": "none", "finished_at": now()}
    Report.objects.filter(pk=queued.pk).update(state="done", **other)
    assert report_bound(version, None) == queued
    assert report_bound(version, report.finished_at) == report
    Version.objects.filter(pk=version.pk).update(state="released")
    for refused in (
        lambda: request_report(world.validator, tested.run.pk),
        lambda: submitted(world, tested.run),
        lambda: write_review(world.process_expert, queued.pk, **said(report)),
        lambda: sign_review_expert(world.process_expert, report.pk, signature=signed(report)),
        lambda: sign_review_quality(world.approver, report.pk, signature=signed(report)),
    ):
        with pytest.raises(WrongState) as told:
            refused()
        assert (told.value.rule, told.value.who) == ("PC28", ("nobody: its release was decided",))
