"""Reviews of the audit trail: opened, seen, signed; by whom, and by whom never."""

from __future__ import annotations

import json

import pytest

from apps.access import gate
from apps.access.gate import Judge
from apps.access.policy import policy
from apps.approvals.independence import conflicts_of
from apps.core.clock import now
from apps.core.errors import BadInput, Conflict, NotAllowed, NotVisible, WrongState
from apps.quality import review_queries
from apps.quality.acts import accept_deviation, open_deviation
from apps.quality.models import TrailFinding, TrailMark, TrailReview
from apps.quality.review_acts import (
    extend_trail_review,
    mark_trail_entries,
    open_trail_review,
    record_trail_finding,
    sign_trail_review,
    withdraw_trail_review,
)
from apps.quality.review_rules import draw, review_rules, sample_size
from apps.registry.acts import add_author, download_artefact
from apps.registry.models import Version
from apps.trail.models import Checkpoint, Entry, Signature
from apps.validations.acts import sign_plan_author, start_run
from tests.factories.evidence import signed, validated_world
from tests.factories.reviews import seen_whole, trail_reviewed

pytestmark = pytest.mark.evidence("locked")


@pytest.fixture
def version(world) -> Version:
    return validated_world(world, until="locked").version


@pytest.fixture
def review(world, version) -> TrailReview:
    return open_trail_review(world.owner, version.pk)


def read(review: TrailReview) -> TrailReview:
    return TrailReview.objects.select_related("version__model", "version__intended_use").get(pk=review.pk)


def last(kind: str = "act") -> Entry:
    return Entry.objects.filter(kind=kind).latest("id")


def test_opening_fixes_the_range_at_a_signed_state_of_the_log(world, version, review):
    checkpoint = Checkpoint.objects.get(size=review.until_size)
    assert (review.from_size, review.root, review.until_at) == (0, checkpoint.root, checkpoint.created_at)
    entry = last()
    facts = json.loads(entry.body)["facts"]
    assert (entry.act, entry.subject_kind) == ("quality.open_trail_review", "quality.trail_review")
    assert (facts["tree_size"], facts["seed"], facts["root"]) == (review.until_size, review.seed, review.root)
    assert review.history.count() == 1
    acts = {e.act for e in review_queries.entries_of(read(review))}
    assert {
        "registry.register_version",
        "registry.freeze",
        "registry.write_intended_use",
        "registry.sign_intended_use_owner",
        "validations.write_plan",
        "validations.sign_plan_approval",
    } <= acts
    assert not {a for a in acts if a.startswith(("access.", "datasets.", "quality."))}


def test_the_sample_is_drawn_again_from_its_seed(world, review):
    acts = [e.pk for e in review_queries.entries_of(read(review)) if e.kind == "act"]
    assert review.sample == draw(review.seed, acts, sample_size(len(acts), review_rules()))


def test_withdrawing_and_opening_again_draws_no_other_sample(world, version, review):
    withdraw_trail_review(world.owner, review.pk, reason="Not now")
    assert open_trail_review(world.validator, version.pk).seed == review.seed


def test_it_is_seen_whole_and_signed_by_who_did_nothing_of_it(world, version):
    done = trail_reviewed(world, version)
    assert (done.state, done.ended_at is not None) == ("signed", True)
    signature = Signature.objects.get(subject_kind="quality.trail_review", subject_id=str(done.pk))
    assert (signature.meaning, signature.signer) == ("review", world.compliance2)
    assert set(TrailMark.objects.filter(review=done).values_list("entry", flat=True)) == set(done.shown)
    statement = json.loads(signature.statement)
    assert statement["subject"]["version"] == f"leaves 0 to {done.until_size}"
    assert review_queries.last_signed(version) == done
    assert review_queries.came_after(done, version) == []


@pytest.mark.parametrize("who", ["approver"])
def test_who_acted_in_the_range_may_neither_mark_nor_find_nor_sign(world, review, who):
    """The approver approved the plan. DY14 is never waived."""
    person = world.people[who]
    attempts = (
        lambda: mark_trail_entries(person, review.pk, entries=sorted(review.shown), comment="seen"),
        lambda: record_trail_finding(person, review.pk, text="x"),
        lambda: sign_trail_review(person, review.pk, signature=signed(read(review))),
    )
    for attempt in attempts:
        with pytest.raises(Conflict) as refused:
            attempt()
        assert refused.value.rule.startswith("DY14")
        assert "validation plan" in refused.value.fact
        assert "Cora Compliance" in refused.value.who
        assert "Approver Person" not in refused.value.who
    assert not TrailMark.objects.exists()
    assert last("refusal").act == "quality.sign_trail_review"


def test_giving_up_a_duty_clears_nothing(world, review):
    judge = Judge(read(review))
    broken = judge.separation(world.validator, policy("quality.sign_trail_review"))
    assert broken.rule.id == "DY14"
    assert not broken.rule.waivable


