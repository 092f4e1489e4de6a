"""Several records in one ceremony, and signing by who authenticates again at an identity provider."""

from __future__ import annotations

import http.client
import json
import re
import time
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.test import Client
from django.urls import reverse

from apps.access import oidc, passkeys
from apps.access.actors import Actor
from apps.access.acts import confirm_link, create_token, propose_link
from apps.access.ceremony import Listed, as_text, challenge_of
from apps.access.factors import new_nonce
from apps.access.signing import SignatureInput, content_digest
from apps.access.signing_together import sign_together
from apps.accounts.models import Lockout
from apps.core.errors import BadInput, Conflict, NotAllowed, NotVisible
from apps.registry.acts import write_intended_use
from apps.registry.models import IntendedUse
from apps.trail import offline, sealer
from apps.trail.models import Entry, Signature
from tests.access.telling import body_of, last
from tests.api.test_limits import client_of
from tests.cast import PASSWORD, give
from tests.factories.doors import text_of
from tests.factories.factors import app_for, code_of, passkey_for
from tests.factories.foundation import USE
from tests.factories.issuer import Issuer

pytestmark = pytest.mark.django_db
EXPERT, OWNER = "registry.sign_intended_use_expert", "registry.sign_intended_use_owner"


@pytest.fixture
def uses(world) -> list[IntendedUse]:
    """The intended uses of two models that the process expert may sign."""
    give(world, "process_expert", "process_expert", world.other_model, by="other_owner")
    return [
        write_intended_use(world.process_expert, model.pk, given=USE, reason="Needed")
        for model in (world.model, world.other_model)
    ]


def listed(uses, act=EXPERT, **other):
    return [Listed(act, use.pk, content_digest(use), **other) for use in uses]


def signed() -> list[Signature]:
    return list(Signature.objects.order_by("pk"))


def test_each_record_has_its_own_signature_and_receipt(world, uses):
    done = sign_together(
        Actor.of(world.process_expert), listed(uses), SignatureInput("", PASSWORD), idempotency_key="one"
    )
    assert [each.signature.content_digest for each in done] == [content_digest(use) for use in uses]
    assert len({each.signature.act_id for each in done}) == 2
    ceremonies = []
    for each in done:
        entry = Entry.objects.get(kind="act", act_id=each.signature.act_id)
        assert sealer.receipt(entry)
        ceremonies.append(body_of(entry)["facts"]["ceremony"])
    assert [(one["place"], one["of"]) for one in ceremonies] == [(1, 2), (2, 2)]
    assert len({one["name"] for one in ceremonies}) == 1
    # The same form sent twice: the same signatures.
    again = sign_together(
        Actor.of(world.process_expert), listed(uses), SignatureInput("", PASSWORD), idempotency_key="one"
    )
    assert [each.signature for each in again] == [each.signature for each in done]
    assert len(signed()) == 2


def test_a_record_that_changed_is_named_and_nothing_is_signed(world, uses):
    stale = [listed(uses)[0], Listed(EXPERT, uses[1].pk, "sha256:" + "0" * 64)]
    with pytest.raises(Conflict) as refused:
        sign_together(Actor.of(world.process_expert), stale, SignatureInput("", PASSWORD))
    assert uses[1].ref in refused.value.fact
    assert uses[0].ref not in refused.value.fact
    assert signed() == []
    told = Entry.objects.filter(kind="refusal", act=EXPERT).latest("id")
    assert told.subject_id == str(uses[1].pk)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda lines: [], "from 1 to 20"),
        (lambda lines: lines * 11, "22 are listed"),
        (lambda lines: [lines[0], lines[0]], "listed twice"),
        (lambda lines: [lines[0], Listed("access.sign_out", 1, "sha256:0")], "signs nothing"),
        (lambda lines: [lines[0], Listed(OWNER, lines[1].pk, lines[1].digest)], "the same meaning"),
        (
            lambda lines: [lines[0], Listed(EXPERT, lines[1].pk, lines[1].digest, "maybe")],
            "approve or reject",
        ),
        (lambda lines: [lines[0], Listed(EXPERT, lines[1].pk, lines[1].digest, "rejected")], "Say why"),
    ],
)
def test_lists_that_are_no_ceremony(world, uses, spoil, said):
    with pytest.raises(BadInput) as refused:
        sign_together(Actor.of(world.process_expert), spoil(listed(uses)), SignatureInput("", PASSWORD))
    assert said in refused.value.fact
    assert signed() == []


