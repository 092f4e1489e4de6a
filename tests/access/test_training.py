"""Training: recorded by another, asked by the gate once a matrix is in force, lapsing, corrected, never edited."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from django.core import mail
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from apps.access import acts, reminding, training_versions
from apps.access.actors import Actor
from apps.access.gate import ORGANISATION_SUBJECT, eligible, may, offers, visible
from apps.access.models import Assignment, Reminder, TrainingMatrix, TrainingRecord
from apps.access.policy import TABLE
from apps.access.sharing import shared
from apps.access.training import EXEMPT, State, book_in_force, months_later, shipped, standing
from apps.access.training_models import POLICY
from apps.core import blobs
from apps.core.clock import now
from apps.core.errors import BadInput, Conflict, NotAllowed, NotVisible, WrongState
from apps.core.jobs import run_queued
from apps.datasets.acts import upload_version
from apps.registry.acts import sign_intended_use_expert, sign_intended_use_owner, write_intended_use
from apps.trail.current import WriteOutsideAct
from tests.access.telling import assert_history, assert_told, last, refused
from tests.cast import give
from tests.factories.data import train_csv
from tests.factories.doors import browser, session_api, text_of
from tests.factories.foundation import USE, data_version, sign

pytestmark = pytest.mark.django_db

RECORD, ADOPT, ACCEPT = (
    "access.record_training",
    "access.adopt_training_matrix",
    "access.accept_signature_policy",
)
EVIDENCE = "access.read_training_evidence"
UPLOAD = "datasets.upload_version"  # the curator's act, which signs nothing
TODAY = date(2026, 11, 21)
EVERYTHING = {duty: list(kinds) for duty, kinds in shipped().duties.items()}


def record(world, person="curator", kind="system", by="compliance", **more) -> TrainingRecord:
    given = {"kind": kind, "completed_on": now().date() - timedelta(days=10), "evidence": "Certificate 12"}
    return acts.record_training(world.people[by], world.people[person].pk, **given | more)


def adopt(world, needs=None, by="compliance", **more) -> TrainingMatrix:
    given = {
        "seen": TrainingMatrix.objects.count(),
        "needs": {"curator": ["system"]} if needs is None else needs,
        "reason": "The organisation's training plan of this year",
    }
    return acts.adopt_training_matrix(world.people[by], **given | more)


def test_nothing_is_asked_before_a_matrix_is_in_force(world):
    assert not book_in_force().binding
    assert may(world.curator, UPLOAD, world.dataset).allowed


def test_a_missing_training_refuses_the_act_in_four_parts(world):
    adopt(world)
    verdict = may(world.curator, UPLOAD, world.dataset)
    assert (verdict.allowed, verdict.status) == (False, 403)
    assert verdict.fact == "Your training “Computerised system and portal” is not recorded."
    assert verdict.rule == "21 CFR 11.10(i): training matrix v1 for the duty data curator"
    assert verdict.who == ("Compliance2 Person", "Cora Compliance", "Registrar Person")
    assert eligible(UPLOAD, world.dataset) == []
    with pytest.raises(NotAllowed, match="Upload version"):
        upload_version(
            world.curator, world.dataset.pk, partition="train", file_digest="sha256:" + "0" * 64, file_name="a",
            source="s", collection="c", transformation_commit="4be19d0", entity_column="patient",
        )  # fmt: skip
    assert last(UPLOAD, "refusal").actor_uuid == str(world.curator.uuid)


def test_a_recorded_training_opens_it_again_and_a_lapsed_one_shuts_it(world):
    adopt(world)
    row = record(world)
    assert_told(RECORD, by=world.compliance, about=row)
    assert_history(row, act=RECORD, by=world.compliance)
    assert row.expires_on == months_later(row.completed_on, 24)
    assert may(world.curator, UPLOAD, world.dataset).allowed
    assert [p.username for p in eligible(UPLOAD, world.dataset)] == ["curator"]
    done, until = now().date() - timedelta(days=400), now().date() - timedelta(days=1)
    lapsed = record(world, completed_on=done, expires_on=until, corrects_id=row.pk)
    verdict = may(world.curator, UPLOAD, world.dataset)
    assert verdict.fact == (
        f"Your training “Computerised system and portal” lapsed on {until} ({lapsed.ref}, recorded by Cora Compliance)."
    )


def test_one_duty_with_all_it_needs_is_enough(world):
    give(world, "curator", "owner", world.dataset, by="compliance")
    adopt(world, {"curator": ["system"], "owner": ["privacy"]})
    assert not may(world.curator, "datasets.download_version", _version(world)).allowed
    record(world, kind="privacy")
    assert may(world.curator, "access.request_assignment", world.dataset).allowed  # as owner
    assert not may(world.curator, UPLOAD, world.dataset).allowed  # as curator only


def _version(world):
    record(world, kind="system")
    made = data_version(world, "train", train_csv())
    row = TrainingRecord.objects.get(kind="system")
    record(world, kind="system", corrects_id=row.pk, void=True, by="registrar")
    return made


def test_the_limits_of_a_model_are_asked_for_that_model_alone(world):
    adopt(world, {"developer": ["limits_user"]})
    register = "registry.register_version"
    assert "not recorded" in may(world.author, register, world.model).fact
    with refused(BadInput, "training", act=RECORD, by=world.compliance):
        record(world, "author", "limits_user")
    row = record(world, "author", "limits_user", model_id=world.model.pk)
    assert row.place == "lotx"
    assert may(world.author, register, world.model).allowed
    assert not may(world.colleague, register, world.model).allowed
    # Their duty on the dataset is about no model: nothing is asked for it.
    assert may(world.author, "datasets.download_version", _data(world)).allowed


def _data(world):
    return data_version(world, "train", train_csv())


def test_the_signature_policy_is_accepted_by_oneself_and_asked_of_signatures_alone(world):
    adopt(world, {"owner": [POLICY], "compliance": [POLICY]})
    assert may(world.owner, "access.request_assignment", world.model).allowed
    use = write_intended_use(world.process_expert, world.model.pk, given=USE, reason="First statement")
    sign_intended_use_expert(world.process_expert, use.pk, signature=sign(use))
    with refused(
        NotAllowed, "21 CFR 11.10(i), 21 CFR 11.10(j)", act="registry.sign_intended_use_owner", by=world.owner
    ) as caught:
        sign_intended_use_owner(world.owner, use.pk, signature=sign(use))
    assert caught.value.who == ("you, by accepting it on your account page",)
    with refused(BadInput, "training", act=RECORD, by=world.compliance):
        record(world, "owner", POLICY)
    row = acts.accept_signature_policy(world.owner, world.owner.pk, edition="1")
    assert_told(ACCEPT, by=world.owner, about=row)
    assert row.expires_on is None
    assert may(world.owner, "registry.sign_intended_use_owner", use).allowed
    with refused(WrongState, "training-state", act=ACCEPT, by=world.owner):
        acts.accept_signature_policy(world.owner, world.owner.pk, edition="1")
    with refused(NotVisible, "visibility", act=ACCEPT, by=world.compliance):
        acts.accept_signature_policy(world.compliance, world.owner.pk, edition="1")


def test_a_new_text_of_the_policy_wants_a_new_acceptance(world):
    adopt(world, {"owner": [POLICY]})
    acts.accept_signature_policy(world.owner, world.owner.pk, edition="1")
    with refused(BadInput, "training-matrix", act=ADOPT, by=world.compliance) as caught:
        adopt(world, {"owner": [POLICY]}, policy="Another text.")
    assert list(caught.value.fields) == ["policy"]
    adopt(world, {"owner": [POLICY]}, policy="Another text.", editions={POLICY: "2"})
    with refused(Conflict, "21 CFR 11.10(j)", act=ACCEPT, by=world.owner):
        acts.accept_signature_policy(world.owner, world.owner.pk, edition="1")
    acts.accept_signature_policy(world.owner, world.owner.pk, edition="2")


def test_who_records_and_for_whom(world):
    for name in ("compliance", "registrar"):
        assert may(world.people[name], RECORD, world.curator).allowed
    with refused(NotAllowed, "duty", act=RECORD, by=world.administrator):
        record(world, by="administrator")
    with refused(NotVisible, "visibility", act=RECORD, by=world.owner):
        record(world, by="owner")
    with refused(Conflict, "21 CFR 11.10(i)", act=RECORD, by=world.compliance) as caught:
        record(world, "compliance")
    assert caught.value.who == ("another compliance officer or registrar",)
    acts.deactivate_account(world.administrator, world.stranger.pk, reason="Left")
    with refused(WrongState, "account-state", act=RECORD, by=world.compliance):
        record(world, "stranger")


def test_bad_input(world):
    for changed, field in (
        ({"kind": "dancing"}, "kind"),
        ({"kind": ""}, "kind"),
        ({"completed_on": now().date() + timedelta(days=1)}, "completed_on"),
        ({"completed_on": date(1900, 1, 1)}, "completed_on"),
        ({"expires_on": now().date() - timedelta(days=10)}, "expires_on"),
        ({"expires_on": now().date() + timedelta(days=5000)}, "expires_on"),
        ({"evidence": "  "}, "evidence"),
        ({"evidence": "x" * 5000}, "evidence"),
        ({"edition": "x" * 50}, "edition"),
        ({"model_id": world.model.pk}, "model"),
        ({"kind": "limits_user", "model_id": 10**9}, "model"),
        ({"corrects_id": 10**9}, "corrects"),
        ({"void": True}, "corrects"),
        ({"file_digest": "../../etc/passwd"}, "file"),
        ({"file_digest": "sha256:" + "0" * 64}, "file"),
    ):
        with refused(BadInput, "training", act=RECORD, by=world.compliance) as caught:
            record(world, **changed)
        assert list(caught.value.fields) == [field], changed


def test_corrected_by_a_new_record_once_and_never_twice_the_same(world):
    first = record(world)
    with refused(Conflict, "once-only", act=RECORD, by=world.registrar):
        record(world, by="registrar")
    second = record(world, evidence="Certificate 13", corrects_id=first.pk)
    with refused(WrongState, "training-corrected", act=RECORD, by=world.registrar) as caught:
        record(world, corrects_id=first.pk, by="registrar")
    assert caught.value.who == (f"you, by correcting {second.ref}",)
    with refused(BadInput, "training", act=RECORD, by=world.registrar):
        record(world, "author", corrects_id=second.pk, by="registrar")
    record(world, corrects_id=second.pk, void=True, evidence="Recorded for the wrong person")
    adopt(world)
    assert not may(world.curator, UPLOAD, world.dataset).allowed
    first.refresh_from_db()
    assert first.evidence == "Certificate 12"


def test_no_record_is_written_beside_the_acts(world):
    with pytest.raises(WriteOutsideAct), transaction.atomic():
        TrainingRecord.objects.create(
            person=world.curator, kind="system", completed_on=TODAY, evidence="me", recorded_by=world.curator,
            recorded_at=now(),
        )  # fmt: skip
    assert TrainingRecord.objects.count() == 0


def test_evidence_file_is_kept_and_every_fetching_is_logged(world):
    blob = blobs.put(b"certificate")
    row = record(world, file_digest=blob.digest, file_name="certificate.pdf")
    assert (row.file_size, row.file_name) == (11, "certificate.pdf")
    acts.read_training_evidence(world.inspector, row.pk)
    assert_told(EVIDENCE, by=world.inspector, about=row, wrote=0)
    with refused(NotAllowed, "duty", act=EVIDENCE, by=world.curator):
        acts.read_training_evidence(world.curator, row.pk)
    with refused(NotVisible, "visibility", act=EVIDENCE, by=world.stranger):
        acts.read_training_evidence(world.stranger, row.pk)
    bare = record(world, kind="security")
    with refused(WrongState, "training-file", act=EVIDENCE, by=world.inspector):
        acts.read_training_evidence(world.inspector, bare.pk)


def test_who_sees_whose_training(world):
    mine, other = record(world), record(world, "author")
    for name, seen in (
        ("curator", {mine.pk}),
        ("author", {other.pk}),
        ("owner", set()),
        ("inspector", {mine.pk, other.pk}),
        ("compliance", {mine.pk, other.pk}),
        ("administrator", {mine.pk, other.pk}),
        ("stranger", set()),
    ):
        assert set(visible(world.people[name], TrainingRecord).values_list("pk", flat=True)) == seen, name


def test_the_matrix_is_put_into_force_by_compliance_and_stale_ones_are_refused(world):
    made = adopt(world)
    assert_told(
        ADOPT, by=world.compliance, about=made, reason="The organisation's training plan of this year"
    )
    assert (made.version, made.body["duties"]["curator"], made.body["duties"]["owner"]) == (1, ["system"], [])
    with refused(NotAllowed, "duty", act=ADOPT, by=world.registrar):
        adopt(world, by="registrar")
    with refused(Conflict, "stale", act=ADOPT, by=world.compliance2):
        adopt(world, by="compliance2", seen=0)
    for changed in (
        {"needs": {"curator": ["dancing"]}},
        {"needs": {"king": ["system"]}},
        {"editions": {"dancing": "1", POLICY: "1"}},
        {"editions": {}},
        {"editions": {POLICY: "x" * 30}},
        {"policy": " "},
        {"policy": "x" * 9000},
    ):
        with refused(BadInput, "training-matrix", act=ADOPT, by=world.compliance):
            adopt(world, **changed)


def test_nobody_relieves_themselves(world):
    adopt(world, {"compliance": ["privacy"]})
    assert not may(world.compliance, "access.request_assignment", world.model).allowed
    with refused(Conflict, "21 CFR 11.10(i)", act=ADOPT, by=world.compliance) as caught:
        adopt(world, {"compliance": []})
    assert caught.value.who == ("another compliance officer",)
    record(world, "compliance2", "privacy", by="registrar")
    adopt(world, {"compliance": []}, by="compliance2")
    assert may(world.compliance, "access.request_assignment", world.model).allowed


@pytest.mark.parametrize("left", [1, 30])
def test_nor_of_one_that_lapses_soon(world, left):
    record(world, "compliance", "privacy", by="registrar", expires_on=now().date() + timedelta(days=left))
    record(world, "compliance2", "privacy", by="registrar", expires_on=now().date() + timedelta(days=31))
    adopt(world, {"compliance": ["privacy"], "owner": ["privacy"]})
    with refused(Conflict, "21 CFR 11.10(i)", act=ADOPT, by=world.compliance) as caught:
        adopt(world, {"compliance": [], "owner": ["privacy"]})
    assert "counts until" in caught.value.fact
    adopt(world, {"compliance": ["privacy"], "owner": []})  # no duty of theirs needs that one
    adopt(world, {"compliance": []}, by="compliance2")


def test_nor_of_one_that_a_duty_of_theirs_will_want(world):
    """A duty that begins tomorrow counts as well."""
    adopt(world, {"monitor": ["privacy"]})
    asked = acts.request_assignment(
        world.registrar,
        person_id=world.compliance.pk,
        duty="monitor",
        scope_kind=world.model.subject_kind,
        scope_id=world.model.pk,
        starts_at=now() + timedelta(days=1),
        reason="Next week",
    )
    assert asked.state == "requested"
    with refused(Conflict, "21 CFR 11.10(i)", act=ADOPT, by=world.compliance):
        adopt(world, {"monitor": []})


def test_a_lapse_never_shuts_what_mends_it_or_stops_harm(world):
    adopt(world, EVERYTHING)
    assert may(world.compliance, RECORD, world.curator).allowed
    assert may(world.compliance, ADOPT, ORGANISATION_SUBJECT).allowed
    assert may(world.administrator, "access.deactivate_account", world.curator).allowed
    assert set(TABLE) >= EXEMPT
    assert not any(TABLE[name].signs for name in EXEMPT)


def test_offers_ask_a_constant_number_of_queries(world):
    adopt(world, {"owner": ["system"], "developer": ["system"]})

    def count() -> int:
        with CaptureQueriesContext(connection) as asked, shared():
            offers(Actor.of(world.owner), world.model)
        return len(asked)

    record(world, "owner")
    before = count()
    for name in ("author", "colleague", "validator"):
        record(world, name)
    give(world, "stranger", "developer", world.model, by="compliance")
    assert count() <= before


@given(st.dates(date(2000, 1, 1), date(2099, 12, 31)), st.integers(1, 60))
def test_months_later_is_the_same_day_or_the_last_of_the_month(start, months):
    end = months_later(start, months)
    assert (end.year * 12 + end.month) - (start.year * 12 + start.month) == months
    assert end.day == start.day or (end + timedelta(days=1)).day == 1


@pytest.mark.parametrize(
    ("until", "state"),
    [
        (None, State.CURRENT),
        (TODAY + timedelta(days=31), State.CURRENT),
        (TODAY + timedelta(days=30), State.SOON),
        (TODAY + timedelta(days=1), State.SOON),
        (TODAY, State.LAPSED),
        (TODAY - timedelta(days=1), State.LAPSED),
    ],
)
def test_the_day_on_which_it_lapses_no_longer_counts(until, state):
    kind = shipped().kinds["system"]
    row = TrainingRecord(pk=1, kind="system", completed_on=date(2025, 1, 1), expires_on=until)
    assert standing([row], kind, 0, "", TODAY).state == state
    assert standing([row], kind, 7, "", TODAY).state == State.MISSING
    assert standing([row], kind, 0, "2", TODAY).state == State.OUTDATED


def test_people_are_told_thirty_and_seven_days_before_and_when_it_lapsed(world, monkeypatch):
    adopt(world)
    row = record(world, expires_on=now().date() + timedelta(days=40))
    assert reminding.remind_all() == 0
    sent = []
    for days, stage in ((15, "30 days"), (34, "7 days"), (41, "lapsed")):
        moment = now() + timedelta(days=days)
        for module in ("apps.access.reminding", "apps.access.models", "apps.access.training"):
            monkeypatch.setattr(f"{module}.now", lambda moment=moment: moment)
        assert (reminding.remind_all(), reminding.remind_all()) == (1, 0)
        told = Reminder.objects.latest("pk")
        assert (told.stage, told.person, told.about_id) == (stage, world.curator, row.pk)
        sent.append(told.title)
        monkeypatch.undo()
    assert last("access.remind").subject_id == str(row.pk)
    mail.outbox.clear()
    run_queued()
    assert [m.to for m in mail.outbox] == [["curator@example.org"]] * 3
    assert [m.subject for m in mail.outbox] == sent
    assert "lapsed" in sent[-1]
    with pytest.raises(NotAllowed, match="cannot"):
        acts.remind(
            world.compliance, about_kind="access.training", about_id=row.pk, person_id=world.curator.pk,
            stage="x", title="x", text="x",
        )  # fmt: skip


def test_assignments_that_nobody_holds_any_more_remind_nobody(world):
    adopt(world)
    record(world, expires_on=now().date() + timedelta(days=5))
    acts.end_assignment(world.owner, Assignment.objects.get(person=world.curator).pk, reason="Moved")
    assert reminding.remind_all() == 0


def test_earlier_matrices_and_policies_stay_readable_with_what_the_next_one_changed(world):
    first = adopt(
        world,
        needs={"developer": ["system"]},
        policy="Sign with care.\nNever share.",
        editions={POLICY: "1"},
    )
    second = adopt(
        world,
        needs={"validator": ["system"]},
        policy="Sign with care.\nNever share a password.",
        editions={POLICY: "2"},
    )
    reader = Actor.of(world.author)
    newest, oldest = training_versions.version(reader, 2), training_versions.version(reader, 1)
    assert training_versions.version(reader, 3) is None
    listed = training_versions.versions(reader).order_by("version")
    assert [(row.version, row.until) for row in listed] == [(1, second.adopted_at), (2, None)]
    assert (newest.row, newest.until, newest.following) == (second, None, None)
    assert (oldest.row, oldest.until, oldest.following) == (first, second.adopted_at, second)
    system = shipped().kinds["system"].title
    told = {c.what: (c.before, c.after) for c in training_versions.changes(first.body, second.body)}
    assert told == {
        "developer": (system, "nothing"),
        "validator": ("nothing", system),
        f"edition of {training_versions.kind_word(POLICY)}": ("1", "2"),
    }
    lines = training_versions.policy_lines(oldest.policy, newest.policy)
    assert [(line.kind, line.text) for line in lines] == [
        ("same", "Sign with care."),
        ("removed", "Never share."),
        ("added", "Never share a password."),
    ]
    assert training_versions.policy_lines("same", "same") == []
    client = browser(world.author)
    assert "v1" in text_of(client.get("/training/versions/"))
    page = text_of(client.get("/training/versions/1/"))
    assert "Never share." in page
    assert "What v2 changed" in page
    assert "What v" not in text_of(client.get("/training/versions/2/"))
    assert client.get("/training/versions/3/").status_code == 404
    api = session_api(world.author).get("/api/v1/training-matrices/1/following").json()
    assert (api["version"], len(api["changes"]), api["policy"][1]["kind"]) == (2, 3, "removed")
    assert session_api(world.author).get("/api/v1/training-matrices/2/following").json()["until"] is None