def test_reviewing_is_not_what_is_reviewed(world, review):
    """Who opened it, and who marked and found, may sign; what they do on the review itself is no act in the range."""
    mine = open_trail_review  # the compliance officer opens, marks, finds and signs
    withdraw_trail_review(world.owner, review.pk, reason="Another one")
    again = mine(world.compliance2, review.version_id)
    seen_whole(again, world.compliance2)
    record_trail_finding(world.compliance2, again.pk, text="One line is hard to read.")
    extend_trail_review(world.compliance2, again.pk)
    seen_whole(read(again), world.compliance2)
    signed_one = sign_trail_review(
        world.compliance2, again.pk, signature=signed(read(again)), reason="No consequence."
    )
    assert signed_one.state == "signed"


def test_what_was_done_after_the_range_does_not_exclude(world, version, review):
    """The second approver did nothing in the range; what they do after it is for the next review."""
    open_deviation(world.approver2, version.pk, title="Late", description="After the range.")
    seen_whole(review, world.approver2)
    sign_trail_review(world.approver2, review.pk, signature=signed(read(review)))
    again = open_trail_review(world.owner, version.pk)
    assert again.from_size == review.until_size
    with pytest.raises(Conflict) as refused:
        mark_trail_entries(world.approver2, again.pk, entries=sorted(again.shown), comment="seen")
    assert refused.value.rule.startswith("DY14")
    assert "opened a deviation" in refused.value.fact


def test_who_may_not(world, review):
    for who, kind in (("stranger", NotVisible), ("other_owner", NotVisible), ("author", NotAllowed)):
        with pytest.raises(kind):
            mark_trail_entries(world.people[who], review.pk, entries=sorted(review.shown), comment="x")
        with pytest.raises(kind):
            sign_trail_review(world.people[who], review.pk, signature=signed(read(review)))
    with pytest.raises(NotAllowed):
        open_trail_review(world.monitor, review.version_id)
    with pytest.raises(NotVisible):
        open_trail_review(world.stranger, review.version_id)


def test_nothing_is_signed_before_all_was_seen(world, review):
    some = sorted(review.shown)[:-1]
    mark_trail_entries(world.compliance2, review.pk, entries=some, comment="seen")
    with pytest.raises(WrongState, match="cannot be signed yet") as refused:
        sign_trail_review(world.compliance2, review.pk, signature=signed(read(review)))
    assert "1 entry is not marked" in refused.value.fact


def test_a_second_review_waits_for_the_first(world, version, review):
    with pytest.raises(WrongState, match="second") as refused:
        open_trail_review(world.validator, version.pk)
    assert review.ref in refused.value.fact
    withdraw_trail_review(world.owner, review.pk, reason="Opened too early")
    assert open_trail_review(world.validator, version.pk).number == review.number + 1


def test_nothing_new_is_nothing_to_review(world, version):
    trail_reviewed(world, version)
    with pytest.raises(WrongState, match="nothing to review"):
        open_trail_review(world.owner, version.pk)
    assert open_trail_review(world.owner, version.pk, whole=True).from_size == 0


def test_the_range_grows_only_when_it_is_taken_up_to_now(world, version, review):
    seen_whole(review, world.compliance2)
    shown, seed = review.shown, review.seed
    start_run(world.validator, review.version.plans.get().pk)
    assert [a.act for a in review_queries.came_after(read(review), version)] == ["validations.start_run"]
    before = read(review)
    assert before.shown == shown
    longer = extend_trail_review(world.validator, review.pk)
    assert longer.until_size > before.until_size
    assert longer.seed == seed
    assert review_queries.came_after(longer, version) == []
    assert review.history.count() == 2


def test_a_changed_range_is_not_what_was_shown(world, review):
    seen_whole(review, world.compliance2)
    shown = signed(read(review))
    add_author(world.author, review.version_id, person_id=world.colleague.pk, reason="Forgotten")
    extend_trail_review(world.owner, review.pk)
    seen_whole(read(review), world.compliance2)
    with pytest.raises(Conflict, match="changed since it was shown"):
        sign_trail_review(world.compliance2, review.pk, signature=shown)


def test_late_edits_need_a_comment(world, version):
    add_author(world.author, version.pk, person_id=world.colleague.pk, reason="Forgotten")
    late = last().pk
    review = open_trail_review(world.owner, version.pk)
    assert review.exceptions["late_edits"] == [late]
    with pytest.raises(BadInput) as refused:
        mark_trail_entries(world.compliance2, review.pk, entries=[late])
    assert "comment" in refused.value.fields
    mark_trail_entries(world.compliance2, review.pk, entries=[late], comment="Agreed with the owner.")
    assert TrailMark.objects.get(review=review).comment == "Agreed with the owner."


