"""The pages of sign-in's second step, of one's own factors, of resets and of single sign-on."""

from __future__ import annotations

import html
import json
import re

import pytest
from django.test import Client
from django.urls import reverse

from apps.access import totp
from apps.access.acts import (
    confirm_link,
    create_account,
    make_recovery_codes,
    propose_link,
    request_reset,
    set_password,
)
from apps.accounts.factors import Factor, FactorUse, RecoveryCode, Reset, SignOnLink
from apps.accounts.models import SignedIn, User
from apps.core.clock import now
from apps.registry.acts import write_intended_use
from apps.trail.models import Signature
from tests.access.telling import body_of, last
from tests.cast import PASSWORD
from tests.factories.doors import browser, text_of
from tests.factories.factors import app_for, code_of, passkey_for, shows
from tests.factories.foundation import USE
from tests.factories.passkeys import Authenticator

pytestmark = pytest.mark.django_db
SIGN_IN, SECOND, SECURITY = "/sign-in/", "/sign-in/second/", "/account/security/"


def password(client: Client, name: str, **more):
    return client.post(SIGN_IN, {"username": name, "password": PASSWORD, **more})


def is_in(client: Client) -> bool:
    """Every road in notes when the session began: the limits count from then."""
    entered = client.get("/account/").status_code == 200
    assert not entered or abs(client.session["began"] - now().timestamp()) < 60
    return entered


def options_of(response) -> dict:
    """What the page asks the browser's passkeys for."""
    found = re.search(r'data-options="([^"]*)"', response.content.decode())
    assert found, text_of(response)
    return json.loads(html.unescape(found[1]))


# ---------------------------------------------------------------- sign-in


def test_the_password_alone_opens_nothing_to_who_has_a_factor(world):
    _, secret = app_for(world.author)
    client = Client()
    answer = password(client, "author", next="/models/")
    assert answer["Location"] == "/sign-in/second/?next=%2Fmodels%2F"
    assert not is_in(client)
    assert SignedIn.objects.filter(user=world.author).count() == 0
    assert client.get("/api/v1/models").status_code == 401
    page = client.get(answer["Location"])
    assert "Sign in with the code" in text_of(page)
    wrong = client.post(SECOND, {"way": "code", "code": "000000", "next": "/models/"})
    assert wrong.status_code == 401
    assert "The code is not right" in text_of(wrong)
    code = code_of(secret)
    done = client.post(SECOND, {"way": "code", "code": code, "next": "/models/"})
    assert done["Location"] == "/models/"
    assert is_in(client)
    assert body_of(last("access.sign_in"))["facts"]["factors"] == ["password", "totp"]
    other = Client()
    password(other, "author")
    told = text_of(other.post(SECOND, {"way": "code", "code": code}))
    assert "used already" in told or "not right" in told  # its thirty seconds may be over by now
    assert not is_in(other)


def test_the_second_step_is_nothing_without_the_first(world):
    app_for(world.author)
    client = Client()
    for answer in (client.get(SECOND), client.post(SECOND, {"way": "code", "code": "123456"})):
        assert answer["Location"].startswith(SIGN_IN)
    password(client, "author")
    session = client.session
    session["second"] = session["second"] | {"at": 0}
    session.save()
    assert client.post(SECOND, {"way": "code", "code": "1"})["Location"].startswith(SIGN_IN)


def test_a_password_changed_meanwhile_ends_the_way_in(world):
    _, secret = app_for(world.author)
    client = Client()
    password(client, "author")
    set_password(world.author, world.author.pk, password="another phrase that is long enough")
    assert client.post(SECOND, {"way": "code", "code": code_of(secret)})["Location"].startswith(SIGN_IN)
    assert not is_in(client)