def test_who_may_not_sign_one_of_them_signs_none(world, uses):
    with pytest.raises(Conflict) as refused:
        sign_together(Actor.of(world.owner), listed(uses[:1]), SignatureInput("", PASSWORD))
    assert uses[0].ref in refused.value.fact
    with pytest.raises(NotVisible):
        sign_together(Actor.of(world.stranger), listed(uses), SignatureInput("", PASSWORD))
    assert signed() == []


def test_the_components_are_shown_once_over_all_of_them(world, uses):
    _, secret = app_for(world.process_expert)
    actor, lines = Actor.of(world.process_expert), listed(uses)
    with pytest.raises(NotAllowed):
        sign_together(actor, lines, SignatureInput("", "wrong", code=code_of(secret)))
    with pytest.raises(BadInput, match="second factor"):
        sign_together(actor, lines, SignatureInput("", PASSWORD))
    done = sign_together(actor, lines, SignatureInput("", PASSWORD, code=code_of(secret)))
    assert [each.signature.factors for each in done] == [["password", "totp"]] * 2
    nonce = new_nonce(world.process_expert)
    both, one = (challenge_of(world.process_expert, some, nonce) for some in (lines, lines[:1]))
    turned = challenge_of(world.process_expert, lines[::-1], nonce)
    assert len({both, one, turned}) == 3


def test_a_passkey_signs_all_that_is_listed_and_nothing_else(world, uses):
    expert, lines = world.process_expert, listed(uses)
    factor, device = passkey_for(expert)
    _, strange = passkey_for(world.owner)

    def shown(some, by) -> SignatureInput:
        nonce = new_nonce(expert)
        options, _ = passkeys.request([factor])
        options["challenge"] = as_text(challenge_of(expert, some, nonce))
        return SignatureInput("", PASSWORD, passkey=by.shows(options), nonce=nonce)

    for wrong in (shown(lines[:1], device), shown(lines, strange)):  # of one record alone; of another person
        with pytest.raises(NotAllowed) as refused:
            sign_together(Actor.of(expert), lines, wrong)
        assert "passkey" in refused.value.fact
    assert signed() == []
    good = shown(lines, device)
    done = sign_together(Actor.of(expert), lines, good)
    assert [each.signature.factors for each in done] == [["password", "passkey"]] * 2


def browser(person) -> Client:
    client = Client()
    client.force_login(person)
    return client


def test_the_page_signs_only_what_was_opened(world, uses):
    client, lines = browser(world.process_expert), listed(uses)
    keys = [f"{EXPERT}:{use.pk}" for use in uses]
    address = f"{reverse('web:sign_together')}?{urlencode([('record', key) for key in keys])}"
    given = {"record": keys, "password": PASSWORD, "idempotency_key": "k"}
    for key, line in zip(keys, lines, strict=True):
        given |= {f"decision-{key}": "approved", f"reviewed-{key}": line.digest}
    shown = text_of(client.get(address))
    assert shown.count("not yet") == 2
    assert client.post(reverse("web:sign_together"), given).status_code == 422
    page = client.get(reverse("web:sign", args=[EXPERT, uses[0].pk]), {"together": address})
    assert "Back to the records you review together" in text_of(page)
    half = client.post(reverse("web:sign_together"), given)
    assert half.status_code == 422
    assert f"{uses[1].ref}: open it" in text_of(half)
    assert signed() == []
    client.get(reverse("web:sign", args=[EXPERT, uses[1].pk]))
    wrong = client.post(reverse("web:sign_together"), given | {"password": "wrong"})
    assert wrong.status_code == 403
    done = client.post(reverse("web:sign_together"), given)
    assert "2 of 2 records" in text_of(done)
    assert len(signed()) == 2
    elsewhere = client.get(
        reverse("web:sign", args=[EXPERT, uses[0].pk]), {"together": "https://evil.example/"}
    )
    assert "evil.example" not in text_of(elsewhere)


