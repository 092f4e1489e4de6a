"""Waivers: asked for, signed by two, applied, run out, revoked; never for an untouchable rule, never for oneself."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from apps.access import acts, queries
from apps.access.acting import ACTS
from apps.access.gate import may, rules_in_force
from apps.access.models import Assignment, Waiver
from apps.access.rule_queries import readable
from apps.access.rulebook import openable, waivers_in_force
from apps.access.separation import UNTOUCHABLE
from apps.access.signing import content_digest
from apps.core.clock import now
from apps.core.errors import BadInput, Conflict, NotAllowed, NotVisible, WrongState
from tests.access.telling import assert_history, assert_told, body_of, last, refused
from tests.cast import give
from tests.factories.doors import browser, refs, session_api, text_of, token_api
from tests.factories.evidence import signed, validated_world

pytestmark = pytest.mark.django_db

ASK, REVOKE = "access.request_waiver", "access.revoke_waiver"
APPROVER, COMPLIANCE = "access.sign_waiver_approver", "access.sign_waiver_compliance"


def ask(world, rule="ST8", person="author", by="owner", days=30, **more) -> Waiver:
    given = {
        "model_id": world.model.pk,
        "person_id": world.people[person].pk,
        "rule": rule,
        "control": "A colleague who was not exposed works at the same desk.",
        "expires_at": now() + timedelta(days=days),
        "reason": "Nobody else knows the assay",
    }
    return acts.request_waiver(world.people[by], **given | more)


def sign(world, waiver, act, by, **changes) -> Waiver:
    waiver = Waiver.objects.get(pk=waiver.pk)
    return ACTS[act](world.people[by], waiver.pk, signature=signed(waiver, **changes), reason="Read")


def granted(world, **given) -> Waiver:
    waiver = ask(world, **given)
    sign(world, waiver, APPROVER, "approver")
    return sign(world, waiver, COMPLIANCE, "compliance")


def request(world, person="author", duty="validator") -> Assignment:
    return acts.request_assignment(
        world.registrar,
        person_id=world.people[person].pk,
        duty=duty,
        scope_kind="registry.model",
        scope_id=world.model.pk,
        reason="Needed",
    )


def later(monkeypatch, days: int) -> None:
    moment = now() + timedelta(days=days)
    for module in ("apps.access.models", "apps.access.rulebook", "apps.access.acts.waivers"):
        monkeypatch.setattr(f"{module}.now", lambda: moment, raising=False)


def test_asked_for_and_signed_by_two(world):
    waiver = ask(world)
    assert_told(ASK, by=world.owner, about=waiver, reason="Nobody else knows the assay")
    assert_history(waiver, act=ASK, by=world.owner, reason="Nobody else knows the assay")
    assert not waivers_in_force([("registry.model", world.model.pk)])
    sign(world, waiver, APPROVER, "approver")
    assert not Waiver.objects.get().in_force()
    done = sign(world, waiver, COMPLIANCE, "compliance")
    assert_told(COMPLIANCE, by=world.compliance, about=waiver, reason="Read")
    assert (done.state, done.in_force(), done.word) == ("signed", True, "In force")
    assert [s.username for s in done.signatures] == ["approver", "compliance"]
    assert (
        "waived by Approver Person and Cora Compliance until"
        in body_of(last(COMPLIANCE))["facts"]["in_force"]
    )


@pytest.mark.parametrize("rule", sorted(UNTOUCHABLE | {"EN4", "EN5", "EN6", "DY99", ""}))
def test_some_rules_are_never_waived(world, rule):
    with refused(BadInput, "waiver", act=ASK, by=world.owner) as caught:
        ask(world, rule=rule)
    said = caught.value.fields["rule"][0]
    assert ("may never be waived" in said) == (rule not in ("DY99", ""))


OPENS_NOTHING = {
    "DY18": "DY18 holds on one account, and a waiver is given on a model: it would open nothing."
} | {
    rule: f"{rule} keeps apart what no act does yet: a waiver of it would open nothing."
    for rule in ("DY4", "DY7", "DY12", "DY15", "DY16", "DY19", "DY21")
}


def test_what_a_waiver_can_open_is_what_the_form_offers(world):
    book = rules_in_force()
    assert set(book.waivable) - set(openable(book)) == set(OPENS_NOTHING)
    noted = {rule.id for rule in book.dynamic if rule.note}
    assert set(OPENS_NOTHING) - {"DY18"} == noted - {rule.id for rule in book.dynamic if not rule.note}
    page = text_of(browser(world.owner).get(f"/models/{world.model.slug}/people/waiver/"))
    offered = {rule for rule in book.texts() if f"{rule}: {book.texts()[rule]}" in page}
    assert offered == set(openable(book))


@pytest.mark.parametrize("rule", sorted(OPENS_NOTHING))
def test_a_rule_of_which_it_would_open_nothing_is_refused_with_the_reason(world, rule):
    with refused(BadInput, "waiver", act=ASK, by=world.owner) as caught:
        ask(world, rule=rule)
    assert caught.value.fields == {"rule": [OPENS_NOTHING[rule]]}


def test_one_asked_for_before_that_is_rejected_but_not_approved(world):
    waiver = ask(world)
    Waiver.objects.filter(pk=waiver.pk).update(rule="DY18")
    with refused(WrongState, "waiver", act=APPROVER, by=world.approver) as caught:
        sign(world, waiver, APPROVER, "approver")
    assert (caught.value.fact, caught.value.who) == (
        OPENS_NOTHING["DY18"],
        ("nobody; its signers may reject it",),
    )
    assert sign(world, waiver, APPROVER, "approver", decision="rejected").state == "rejected"


def test_who_may_ask(world):
    for name in ("owner", "approver", "compliance"):
        assert may(world.people[name], ASK, world.model).allowed
    for name, rule in (
        ("author", "duty"),
        ("validator", "duty"),
        ("inspector", "PC07"),
        ("registrar", "duty"),
    ):
        with refused(NotAllowed, rule, act=ASK, by=world.people[name]):
            ask(world, by=name)
    with refused(NotVisible, "visibility", act=ASK, by=world.stranger):
        ask(world, by="stranger")


def test_bad_input_and_the_same_twice(world):
    for changed, field in (
        ({"control": " "}, "control"),
        ({"days": -1}, "expires_at"),
        ({"days": 400}, "expires_at"),
        ({"person_id": 0}, "person"),
        ({"version_id": 10**6}, "version"),
    ):
        with refused(BadInput, "waiver", act=ASK, by=world.owner) as caught:
            ask(world, **changed)
        assert list(caught.value.fields) == [field]
    ask(world)
    with refused(Conflict, "once-only", act=ASK, by=world.owner):
        ask(world)


def test_who_benefits_signs_neither_half(world):
    mine = ask(world, person="approver", rule="DY8")
    with refused(Conflict, "EN5", act=APPROVER, by=world.approver) as caught:
        sign(world, mine, APPROVER, "approver")
    assert caught.value.who == ("Approver2 Person",)
    also = ask(world, person="compliance", rule="DY8")
    with refused(Conflict, "EN5", act=COMPLIANCE, by=world.compliance):
        sign(world, also, COMPLIANCE, "compliance")


def test_who_asked_signs_neither_half_and_others_do(world):
    mine = ask(world, by="approver")
    assert may(world.approver, APPROVER, mine).rule == "EN5: nobody signs a waiver they asked for"
    for decision in ("approved", "rejected"):
        with refused(Conflict, "EN5", act=APPROVER, by=world.approver) as caught:
            sign(world, mine, APPROVER, "approver", decision=decision)
    assert caught.value.fact.startswith(f"You asked for a waiver: {mine.rule} for @author ({mine.ref})")
    assert caught.value.who == ("Approver2 Person",)
    sign(world, mine, APPROVER, "approver2")
    assert sign(world, mine, COMPLIANCE, "compliance").in_force()
    also = ask(world, by="compliance", rule="DY8")
    with refused(Conflict, "EN5", act=COMPLIANCE, by=world.compliance):
        sign(world, also, COMPLIANCE, "compliance")
    sign(world, also, COMPLIANCE, "compliance2")
    page = text_of(browser(world.compliance).get(f"/models/{world.model.slug}/people/waiver/"))
    assert "neither of them the person it is for, nor you, who ask for it" in page


def test_one_person_with_both_duties_signs_one_half(world):
    give(world, "compliance2", "approver", world.model)
    waiver = ask(world)
    sign(world, waiver, COMPLIANCE, "compliance2")
    with refused(Conflict, "EN5", act=APPROVER, by=world.compliance2):
        sign(world, waiver, APPROVER, "compliance2")


def test_signing_refused_to_the_wrong_duty_and_in_the_wrong_state(world):
    waiver = ask(world)
    for act, name in ((APPROVER, "owner"), (APPROVER, "compliance"), (COMPLIANCE, "approver")):
        with refused(NotAllowed, "duty", act=act, by=world.people[name]):
            sign(world, waiver, act, name)
    sign(world, waiver, APPROVER, "approver")
    with refused(WrongState, "waiver-state", act=APPROVER, by=world.approver2):
        sign(world, waiver, APPROVER, "approver2")
    rejected = sign(world, waiver, COMPLIANCE, "compliance", decision="rejected")
    assert (rejected.state, rejected.in_force()) == ("rejected", False)


def test_a_static_rule_is_opened_and_what_it_opened_ends_with_it(world, monkeypatch):
    with pytest.raises(Conflict, match="cannot be given the duty validator"):
        request(world)
    waiver = granted(world)
    given = acts.approve_assignment(world.owner, request(world).pk)
    assert (given.waiver_id, given.ends_at) == (waiver.pk, waiver.expires_at)
    assert body_of(last("access.approve_assignment"))["facts"]["waivers"] == [waiver.told()]
    with pytest.raises(Conflict, match="cannot be given"):
        request(world, person="colleague")  # it was opened for one person
    assert Assignment.objects.active().filter(pk=given.pk).exists()
    later(monkeypatch, 31)
    assert not Assignment.objects.active().filter(pk=given.pk).exists()
    assert (Waiver.objects.get().word, Waiver.objects.get().in_force()) == ("Run out", False)


def test_a_duty_that_two_waivers_opened_ends_with_either(world):
    """It names the one that runs out first; revoking the other shuts the rule that one had opened."""
    person = world.people["validator"]
    acts.approve_assignment(world.owner, request(world, person="validator", duty="bias_tester").pk)
    first, second = (
        granted(world, person="validator", rule=rule, days=days) for rule, days in (("ST8", 30), ("ST7", 60))
    )
    given = acts.approve_assignment(world.owner, request(world, person="validator", duty="developer").pk)
    assert given.waiver_id == first.pk
    other = granted(world, person="author", rule="ST8", days=40)
    beside = acts.approve_assignment(world.owner, request(world, person="author").pk)
    acts.revoke_waiver(world.compliance, second.pk, reason="A bias tester was hired")
    ended = Assignment.objects.get(pk=given.pk)
    assert (ended.state, ended.end_reason) == ("ended", f"{second.ref} was revoked")
    assert body_of(last(REVOKE))["facts"]["ended"] == [given.ref]
    assert (
        list(Assignment.objects.active().filter(person=person).values_list("duty", flat=True).order_by("pk"))[
            -1
        ]
        == "bias_tester"
    )
    assert Assignment.objects.active().filter(pk=beside.pk, waiver=other).exists()


def test_a_duty_that_another_waiver_still_opens_stays(world):
    waiver = granted(world)
    given = acts.approve_assignment(world.owner, request(world).pk)
    unused = granted(world, rule="ST7", days=50)
    acts.revoke_waiver(world.compliance, unused.pk, reason="Asked for by mistake")
    assert Assignment.objects.active().filter(pk=given.pk, waiver=waiver).exists()


@pytest.mark.parametrize("name", ["approver", "approver2", "compliance", "compliance2"])
def test_any_present_approver_or_officer_revokes_whoever_signed(world, name):
    waiver, person = granted(world), world.people[name]
    ended = acts.revoke_waiver(person, waiver.pk, reason="A validator was hired")
    assert (ended.word, ended.ended_by, ended.end_reason) == ("Revoked", person, "A validator was hired")
    assert_told(REVOKE, by=person, about=ended, reason="A validator was hired")
    assert_history(ended, act=REVOKE, by=person, reason="A validator was hired")


def test_a_signer_who_left_the_duty_no_longer_revokes_and_others_still_do(world):
    waiver = granted(world)
    held = Assignment.objects.active().get(person=world.approver, duty="approver", scope_id=world.model.pk)
    acts.end_assignment(world.owner, held.pk, reason="Changes department")
    with pytest.raises((NotAllowed, NotVisible)):
        acts.revoke_waiver(world.approver, waiver.pk, reason="I signed it")
    assert acts.revoke_waiver(world.approver2, waiver.pk, reason="No longer needed").word == "Revoked"


def test_who_benefits_from_a_waiver_does_not_revoke_it(world):
    waiver = granted(world, person="approver2", rule="DY17", by="owner")
    with refused(Conflict, "EN5", act=REVOKE, by=world.approver2):
        acts.revoke_waiver(world.approver2, waiver.pk, reason="I need it no longer")
    assert Waiver.objects.get(pk=waiver.pk).in_force()


def test_revoking_asks_duty_state_and_sight_and_ends_what_was_given(world):
    waiver = granted(world)
    given = acts.approve_assignment(world.owner, request(world).pk)
    with pytest.raises(NotVisible):
        acts.revoke_waiver(world.stranger, waiver.pk, reason="I would")
    with refused(NotAllowed, "duty", act=REVOKE, by=world.owner):
        acts.revoke_waiver(world.owner, waiver.pk, reason="I would")
    ended = acts.revoke_waiver(world.approver, waiver.pk, reason="A validator was hired")
    assert_told(REVOKE, by=world.approver, about=ended, reason="A validator was hired")
    assert Assignment.objects.get(pk=given.pk).state == "ended"
    with refused(WrongState, "waiver-state", act=REVOKE, by=world.approver):
        acts.revoke_waiver(world.approver, waiver.pk, reason="Again")


def test_a_dynamic_rule_is_opened_where_the_waiver_says_and_the_verdict_tells_it(world, monkeypatch):
    asked = acts.request_assignment(
        world.owner,
        person_id=world.stranger.pk,
        duty="process_expert",
        scope_kind="registry.model",
        scope_id=world.model.pk,
        reason="Needed",
    )
    approve = "access.approve_assignment"
    assert may(world.owner, approve, asked).rule.startswith("DY17")
    waiver = granted(world, person="owner", rule="DY17", by="approver2")
    verdict = may(world.owner, approve, asked)
    assert (verdict.allowed, verdict.waived) == (True, (waiver.told(),))
    assert not may(world.owner, approve, asked).rule
    later(monkeypatch, 31)
    assert may(world.owner, approve, asked).rule.startswith("DY17")


def test_page_and_api_do_the_same(world):
    client = browser(world.owner)
    page = client.get(f"/models/{world.model.slug}/people/waiver/")
    assert page.status_code == 200
    assert "DY2:" not in text_of(page)
    answer = client.post(
        f"/models/{world.model.slug}/people/waiver/",
        {
            "person": world.author.pk,
            "rule": "ST8",
            "version": "0",
            "control": "Four eyes",
            "expires_at": f"{now() + timedelta(days=9):%Y-%m-%d %H:%M}",
            "reason": "Needed",
            "idempotency_key": "k1",
        },
    )
    waiver = Waiver.objects.get()
    assert (answer.status_code, answer.url) == (302, f"/waivers/{waiver.pk}/")
    assert "Nothing on this record is open to you" in text_of(client.get(answer.url))
    signing = f"/api/v1/waivers/{waiver.pk}/sign"
    body = {"half": "approver", "digest": content_digest(waiver), "password": "correct horse battery staple"}
    assert token_api(world.approver).post(signing, body, format="json").status_code == 403
    said = session_api(world.approver).post(signing, body, format="json")
    assert (said.status_code, said.json()["signatures"][0]["username"]) == (200, "approver")
    listed = session_api(world.compliance).get("/api/v1/waivers").json()["results"]
    assert [row["ref"] for row in listed] == [waiver.ref]
    assert session_api(world.stranger).get("/api/v1/waivers").json()["results"] == []
    assert browser(world.stranger).get(f"/waivers/{waiver.pk}/").status_code == 404
    assert waiver.ref in text_of(browser(world.compliance).get("/waivers/"))


@pytest.mark.evidence("frozen")
def test_what_touches_a_version_is_told(world):
    version = validated_world(world, until="frozen").version
    waiver = granted(world)
    alone = granted(world, rule="DY8", person="validator", version_id=version.pk)
    told = queries.waivers_for(version)
    assert [row["ref"] for row in told] == [alone.ref, waiver.ref]
    assert told[0]["on"] == version.ref
    assert told[0]["signed_by"] == "Approver Person and Cora Compliance"
    other = granted(world, rule="DY3", person="validator")
    acts.revoke_waiver(world.compliance, other.pk, reason="No longer")
    section = browser(world.owner).get(f"/models/lotx/{version.label}/people/")
    assert section.context["waivers"] == [other, alone, waiver]
    assert f"{other.ref} Revoked" in text_of(section)
    assert f"{alone.ref} In force" in text_of(section)
    people = browser(world.owner).get("/models/lotx/people/")
    assert 'href="/waivers/?on=lotx"' in people.content.decode()
    assert refs(browser(world.owner).get(f"/waivers/?on={version.ref}"), "W") == [alone.ref]
    assert refs(browser(world.owner).get("/waivers/?on=lotx"), "W") == [other.ref, alone.ref, waiver.ref]


def test_before_it_is_signed_the_rule_is_shown_with_its_words(world):
    waiver = ask(world)
    page = text_of(browser(world.approver).get(reverse("web:sign", args=[APPROVER, waiver.pk])))
    for told in ("ST8: who validates a model may not develop it", waiver.control, waiver.reason, "Until"):
        assert told in page


def test_the_page_of_the_rules_says_possible_of_those_that_can_be_asked_for(world):
    """And of no other: what a waiver would open nothing of is named so."""
    rules = rules_in_force()
    told = {each.id: each.waiver for group in readable(rules).values() for each in group}
    assert {rule for rule, word in told.items() if word == "possible"} == set(openable(rules))
    assert {told[rule] for rule in UNTOUCHABLE if rule in told} == {"never"}
    assert "would open nothing" in told.values()
    assert "would open nothing" in text_of(browser(world.compliance).get("/rules/"))