def test_the_session_gets_a_new_key_at_each_step(world):
    _, secret = app_for(world.author)
    client = Client()
    client.get(SIGN_IN)
    session = client.session
    session["x"] = 1
    session.save()
    client.cookies["sessionid"] = session.session_key
    keys = [session.session_key]
    password(client, "author")
    keys.append(client.cookies["sessionid"].value)
    client.post(SECOND, {"way": "code", "code": code_of(secret)})
    keys.append(client.cookies["sessionid"].value)
    assert len(set(keys)) == 3


@pytest.mark.parametrize(
    "given",
    [{}, {"way": "code"}, {"way": "recovery"}, {"way": "passkey"}, {"way": "other"}, {"code": "x" * 5000}],
)
def test_nothing_given_is_said_beside_the_field(world, given):
    factor, _ = app_for(world.author)
    make_recovery_codes(world.author, world.author.pk, second=shows(factor))
    client = Client()
    password(client, "author")
    assert client.post(SECOND, given).status_code in (401, 422)
    assert not is_in(client)


def test_a_recovery_code_lets_in_once(world):
    factor, _ = app_for(world.author)
    codes = make_recovery_codes(world.author, world.author.pk, second=shows(factor)).codes
    for expected in (True, False):
        client = Client()
        password(client, "author")
        client.post(SECOND, {"way": "recovery", "recovery": codes[0]})
        assert is_in(client) is expected
    entry = last("access.sign_in")
    used = RecoveryCode.objects.get(used_at__isnull=False)
    assert body_of(entry)["facts"]["recovery_code"] == used.ref
    assert body_of(entry)["facts"]["alarm"] is True


def test_a_passkey_lets_in_and_its_challenge_counts_once(world):
    _, device = passkey_for(world.author)
    client = Client()
    password(client, "author")
    first, second = options_of(client.get(SECOND)), options_of(client.get(SECOND))
    assert first["challenge"] != second["challenge"]
    old = client.post(SECOND, {"way": "passkey", "passkey": device.shows(first)})
    assert (old.status_code, is_in(client)) == (401, False)
    answer = device.shows(options_of(old))
    client.post(SECOND, {"way": "passkey", "passkey": answer})
    assert is_in(client)
    other = Client()
    password(other, "author")
    other.get(SECOND)
    other.post(SECOND, {"way": "passkey", "passkey": answer})
    assert not is_in(other)


def test_an_unsent_form_travels_through_both_steps(world):
    _, secret = app_for(world.author)
    client = Client()
    page = password(client, "author", resume="/account/", **{"kept.name": "ci", "kept.code": "123456"})
    assert (page.status_code, is_in(client)) == (200, False)
    assert 'name="kept.name" value="ci"' in page.content.decode()
    assert "kept.code" not in page.content.decode()
    done = client.post(
        SECOND, {"way": "code", "code": code_of(secret), "resume": "/account/", "kept.name": "ci"}
    )
    assert 'value="ci"' in done.content.decode()
    assert is_in(client)


def test_a_link_to_choose_a_password_is_not_the_way_round_the_second_factor(world, mailoutbox):
    from apps.access.acts import approve_reset
    from apps.core.jobs import run_queued
    from tests.accounts.test_enrolment import link_of

    app_for(world.author)
    asked = request_reset(world.administrator, world.author.pk, what="password", reason="Lost")
    approve_reset(world.compliance2, asked.pk)
    run_queued()
    uid, secret = next(link_of(m) for m in mailoutbox if "/enrol/" in m.body and world.author.email in m.to)
    client = Client()
    chosen = "a new phrase that only they know"
    answer = client.post(f"/enrol/{uid}/{secret}/", {"password": chosen, "again": chosen})
    assert answer["Location"].startswith(SECOND)
    assert not is_in(client)


# ---------------------------------------------------------------- one's own factors


def secret_on(page) -> bytes:
    import base64

    text = re.search(r'<code class="wrap">([A-Z2-7 ]+)</code>', page.content.decode())[1].replace(" ", "")
    return base64.b32decode(text)


