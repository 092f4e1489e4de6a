"""“Ask A. Novak”: from a refusal to somebody who may; entered, limited, and nothing told of what may not be seen."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.core import mail

from apps.access import acts
from apps.access.actors import as_actor
from apps.access.acts import answer_ask, ask
from apps.access.acts.asks import MOST
from apps.access.ask_queues import told
from apps.access.gate import visible
from apps.access.models import Ask, Assignment
from apps.access.reminding import remind_all
from apps.access.waiting import queues_for
from apps.core.clock import now
from apps.core.errors import BadInput, Conflict, NotAllowed, NotVisible, TooMany, WrongState
from apps.core.jobs import run_queued
from tests.access.telling import assert_history, assert_told, refused
from tests.factories.doors import browser, session_api, text_of, token_api

pytestmark = pytest.mark.django_db
ASK, ANSWER = "access.ask", "access.answer_ask"
APPROVE = "access.approve_assignment"


@pytest.fixture
def request_(world) -> Assignment:
    """Asked for by the owner, who may not approve it (DY17); the compliance officers may."""
    return acts.request_assignment(
        world.owner,
        person_id=world.stranger.pk,
        duty="deployer",
        scope_kind="registry.model",
        scope_id=world.model.pk,
        reason="Joins the team",
    )


def asked(world, request_, by="owner", of="compliance") -> Ask:
    return ask(world.people[by], APPROVE, request_.pk, person_id=world.people[of].pk)


def waiting(person, *, mine=True) -> list[str]:
    found = [each for each in queues_for(as_actor(person)) if each.queue.key == "asks"]
    return [item.what for each in found for item in (each.mine if mine else each.blocked)]


def test_ask_and_answer_ask(world, request_):
    row = asked(world, request_)
    assert_told(ASK, by=world.owner, about=request_)
    assert_history(row, act=ASK, by=world.owner)
    said = f"“Approve” on {request_.ref}"
    assert waiting(world.compliance) == [said]
    assert waiting(world.compliance2) == []
    assert waiting(world.owner, mine=False) == [said], "who asked sees that it waits, and on whom"
    mail.outbox.clear()
    remind_all()
    run_queued()
    to_them = [
        m
        for m in mail.outbox
        if m.to == [world.compliance.email or ""] and "request of a colleague" in m.body
    ]
    assert len(to_them) == (1 if world.compliance.email else 0)
    done = answer_ask(world.compliance, row.pk, done=True)
    assert_told(ANSWER, by=world.compliance, about=row)
    assert (done.state, waiting(world.compliance)) == ("done", [])
    with refused(WrongState, "ask", act=ANSWER, by=world.compliance):
        answer_ask(world.compliance, row.pk, done=True)


def test_a_mail_tells_what_is_asked_and_nothing_of_the_record(world, request_):
    row = asked(world, request_, of="compliance2")
    remind_all()
    run_queued()
    found = [
        m for m in mail.outbox if m.to == [world.compliance2.email] and "request of a colleague" in m.body
    ]
    assert len(found) == 1
    assert f"/asks/{row.pk}/" in found[0].body
    assert request_.ref in found[0].body
    for content in ("Joins the team", world.stranger.printed_name, world.model.name):
        assert content not in found[0].body


def test_ask_refused(world, request_):
    with refused(Conflict, "ask", act=ASK, by=world.compliance):  # can do it themselves
        asked(world, request_, by="compliance", of="compliance2")
    with refused(NotVisible, "visibility", act=ASK, by=world.other_developer):
        asked(world, request_, by="other_developer")
    with refused(NotAllowed, "PC07", act=ASK, by=world.inspector):
        asked(world, request_, by="inspector")
    for other in ("validator", "owner"):  # may not do it either; oneself
        with refused(BadInput, "ask", act=ASK, by=world.owner) as caught:
            asked(world, request_, of=other)
        assert "Cora Compliance" in caught.value.fields["person"][0]
    for name in ("access.create_account", "access.become_king", "access.remind"):
        with pytest.raises(NotVisible):
            ask(world.owner, name, request_.pk, person_id=world.compliance.pk)
    asked(world, request_)
    with refused(Conflict, "ask", act=ASK, by=world.owner) as caught:
        asked(world, request_)
    assert "Compliance2 Person" in caught.value.who
    acts.approve_assignment(world.compliance, request_.pk)
    with refused(WrongState, "assignment-state", act=ASK, by=world.owner):
        asked(world, request_, of="compliance2")


def test_answer_ask_refused(world, request_):
    row = asked(world, request_)
    with refused(NotAllowed, "ask", act=ANSWER, by=world.owner) as caught:
        answer_ask(world.owner, row.pk, done=True)
    assert caught.value.who == ("Cora Compliance",)
    for hidden_from in ("stranger", "compliance2", "administrator", "inspector"):
        assert not visible(world.people[hidden_from], Ask).exists()
        with pytest.raises((NotVisible, NotAllowed)):
            answer_ask(world.people[hidden_from], row.pk, done=True)
    with refused(BadInput, "ask", act=ANSWER, by=world.compliance):
        answer_ask(world.compliance, row.pk, done=False)
    assert answer_ask(world.compliance, row.pk, done=False, answer="Not before Monday").state == "declined"


def test_at_most_so_many_in_a_day(world, request_, monkeypatch):
    monkeypatch.setattr("apps.access.acts.asks.MOST", 1)
    asked(world, request_)
    with refused(TooMany, "rate-limit", act=ASK, by=world.owner):
        asked(world, request_, of="compliance2")
    moment = now() + timedelta(days=1, minutes=1)
    monkeypatch.setattr("apps.access.acts.asks.now", lambda: moment)
    assert asked(world, request_).state == "open"
    assert Ask.objects.filter(state="open").count() == 1, "asked anew: the old one is not left lying there"
    assert MOST == 20


def test_who_lost_sight_is_not_told_the_name(world):
    """Asked of an approver whose duty then ends: their page of work names no record they may not see."""
    asked_for = acts.request_assignment(
        world.compliance,
        person_id=world.stranger.pk,
        duty="deployer",
        scope_kind="registry.model",
        scope_id=world.model.pk,
        reason="Joins the team",
    )
    row = ask(world.compliance, APPROVE, asked_for.pk, person_id=world.owner.pk)
    assert told(row) == f"“Approve” on {asked_for.ref}"
    held = Assignment.objects.active().filter(person=world.owner)
    for each in held:
        acts.end_assignment(world.compliance2, each.pk, reason="Left the model")
    assert told(Ask.objects.get(pk=row.pk)) == "“Approve” on a record"
    assert asked_for.ref not in text_of(browser(world.owner).get(f"/asks/{row.pk}/"))


def test_from_the_refusal_on_the_page_to_the_answer(world, request_):
    owner, officer = browser(world.owner), browser(world.compliance)
    page = owner.post(f"/assignments/{request_.pk}/approve/", {"idempotency_key": "approve"})
    assert page.status_code == 409
    way = re.search(r'href="(/ask/[^"]+)">Ask one of them<', page.content.decode())
    assert way, "the refusal leads to somebody who may"
    form = owner.get(way[1])
    assert "Cora Compliance" in text_of(form)
    assert "DY17" in text_of(form)
    assert owner.post(way[1]).status_code == 422
    for nobody in ("²", "9" * 5000):
        assert owner.post(way[1], {"person": nobody}).status_code == 422
    sent = owner.post(way[1], {"person": world.compliance.pk, "idempotency_key": "k"}, follow=True)
    assert "Cora Compliance is asked" in text_of(sent)
    row = Ask.objects.get()
    assert f"/asks/{row.pk}/" in officer.get("/work/").content.decode()
    page = officer.get(f"/asks/{row.pk}/")
    assert request_.ref in text_of(page)
    assert officer.post(f"/asks/{row.pk}/", {"decline": "1"}).status_code == 422
    assert officer.post(f"/asks/{row.pk}/", {}).status_code == 302
    assert Ask.objects.get().state == "done"
    assert owner.post(f"/asks/{row.pk}/", {}).status_code == 403
    assert browser(world.stranger).get(f"/asks/{row.pk}/").status_code == 404
    assert browser(world.other_developer).get(way[1]).status_code == 404


def test_by_api(world, request_):
    api = session_api(world.owner)
    given = {"act": APPROVE, "subject_id": request_.pk, "person": "compliance"}
    made = api.post("/api/v1/asks", given, format="json")
    assert (made.status_code, made.json()["what"]) == (201, f"“Approve” on {request_.ref}")
    assert api.post("/api/v1/asks", given | {"person": "nobody"}, format="json").status_code == 422
    assert api.post("/api/v1/asks", given, format="json").status_code == 409
    officer = token_api(world.compliance)
    assert [each["id"] for each in officer.get("/api/v1/asks").json()["results"]] == [made.json()["id"]]
    path = f"/api/v1/asks/{made.json()['id']}/answer"
    assert api.post(path, {"done": True}, format="json").status_code == 403
    assert officer.post(path, {"done": True}, format="json").json()["state"] == "done"
    assert session_api(world.stranger).get(f"/api/v1/asks/{made.json()['id']}").status_code == 404
