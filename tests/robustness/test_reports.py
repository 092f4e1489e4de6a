"""Probe reports: limits locked, probes made in the sandbox, judged, cancelled, failed; who may."""

from __future__ import annotations

import json

import pytest

from apps.core import blobs, jobs
from apps.core.errors import BadInput, Conflict, NotAllowed, NotVisible, WrongState
from apps.core.models import Job
from apps.core.outcomes import CheckState
from apps.packs.gather import probes as gathered
from apps.packs.sections import robustness as section
from apps.packs.sections.blocks import Section
from apps.quality.acts import accept_deviation
from apps.quality.models import Deviation
from apps.registry.models import Version
from apps.robustness import queries
from apps.robustness.acts import (
    cancel_report,
    request_report,
    sign_plan_approval,
    sign_plan_author,
    submit_evidence,
    write_plan,
)
from apps.robustness.checks import privacy, robustness
from apps.robustness.models import ProbePlan, ProbeReport
from apps.trail.models import Entry
from tests.cast import give
from tests.factories.evidence import signed, validated_world
from tests.factories.probes import LIMITS, done_probes, handed_in, locked_probes, plan_input, probed

pytestmark = pytest.mark.evidence("locked")


@pytest.fixture
def locked(world):
    return validated_world(world, until="locked")


def fresh(version: Version) -> Version:
    return Version.objects.select_related("model", "intended_use").get(pk=version.pk)


def test_probes_are_made_by_the_worker_judged_and_kept(world, locked):
    assert robustness(fresh(locked.version)).state is CheckState.NOT_STARTED
    report = probed(world, locked.plan)
    assert (report.state, report.failure) == ("done", "")
    by_probe = {line["probe"]: line for line in report.summary}
    assert set(by_probe) == {one["probe"] for one in LIMITS}
    assert {line["verdict"] for line in report.summary} == {"within"}
    assert report.verdict == "within"
    assert by_probe["missing_each"]["value"] == "0.0"
    assert "300 got no usable answer" in by_probe["missing_each"]["sentence"]
    assert (by_probe["parity"]["value"], by_probe["parity"]["n"]) == ("0.0", 3)
    assert by_probe["membership"]["n"] == 600
    results = queries.results_of(report)
    assert results["train_rows"] == results["test_cases"] == 300
    assert {f["probe"] for f in results["findings"]} == set(by_probe)
    assert queries.charts_of(results)[0]["svg"].startswith("<svg")
    assert report.environment["runtime"]["threads"] == 1
    assert "as handed in by Author Person, not computed here" in by_probe["parity"]["sentence"]
    assert "by Author Person, not computed here" in robustness(fresh(locked.version)).evidence
    entry = Entry.objects.filter(act="robustness.finish_report").latest("id")
    assert (entry.actor_name, entry.on_behalf_name) == ("Countersign worker", "Validator Person")
    assert not Deviation.objects.exists()
    for check in (robustness, privacy):
        outcome = check(fresh(locked.version))
        assert (outcome.state, outcome.refs) == (CheckState.MET, (report.ref,))
    again = done_probes(world, report.plan)
    assert again.number == report.number + 1
    assert (again.results_digest, again.chart_digest) == (report.results_digest, report.chart_digest)


def test_nothing_kept_holds_a_row_of_the_test_data(world, locked):
    report = probed(world, locked.plan)
    kept = blobs.read(report.results_digest, area="results").decode() + json.dumps(report.summary)
    test = blobs.read(locked.test.file_digest, area="vault").decode().splitlines()[1:]
    markers = [line.split(",")[2] for line in test]
    assert sum(value in kept for value in markers if len(value) >= 7) <= 2  # figures that look alike
    assert not [line for line in test if line.split(",")[0] in kept]
    charts: dict[str, str] = {}
    told = {
        "gate": {"now": {"rows": []}},
        "signatures": [],
        "probe_plans": gathered.plans(locked.version),
        "probe_reports": gathered.reports(locked.version, charts),
        "probe_evidence": gathered.evidence(locked.version),
    }
    part = Section("s15", "15", "Robustness", "now")
    section.robustness(part, told, charts)
    printed = str(part.chapter().html)
    assert report.ref in printed
    assert "Training and serving alike (handed in)" in printed
    assert "served.csv" in printed
    assert locked.train.ref in printed
    assert f"of {locked.test.ref}" in printed
    assert "<svg" in printed
    assert not [line for line in test if line.split(",")[0] in printed]