def test_adding_an_authenticator_app(world):
    client = browser(world.author)
    page = client.get(f"{SECURITY}app/")
    secret = secret_on(page)
    assert "<svg" in page.content.decode()
    assert secret_on(client.get(f"{SECURITY}app/")) == secret, "a reload shows the same secret"
    given = {"name": "phone", "code": code_of(secret), "password": PASSWORD, "idempotency_key": "a" * 32}
    for wrong, said in (
        ({"password": "wrong"}, "do not belong together"),
        ({"code": "000000"}, "not the code that the app shows"),
        ({"name": ""}, "Fill in “Name”"),
    ):
        answer = client.post(f"{SECURITY}app/", given | wrong)
        assert answer.status_code == 422
        assert said in text_of(answer)
        assert secret_on(answer) == secret
    assert client.post(f"{SECURITY}app/", given)["Location"] == SECURITY
    assert Factor.objects.get().name == "phone"
    shown = text_of(client.get(SECURITY))
    assert "phone" in shown
    assert totp.as_text(secret) not in shown
    assert secret_on(client.get(f"{SECURITY}app/")) != secret, "the next one is another"


def test_adding_a_passkey(world):
    client, device = browser(world.author), Authenticator()
    page = client.get(f"{SECURITY}passkey/")
    given = {"name": "key", "password": PASSWORD, "idempotency_key": "a" * 32}
    assert "Passkeys need JavaScript" in text_of(client.post(f"{SECURITY}passkey/", given))
    old = client.post(f"{SECURITY}passkey/", given | {"passkey": device.makes(options_of(page))})
    assert old.status_code == 422, "its challenge was answered"
    done = client.post(f"{SECURITY}passkey/", given | {"passkey": device.makes(options_of(old))})
    assert done["Location"] == SECURITY
    assert Factor.objects.get().kind == "passkey"
    held = options_of(client.get(f"{SECURITY}passkey/"))["excludeCredentials"]
    assert len(held) == 1


def test_naming_ending_and_recovery_codes(world):
    factor, secret = app_for(world.author)
    client = browser(world.author)

    def post(url: str, key: str, **more):
        return client.post(url, {"password": PASSWORD, "idempotency_key": key * 32, **more})

    assert client.post(f"{SECURITY}factors/{factor.pk}/name/", {"name": "work phone"})["Location"] == SECURITY
    code = code_of(secret)
    answer = post(f"{SECURITY}recovery/", "a", held_code=code)
    codes = re.findall(r"<li><code>([a-z2-9-]{19})</code>", answer.content.decode())
    assert (answer.status_code, len(codes)) == (201, 10)
    assert answer["Cache-Control"] == "max-age=0, no-cache, no-store, must-revalidate, private"
    again = post(f"{SECURITY}recovery/", "a", held_code=code)
    assert again["Location"] == SECURITY
    assert "10 unused codes left" in text_of(client.get(SECURITY))
    url = f"{SECURITY}factors/{factor.pk}/end/"
    assert post(url, "b", password="wrong", held_code=code).status_code == 422
    FactorUse.objects.update(last_step=0)
    assert post(url, "b", held_code=code_of(secret))["Location"] == SECURITY
    assert "You have no second factor" in text_of(client.get(SECURITY))
    other, _ = app_for(world.owner)
    assert client.get(f"{SECURITY}factors/{other.pk}/end/").status_code == 404
    assert client.get(f"{SECURITY}factors/{other.pk}/name/").status_code == 404


