"""Access reviews: opened, decided line by line, signed, lapsed; nobody reviews their own access."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail

from apps.access import acts, lapsing, reminding
from apps.access.actors import Actor
from apps.access.acts import review_opening
from apps.access.gate import eligible, visible
from apps.access.models import AccessReview, Assignment, Reminder, ReviewSheet
from apps.access.reviewing import GRANTS, result_of, shown, split
from apps.access.signing import content_digest, standings
from apps.core import jobs, registries
from apps.core.clock import now
from apps.core.digests import digest
from apps.core.errors import BadInput, Conflict, NotAllowed, NotVisible, WrongState
from apps.core.jobs import run_queued
from apps.datasets.sensitive_acts import grant_read, mark_sensitive, request_read
from tests.access.telling import assert_history, assert_told, body_of, last, refused
from tests.cast import give
from tests.datasets.test_acts import uploaded
from tests.factories.doors import browser, text_of
from tests.factories.evidence import signed
from tests.factories.services import service, service_token

pytestmark = pytest.mark.django_db

OPEN, WITHDRAW = "access.open_review", "access.withdraw_review"
DECIDE, SIGN, LAPSE = "access.decide_review", "access.sign_review", "access.lapse_review"


def opened(world, by="compliance", **more) -> AccessReview:
    given = {"title": "Fourth quarter", "due_at": now() + timedelta(days=14), "reason": "Every quarter"}
    if not {"models", "datasets", "organisation"} & set(more):
        more["models"] = [world.model.pk]
    return acts.open_review(world.people[by], **given | more)


def sheet_of(review, whose="") -> ReviewSheet:
    rows = ReviewSheet.objects.select_related("review", "whose").filter(review=review)
    return rows.get(whose__username=whose) if whose else rows.get(whose=None)


def decide(world, sheet, by="owner", end=(), **more) -> ReviewSheet:
    """Keep every line, except those of the people in `end`."""
    sheet = ReviewSheet.objects.select_related("review", "whose").get(pk=sheet.pk)
    decisions = {
        line["ref"]: {"decision": "end", "comment": "Moved to another team"}
        if line["person"] in end
        else {"decision": "keep", "comment": ""}
        for line in shown(sheet)
        if line["decision"] != "gone"
    }
    given = {"seen": content_digest(sheet), "decisions": decisions} | more
    return acts.decide_review(world.people[by], sheet.pk, **given)


def sign(world, sheet, by="owner", **changes) -> ReviewSheet:
    sheet = ReviewSheet.objects.select_related("review", "whose").get(pk=sheet.pk)
    return acts.sign_review(world.people[by], sheet.pk, signature=signed(sheet, **changes))


def later(monkeypatch, **ahead) -> None:
    moment = now() + timedelta(**ahead)
    for module in ("review_models", "models", "acts.reviews", "acts.assignments", "reviewing", "reminding"):
        monkeypatch.setattr(f"apps.access.{module}.now", lambda: moment)


def people_of(sheet) -> set[str]:
    return {line["person"] for line in sheet.lines}


def test_opened_with_a_sheet_for_the_owner_and_one_for_the_owners_own_duties(world):
    review = opened(world)
    assert_told(OPEN, by=world.compliance, about=review, reason="Every quarter", wrote=3)
    assert_history(review, act=OPEN, by=world.compliance, reason="Every quarter")
    held = set(
        Assignment.objects.active()
        .on("registry.model", world.model.pk)
        .values_list("person__username", flat=True)
    )
    assert people_of(sheet_of(review)) == held - {"owner"}
    assert people_of(sheet_of(review, "owner")) == {"owner"}
    assert {p.username for p in eligible(SIGN, sheet_of(review))} == {"owner", "compliance", "compliance2"}
    assert {p.username for p in eligible(SIGN, sheet_of(review, "owner"))} == {"compliance", "compliance2"}


def test_nobody_reviews_their_own(world):
    own = sheet_of(opened(world), "owner")
    for act, do in ((DECIDE, decide), (SIGN, sign)):
        with refused(Conflict, "DY17", act=act, by=world.owner) as caught:
            do(world, own, by="owner")
        assert caught.value.fact == "You hold a duty on this sheet."
        assert caught.value.who == ("Compliance2 Person", "Cora Compliance")
    give(world, "approver", "owner", world.model, by="compliance")
    assert "approver" not in {p.username for p in eligible(SIGN, sheet_of(AccessReview.objects.get()))}
    assert "approver" in {p.username for p in eligible(SIGN, own)}


def test_the_organisations_own_duties_are_reviewed_by_another_compliance_officer(world):
    review = opened(world, organisation=True)
    assert {s.whose.username if s.whose else "" for s in review.sheets.all()} == {
        "",
        "compliance",
        "compliance2",
    }
    assert [p.username for p in eligible(SIGN, sheet_of(review, "compliance"))] == ["compliance2"]
    with refused(Conflict, "DY17", act=SIGN, by=world.compliance):
        sign(world, sheet_of(review, "compliance"), by="compliance")
    with refused(NotVisible, "visibility", act=SIGN, by=world.owner):
        sign(world, sheet_of(review), by="owner")


def test_what_is_kept_stays_and_what_ends_ends_at_signing(world):
    review = opened(world)
    sheet = decide(world, sheet_of(review), end=("monitor",))
    assert_told(DECIDE, by=world.owner, about=sheet)
    ending = Assignment.objects.get(person=world.monitor, scope_id=world.model.pk, duty="monitor")
    assert ending.in_force()
    done = sign(world, sheet)
    assert_told(SIGN, by=world.owner, about=sheet, wrote=3)
    assert body_of(last(SIGN))["facts"]["ended"] == [ending.ref]
    ending.refresh_from_db()
    assert (ending.state, ending.end_reason) == ("ended", f"{review.ref}: Moved to another team")
    assert_history(ending, act=SIGN, by=world.owner)
    assert not world.monitor.has_perm("act_as_monitor", world.model)
    assert {line["person"]: line["outcome"] for line in done.lines}["monitor"] == "ended"
    assert done.signature.meaning_text == "I have reviewed this record."
    [standing] = standings(ReviewSheet.objects.select_related("review", "whose").get(pk=sheet.pk))
    assert standing.valid, "what was signed is what is stored"
    review.refresh_from_db()
    assert review.state == "open", "the owner's own duties still wait"


def test_closed_with_the_last_signature_and_the_digest_of_the_result(world):
    review = opened(world)
    sign(world, decide(world, sheet_of(review)))
    sign(world, decide(world, sheet_of(review, "owner"), by="compliance2"), by="compliance2")
    review = AccessReview.objects.select_related("opened_by").get()
    sheets = list(review.sheets.select_related("review", "whose", "signature"))
    assert (review.state, review.late) == ("closed", False)
    assert review.result_digest == digest(result_of(review, sheets))
    assert lapsing.lapse_reviews() == 0


def test_undecided_sheets_are_not_signed_and_none_is_signed_as_rejected(world):
    sheet = sheet_of(opened(world))
    with refused(WrongState, "review-undecided", act=SIGN, by=world.owner):
        sign(world, sheet)
    decide(world, sheet)
    with refused(WrongState, "review-decision", act=SIGN, by=world.owner):
        acts.sign_review(
            world.owner, sheet.pk, reason="No", signature=signed(_fresh(sheet), decision="rejected")
        )
    with refused(NotAllowed, "21 CFR 11.200(a)(1)", act=SIGN, by=world.owner):
        sign(world, sheet, password="wrong")


def _fresh(sheet) -> ReviewSheet:
    return ReviewSheet.objects.select_related("review", "whose").get(pk=sheet.pk)


def test_who_may_decide(world):
    sheet = sheet_of(opened(world))
    for name in ("author", "approver", "registrar"):
        with refused(NotAllowed, "duty", act=DECIDE, by=world.people[name]):
            decide(world, sheet, by=name)
    with refused(NotVisible, "visibility", act=DECIDE, by=world.stranger):
        decide(world, sheet, by="stranger")
    for name in ("owner", "administrator", "registrar"):
        with refused(NotAllowed, "duty", act=OPEN, by=world.people[name]):
            opened(world, by=name)


def test_two_reviewers_at_once_the_second_reads_it_again(world):
    sheet = sheet_of(opened(world))
    seen = content_digest(sheet)
    decide(world, sheet, by="compliance")
    with refused(Conflict, "stale", act=DECIDE, by=world.owner) as caught:
        decide(world, sheet, seen=seen)
    assert caught.value.who == ("you, after reading it again",)
    stale = signed(_fresh(sheet))
    decide(world, sheet, end=("monitor",))
    with refused(Conflict, "21 CFR 11.70", act=SIGN, by=world.compliance):
        acts.sign_review(world.compliance, sheet.pk, signature=stale)
    sign(world, sheet, by="compliance2")
    with refused(WrongState, "review-state", act=SIGN, by=world.owner):
        sign(world, sheet)
    with refused(WrongState, "review-state", act=DECIDE, by=world.owner):
        decide(world, sheet)


def test_a_duty_that_ended_meanwhile_has_nothing_to_decide(world):
    sheet = decide(world, sheet_of(opened(world)))
    ready = signed(_fresh(sheet))
    gone = Assignment.objects.get(person=world.monitor, scope_id=world.model.pk, duty="monitor")
    acts.end_assignment(world.owner, gone.pk, reason="Left the team")
    with refused(Conflict, "21 CFR 11.70", act=SIGN, by=world.owner):
        acts.sign_review(world.owner, sheet.pk, signature=ready)
    acts.deactivate_account(world.administrator, world.deployer.pk, reason="Left")
    done = sign(world, sheet)
    outcomes = {line["person"]: line["outcome"] for line in done.lines}
    assert (outcomes["monitor"], outcomes["deployer"], outcomes["author"]) == ("gone", "gone", "kept")
    assert {ln["person"]: ln["comment"] for ln in done.lines}["monitor"] == "ended meanwhile: Left the team"
    assert standings(_fresh(sheet))[0].valid


def test_a_reviewer_who_leaves_is_followed_by_whoever_holds_the_duty(world):
    sheet = decide(world, sheet_of(opened(world)), end=("monitor",))
    acts.deactivate_account(world.administrator, world.owner.pk, reason="Left")
    assert {p.username for p in eligible(SIGN, _fresh(sheet))} == {"compliance", "compliance2"}
    done = sign(world, sheet, by="compliance")
    assert {line["by"] for line in done.lines} == {"owner"}, "who decided stays written down"


def test_bad_lines(world):
    sheet = sheet_of(opened(world))
    ref = sheet.lines[0]["ref"]
    for decisions, field in (
        ({"A-999999": {"decision": "keep"}}, "A-999999"),
        ({ref: {"decision": "maybe"}}, ref),
        ({ref: {"decision": "end", "comment": " "}}, ref),
        ({ref: {"decision": "keep", "comment": "x" * 600}}, ref),
    ):
        with refused(BadInput, "access-review", act=DECIDE, by=world.owner) as caught:
            decide(world, sheet, decisions=decisions)
        assert list(caught.value.fields) == [field]
    hostile = {ref: {"decision": "end", "comment": "=cmd|' /C calc'!A0 <script>"}}
    assert decide(world, sheet, decisions=hostile).lines[0]["comment"].startswith("=cmd")


def test_bad_campaigns(world):
    for changed, field in (
        ({"title": " "}, "title"),
        ({"title": "x" * 121}, "title"),
        ({"due_at": None}, "due_at"),
        ({"due_at": now() + timedelta(hours=2)}, "due_at"),
        ({"due_at": now() + timedelta(days=400)}, "due_at"),
        ({"models": []}, "models"),
        ({"models": [10**9]}, "models"),
        ({"datasets": [10**9]}, "datasets"),
    ):
        with refused(BadInput, "access-review", act=OPEN, by=world.compliance) as caught:
            opened(world, **changed)
        assert list(caught.value.fields) == [field], changed
    with pytest.raises(BadInput):
        opened(world, reason="")
    opened(world)
    with refused(Conflict, "once-only", act=OPEN, by=world.compliance) as caught:
        opened(world, models="all")
    assert "lotx (AR-" in caught.value.fact


def test_an_object_without_duties_is_named_and_has_no_sheet(world):
    for each in Assignment.objects.active().on("registry.model", world.other_model.pk):
        acts.end_assignment(world.compliance, each.pk, reason="Wound up")
    with refused(BadInput, "access-review", act=OPEN, by=world.compliance):
        opened(world, models=[world.other_model.pk])
    review = opened(world, models="all", datasets="all")
    assert review.empty == ["visc"]
    assert set(review.sheets.values_list("place", flat=True)) == {"lotx", "trial", "plant"}


def test_what_nobody_confirmed_lapses_at_the_due_date(world, monkeypatch):
    review = opened(world)
    decide(world, sheet_of(review))  # decided and not signed confirms nothing
    assert lapsing.lapse_reviews() == 0
    later(monkeypatch, days=14, minutes=1)
    for act, do in ((DECIDE, decide), (SIGN, sign)):
        with refused(WrongState, "review-due", act=act, by=world.owner):
            do(world, sheet_of(review))
    with refused(WrongState, "review-state", act=WITHDRAW, by=world.compliance):
        acts.withdraw_review(world.compliance, review.pk, reason="Too late")
    assert AccessReview.objects.get().late
    assert (lapsing.lapse_reviews(), lapsing.lapse_reviews()) == (2, 0)
    assert not Assignment.objects.active().on("registry.model", world.model.pk).exists()
    ended = Assignment.objects.get(person=world.monitor, scope_id=world.model.pk)
    assert ended.end_reason.startswith(f"Nobody confirmed it in {review.ref}, due ")
    entry = last(LAPSE)
    assert entry.actor_name == "Countersign worker"
    review.refresh_from_db()
    assert (review.state, bool(review.result_digest)) == ("closed", True)
    assert {line["outcome"] for s in review.sheets.all() for line in s.lines} == {"lapsed"}
    with pytest.raises(NotAllowed):
        acts.lapse_review(world.compliance, sheet_of(review).pk)


def test_nothing_lapses_before(world):
    sheet = sheet_of(opened(world))
    worker = Actor.service("worker")
    with refused(WrongState, "review-due", act=LAPSE, by=worker.user):
        acts.lapse_review(worker, sheet.pk)


def test_the_last_compliance_officer_and_administrator_do_not_lapse(world, monkeypatch):
    review = opened(world, organisation=True)
    later(monkeypatch, days=14, minutes=1)
    assert lapsing.lapse_reviews() == 3
    held = Assignment.objects.active().on("organisation", 0).values_list("duty", "person__username")
    assert sorted(duty for duty, _name in held) == ["administrator", "compliance"]
    review.refresh_from_db()
    outcomes = {ln["person"]: ln["outcome"] for s in review.sheets.all() for ln in s.lines}
    assert sorted(outcomes.values()).count("sole") == 2
    assert outcomes["inspector"] == "lapsed"


def test_withdrawn_nothing_lapses_and_what_was_signed_stays(world, monkeypatch):
    review = opened(world)
    with refused(NotAllowed, "duty", act=WITHDRAW, by=world.owner):
        acts.withdraw_review(world.owner, review.pk, reason="No")
    sign(world, decide(world, sheet_of(review)))
    done = acts.withdraw_review(world.compliance, review.pk, reason="Opened by mistake")
    assert_told(WITHDRAW, by=world.compliance, about=done, reason="Opened by mistake")
    assert sorted(done.sheets.values_list("state", flat=True)) == ["signed", "withdrawn"]
    later(monkeypatch, days=15)
    assert lapsing.lapse_reviews() == 0
    with refused(WrongState, "review-state", act=WITHDRAW, by=world.compliance):
        acts.withdraw_review(world.compliance, review.pk, reason="Again")
    monkeypatch.undo()
    opened(world)


def test_nobody_withdraws_a_review_on_which_their_own_duty_waits(world):
    review = opened(world, organisation=True)
    with refused(Conflict, "DY17", act=WITHDRAW, by=world.compliance) as caught:
        acts.withdraw_review(world.compliance, review.pk, reason="Not needed")
    assert caught.value.fact == "You hold a duty on an open sheet of it."
    assert eligible(WITHDRAW, review) == []
    own = sheet_of(review, "compliance")
    sign(world, decide(world, own, by="compliance2"), by="compliance2")
    assert {p.username for p in eligible(WITHDRAW, review)} == {"compliance"}
    with refused(Conflict, "DY17", act=WITHDRAW, by=world.compliance2):
        acts.withdraw_review(world.compliance2, review.pk, reason="Not needed")
    done = acts.withdraw_review(world.compliance, review.pk, reason="Opened by mistake")
    assert (done.state, done.ended_by) == ("withdrawn", world.compliance)


def test_who_sees_which_campaign_and_sheet(world):
    mine, other = opened(world), opened(world, models=[world.other_model.pk])
    own = opened(world, organisation=True)
    for name, seen in (
        ("owner", {mine.pk}),
        ("author", {mine.pk}),
        ("other_owner", {other.pk}),
        ("compliance", {mine.pk, other.pk, own.pk}),
        ("inspector", {mine.pk, other.pk, own.pk}),
        ("administrator", {own.pk}),
        ("stranger", set()),
    ):
        who = world.people[name]
        assert set(visible(who, AccessReview).values_list("pk", flat=True)) == seen, name
        assert set(visible(who, ReviewSheet).values_list("review_id", flat=True)) == seen, name


def test_reviewers_and_holders_are_told_seven_days_and_one_day_before(world, monkeypatch):
    review = opened(world, models=[world.other_model.pk])
    assert reminding.remind_all() == 0
    for ahead, stage in (({"days": 8}, "7 days"), ({"days": 13, "hours": 1}, "1 day")):
        later(monkeypatch, **ahead)
        assert reminding.remind_all() == 7  # three and two reviewers of two sheets, each with one line
        assert reminding.remind_all() == 0
        assert set(Reminder.objects.filter(stage=stage).values_list("person__username", flat=True)) == {
            "other_owner",
            "other_developer",
            "compliance",
            "compliance2",
        }
        monkeypatch.undo()
    sheet = sheet_of(review)
    assert last("access.remind").subject_kind == sheet.subject_kind
    mail.outbox.clear()
    run_queued()
    assert any(f"{review.ref}: your duty developer on visc" in m.subject for m in mail.outbox)


def test_every_kind_of_grant_says_how_it_is_held_over_and_ended():
    assert "access.assignment" in GRANTS
    lines = [
        {"person": "a", "duty": "owner"},
        {"person": "a", "duty": "approver"},
        {"person": "b", "duty": "monitor"},
    ]
    assert [(whose, len(part)) for whose, part in split(("registry.model", 1), lines)] == [("", 1), ("a", 2)]


def test_services_that_reach_the_object_are_reviewed_and_end_with_their_tokens(world):
    made = service(world)
    token = service_token(world, made)
    review = opened(world)
    line = next(ln for s in review.sheets.all() for ln in s.lines if ln["kind"] == made.subject_kind)
    assert (line["ref"], line["person"], line["duty"]) == (made.ref, made.owner.username, "service")
    done = sign(world, decide(world, sheet_of(review), end=(made.owner.username,)))
    made.refresh_from_db()
    token.refresh_from_db()
    assert (made.state, made.end_reason) == ("ended", f"{review.ref}: Moved to another team")
    assert token.ended_at is not None
    assert {ln["outcome"] for ln in done.lines if ln["person"] == made.owner.username} == {"ended"}


def test_tokens_and_read_access_are_reviewed_kept_or_ended(world):
    """Whatever opens something stands on a sheet, and what is not kept ends with the signature."""
    version = uploaded(world)
    mark_sensitive(world.owner, world.dataset.pk, reason="Patients")
    asked = request_read(world.author, version.pk, hours=8, reason="Query 7")
    grant = grant_read(world.steward, asked.pk, hours=8)
    narrow = acts.create_token(world.author, name="copy", objects=[("datasets.dataset", world.dataset.pk)])
    whole = acts.create_token(world.author, name="whole")
    review = opened(world, models=(), datasets=[world.dataset.pk], organisation=True)
    lines = {ln["ref"]: (s.place, ln) for s in review.sheets.all() for ln in s.lines}
    assert lines[narrow.ref][0] == lines[grant.ref][0] != "the organisation"
    assert lines[whole.ref][0] == "the organisation"
    sheet = next(s for s in review.sheets.all() if grant.ref in {ln["ref"] for ln in s.lines})
    reviewer = "owner" if world.owner.username not in {ln["person"] for ln in sheet.lines} else "compliance"
    sign(world, decide(world, sheet, by=reviewer, end=("author",)), by=reviewer)
    narrow.refresh_from_db()
    whole.refresh_from_db()
    grant.refresh_from_db()
    assert narrow.ended_at is not None
    assert whole.ended_at is None
    assert (grant.state, grant.ended_by) == ("ended", world.people[reviewer])


def test_tokens_that_nobody_confirmed_lapse(world, monkeypatch):
    token = acts.create_token(world.author, name="whole", days=30)
    review = opened(world, models=(), organisation=True)
    later(monkeypatch, days=15)
    lapsing.lapse_reviews()
    token.refresh_from_db()
    assert token.ended_at is not None
    line = next(ln for s in review.sheets.all() for ln in s.lines if ln["ref"] == token.ref)
    assert line["outcome"] == "lapsed"


def test_a_campaign_over_many_objects_is_opened_by_a_job_with_progress(world, monkeypatch):
    monkeypatch.setattr(review_opening, "AT_ONCE", 0)
    review = opened(world, models="all")
    assert (review.state, review.sheets.count(), review.job.state) == ("preparing", 0, "queued")
    assert_told(OPEN, by=world.compliance, about=review, reason="Every quarter")
    with refused(Conflict, "once-only", act=OPEN, by=world.compliance):
        opened(world)
    with refused(WrongState, "review-state", act=WITHDRAW, by=world.compliance):
        acts.withdraw_review(world.compliance, review.pk, reason="Not now")
    assert "Being opened" in text_of(browser(world.compliance).get(f"/reviews/{review.pk}/"))
    run_queued()
    review.refresh_from_db()
    assert (review.state, review.job.state) == ("open", "done")
    assert review.job.done == review.job.total > 0
    assert last("access.finish_review_opening").actor_name == "Countersign worker"
    assert {s.place for s in review.sheets.all()} == {"lotx", "visc"}
    assert sign(world, decide(world, sheet_of_place(review, "lotx"))).state == "signed"


def sheet_of_place(review, place) -> ReviewSheet:
    return review.sheets.get(place=place, whose=None)


def test_a_campaign_that_cannot_be_opened_says_so_and_frees_its_objects(world, monkeypatch):
    monkeypatch.setattr(review_opening, "AT_ONCE", 0)
    review = opened(world)
    job = jobs.claim(review.job_id)
    registries.job_failed[job.kind](job, "The disk is full.")
    review.refresh_from_db()
    assert (review.state, review.end_reason) == ("withdrawn", "It could not be opened: The disk is full.")
    assert (review.ended_by.username, review.ended_at is not None) == ("worker", True)
    assert last("access.fail_review_opening").kind == "act"
    assert opened(world).state == "preparing"
