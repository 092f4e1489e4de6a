"""Descriptions and keys of issuers, of CI systems and of single sign-on: one place, one cache, the same limits."""

from __future__ import annotations

import json
import time

import pytest

from apps.access import issuers, oidc
from apps.access.issuers import Unreachable, described, fetch, key_of
from apps.core.errors import NotAllowed
from tests.factories.ci_issuer import running

DISCOVERY = "/.well-known/openid-configuration"


@pytest.fixture
def issuer(settings):
    issuers.forget()
    with running() as made:
        settings.CI_PLAIN_ISSUERS = [made.url.removeprefix("http://")]
        yield made
    issuers.forget()


def provider(issuer) -> oidc.Provider:
    return oidc.Provider("corp", "Corporate", issuer.url, "countersign")


@pytest.mark.parametrize("own", [False, True])
def test_description_and_keys_are_asked_for_once(issuer, own):
    kid = next(iter(issuer.keys))
    for _ in range(3):
        assert described(issuer.url, own=own)["jwks_uri"] == f"{issuer.url}/jwks"
        assert key_of(issuer.url, kid, own=own).key_id == kid
    assert issuer.asked.count("/jwks") == 1
    assert issuer.asked.count(DISCOVERY) == 2  # keys are looked for where the issuer says now
    issuers.forget()
    assert key_of(issuer.url, kid, own=own).key_id == kid
    assert issuer.asked.count("/jwks") == 2


def test_a_changed_key_is_asked_for_at_once_of_an_issuer_of_the_settings_alone(issuer):
    for own in (False, True):
        key_of(issuer.url, next(iter(issuer.keys)), own=own)
    fresh = issuer.new_key()
    assert key_of(issuer.url, fresh, own=True).key_id == fresh
    with pytest.raises(Unreachable, match="no key with this identifier"):
        key_of(issuer.url, fresh)


def test_what_keeps_a_ci_system_out_does_not_keep_single_sign_on_out(issuer, settings):
    """The test issuer is on this machine: the settings may name it, people in the portal may not."""
    settings.CI_PLAIN_ISSUERS = []
    with pytest.raises(Unreachable, match="begins with https"):
        described(issuer.url)
    assert described(issuer.url, own=True)["issuer"] == issuer.url


LIMITS = {
    "redirect": ((302, {"Location": "http://127.0.0.1:1/"}, b""), "status"),
    "redirect to itself": ((301, {"Location": DISCOVERY}, b""), "status"),
    "server error": ((500, {}, b"no"), "status"),
    "too large": ((200, {}, b'{"x": "' + b"x" * issuers.MOST_BYTES + b'"}'), "answer"),
    "no object": ((200, {}, b"[]"), "answer"),
    "no JSON": ((200, {}, b"<html>"), "answer"),
    "deep": ((200, {}, b"[" * 100_000), "answer"),
    "cut short": ((200, {"Content-Length": "999999"}, b"{}"), "connection"),
    "another name": ((200, {}, b'{"issuer": "https://other.example"}'), "name"),
}


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("name", LIMITS)
def test_the_limits_hold_for_both_kinds(issuer, name, own):
    issuer.answers[DISCOVERY], kind = LIMITS[name]
    with pytest.raises(Unreachable) as met:
        described(issuer.url, own=own)
    assert met.value.kind == kind
    assert issuer.asked == [DISCOVERY], "asked once, and nothing else"
    with pytest.raises(Unreachable) as again:
        described(issuer.url, own=own)
    assert (str(again.value), issuer.asked) == (str(met.value), [DISCOVERY]), "told again, not met again"


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize(
    "url", ["http://ci.example/jwks", "ftp://ci.example", "https://u:p@ci.example/", "https://", "", None, 3]
)
def test_an_address_without_encryption_is_asked_of_nobody(url, own):
    with pytest.raises(Unreachable) as met:
        fetch(url, own=own)
    assert met.value.kind == "address"


def test_a_slow_answer_is_given_up_by_both(issuer, monkeypatch):
    monkeypatch.setattr(issuers, "SECONDS", 0.2)
    issuer.answer = lambda path: time.sleep(0.6) or (200, {}, b"{}")
    for own in (False, True):
        with pytest.raises(Unreachable, match="cannot be reached"):
            described(issuer.url, own=own)


def test_no_proxy_of_the_environment_is_asked(issuer, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert described(issuer.url, own=True)["issuer"] == issuer.url


def test_keys_that_are_no_public_keys_for_signatures_are_not_known(issuer):
    kid = next(iter(issuer.keys))
    rows = json.loads(issuer.jwks())["keys"]
    issuer.answers["/jwks"] = (
        200,
        {},
        json.dumps(
            {
                "keys": [
                    {"kty": "oct", "k": "AAAA", "kid": kid},
                    *rows,
                    {"kty": "oct", "k": "AAAA", "kid": kid},
                    rows[0] | {"kid": "sealed", "use": "enc"},
                ]
            }
        ).encode(),
    )
    for own in (False, True):
        assert key_of(issuer.url, kid, own=own).key_type == "RSA"
        for other in ("sealed", None):
            with pytest.raises(Unreachable, match="no key with this identifier"):
                key_of(issuer.url, other, own=own)


@pytest.mark.parametrize("name", ["redirect", "too large", "another name"])
def test_who_signs_in_is_refused_in_words_of_the_provider(issuer, name):
    issuer.answers[DISCOVERY], kind = LIMITS[name]
    with pytest.raises(NotAllowed) as met:
        oidc.leave(provider(issuer), "http://127.0.0.1:8000/back/")
    assert met.value.fact == oidc.FACTS[kind]
    assert met.value.rule == "single-sign-on"


@pytest.mark.parametrize("endpoint", ["http://id.example/authorize", "javascript:alert(1)", "", None])
def test_the_browser_is_sent_to_no_address_without_encryption(issuer, endpoint):
    issuer.answers[DISCOVERY] = (
        200,
        {},
        json.dumps({"issuer": issuer.url, "authorization_endpoint": endpoint}).encode(),
    )
    with pytest.raises(NotAllowed) as met:
        oidc.leave(provider(issuer), "http://127.0.0.1:8000/back/")
    assert met.value.fact == oidc.FACTS["address"]


def test_an_endpoint_may_have_a_question_mark(issuer):
    endpoint = f"{issuer.url}/authorize?p=policy"
    issuer.answers[DISCOVERY] = (
        200,
        {},
        json.dumps({"issuer": issuer.url, "authorization_endpoint": endpoint}).encode(),
    )
    target, _ = oidc.leave(provider(issuer), "http://127.0.0.1:8000/back/")
    assert target.startswith(f"{endpoint}&response_type=code")