def test_the_password_alone_changes_no_factor_of_who_holds_one(world):
    factor, secret = app_for(world.author)
    client = browser(world.author)
    new = secret_on(client.get(f"{SECURITY}app/"))
    app = {"name": "mine", "code": code_of(new)}
    for url, given in (
        ("app/", app),
        ("recovery/", {}),
        (f"factors/{factor.pk}/end/", {}),
    ):
        given = given | {"password": PASSWORD, "idempotency_key": "c" * 32}
        page = client.get(SECURITY + url)
        assert "One-time code of a factor you have" in text_of(page)
        assert "Show a passkey I have" not in text_of(page)
        missing = client.post(SECURITY + url, given)
        assert missing.status_code == 422
        assert "Show a code of your authenticator app as well" in text_of(missing)
        assert (
            'aria-invalid="true"'
            in re.search(r'<input[^>]*name="held_code"[^>]*>', missing.content.decode())[0]
        )
        wrong = client.post(SECURITY + url, given | {"held_code": "000000"})
        assert wrong.status_code == 403
        assert "The code is not right" in text_of(wrong)
        assert 'value="000000"' not in wrong.content.decode()
    assert list(Factor.objects.filter(ended_at=None)) == [factor]
    assert not RecoveryCode.objects.exists()
    given = app | {"password": PASSWORD, "idempotency_key": "d" * 32, "held_code": code_of(secret)}
    assert client.post(f"{SECURITY}app/", given)["Location"] == SECURITY


def test_a_held_passkey_is_shown_on_the_page_to_add_another(world):
    _, device = passkey_for(world.author)
    client, other = browser(world.author), Authenticator()
    url = f"{SECURITY}passkey/"

    def both(page) -> tuple[dict, dict]:
        found = re.findall(r'data-options="([^"]*)"', page.content.decode())
        asked = [json.loads(html.unescape(each)) for each in found]
        return next(a for a in asked if "user" in a), next(a for a in asked if "user" not in a)

    create, _ = both(client.get(url))
    given = {"name": "key", "password": PASSWORD, "idempotency_key": "a" * 32}
    without = client.post(url, given | {"passkey": other.makes(create)})
    assert without.status_code == 422
    assert "Show your passkey as well" in text_of(without)
    create, ask = both(without)
    done = client.post(url, given | {"passkey": other.makes(create), "held_passkey": device.shows(ask)})
    assert done["Location"] == SECURITY
    assert Factor.objects.count() == 2


def test_after_a_recovery_code_a_factor_is_added_and_the_identity_confirmed_anew(world):
    factor, _ = app_for(world.author)
    codes = make_recovery_codes(world.author, world.author.pk, second=shows(factor)).codes
    client = Client()
    password(client, "author")
    client.post(SECOND, {"way": "recovery", "recovery": codes[0]})
    page = client.get(f"{SECURITY}app/")
    assert "adding it lifts the confirmation of your identity" in text_of(page)
    assert "lifts the confirmation" not in text_of(browser(world.author).get(f"{SECURITY}app/"))
    given = {"password": PASSWORD, "idempotency_key": "a" * 32}
    assert client.post(f"{SECURITY}recovery/", given).status_code == 422
    given |= {"name": "new phone", "code": code_of(secret_on(page))}
    done = client.post(f"{SECURITY}app/", given, follow=True)
    assert "once another person has confirmed who you are" in text_of(done)
    assert User.objects.get(pk=world.author.pk).identity_confirmed_at is None
    assert "identity" in body_of(last("access.add_totp"))["facts"]


# ---------------------------------------------------------------- where one is required


def test_who_must_have_one_can_add_it_and_nothing_else(world, settings):
    settings.SECOND_FACTOR = "required"
    client = browser(world.approver)
    for url in ("/work/", "/models/", "/account/"):
        assert client.get(url)["Location"] == SECURITY
    api = client.get("/api/v1/models")
    assert (api.status_code, api.json()["rule"]) == (
        403,
        "21 CFR 11.200(a)(1): a signature has two components",
    )
    assert client.get("/models/", headers={"HX-Request": "true"})["HX-Redirect"] == SECURITY
    assert "until then nothing else is open to you" in text_of(client.get(SECURITY))
    secret = secret_on(client.get(f"{SECURITY}app/"))
    given = {"name": "phone", "code": code_of(secret), "password": PASSWORD, "idempotency_key": "a" * 32}
    client.post(f"{SECURITY}app/", given)
    assert client.get("/work/").status_code == 200
    assert browser(world.author).get("/work/").status_code == 200, "developers do not sign"
    assert browser(world.approver2).post("/sign-out/")["Location"] == SIGN_IN