def test_the_api_signs_several_with_a_session_and_not_with_a_token(world, uses):
    client, address = browser(world.process_expert), reverse("api:sign_together")
    records = [{"act": EXPERT, "id": use.pk, "digest": content_digest(use)} for use in uses]
    given = {"records": records, "password": PASSWORD}

    def ask(**other):
        return client.post(address, {**given, **other}, content_type="application/json")

    stale = ask(records=[records[0], {**records[1], "digest": "sha256:" + "0" * 64}])
    assert stale.status_code == 409
    assert uses[1].ref in stale.json()["fact"]
    assert ask(records=[]).status_code == 422
    assert ask(records=records * 11).status_code == 422
    assert signed() == []
    done = ask()
    assert done.status_code == 200
    assert [(each["record"], each["refused"]) for each in done.json()] == [(use.ref, None) for use in uses]
    for each in done.json():
        proof = json.dumps(each["receipt"], ensure_ascii=False, indent=2, sort_keys=True)
        assert each["signature"]["printed_name"] in offline.verify_receipt(proof)
    assert len(signed()) == 2
    token = client_of(create_token(world.process_expert, name="ci"))
    refused = token.post(address, given, format="json")
    assert refused.status_code == 403
    assert "token" in str(refused.json()).lower()


# ---------------------------------------------------------------- at the identity provider


@pytest.fixture
def issuer(settings):
    started = Issuer()
    settings.OIDC_PROVIDERS = [started.provider()]
    oidc.forget()
    yield started
    started.close()
    oidc.forget()


@pytest.fixture
def expert(world, issuer, uses):
    """Comes by single sign-on; the page of the first intended use."""
    made = propose_link(world.administrator, world.process_expert.pk, provider="corp", subject=issuer.subject)
    confirm_link(world.process_expert, made.pk)
    issuer.spoil = lambda claims: claims.setdefault("auth_time", int(time.time()))
    return browser(world.process_expert)


def chosen(use, **other):
    return {
        "digest": content_digest(use),
        "idempotency_key": "k",
        "decision": "approved",
        "reason": "Read",
        "with": "corp",
        **other,
    }


def sign_page(use):
    return reverse("web:sign", args=[EXPERT, use.pk])


def away(client, use, **other) -> str:
    """Choose, go on to the provider and let it answer; the address it sends the browser back to."""
    ready = client.post(sign_page(use), chosen(use, **other))
    assert "will ask who you are again" in text_of(ready), text_of(ready)
    left = client.get(reverse("web:sign_leave"))
    assert left.status_code == 302
    parts = urlsplit(left["Location"])
    asked = parse_qs(parts.query)
    assert (asked["prompt"], asked["max_age"]) == (["login"], ["0"])
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    connection.request("GET", f"{parts.path}?{parts.query}")
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.headers["Location"]


def back(client, address):
    parts = urlsplit(address)
    assert parts.path == reverse("web:sign_return")
    return client.get(f"{parts.path}?{parts.query}")


def test_a_fresh_authentication_stands_in_the_place_of_the_password(world, issuer, expert, uses):
    _, secret = app_for(world.process_expert)
    returned = back(expert, away(expert, uses[0]))
    assert returned["Location"] == sign_page(uses[0])
    page = expert.get(sign_page(uses[0])).content.decode()
    assert "You authenticated again for this decision" in page
    assert 'name="password"' not in page
    final = {name: value for name, value in chosen(uses[0]).items() if name != "with"}
    wrong = expert.post(sign_page(uses[0]), final | {"code": "000000"})
    assert wrong.status_code == 403
    done = expert.post(sign_page(uses[0]), final | {"code": code_of(secret)})
    assert done.status_code == 302, text_of(done)
    [signature] = signed()
    assert signature.factors == ["sso", "totp"]
    twice = expert.post(sign_page(uses[0]), final | {"code": code_of(secret)})
    assert twice["Location"] == done["Location"]  # the same form again: the same signature
    other = final | {"code": code_of(secret), "idempotency_key": "another"}
    assert expert.post(sign_page(uses[0]), other).status_code in (403, 409)
    assert signed() == [signature]
    facts = body_of(Entry.objects.get(kind="act", act_id=signature.act_id))["facts"]
    assert facts["single_sign_on"]["subject"] == issuer.subject
    # It counted once: the next record asks anew.
    assert 'name="password"' in expert.get(sign_page(uses[1])).content.decode()


