"""Single sign-on against a real provider: what it must say, and what becomes of every wrong answer."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest
from django.test import Client
from django.urls import reverse

from apps.access import oidc
from apps.access.acts import confirm_link, deactivate_account, end_link, end_own_link, propose_link
from apps.access.fresh import signed_in_at
from apps.access.gate import visible
from apps.accounts.factors import SignOnLink
from apps.core.clock import now
from apps.core.errors import BadInput, Conflict, NotAllowed, NotVisible, WrongState
from apps.trail.models import Entry
from tests.access.telling import assert_history, assert_told, body_of, last, refused
from tests.factories.doors import text_of
from tests.factories.factors import app_for, code_of
from tests.factories.issuer import CLIENT, Issuer

pytestmark = pytest.mark.django_db


@pytest.fixture
def issuer(settings) -> Iterator[Issuer]:
    started = Issuer()
    settings.OIDC_PROVIDERS = [started.provider(second_factor_amr=["hwk"], second_factor_acr=["urn:strong"])]
    oidc.forget()
    yield started
    started.close()
    oidc.forget()


@pytest.fixture
def link(world, issuer) -> SignOnLink:
    made = propose_link(world.administrator, world.author.pk, provider="corp", subject=issuer.subject)
    return confirm_link(world.author, made.pk)


def there(client: Client) -> str:
    """Leave for the provider and let it answer; the address it sends the browser back to."""
    left = client.get(reverse("web:sso_leave", args=["corp"]))
    assert left.status_code == 302, text_of(left)
    parts = urlsplit(left["Location"])
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    connection.request("GET", f"{parts.path}?{parts.query}")
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert answer.status == 302
    return answer.headers["Location"]


def back(client: Client, address: str):
    parts = urlsplit(address)
    return client.get(f"{parts.path}?{parts.query}")


def is_in(client: Client) -> bool:
    """Every road in notes when the session began: the limits count from then."""
    entered = client.get(reverse("web:account")).status_code == 200
    assert not entered or abs(client.session["began"] - now().timestamp()) < 60
    return entered


def test_who_is_linked_gets_in(world, issuer, link):
    issuer.claims = {"acr": "urn:plain", "amr": ["pwd"], "auth_time": 1_790_000_000}
    client = Client()
    assert "Sign in with Corporate sign-in" in text_of(client.get(reverse("web:sign_in")))
    assert back(client, there(client)).status_code == 302
    assert is_in(client)
    facts = body_of(last("access.sign_in"))["facts"]
    assert facts["factors"] == ["sso"]
    assert facts["single_sign_on"] == {
        "issuer": issuer.issuer,
        "subject": issuer.subject,
        "acr": "urn:plain",
        "amr": ["pwd"],
        "auth_time": 1_790_000_000,
        "provider": "corp",
        "link": link.ref,
    }


def test_what_is_asked_of_the_provider(issuer):
    left = Client().get(reverse("web:sso_leave", args=["corp"]))
    asked = {name: values[0] for name, values in parse_qs(urlsplit(left["Location"]).query).items()}
    assert asked.pop("state") != asked.pop("nonce")
    assert len(asked.pop("code_challenge")) == 43
    assert asked == {
        "response_type": "code",
        "client_id": CLIENT,
        "redirect_uri": "http://127.0.0.1:8000/sign-in/with/corp/back/",
        "scope": "openid",
        "code_challenge_method": "S256",
    }


def test_who_has_a_second_factor_is_asked_for_it_unless_the_provider_asked(world, issuer, link):
    _, secret = app_for(world.author)
    client = Client()
    answer = back(client, there(client))
    assert answer["Location"].startswith(reverse("web:second_factor"))
    assert not is_in(client)
    client.post(reverse("web:second_factor"), {"way": "code", "code": code_of(secret)})
    assert is_in(client)
    assert body_of(last("access.sign_in"))["facts"]["factors"] == ["sso", "totp"]
    for claims in ({"amr": ["hwk"]}, {"acr": "urn:strong"}):
        issuer.claims, other = claims, Client()
        back(other, there(other))
        assert is_in(other)
    issuer.claims, third = {"amr": "hwk"}, Client()  # not a list: it says nothing
    back(third, there(third))
    assert not is_in(third)


def spoiled(**claims):
    return lambda given: given.update(claims)


WRONG = {
    "nonce": (spoiled(nonce="another"), "belongs to another sign-in"),
    "no nonce": (lambda given: given.pop("nonce"), "belongs to another sign-in"),
    "old": (lambda given: given.update(exp=int(time.time()) - 60), "has run out"),
    "not yet": (lambda given: given.update(iat=int(time.time()) + 3600), "does not hold"),
    "no exp": (lambda given: given.pop("exp"), "does not hold"),
    "aud": (spoiled(aud="somebody-else"), "made for another application"),
    "aud of two without azp": (spoiled(aud=[CLIENT, "other"]), "made for another application"),
    "azp": (spoiled(azp="other"), "made for another application"),
    "iss": (spoiled(iss="https://evil.example/"), "comes from another provider"),
    "no sub": (lambda given: given.pop("sub"), "does not hold"),
    "empty sub": (spoiled(sub=""), "names nobody"),
    "sub of another kind": (spoiled(sub=7), ""),
    "another subject": (spoiled(sub="somebody-else"), "opens no account here"),
    "subject in another case": (spoiled(sub="248289761001 "), "opens no account here"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_token_that_is_wrong_lets_nobody_in(world, issuer, link, name):
    issuer.spoil, said = WRONG[name]
    client = Client()
    answer = back(client, there(client))
    assert answer.status_code == 401
    assert said in text_of(answer)
    assert not is_in(client)
    entry = last("access.sign_in", "refusal")
    assert body_of(entry)["facts"]["cause"].startswith("single sign-on: ")


def signed_with(how):
    return lambda issuer: setattr(issuer, "signed", lambda claims: how(issuer, claims))


def _none(_issuer, claims):
    return jwt.encode(claims, None, algorithm="none", headers={"kid": "k1"})


def _shared_secret(issuer, claims):
    return jwt.encode(claims, "x" * 64, algorithm="HS256", headers={"kid": issuer.kid})


def _other_key(issuer, claims):
    other = Issuer()
    other.close()
    return other._sign(claims)


def _unknown_key(issuer, claims):
    return jwt.encode(claims, issuer.key, algorithm="RS256", headers={"kid": "nobody's"})


def _cut(issuer, claims):
    return issuer._sign(claims)[:-8]


@pytest.mark.parametrize(
    "how", [_none, _shared_secret, _other_key, _unknown_key, _cut, lambda *_: "no token"]
)
def test_only_a_signature_with_a_key_of_the_provider_counts(world, issuer, link, how):
    signed_with(how)(issuer)
    client = Client()
    assert back(client, there(client)).status_code == 401
    assert not is_in(client)


def test_a_code_and_an_answer_count_once_and_in_one_browser(world, issuer, link):
    client, other = Client(), Client()
    address = there(client)
    stolen = back(other, address)
    assert (stolen.status_code, is_in(other)) == (401, False)
    assert "begun in this browser" in text_of(stolen)
    assert back(client, address).status_code == 302
    client.post(reverse("web:sign_out"))
    again = back(client, address)
    assert (again.status_code, is_in(client)) == (401, False)
    # The same code under a state of its own: the provider knows that it was used.
    parts = parse_qs(urlsplit(address).query)
    fresh = parse_qs(urlsplit(there(client)).query)
    mixed = urlencode({"code": parts["code"][0], "state": fresh["state"][0]})
    answer = client.get(f"{reverse('web:sso_return', args=['corp'])}?{mixed}")
    assert (answer.status_code, is_in(client)) == (401, False)
    assert "used already" in text_of(answer)


@pytest.mark.parametrize(
    "answers",
    [
        {"iss": "https://evil.example/"},
        {"error": "access_denied"},
        {"code": ""},
        {"state": "x"},
        {"state": "é"},
    ],
)
def test_an_answer_that_is_wrong_lets_nobody_in(world, issuer, link, answers):
    issuer.answers = answers
    client = Client()
    assert back(client, there(client)).status_code == 401
    assert not is_in(client)


def test_an_answer_comes_too_late(world, issuer, link):
    client = Client()
    address = there(client)
    session = client.session
    session["single-sign-on"] = session["single-sign-on"] | {"at": int(time.time()) - 700}
    session.save()
    assert "took too long" in text_of(back(client, address))


def test_keys_that_changed_are_asked_for_again(world, issuer, link):
    client = Client()
    back(client, there(client))
    issuer.rotate()
    other = Client()
    back(other, there(other))
    assert is_in(other)


def test_a_provider_that_is_away_or_calls_itself_otherwise(world, issuer, link, monkeypatch):
    issuer.issuer = "https://other.example/"
    assert "another name" in text_of(Client().get(reverse("web:sso_leave", args=["corp"])))
    oidc.forget()
    issuer.close()
    assert "cannot be reached" in text_of(Client().get(reverse("web:sso_leave", args=["corp"])))
    assert Client().get(reverse("web:sso_leave", args=["nobody"])).status_code == 404


def test_an_account_that_is_off_or_unlinked_is_not_opened(world, issuer, link):
    end_own_link(world.author, link.pk)
    client = Client()
    assert back(client, there(client)).status_code == 401
    other = propose_link(world.administrator, world.author.pk, provider="corp", subject=issuer.subject)
    assert back(client, there(client)).status_code == 401, "proposed opens nothing"
    confirm_link(world.author, other.pk)
    deactivate_account(world.administrator, world.author.pk, reason="Left")
    assert back(client, there(client)).status_code == 401
    assert not is_in(client)


# ---------------------------------------------------------------- links


def test_propose_link_and_confirm_link_and_end_link(world, issuer):
    made = propose_link(world.administrator, world.author.pk, provider="corp", subject="abc")
    assert_told("access.propose_link", by=world.administrator, about=made)
    assert_history(made, act="access.propose_link", by=world.administrator)
    done = confirm_link(world.author, made.pk)
    assert_told("access.confirm_link", by=world.author, about=made)
    assert done.confirmed_at is not None
    with refused(WrongState, "link-state", act="access.confirm_link", by=world.author):
        confirm_link(world.author, made.pk)
    end_link(world.administrator, made.pk, reason="Left the provider")
    assert_told("access.end_link", by=world.administrator, about=made, reason="Left the provider")
    with refused(WrongState, "link-state", act="access.end_own_link", by=world.author):
        end_own_link(world.author, made.pk)


def test_links_refused(world, issuer):
    with refused(NotAllowed, "duty", act="access.propose_link", by=world.compliance):
        propose_link(world.compliance, world.author.pk, provider="corp", subject="abc")
    with refused(NotVisible, "visibility", act="access.propose_link", by=world.colleague):
        propose_link(world.colleague, world.author.pk, provider="corp", subject="abc")
    act = "access.propose_link"
    with refused(Conflict, "two people", act=act, by=world.administrator):
        propose_link(world.administrator, world.administrator.pk, provider="corp", subject="abc")
    for given, field in (
        ({"provider": "nobody"}, "provider"),
        ({"subject": ""}, "subject"),
        ({"subject": "x" * 256}, "subject"),
        ({"subject": "a\x00b"}, "subject"),
        ({"subject": "é"}, "subject"),
    ):
        with refused(BadInput, "input", act=act, by=world.administrator) as caught:
            propose_link(
                world.administrator, world.author.pk, **{"provider": "corp", "subject": "abc"} | given
            )
        assert set(caught.value.fields) == {field}
    made = propose_link(world.administrator, world.author.pk, provider="corp", subject="abc")
    with refused(BadInput, "input", act=act, by=world.administrator):
        propose_link(world.administrator, world.colleague.pk, provider="corp", subject="abc")
    for person in (world.administrator, world.colleague):
        with refused(NotVisible, "visibility", act="access.confirm_link", by=person):
            confirm_link(person, made.pk)
    with refused(NotVisible, "visibility", act="access.end_link", by=world.colleague):
        end_link(world.colleague, made.pk, reason="Mine now")
    deactivate_account(world.administrator, world.monitor.pk, reason="Left")
    with refused(WrongState, "account-state", act=act, by=world.administrator):
        propose_link(world.administrator, world.monitor.pk, provider="corp", subject="def")


def test_who_sees_links(world, issuer, link):
    assert set(visible(world.author, SignOnLink)) == {link}
    assert set(visible(world.colleague, SignOnLink)) == set()
    assert set(visible(world.inspector, SignOnLink)) == set()
    assert set(visible(world.administrator, SignOnLink)) == {link}


def test_nothing_of_the_exchange_is_kept_in_the_trail(world, issuer, link):
    client = Client()
    address = there(client)
    code = parse_qs(urlsplit(address).query)["code"][0]
    back(client, address)
    assert not Entry.objects.filter(body__contains=code).exists()


@pytest.mark.parametrize(
    ("ago", "recent"), [(60, True), (3600, False), (None, False), (-3600, True)], ids=str
)
def test_a_sign_in_is_as_recent_as_the_provider_says_the_person_authenticated(
    world, issuer, link, ago, recent
):
    """A click on a session open at the provider proves nobody: what administers asks for more (fresh)."""
    issuer.claims = {"amr": ["hwk"]} | ({} if ago is None else {"auth_time": int(time.time()) - ago})
    client = Client()
    back(client, there(client))
    assert is_in(client)
    since = signed_in_at(client.session)
    assert (now() - since < timedelta(minutes=5)) is recent
    assert since <= now()


def test_who_is_in_already_is_to_authenticate_anew(world, issuer, link):
    issuer.claims = {"amr": ["hwk"], "auth_time": int(time.time()) - 3600}
    client = Client()
    back(client, there(client))
    left = client.get(reverse("web:sso_leave", args=["corp"]))
    asked = parse_qs(urlsplit(left["Location"]).query)
    assert (asked["prompt"], asked["max_age"]) == (["login"], ["0"])
    assert len(asked["nonce"][0]) >= 32