# ---------------------------------------------------------------- signing


def fields(page) -> dict:
    found = dict(re.findall(r'name="(digest|idempotency_key|nonce)" value="([^"]+)"', page.content.decode()))
    return {name: html.unescape(value) for name, value in found.items()} | {
        "decision": "approved",
        "reason": "",
        "password": PASSWORD,
    }


def test_signing_on_the_page_with_a_code(world):
    use = write_intended_use(world.owner, world.model.pk, given=USE, reason="First statement")
    expert = world.process_expert
    _, secret = app_for(expert)
    client, url = browser(expert), f"/sign/registry.sign_intended_use_expert/{use.pk}/"

    page = client.get(url)
    assert "data-passkey" not in page.content.decode()
    missing = client.post(url, fields(page))
    assert missing.status_code == 422
    assert "the code of your authenticator app" in text_of(missing)
    wrong = client.post(url, fields(page) | {"code": "000000"})
    assert wrong.status_code == 403
    assert 'value="000000"' not in wrong.content.decode()
    assert client.post(url, fields(wrong) | {"code": code_of(secret)}).status_code == 302
    assert Signature.objects.latest("pk").factors == ["password", "totp"]
    receipt = client.get(f"/signatures/{Signature.objects.latest('pk').uuid}/")
    assert "password and one-time code" in text_of(receipt)


def test_signing_on_the_page_with_a_passkey(world):
    use = write_intended_use(world.owner, world.model.pk, given=USE, reason="First statement")
    _, device = passkey_for(world.process_expert)
    client, url = browser(world.process_expert), f"/sign/registry.sign_intended_use_expert/{use.pk}/"
    page = client.get(url)
    assert 'name="code"' not in page.content.decode()
    challenges = json.loads(html.unescape(re.search(r'data-challenges="([^"]*)"', page.content.decode())[1]))
    answer = device.shows(options_of(page), challenge=challenges["approved"])
    assert client.post(url, fields(page) | {"passkey": answer}).status_code == 302
    assert Signature.objects.latest("pk").factors == ["password", "passkey"]


def test_signing_by_the_api_with_a_code(world):
    from apps.access.signing import content_digest
    from tests.factories.doors import session_api

    use = write_intended_use(world.owner, world.model.pk, given=USE, reason="First statement")
    _, secret = app_for(world.process_expert)
    api = session_api(world.process_expert)
    url = reverse("api:intended-uses-sign", args=[use.pk])
    given = {"digest": content_digest(use), "password": PASSWORD, "signing_as": "process_expert"}
    missing = api.post(url, given)
    assert (missing.status_code, set(missing.json()["fields"])) == (422, {"code"})
    assert api.post(url, given | {"code": code_of(secret)}).status_code == 200


# ---------------------------------------------------------------- resets and links


def test_a_reset_from_page_to_page(world):
    admin, compliance = browser(world.administrator), browser(world.compliance2)
    assert "Ask for a reset" in text_of(admin.get("/people/author/"))
    assert "Ask for a reset" not in text_of(compliance.get("/people/author/"))
    missing = admin.post("/people/author/reset/", {"what": "", "reason": "", "idempotency_key": "a" * 32})
    assert missing.status_code == 422
    given = {"what": "password", "reason": "Forgot it", "idempotency_key": "a" * 32}
    sent = admin.post("/people/author/reset/", given)
    reset = Reset.objects.get()
    assert sent["Location"] == f"/resets/{reset.pk}/"
    assert reset.ref in text_of(compliance.get("/resets/"))
    assert "1 reset to decide" in text_of(compliance.get("/work/"))
    assert "Forgot it" in text_of(compliance.get(f"/resets/{reset.pk}/"))
    assert "It needs the duty compliance officer here" in text_of(admin.get(f"/resets/{reset.pk}/approve/"))
    assert browser(world.owner).get(f"/resets/{reset.pk}/").status_code == 404
    done = compliance.post(f"/resets/{reset.pk}/approve/", {"reason": "", "idempotency_key": "b" * 32})
    assert done["Location"] == f"/resets/{reset.pk}/"
    assert "to be confirmed by somebody who had no part in the reset" in text_of(
        compliance.get(f"/resets/{reset.pk}/")
    )
    twice = compliance.post(f"/resets/{reset.pk}/refuse/", {"reason": "No", "idempotency_key": "c" * 32})
    assert twice.status_code == 409
    export = compliance.get("/resets/?format=csv")
    assert export.status_code == 200