def test_a_breached_and_an_undecided_limit_open_their_deviations(world, locked):
    limits = [dict(one) for one in LIMITS]
    # An empty cell gives no answer at all, which is another thing than another decision.
    limits.append(
        {"id": "unanswered", "probe": "missing_unanswered", "limit": "0.2", "rule": "near", "min_n": 20}
    )
    limits[3] |= {"min_n": 1000}
    handed_in(world, locked.version)
    report = done_probes(world, locked_probes(world, locked.plan, limits=limits, no_answer=""))
    assert report.verdict == "breached"
    opened = {d.criterion: d for d in Deviation.objects.all()}
    assert set(opened) == {"unanswered", "far_rows"}
    assert opened["far_rows"].description.startswith("Too little data to tell")
    outcome = robustness(fresh(locked.version))
    assert outcome.state is CheckState.NOT_MET
    assert "100.0 %" in outcome.why
    assert privacy(fresh(locked.version)).state is CheckState.MET
    give(world, "validator", "approver", world.model)
    with pytest.raises(Conflict):
        accept_deviation(
            world.validator, opened["far_rows"].pk, reason="Fine", signature=signed(opened["far_rows"])
        )
    for each in opened.values():
        accept_deviation(world.approver2, each.pk, reason="Gaps are filled upstream", signature=signed(each))
    assert robustness(fresh(locked.version)).state is CheckState.BY_DEVIATION


def test_parity_is_undecided_without_files_and_breached_where_they_differ(world, locked):
    plan = locked_probes(world, locked.plan)
    lines = {line["id"]: line for line in done_probes(world, plan).summary}
    assert lines["parity"]["verdict"] == "undecided"
    handed_in(world, locked.version, second=b"case,score\na,0.25\nb,0.7500001\nc,0.5\n")
    report = done_probes(world, plan)
    lines = {line["id"]: line for line in report.summary}
    assert (lines["parity"]["verdict"], lines["parity"]["n"]) == ("breached", 3)
    assert report.parity.outcome["differing"] == 1
    (first,) = report.parity.outcome["first"]
    assert (first["row"], first["column"]) == (2, "score")
    assert float(first["difference"]) == pytest.approx(1e-7)


def test_limits_are_locked_by_two_people_and_never_change(world, locked):
    with pytest.raises(NotVisible):
        write_plan(world.other_developer, locked.plan.pk, **plan_input())
    with pytest.raises(NotAllowed):
        write_plan(world.author, locked.plan.pk, **plan_input())
    first = write_plan(world.bias_tester, locked.plan.pk, **plan_input())
    draft = write_plan(world.validator, locked.plan.pk, **plan_input())
    first.refresh_from_db()
    assert (first.state, draft.state, draft.ref) == ("superseded", "draft", f"RP-{draft.number}")
    assert robustness(fresh(locked.version)).state is CheckState.WAITING
    with pytest.raises(WrongState):
        request_report(world.validator, draft.pk)
    with pytest.raises(WrongState):
        sign_plan_approval(world.approver, draft.pk, signature=signed(draft))
    with pytest.raises(NotAllowed) as refused:
        sign_plan_author(world.bias_tester, draft.pk, signature=signed(draft))
    assert refused.value.rule == "author-signs"
    sign_plan_author(world.validator, draft.pk, signature=signed(draft))
    give(world, "validator", "approver", world.model)
    with pytest.raises(Conflict):
        sign_plan_approval(world.validator, draft.pk, signature=signed(draft))
    plan = sign_plan_approval(world.approver, draft.pk, signature=signed(draft))
    assert (plan.state, plan.locked_at is not None) == ("locked", True)
    with pytest.raises(WrongState) as refused:
        write_plan(world.validator, locked.plan.pk, **plan_input())
    assert "cannot change any more" in refused.value.fact
    assert ProbePlan.objects.filter(state="locked").count() == 1