def test_refusals_failed_signings_and_off_hours_are_shown(world, version, settings):
    settings.ORGANISATION_HOURS = "00:00-00:01"
    plan = version.plans.get()
    with pytest.raises(NotAllowed):
        open_deviation(world.author, version.pk, title="a", description="b")
    refused = last("refusal").pk
    with pytest.raises(NotAllowed):
        sign_plan_author(world.validator, plan.pk, signature=signed(plan, password="wrong password"))
    failed = last("refusal").pk
    review = open_trail_review(world.owner, version.pk)
    assert {refused, failed} <= set(review.exceptions["refusals"])
    assert review.exceptions["failed_signing"] == [failed]
    assert len(review.exceptions["off_hours"]) > 5
    assert "00:00-00:01, UTC" in review.hours


def test_two_reviewers_do_not_overwrite_each_other(world, review):
    first = sorted(review.shown)[0]
    mark_trail_entries(world.compliance2, review.pk, entries=[first], comment="mine")
    with pytest.raises(Conflict) as refused:
        mark_trail_entries(world.compliance, review.pk, entries=[first], comment="no, mine")
    assert "Compliance2 Person has marked entry" in refused.value.fact
    mark_trail_entries(world.compliance2, review.pk, entries=[first], comment="mine, and more")
    assert TrailMark.objects.get(review=review).comment == "mine, and more"


def test_a_finding_that_needs_a_deviation_opens_one_by_the_existing_act(world, version, review):
    entry = review.sample[0]
    finding = record_trail_finding(
        world.compliance2,
        review.pk,
        text="The plan was approved in four seconds.",
        weight="action",
        entry=entry,
    )
    seen_whole(review, world.compliance2)
    with pytest.raises(WrongState) as refused:
        sign_trail_review(world.compliance2, review.pk, signature=signed(read(review)), reason="One finding.")
    assert finding.ref in refused.value.fact
    made = open_deviation(
        world.compliance2, version.pk, title="Fast approval", description="See TR.", finding_id=finding.pk
    )
    assert (made.source_kind, made.source_id) == ("quality.trail_finding", str(finding.pk))
    with pytest.raises(BadInput):  # findings ask for a conclusion
        sign_trail_review(world.compliance2, review.pk, signature=signed(read(review)))
    done = sign_trail_review(
        world.compliance2, review.pk, signature=signed(read(review)), reason="One finding."
    )
    assert review_queries.open_findings(read(done), version, now()) == [TrailFinding.objects.get()]
    accept_deviation(world.approver2, made.pk, reason="It was read before.", signature=signed(made))
    assert review_queries.open_findings(read(done), version, now()) == []
    assert review_queries.came_after(read(done), version) == []


def test_reading_neither_excludes_nor_outdates(world, version):
    download_artefact(world.deployer, version.pk, reason="To look")
    review = open_trail_review(world.owner, version.pk)
    assert str(world.deployer.uuid) not in {
        deed.person for deed in review_queries.deeds_reviewed(read(review), version)
    }
    seen_whole(review, world.compliance2)
    done = sign_trail_review(world.compliance2, review.pk, signature=signed(read(review)))
    download_artefact(world.validator, version.pk, reason="To look")
    assert review_queries.came_after(done, version) == []


def test_a_signed_review_is_closed(world, version):
    done = trail_reviewed(world, version)
    for attempt in (
        lambda: mark_trail_entries(world.compliance, done.pk, entries=done.sample, comment="x"),
        lambda: record_trail_finding(world.compliance, done.pk, text="x"),
        lambda: extend_trail_review(world.owner, done.pk),
        lambda: withdraw_trail_review(world.owner, done.pk, reason="x"),
        lambda: sign_trail_review(world.compliance, done.pk, signature=signed(read(done))),
    ):
        with pytest.raises(WrongState, match=r"cannot be"):
            attempt()


def test_a_review_is_not_signed_as_rejected(world, review):
    seen_whole(review, world.compliance2)
    with pytest.raises(BadInput, match="signed with the decision"):
        sign_trail_review(
            world.compliance2, review.pk, signature=signed(read(review), decision="rejected"), reason="No."
        )


def test_the_recomputation_finds_who_reviewed_their_own_acts(world, version, monkeypatch):
    """Were the engine to let it through, the gate's own recomputation from the trail would tell."""
    done = trail_reviewed(world, version)
    assert conflicts_of(version) == []
    monkeypatch.setattr(gate.Judge, "judged", lambda self, person, verbs: (None, ()))
    again = open_trail_review(world.owner, version.pk, whole=True)
    seen_whole(again, world.approver)
    sign_trail_review(world.approver, again.pk, signature=signed(read(again)))
    monkeypatch.undo()
    found = conflicts_of(version)
    assert {(each["rule"], each["person"]) for each in found} == {("DY14", "Approver Person")}
    assert done.pk != again.pk