def test_the_list_of_resets_asks_as_often_for_many_as_for_few(world):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    client = browser(world.compliance2)

    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get("/resets/").status_code == 200
        return len(queries)

    request_reset(world.administrator, world.author.pk, what="password", reason="Lost")
    client.get("/resets/")
    one = asked()
    for name in ("owner", "approver"):
        request_reset(world.administrator, world.people[name].pk, what="password", reason="Lost")
    assert asked() == one


def test_single_sign_on_from_page_to_page(world, settings):
    settings.OIDC_PROVIDERS = [
        {"key": "corp", "name": "Corporate", "issuer": "https://id.example/", "client_id": "x"}
    ]
    admin, author = browser(world.administrator), browser(world.author)
    given = {"provider": "corp", "subject": "abc", "idempotency_key": "a" * 32}
    assert admin.post("/people/author/sign-on/", given)["Location"] == "/people/author/"
    link = SignOnLink.objects.get()
    assert "https://id.example/: abc , proposed" in text_of(admin.get("/people/author/"))
    page = author.get(f"{SECURITY}sign-on/{link.pk}/confirm/")
    assert "https://id.example/" in text_of(page)
    url = f"{SECURITY}sign-on/{link.pk}/confirm/"
    assert author.post(url, {"password": "wrong", "idempotency_key": "b" * 32}).status_code == 422
    assert author.post(url, {"password": PASSWORD, "idempotency_key": "b" * 32})["Location"] == SECURITY
    link.refresh_from_db()
    assert link.state == "confirmed"
    assert browser(world.owner).get(url).status_code == 404
    ended = admin.post(f"/sign-on/{link.pk}/end/", {"reason": "Left", "idempotency_key": "c" * 32})
    assert ended["Location"] == "/people/author/"
    other = propose_link(world.administrator, world.author.pk, provider="corp", subject="def")
    confirm_link(world.author, other.pk)
    assert author.post(f"{SECURITY}sign-on/{other.pk}/end/")["Location"] == SECURITY


def test_a_wrong_username_and_a_wrong_password_are_answered_the_same(world):
    """With a second factor and without one: only the right password tells that there is one."""
    app_for(world.author)
    create_account(
        world.administrator, username="nnovak", printed_name="Nina Novak", email="nina@example.org"
    )
    answers = []
    for name in ("author", "owner", "nobody", "nnovak"):
        answer = Client().post(SIGN_IN, {"username": name, "password": "wrong", "next": "/work/"})
        answers.append(
            (answer.status_code, re.sub(rf"{name}|[A-Za-z0-9]{{64}}", "", answer.content.decode()))
        )
    assert len(set(answers)) == 1


def test_giving_a_duty_that_signs_warns_where_a_second_factor_is_required(world, settings):
    from apps.access.acts import request_assignment

    def given(duty: str):
        asked = request_assignment(
            world.registrar,
            person_id=world.stranger.pk,
            duty=duty,
            scope_kind="registry.model",
            scope_id=world.model.pk,
            reason="Needed",
        )
        client = browser(world.owner)
        return text_of(
            client.post(f"/assignments/{asked.pk}/approve/", {"idempotency_key": duty * 4}, follow=True)
        )

    said = "Stranger Person has no second factor"
    settings.SECOND_FACTOR = "required"
    app_for(world.owner)
    assert said not in given("developer")
    settings.SECOND_FACTOR = "offered"
    assert said not in given("process_expert")
    settings.SECOND_FACTOR = "required"
    assert said in given("security")