def test_rejected_limits_are_written_anew(world, locked):
    draft = write_plan(world.validator, locked.plan.pk, **plan_input())
    sign_plan_author(world.validator, draft.pk, signature=signed(draft))
    rejected = sign_plan_approval(
        world.approver, draft.pk, reason="Noise is 10 % here", signature=signed(draft, decision="rejected")
    )
    assert rejected.state == "rejected"
    assert robustness(fresh(locked.version)).state is CheckState.NOT_STARTED
    assert write_plan(world.validator, locked.plan.pk, **plan_input()).state == "draft"


def test_who_developed_the_version_may_not_make_its_probes(world, locked):
    from apps.access.acts import end_assignment
    from apps.access.models import Assignment

    plan = locked_probes(world, locked.plan)
    with pytest.raises(NotAllowed):
        request_report(world.author, plan.pk)
    held = Assignment.objects.get(person=world.author, duty="developer", scope_kind="registry.model")
    end_assignment(world.owner, held.pk, reason="Probes from now on")
    give(world, "author", "bias_tester", world.model)
    with pytest.raises(Conflict) as refused:
        request_report(world.author, plan.pk)
    assert refused.value.rule.startswith("DY1")
    assert not ProbeReport.objects.exists()


def test_a_report_can_be_cancelled_and_its_worker_writes_nothing(world, locked):
    plan = locked_probes(world, locked.plan)
    report = request_report(world.bias_tester, plan.pk, idempotency_key="k")
    assert request_report(world.bias_tester, plan.pk, idempotency_key="k").pk == report.pk
    with pytest.raises(WrongState):
        request_report(world.validator, plan.pk)
    taken = jobs.claim(report.job_id)
    with pytest.raises(NotAllowed):
        cancel_report(world.author, report.pk, reason="No")
    with pytest.raises(BadInput):
        cancel_report(world.validator, report.pk)
    stopped = cancel_report(world.validator, report.pk, reason="Wrong files")
    assert (stopped.state, stopped.failure) == ("cancelled", "Wrong files")
    with jobs.Running(taken) as running, pytest.raises(jobs.Lost):
        running.report(1, 2, "Noise")
    assert Job.objects.get(pk=report.job_id).state == "cancelled"
    with pytest.raises(WrongState):
        cancel_report(world.validator, report.pk, reason="Again")
    assert not Deviation.objects.exists()
    assert robustness(fresh(locked.version)).state is CheckState.NOT_STARTED
    assert done_probes(world, plan).number == report.number + 1


def test_damaged_test_data_fail_the_report_with_its_sentence(world, locked):
    plan = locked_probes(world, locked.plan)
    path = blobs.path(locked.test.table_digest, area="vault")
    aside = path.with_suffix(".aside")
    path.rename(aside)
    report = done_probes(world, plan)
    aside.rename(path)
    assert report.state == "failed"
    assert "missing or differ from their digest" in report.failure
    assert Deviation.objects.get().criterion == "execution"
    assert robustness(fresh(locked.version)).state is CheckState.NOT_MET
    with pytest.raises(WrongState):
        queries.refuse_unfinished(report)


def test_files_that_cannot_be_taken_are_refused_beside_their_field(world, locked):
    put = blobs.put

    def refused(**given):
        base = {"kind": "parity", "file_digest": put(b"a,b\n1,2\n").digest, "file_name": "a.csv"}
        with pytest.raises(BadInput) as error:
            submit_evidence(world.author, locked.version.pk, **(base | given))
        return error.value.fields

    assert "Choose one of" in refused(kind="magic")["kind"][0]
    assert "two files" in refused()["second"][0]
    assert "Upload the file first" in refused(file_digest="sha256:" + "0" * 64)["file"][0]
    assert "different columns" in refused(second_digest=put(b"a,c\n1,2\n").digest)["second"][0]
    for apart in ("-1", "nan", "0.00001", "1e9"):
        assert "tolerance" in refused(second_digest=put(b"a,b\n1,2\n").digest, tolerance=apart)
    assert "no column utility" in refused(kind="epsilon", file_digest=put(b"epsilon\n1\n").digest)["file"][0]
    assert refused(kind="epsilon", file_digest=put(b"\x00\x01\x02").digest)["file"]
    with pytest.raises(NotAllowed):
        submit_evidence(
            world.approver, locked.version.pk, kind="epsilon", file_digest=put(b"x").digest, file_name="x"
        )
    for person in ("validator", "bias_tester"):  # who hands in files of a version is one of its makers
        with pytest.raises(NotAllowed):
            submit_evidence(
                world.people[person], locked.version.pk, kind="parity", file_digest="", file_name=""
            )


