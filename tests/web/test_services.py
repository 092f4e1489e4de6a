"""Pages of service accounts and tokens: the register, one account, asking, deciding, secrets shown once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from apps.access import acts
from apps.accounts.models import ApiToken
from apps.accounts.services import CiTrust, ServiceAccount
from apps.core.clock import now
from apps.trail.models import Entry
from tests.cast import PASSWORD
from tests.factories.doors import browser, text_of
from tests.factories.services import asked_service, asked_trust, service, service_token
from tests.web.changing import confirm

pytestmark = pytest.mark.django_db
LIST, NEW = reverse("web:services"), reverse("web:service_new")


def form(**changes) -> dict:
    return {
        "name": "lotx-ci",
        "owner": "author",
        "purpose": "Trains and registers",
        "acts": ["registry.register_version", "registry.freeze"],
        "objects": "models/lotx",
        "ends_at": (now() + timedelta(days=30)).strftime("%Y-%m-%d %H:%M"),
        "idempotency_key": "once",
    } | changes


def test_a_service_is_asked_for_approved_and_stopped_on_pages(world):
    author, officer = browser(world.author), browser(world.compliance)
    made = author.post(NEW, form())
    row = ServiceAccount.objects.get()
    assert (made.status_code, made["Location"]) == (302, reverse("web:service", args=[row.pk]))
    assert author.post(NEW, form())["Location"] == made["Location"]  # the same key: once
    page = text_of(author.get(made["Location"]))
    assert "Requested" in page
    assert "Register version, Freeze" in page
    approve = reverse("web:service_decide", args=[row.pk, "approve"])
    assert "model lotx" in text_of(officer.get(approve))
    assert officer.post(approve, {"idempotency_key": "a"}).status_code == 302
    assert "In force" in text_of(author.get(made["Location"]))
    suspend = reverse("web:service_decide", args=[row.pk, "suspend"])
    assert author.post(suspend, {"idempotency_key": "b"}).status_code == 422
    assert author.post(suspend, {"idempotency_key": "b", "reason": "Looked into"}).status_code == 302
    assert "It was suspended: Looked into" in text_of(author.get(made["Location"]))
    resume = reverse("web:service_decide", args=[row.pk, "resume"])
    assert author.get(resume).status_code == 403
    why = {"idempotency_key": "c", "reason": "Its key was not taken", "reason_code": "knowledge"}
    shown = text_of(officer.post(resume, why))
    assert "What will change" in shown
    assert "Suspended" in shown
    row.refresh_from_db()
    assert row.state == "suspended"
    assert confirm(officer, resume, why).status_code == 302
    assert "In force" in text_of(author.get(made["Location"]))


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "Bad Name", "small letters"),
        ("owner", "nobody", "Choose a person"),
        ("owner", "validator", "holds no duty"),
        ("objects", "models/visc", "you may not see it"),
        ("objects", "models/lotx\nnonsense", "nonsense"),
        ("acts", ["approvals.sign_approval"], "not one of the available choices"),
        ("ends_at", "2020-01-01 00:00", "in the future"),
        ("ends_at", "soon", "YYYY-MM-DD"),
    ],
)
def test_what_is_wrong_stands_beside_its_field_and_nothing_is_lost(world, field, value, said):
    answer = browser(world.author).post(NEW, form(**{field: value}))
    page = text_of(answer)
    assert answer.status_code == 422
    assert said in page
    assert "Trains and registers" in answer.content.decode()
    assert not ServiceAccount.objects.exists()


def test_who_may_not_is_refused_and_the_attempt_is_entered(world):
    made = asked_service(world)
    approve = reverse("web:service_decide", args=[made.pk, "approve"])
    before = Entry.objects.filter(kind="refusal").count()
    assert browser(world.author).post(approve, {"idempotency_key": "x"}).status_code == 403
    assert browser(world.stranger).post(approve, {"idempotency_key": "x"}).status_code == 404
    assert Entry.objects.filter(kind="refusal").count() == before + 1  # who sees nothing meets no act
    assert (
        browser(world.author).get(reverse("web:service_decide", args=[made.pk, "nonsense"])).status_code
        == 404
    )


def test_the_register_shows_what_is_ones_own_or_watched_over(world):
    service(world)
    for by, seen in {"author": 1, "colleague": 1, "compliance": 1, "administrator": 1, "stranger": 0}.items():
        page = text_of(browser(world.people[by]).get(LIST))
        assert page.count("lotx-ci") == seen, by
    csv = b"".join(browser(world.author).get(f"{LIST}?format=csv").streaming_content).decode()
    assert "lotx-ci,Author Person,In force" in csv
    assert "lotx-ci" not in text_of(browser(world.author).get(f"{LIST}?name=zzz"))
    assert "No service account" in text_of(browser(world.stranger).get(LIST))


def test_the_register_asks_as_often_for_three_as_for_one(world, django_assert_max_num_queries):
    made = service(world)
    reader = browser(world.author)
    reader.get(LIST)
    with django_assert_max_num_queries(30) as one:
        reader.get(LIST)
    for name in ("lotx-b", "lotx-c"):
        service_token(world, service(world, name=name))
    acts.suspend_service(world.author, made.pk, reason="x")
    with django_assert_max_num_queries(len(one)):
        reader.get(LIST)


def test_a_secret_is_behind_the_password_and_shown_once(world):
    made = service(world)
    author, where = browser(world.author), reverse("web:service_token", args=[made.pk])
    given = {
        "name": "runner",
        "days": "30",
        "idempotency_key": "k",
        "acts": ["registry.freeze"],
        "objects": "",
    }
    wrong = author.post(where, given | {"password": "wrong"})
    assert (wrong.status_code, ApiToken.objects.count()) == (422, 0)
    answer = author.post(where, given | {"password": PASSWORD})
    token = ApiToken.objects.get()
    assert answer.status_code == 201
    assert f"cs_{token.prefix}_" in text_of(answer)
    assert "no-store" in answer["Cache-Control"]
    again = author.post(where, given | {"password": PASSWORD})
    assert again.status_code == 302  # never a second time
    page = text_of(author.get(reverse("web:service", args=[made.pk])))
    assert "Freeze on model lotx" in page
    rotate = reverse("web:rotate_token", args=[token.pk])
    assert (
        author.post(
            rotate, {"overlap_hours": "999", "password": PASSWORD, "idempotency_key": "r"}
        ).status_code
        == 422
    )
    new = author.post(rotate, {"overlap_hours": "1", "password": PASSWORD, "idempotency_key": "r2"})
    assert (new.status_code, ApiToken.objects.count()) == (201, 2)
    assert browser(world.colleague).get(rotate).status_code == 404
    bad = author.post(where, given | {"password": PASSWORD, "objects": "models/visc", "idempotency_key": "z"})
    assert bad.status_code == 422


def test_a_trust_is_asked_for_and_decided_on_pages(world):
    made = service(world)
    author, where = browser(world.author), reverse("web:trust_new", args=[made.pk])
    given = {
        "issuer": "https://token.actions.githubusercontent.com",
        "audience": "countersign.example",
        "claims": "repository_id=4711\nenvironment=production",
        "reason": "The training workflow",
        "idempotency_key": "k",
    }
    for bad in ("repository_id", "repository_id=4711", "ref=a\nref=b", "repository_id=*\nref=x", "="):
        assert author.post(where, given | {"claims": bad}).status_code == 422, bad
    assert author.post(where, given | {"issuer": "http://x"}).status_code == 422
    assert author.post(where, given).status_code == 302
    asked = CiTrust.objects.get()
    assert asked.claims == {"repository_id": "4711", "environment": "production"}
    decide = reverse("web:trust_decide", args=[asked.pk, "approve"])
    assert author.post(decide, {"idempotency_key": "a"}).status_code == 403
    officer = browser(world.compliance)
    assert "environment=production" in text_of(officer.get(decide))
    assert officer.post(decide, {"idempotency_key": "a"}).status_code == 302
    end = reverse("web:trust_decide", args=[asked.pk, "end"])
    assert author.post(end, {"idempotency_key": "e", "reason": "Moved"}).status_code == 302
    page = text_of(author.get(reverse("web:service", args=[made.pk])))
    assert "Ended by" in page


def test_the_account_page_narrows_a_token_and_says_what_each_is_for(world):
    author = browser(world.author)
    given = {"name": "ci", "days": "30", "password": PASSWORD, "idempotency_key": "k"}
    narrow = {"only_acts": ["registry.freeze"], "objects": "models/lotx"}
    assert author.post(reverse("web:create_token"), given | {"objects": "models/visc"}).status_code == 422
    assert author.post(reverse("web:create_token"), given | narrow).status_code == 201
    token = ApiToken.objects.get()
    assert token.narrowed.acts == ["registry.freeze"]
    service_token(world, service(world))
    page = text_of(author.get(reverse("web:account")))
    assert "Freeze; on model lotx" in page
    assert "Service lotx-ci" in page


def test_hostile_names_are_shown_as_text(world):
    made = service(world, purpose="<script>alert(1)</script> {{ 7|add:7 }}")
    asked_trust(made, "https://ci.example", claims={"sub": "<b>x</b>"}, reason="<i>why</i>")
    body = browser(world.author).get(reverse("web:service", args=[made.pk])).content.decode()
    assert "<script>alert" not in body
    assert "<b>x</b>" not in body
    assert "{{ 7|add:7 }}" in body
