"""Pages of training and of access reviews, as their people use them."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.access.models import AccessReview, Assignment, ReviewSheet, TrainingMatrix, TrainingRecord
from apps.access.signing import content_digest
from apps.core.clock import now
from tests.access.test_reviews import decide, opened, sheet_of, sign
from tests.access.test_training import adopt, record
from tests.cast import PASSWORD
from tests.factories.doors import browser, text_of
from tests.web.changing import confirm

pytestmark = pytest.mark.django_db
TRAINING, MATRIX, POLICY, REVIEWS = (
    reverse(f"web:{n}") for n in ("training", "training_matrix", "signature_policy", "reviews")
)


def test_the_matrix_says_that_nothing_binds_before_one_is_in_force(world):
    page = text_of(browser(world.inspector).get(TRAINING))
    assert "No training matrix is in force" in page
    assert "Curator Person" in page


def test_the_matrix_by_person_and_duty_filters_sorts_and_exports(world):
    adopt(world, {"curator": ["system"], "steward": ["system"]})
    record(world)
    client = browser(world.compliance)
    page = text_of(client.get(TRAINING, {"duty": "curator"}))
    assert "Curator Person" in page
    assert "Current: 20" in page
    assert "Steward Person" not in page
    blocked = text_of(client.get(TRAINING, {"state": "gap"}))
    assert "Steward Person" in blocked
    assert "Curator Person" not in blocked
    assert client.get(TRAINING, {"state": "none", "o": "-duty"}).status_code == 200
    csv = client.get(TRAINING, {"format": "csv"})
    lines = b"".join(csv.streaming_content).decode().splitlines()
    assert lines[0].startswith("Person,Duty,On,State,Computerised system and portal")
    assert any(line.startswith("Steward Person (@steward),test-data steward,trial,Missing") for line in lines)


def test_people_without_a_wide_duty_see_their_own_row(world):
    adopt(world)
    page = text_of(browser(world.owner).get(TRAINING))
    assert "You see your own duties" in page
    assert "Owner Person" in page
    assert "Curator Person" not in page


def test_list_queries_do_not_grow_with_the_rows(world):
    adopt(world)
    client = browser(world.compliance)

    def count(**filters) -> int:
        with CaptureQueriesContext(connection) as asked:
            client.get(TRAINING, filters)
        return len(asked)

    client.get(TRAINING)
    assert count() <= count(duty="curator") + 1  # the names of models and of datasets


def needs(**changed) -> dict:
    given = {
        "seen": "0",
        "policy": "I answer for my signature.",
        "policy_edition": "1",
        "reason": "Plan of 2026",
    }
    return given | {"needs_curator": ["system"], "idempotency_key": "k1"} | changed


def test_a_matrix_is_looked_at_and_put_into_force(world):
    client = browser(world.compliance)
    assert "Put into force as it is, it would stop" in text_of(client.get(MATRIX))
    looked = text_of(client.post(MATRIX, needs(look="1", reason_code="other")))
    assert "The matrix below would stop 1 duty today" in looked
    assert not TrainingMatrix.objects.exists()
    done = confirm(client, MATRIX, needs(), follow=True)
    assert "Training matrix v1 is in force" in text_of(done)
    again = confirm(client, MATRIX, needs(idempotency_key="k2"))
    assert again.status_code == 409
    wrong = client.post(MATRIX, needs(seen="1", idempotency_key="k3", policy="Other text", reason=""))
    assert wrong.status_code == 422
    assert "Other text" in text_of(wrong)
    assert browser(world.owner).get(MATRIX).status_code == 200
    assert browser(world.owner).post(MATRIX, needs()).status_code == 403


def test_recorded_corrected_and_fetched_on_the_page_of_the_person(world):
    client = browser(world.compliance)
    address = reverse("web:record_training", args=["curator"])
    given = {
        "kind": "system",
        "model_id": "0",
        "completed_on": str(now().date() - timedelta(days=3)),
        "evidence": "Certificate 7",
        "idempotency_key": "k1",
    }
    wrong = client.post(address, given | {"completed_on": "yesterday", "file": _file()})
    assert wrong.status_code == 422
    assert "Received: sheet.pdf" in text_of(wrong)
    done = client.post(address, given | {"file": _file()}, follow=True)
    row = TrainingRecord.objects.get()
    page = text_of(done)
    assert f"{row.ref} is recorded for Curator Person" in page
    assert "Certificate 7" in page
    assert "Identity and training" in page
    fetched = client.post(reverse("web:training_evidence", args=[row.pk]))
    assert b"".join(fetched.streaming_content) == b"%PDF attended"
    asked = client.get(address, {"corrects": row.pk})
    assert f"Only take {row.ref} back" in text_of(asked)
    client.post(f"{address}?corrects={row.pk}", given | {"void": "on", "idempotency_key": "k2"})
    page = text_of(client.get(reverse("web:person", args=["curator"])))
    assert "corrected by T-" in page
    assert client.get(reverse("web:record_training", args=["compliance"])).status_code == 409
    assert browser(world.owner).get(address).status_code == 404


def _file() -> SimpleUploadedFile:
    return SimpleUploadedFile("sheet.pdf", b"%PDF attended")


def test_the_policy_is_read_and_accepted(world):
    adopt(world, {"owner": ["signature_policy"]})
    client = browser(world.owner)
    assert "Read and accept the signature policy" in text_of(client.get(reverse("web:work")))
    assert client.post(POLICY, {"edition": "1", "idempotency_key": "k"}).status_code == 422
    done = client.post(POLICY, {"edition": "1", "accepted": "on", "idempotency_key": "k"}, follow=True)
    assert "You accepted edition 1" in text_of(done)
    assert "Your training" not in text_of(client.get(reverse("web:work")))


def test_a_refusal_for_lack_of_training_reads_in_four_parts(world):
    adopt(world, {"owner": ["privacy"]})
    page = browser(world.owner).get(reverse("web:request_model_duty", args=["lotx"]))
    said = text_of(page)
    assert page.status_code == 403
    for part in (
        "Your training “Privacy” is not recorded.",
        "training matrix v1 for the duty owner",
        "Cora Compliance",
    ):
        assert part in said


# ------------------------------------------------------------ access reviews


def review_input(world, **changed) -> dict:
    due = now() + timedelta(days=10)
    given = {
        "title": "Autumn",
        "due_at": f"{due:%Y-%m-%d %H:%M}",
        "models": [world.model.pk],
        "reason": "Quarterly",
    }
    return given | {"idempotency_key": "k1"} | changed


def test_opened_listed_decided_signed_and_taken_away(world):
    client = browser(world.compliance)
    assert client.get(reverse("web:review_new")).status_code == 200
    done = client.post(reverse("web:review_new"), review_input(world), follow=True)
    review = AccessReview.objects.get()
    assert f"{review.ref}: Autumn is open" in text_of(done)
    owner = browser(world.owner)
    work = text_of(owner.get(reverse("web:work")))
    assert "1 access review waits for you" in work
    sheet = sheet_of(review)
    address = reverse("web:review_sheet", args=[sheet.pk])
    assert "May review and sign: Compliance2 Person, Cora Compliance, Owner Person." in text_of(
        owner.get(address)
    )
    given = {"seen": content_digest(sheet), "idempotency_key": "k1"}
    given |= {f"d{number}": "keep" for number in range(len(sheet.lines))}
    wrong = owner.post(address, given | {"d0": "end"})
    assert wrong.status_code == 422
    assert "Say why it ends." in text_of(wrong)
    gone = sheet.lines[0]
    done = owner.post(address, given | {"d0": "end", "c0": "Moved", "sign": "1", "idempotency_key": "k2"})
    assert done["Location"] == reverse("web:sign", args=["access.sign_review", sheet.pk])
    shown = text_of(owner.get(done["Location"]))
    assert "1 of " in shown
    assert "ends with your signature" in shown
    fresh = ReviewSheet.objects.select_related("review", "whose").get(pk=sheet.pk)
    signed = owner.post(
        done["Location"],
        {
            "digest": content_digest(fresh),
            "idempotency_key": "s",
            "decision": "approved",
            "password": PASSWORD,
        },
    )
    assert signed.status_code == 302
    assert Assignment.objects.get(pk=gone["id"]).state == "ended"
    sign(world, decide(world, sheet_of(review, "owner"), by="compliance"), by="compliance")
    review.refresh_from_db()
    page = text_of(client.get(reverse("web:review", args=[review.pk])))
    assert "Digest of the result" in page
    assert review.result_digest[7:11] in page
    taken = client.get(reverse("web:review_result_json", args=[review.pk]))
    assert "sha256:" + hashlib.sha256(taken.content).hexdigest() == review.result_digest
    assert json.loads(taken.content)["state"] == "closed"
    csv = b"".join(client.get(reverse("web:review_result_csv", args=[review.pk])).streaming_content).decode()
    assert f"{gone['name']}" in csv
    assert "Moved" in csv
    assert "ended" in csv


def test_a_stale_sheet_keeps_what_was_typed_out_of_the_record(world):
    sheet = sheet_of(opened(world))
    given = {"seen": content_digest(sheet), "idempotency_key": "k1", "d0": "keep"}
    decide(world, sheet, by="compliance")
    stale = browser(world.owner).post(reverse("web:review_sheet", args=[sheet.pk]), given)
    assert stale.status_code == 409
    assert "Another reviewer decided meanwhile" in text_of(stale)


def test_pages_of_those_who_may_not(world):
    review = opened(world)
    own = sheet_of(review, "owner")
    page = text_of(browser(world.owner).get(reverse("web:review_sheet", args=[own.pk])))
    assert "nobody reviews their own access" in page
    assert browser(world.stranger).get(reverse("web:review", args=[review.pk])).status_code == 404
    assert browser(world.owner).get(reverse("web:review_new")).status_code == 403
    assert browser(world.owner).get(reverse("web:review_withdraw", args=[review.pk])).status_code == 403
    assert browser(world.owner).get(reverse("web:review_result_json", args=[review.pk])).status_code == 200
    other = opened(world, models=[world.other_model.pk], organisation=True)
    refused = browser(world.other_owner).get(reverse("web:review_result_json", args=[other.pk]))
    assert refused.status_code == 403


def test_late_and_withdrawn_campaigns_say_so(world, monkeypatch):
    review = opened(world)
    client = browser(world.compliance)
    moment = now() + timedelta(days=20)
    monkeypatch.setattr("apps.access.review_models.now", lambda: moment)
    assert "Late" in text_of(client.get(REVIEWS))
    assert review.ref in text_of(client.get(REVIEWS, {"state": "late"}))
    assert "lapses within minutes" in text_of(client.get(reverse("web:review", args=[review.pk])))
    monkeypatch.undo()
    assert "which another owner or a compliance officer signs" in text_of(
        client.get(reverse("web:review_new"))
    )
    address = reverse("web:review_withdraw", args=[review.pk])
    assert client.get(address).status_code == 200
    done = client.post(address, {"reason": "Opened by mistake", "idempotency_key": "k"}, follow=True)
    assert "is withdrawn. Nothing lapses." in text_of(done)


def test_work_and_list_queries_do_not_grow_with_the_sheets(world, django_assert_max_num_queries):
    opened(world)
    client = browser(world.compliance)

    def count(address: str) -> int:
        with CaptureQueriesContext(connection) as asked:
            assert client.get(address).status_code == 200
        return len(asked)

    before = {address: count(address) for address in (REVIEWS, reverse("web:work"))}
    opened(world, models=[world.other_model.pk], datasets="all", organisation=True)
    for address, number in before.items():
        assert count(address) <= number + 1, address


def test_the_result_asks_a_constant_number_of_queries(world):
    client = browser(world.compliance)

    def count(review) -> int:
        with CaptureQueriesContext(connection) as asked:
            assert client.get(reverse("web:review_result_json", args=[review.pk])).status_code == 200
        return len(asked)

    small = opened(world)
    count(small)
    assert count(opened(world, models=[world.other_model.pk], datasets="all", organisation=True)) <= count(
        small
    )