def test_who_hands_in_files_counts_as_developer_of_the_version(world, locked):
    from apps.access.acts import end_assignment
    from apps.access.models import Assignment

    plan = locked_probes(world, locked.plan)
    handed_in(world, locked.version, by="colleague")
    held = Assignment.objects.get(person=world.colleague, duty="developer", scope_kind="registry.model")
    end_assignment(world.owner, held.pk, reason="Tests from now on")
    give(world, "colleague", "bias_tester", world.model)
    with pytest.raises(Conflict) as refused:
        request_report(world.colleague, plan.pk)
    assert refused.value.rule.startswith("DY1:")
    assert "handed in files for the probes of a version" in refused.value.fact


def test_a_table_of_utility_is_marked_as_handed_in_and_judged(world, locked):
    table = b"epsilon,metric,utility,n,released\ninf,auc,0.9,400,no\n2.5,auc,0.87,400,yes\n"
    taken = submit_evidence(
        world.author,
        locked.version.pk,
        kind="epsilon",
        file_digest=blobs.put(table).digest,
        file_name="dp.csv",
    )
    assert [row["epsilon"] for row in taken.outcome["rows"]] == ["2.5", "inf"]
    limits = [
        *(dict(one) for one in LIMITS),
        {"id": "DP", "probe": "epsilon", "limit": "2", "rule": "point", "min_n": 1},
    ]
    handed_in(world, locked.version)
    given = {"limits": limits, "private_training": "used", "private_epsilon": "2.5"}
    report = done_probes(world, locked_probes(world, locked.plan, **given))
    line = next(line for line in report.summary if line["id"] == "DP")
    assert (line["verdict"], line["value"], line["submitted"]) == ("breached", "2.5", True)
    assert "As handed in" in line["sentence"]
    assert privacy(fresh(locked.version)).state is CheckState.NOT_MET


def test_a_table_of_a_private_training_contradicts_a_plan_that_knows_of_none(world, locked):
    table = b"epsilon,metric,utility,n,released\ninf,auc,0.9,400,no\n2.5,auc,0.87,400,yes\n"
    handed_in(world, locked.version)
    digest = blobs.put(table).digest
    taken = submit_evidence(
        world.author, locked.version.pk, kind="epsilon", file_digest=digest, file_name="dp.csv"
    )
    report = done_probes(world, locked_probes(world, locked.plan))
    found = privacy(fresh(locked.version))
    assert (found.state, report.epsilon) == (CheckState.NOT_MET, taken)
    assert f"the makers handed in {taken.ref}" in found.why
    assert found.needs == (("robustness.write_plan", "validations.plan", locked.plan.pk),)


def test_probes_are_seen_by_who_has_a_duty_on_the_model(world, locked):
    report = probed(world, locked.plan)
    assert set(queries.reports(world.author)) == {report}
    assert set(queries.plans(world.inspector, locked.version)) == {report.plan}
    assert [e.kind for e in queries.evidence(world.author, locked.version)] == ["parity"]
    for rows in (queries.reports, queries.plans, queries.evidence):
        assert not rows(world.other_developer).exists()
    with pytest.raises(NotVisible):
        queries.report_page(world.other_developer, report.pk)


def test_after_the_decision_nothing_is_handed_in_and_no_probes_are_made():
    from types import SimpleNamespace

    from apps.robustness.acts.evidence import submit_precondition
    from apps.robustness.acts.reports import request_precondition

    for state in ("released", "rejected", "suspended"):
        version = SimpleNamespace(pk=1, ref="V-1", state=state)
        for refuse, subject in (
            (submit_precondition, version),
            (request_precondition, SimpleNamespace(ref="RP-1", state="locked", version=version)),
        ):
            with pytest.raises(WrongState) as refused:
                refuse(subject)
            assert refused.value.rule == "decided"