@pytest.mark.parametrize(
    ("claims", "said", "counted"),
    [
        ({"auth_time": None}, "does not say when you authenticated", True),
        ({"auth_time": "now"}, "does not say when you authenticated", True),
        ({"auth_time": -60}, "did not ask you again", True),  # it ignored prompt and max_age
        ({"auth_time": 3600}, "lies ahead", True),
        ({"sub": "somebody else"}, "names another person", True),
        ({"nonce": "of another statement"}, "belongs to another sign-in", False),
        ({"aud": "another"}, "made for another application", False),
        ({"exp": 1}, "has run out", False),
    ],
)
def test_what_the_provider_says_wrongly_signs_nothing(world, issuer, expert, uses, claims, said, counted):
    if isinstance(claims.get("auth_time"), int):
        claims = {"auth_time": int(time.time()) + claims["auth_time"]}
    issuer.spoil = lambda given: given.update({"auth_time": int(time.time()), **claims})
    answer = back(expert, away(expert, uses[0]))
    assert answer.status_code in (401, 403)
    assert said in text_of(answer)
    assert "Read" in text_of(answer)  # what was typed is still there
    assert signed() == []
    told = last(EXPERT, kind="refusal")
    assert body_of(told)["facts"]["rule"].startswith("21 CFR 11.200(a)(1): single sign-on")
    failures = Lockout.objects.filter(user=world.process_expert, signing_failures=1).exists()
    assert failures == counted
    final = {name: value for name, value in chosen(uses[0]).items() if name != "with"}
    assert (
        expert.post(sign_page(uses[0]), final).status_code == 422
    )  # without password: nothing stands in its place


def test_three_wrong_answers_lock_signing(world, issuer, expert, uses):
    issuer.spoil = lambda given: given.update({"sub": "somebody else", "auth_time": int(time.time())})
    for _ in range(3):
        answer = back(expert, away(expert, uses[0]))
    assert "Signing is now locked" in text_of(answer)
    assert Entry.objects.filter(act="access.report_misuse").exists()


def test_an_answer_counts_once_and_a_code_too(world, issuer, expert, uses):
    address = away(expert, uses[0])
    assert back(expert, address).status_code == 302
    assert back(expert, address).status_code == 404  # the same answer again
    other = away(expert, uses[1])
    code = parse_qs(urlsplit(address).query)["code"][0]
    replayed = re.sub("code=[^&]+", f"code={code}", other)
    answer = back(expert, replayed)
    assert "may have been used already" in text_of(answer)
    assert signed() == []


def test_it_signs_no_other_record_no_other_decision_and_no_changed_one(world, issuer, expert, uses):
    assert back(expert, away(expert, uses[0])).status_code == 302
    final = {name: value for name, value in chosen(uses[0]).items() if name != "with"}
    elsewhere = chosen(uses[1])
    elsewhere.pop("with")
    assert expert.post(sign_page(uses[1]), elsewhere).status_code == 422
    changed = expert.post(sign_page(uses[0]), final | {"digest": "sha256:" + "0" * 64})
    assert changed.status_code in (403, 409)
    assert signed() == []
    # What was refused has used it up: the person authenticates again.
    assert expert.post(sign_page(uses[0]), final).status_code == 422


def test_who_is_linked_is_offered_it_beside_the_password(world, issuer, expert, uses):
    page = expert.get(sign_page(uses[0])).content.decode()
    assert "Instead of the password: authenticate with Corporate sign-in" in page
    assert 'name="password"' in page
    unlinked = text_of(browser(world.owner).get(reverse("web:sign", args=[OWNER, uses[0].pk])))
    assert "Corporate sign-in" not in unlinked
    other = browser(world.owner).post(reverse("web:sign", args=[OWNER, uses[0].pk]), chosen(uses[0]))
    assert other.status_code in (404, 409)
