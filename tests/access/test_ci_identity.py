"""Identities of CI jobs: trusted by two people, proved against a real issuer, exchanged once."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import time
from datetime import timedelta

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from django.db import connection
from django.urls import reverse
from rest_framework.test import APIClient

from apps.access import acts, issuers
from apps.access.ci_identity import JOB, MOST, PROJECT, claims_problem
from apps.accounts.models import ApiToken
from apps.accounts.services import CiTrust
from apps.core.clock import now
from apps.core.errors import BadInput, Conflict, NotAllowed, NotVisible, WrongState
from apps.trail.models import Entry
from tests.access.telling import assert_history, assert_told, body_of, last, refused
from tests.factories.ci_issuer import running
from tests.factories.services import AUDIENCE, CLAIMS, asked_trust, service, trust

pytestmark = pytest.mark.django_db
GITHUB = "https://token.actions.githubusercontent.com"


@pytest.fixture
def issuer(settings):
    issuers.forget()
    with running() as made:
        settings.CI_PLAIN_ISSUERS = [made.url.removeprefix("http://")]
        yield made
    issuers.forget()


@pytest.fixture
def trusted(world, issuer):
    return trust(world, service(world), issuer.url)


def exchange(token: str, service_name: str = "lotx-ci", **more):
    return APIClient().post(reverse("api:ci_token"), {"service": service_name, "token": token, **more})


def refused_for(answer, fact: str, status: int = 401) -> None:
    said = answer.json()
    assert (answer.status_code, said.get("rule")) == (status, "ci-identity"), said
    assert fact in said["fact"], said["fact"]
    assert said["what"]
    assert said["eligible"]
    assert not ApiToken.objects.filter(narrowed__trust__isnull=False).exists()
    assert last("access.issue_ci_token", "refusal")


# ------------------------------------------------------------ the exchange


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_job_gets_a_token_of_minutes_for_what_its_service_may_do(world, issuer, trusted, algorithm):
    kid = issuer.new_key(algorithm)
    answer = exchange(issuer.token(kid))
    said = answer.json()
    assert (answer.status_code, said["service"]) == (201, "lotx-ci"), said
    assert answer["Cache-Control"] == "no-store"
    token = ApiToken.objects.get(narrowed__trust=trusted)
    assert timedelta(minutes=14) < token.expires_at - now() <= timedelta(minutes=15)
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {said['token']}")
    me = client.get("/api/v1/me").json()
    assert (me["username"], me["service"]) == ("author", "lotx-ci")
    entry = last("access.issue_ci_token")
    facts = body_of(entry)["facts"]
    assert entry.actor_name == "Author Person, by service lotx-ci"
    assert facts["claims"]["repository_id"] == "4711"
    assert (facts["claims"]["sha"], facts["trust"]) == ("4be19d0c", trusted.ref)
    assert said["token"] not in entry.body
    acts.end_trust(world.author, trusted.pk, reason="The repository moved")
    assert client.get("/api/v1/me").status_code == 401


def test_an_identity_is_good_for_one_token(issuer, trusted):
    token = issuer.token()
    assert exchange(token).status_code == 201
    again = exchange(token)
    assert (again.status_code, again.json()["rule"]) == (401, "ci-identity")
    assert "exchanged already" in again.json()["fact"]
    assert ApiToken.objects.filter(narrowed__trust=trusted).count() == 1


BAD_CLAIMS = {
    "another audience": ({"aud": "https://github.com/acme"}, "another audience"),
    "no audience": ({"aud": None}, "lacks one of the claims"),
    "expired": ({"exp": -61}, "expired"),
    "not valid yet": ({"nbf": 120}, "not valid yet"),
    "from the future": ({"iat": 120, "exp": 300}, "not valid yet"),
    "no end": ({"exp": None}, "lacks one of the claims"),
    "no beginning": ({"iat": None}, "lacks one of the claims"),
    "no identifier": ({"jti": None}, "lacks one of the claims"),
    "identifier of a number": ({"jti": 7}, "cannot be read"),
    "an empty identifier": ({"jti": ""}, "identifier"),
    "for days": ({"exp": 90_000}, "more than a day"),
    "another repository": ({"repository_id": "4712"}, "its repository_id is '4712'"),
    "another branch": ({"ref": "refs/pull/9/merge"}, "its ref is 'refs/pull/9/merge'"),
    "claim missing": ({"ref": None}, "its ref is 'None'"),
    "claim in a list": ({"ref": ["refs/heads/main"]}, "its ref is"),
    "longer value": ({"ref": "refs/heads/main2"}, "its ref is"),
    "another issuer": ({"iss": "https://evil.example"}, "issuer is not trusted"),
    "issuer of a number": ({"iss": 3}, "names no issuer"),
}


@pytest.mark.parametrize("name", BAD_CLAIMS)
def test_claims_that_are_not_exactly_those_are_refused(issuer, trusted, name):
    changes, fact = BAD_CLAIMS[name]
    moment = int(time.time())
    given = {k: moment + v if k in ("exp", "nbf", "iat") and v is not None else v for k, v in changes.items()}
    encode = jwt.api_jwt.PyJWT if name.startswith(("issuer of", "identifier of")) else None
    token = issuer.token(**given) if encode is None else _encoded(issuer, **given)
    refused_for(exchange(token), fact)


def _encoded(issuer, **changes) -> str:
    """PyJWT refuses to make some bad tokens: made by hand, signed with the real key."""
    plain = issuer.token()
    _head, body, _signature = plain.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "==")) | changes
    kid, (algorithm, key) = next(iter(issuer.keys.items()))
    return jwt.api_jws.encode(json.dumps(claims).encode(), key, algorithm=algorithm, headers={"kid": kid})


def test_clocks_may_differ_by_a_minute(issuer, trusted):
    moment = int(time.time())
    assert exchange(issuer.token(exp=moment - 30)).status_code == 201
    assert exchange(issuer.token(iat=moment + 30, nbf=moment + 30)).status_code == 201


def test_no_algorithm_and_a_public_key_as_secret_are_refused(issuer, trusted):
    kid, (_algorithm, key) = next(iter(issuer.keys.items()))
    head, body, _ = issuer.token().split(".")

    def with_header(**header) -> str:
        made = base64.urlsafe_b64encode(json.dumps(header).encode()).rstrip(b"=").decode()
        return f"{made}.{body}"

    refused_for(exchange(with_header(alg="none", kid=kid) + "."), "algorithm is none of")
    refused_for(exchange(with_header(alg="None", kid=kid) + "."), "algorithm is none of")
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signing = with_header(alg="HS256", kid=kid)
    mac = hmac.new(public, signing.encode(), hashlib.sha256).digest()
    forged = f"{signing}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    refused_for(exchange(forged), "algorithm is none of")
    refused_for(exchange(with_header(alg="ES256", kid=kid) + ".AAAA"), "does not fit")
    refused_for(exchange(with_header(alg="RS256") + ".AAAA"), "names no key")
    refused_for(exchange(with_header(alg="RS256", kid=kid, crit=["x"], x=1) + ".AAAA"), "no JSON Web Token")
    refused_for(exchange(f"{head}.{body}.AAAA"), "signature does not verify")


def test_a_key_brought_along_in_the_header_is_not_used(issuer, trusted):
    foreign = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    kid = next(iter(issuer.keys))
    as_jwk = jwt.get_algorithm_by_name("RS256").to_jwk(foreign.public_key(), as_dict=True)
    headers = {"jwk": as_jwk, "jku": "https://evil.example/jwks", "x5u": "https://evil.example"}
    refused_for(exchange(issuer.token(kid, key=foreign, headers=headers)), "signature does not verify")


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
def test_a_short_key_is_refused(issuer, trusted):
    issuer.keys["short"] = ("RS256", rsa.generate_private_key(public_exponent=65537, key_size=1024))
    refused_for(exchange(issuer.token("short")), "does not fit")


def test_a_changed_key_is_found_and_the_old_one_is_no_more(issuer, trusted, monkeypatch):
    old = issuer.token()
    old_kid = next(iter(issuer.keys))
    assert exchange(issuer.token()).status_code == 201
    issuer.keys.clear()
    new_kid = issuer.new_key()
    refused_for_unknown = exchange(issuer.token(new_kid))
    assert "no key with this identifier" in refused_for_unknown.json()["fact"]  # asked a moment ago
    monkeypatch.setattr(issuers, "AGAIN_AFTER", 0.0)
    assert exchange(issuer.token(new_kid)).status_code == 201
    answer = exchange(old)
    assert answer.status_code == 401
    assert "no key with this identifier" in answer.json()["fact"]
    assert old_kid not in issuers._known[issuer.url, False].keys


def test_unknown_keys_do_not_make_the_portal_ask_again_and_again(issuer, trusted):
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    for n in range(6):
        refused_for(exchange(issuer.token(f"kid-{n}", key=stranger, algorithm="RS256")), "no key")
    assert issuer.asked.count("/jwks") == 1


@pytest.mark.parametrize(
    "token", ["", "x", "a.b.c", "..", "eyJ" * 40, "é.é.é", "a" * (MOST + 1), "eyJhbGciOiJSUzI1NiJ9.bnVsbA.AA"]
)
def test_what_is_no_token_is_refused(issuer, trusted, token):
    answer = exchange(token)
    assert answer.status_code in (401, 422), answer.json()
    assert not issuer.asked


def test_the_body_is_judged(issuer, trusted):
    assert exchange(issuer.token(), more="x").status_code == 422
    assert APIClient().post(reverse("api:ci_token"), {"service": "lotx-ci"}).status_code == 422
    assert APIClient().get(reverse("api:ci_token")).status_code == 405
    assert APIClient().post(reverse("api:ci_token"), "{", content_type="application/json").status_code == 400


def test_a_service_nobody_knows_is_refused_like_one_without_a_trust(world, issuer):
    service(world)
    unknown, bare = exchange(issuer.token(), "no-such"), exchange(issuer.token())
    assert (unknown.status_code, unknown.json()) == (bare.status_code, bare.json())
    assert unknown.status_code == 401


def test_a_trust_that_was_only_asked_for_opens_nothing(world, issuer):
    asked_trust(service(world), issuer.url)
    refused_for(exchange(issuer.token()), "not trusted")


def test_a_suspended_service_gets_no_token(world, issuer, trusted):
    acts.suspend_service(world.author, trusted.service_id, reason="Looked into")
    answer = exchange(issuer.token())
    assert (answer.status_code, answer.json()["fact"]) == (403, "It was suspended: Looked into")
    acts.end_service(world.author, trusted.service_id, reason="Found bad")
    assert exchange(issuer.token()).status_code == 401
    trusted.refresh_from_db()
    assert (trusted.state, trusted.end_reason) == ("ended", "service lotx-ci ended")


def test_many_bad_identities_from_one_address_are_answered_429_and_entered_a_bounded_number_of_times(
    issuer, trusted, settings
):
    settings.ADDRESS_FAILURES, settings.ADDRESS_ENTRIES = 6, 3
    codes = [exchange("x.y.z").status_code for _ in range(9)]
    assert codes == [401] * 6 + [429] * 3
    assert Entry.objects.filter(act="access.issue_ci_token", kind="refusal").count() == 3


# ------------------------------------------------------------ the issuer's answers


HOSTILE = {
    "redirect to a private address": (302, {"Location": "http://169.254.169.254/latest/meta-data"}, b""),
    "not found": (404, {}, b""),
    "not json": (200, {}, b"<html>"),
    "a list": (200, {}, b"[]"),
    "deep": (200, {}, b"[" * 100_000),
    "too large": (200, {}, b'{"keys": "' + b"x" * issuers.MOST_BYTES + b'"}'),
    "no keys": (200, {}, b"{}"),
    "too many keys": (200, {}, json.dumps({"keys": [{}] * 51}).encode()),
    "strange keys": (200, {}, b'{"keys": [1, {"kid": 3}, {"kid": "a"}]}'),
    "lying length": (200, {"Content-Length": "999999"}, b'{"keys": []}'),
}


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/jwks"])
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_answer_of_the_issuer_is_a_refusal(issuer, trusted, name, path):
    issuer.answers[path] = HOSTILE[name]
    refused_for(exchange(issuer.token()), "")
    assert all(asked in ("/.well-known/openid-configuration", "/jwks") for asked in issuer.asked)


def test_a_discovery_document_of_another_issuer_or_of_keys_elsewhere_is_refused(issuer, trusted):
    where = "/.well-known/openid-configuration"
    issuer.answers[where] = (
        200,
        {},
        json.dumps({"issuer": GITHUB, "jwks_uri": f"{issuer.url}/jwks"}).encode(),
    )
    refused_for(exchange(issuer.token()), "another issuer")
    for at in (
        "http://127.0.0.1:1/jwks",
        "https://127.0.0.1/jwks",
        "https://[::1]/jwks",
        "file:///etc/passwd",
        3,
    ):
        issuers.forget()
        issuer.answers[where] = (200, {}, json.dumps({"issuer": issuer.url, "jwks_uri": at}).encode())
        refused_for(exchange(issuer.token()), "")


PRIVATE = (
    "127.0.0.1 10.0.0.1 169.254.169.254 ::1 fd00::1 ::ffff:10.0.0.1 0.0.0.0 100.64.0.1 224.0.0.1 2002:a00:1::"
)


@pytest.mark.parametrize("address", PRIVATE.split())
def test_a_name_that_leads_to_a_private_address_is_not_asked(monkeypatch, settings, address):
    """One public address beside it does not help: the connection could go to either."""
    found = [(0, 0, 0, "", (each, 443)) for each in ("93.184.216.34", address)]
    monkeypatch.setattr(issuers.socket, "getaddrinfo", lambda *_args, **_given: found)
    with pytest.raises(issuers.Unreachable, match="private address"):
        issuers._addresses("ci.example", 443, private=False)
    assert address in issuers._addresses("ci.example", 443, private=True)


def test_a_slow_issuer_is_given_up(issuer, trusted, monkeypatch):
    monkeypatch.setattr(issuers, "SECONDS", 0.2)
    issuer.answer = lambda path: time.sleep(0.6) or (200, {}, b"{}")
    begun = time.monotonic()
    refused_for(exchange(issuer.token()), "cannot be reached")
    assert time.monotonic() - begun < 3
    refused_for(exchange(issuer.token()), "cannot be reached")  # remembered, not asked again
    assert len(issuer.asked) == 1


@pytest.mark.parametrize(
    "url",
    [
        "http://ci.example",
        "ftp://ci.example",
        "https://",
        "https://user:pw@ci.example",
        "https://ci.example?x=1",
        "https://ci.example#x",
        "https://ci.example:0",
        "https://ci.example:99999",
        "https://ci .example",
        "https://ci.example\\@evil",
        "https://сi.example",
        "javascript:alert(1)",
        "",
    ],
)
def test_an_address_that_cannot_be_an_issuers(url):
    assert issuers.url_problem(url)
    assert not issuers.url_problem(GITHUB)
    assert not issuers.url_problem("https://gitlab.example:8443/oidc")


# ------------------------------------------------------------ trusts


def test_a_trust_is_asked_for_by_the_owner_and_approved_by_another(world):
    made = service(world)
    asked = asked_trust(made, GITHUB)
    assert_told("access.request_trust", by=world.author, about=asked, reason="The training workflow")
    for by in (world.colleague, world.compliance):
        with refused(NotAllowed, "service-account", act="access.request_trust", by=by):
            acts.request_trust(by, made.pk, issuer=GITHUB, audience="x", claims=CLAIMS, reason="x")
    with refused(NotAllowed, "duty", act="access.approve_trust", by=world.author):
        acts.approve_trust(world.author, asked.pk)
    with refused(NotVisible, "visibility", act="access.approve_trust", by=world.stranger):
        acts.approve_trust(world.stranger, asked.pk)
    acts.approve_trust(world.compliance, asked.pk)
    assert_told("access.approve_trust", by=world.compliance, about=asked)
    assert_history(asked, act="access.approve_trust", by=world.compliance)
    with refused(WrongState, "ci-trust-state", act="access.approve_trust", by=world.compliance):
        acts.approve_trust(world.compliance, asked.pk)


def test_an_owner_who_is_compliance_officer_approves_no_trust_of_their_service(world):
    made = service(world, owner="compliance2", only_acts=["packs.request_pack"])
    asked = asked_trust(made, GITHUB)
    with refused(Conflict, "DY17", act="access.approve_trust", by=world.compliance2):
        acts.approve_trust(world.compliance2, asked.pk)


def test_a_trust_is_refused_or_ended_with_a_reason(world):
    made = service(world)
    asked = asked_trust(made, GITHUB)
    with refused(NotAllowed, "duty", act="access.refuse_trust", by=world.author):
        acts.refuse_trust(world.author, asked.pk, reason="No")
    acts.refuse_trust(world.compliance, asked.pk, reason="Name the branch's environment")
    assert_told(
        "access.refuse_trust", by=world.compliance, about=asked, reason="Name the branch's environment"
    )
    with refused(WrongState, "ci-trust-state", act="access.end_trust", by=world.author):
        acts.end_trust(world.author, asked.pk, reason="x")
    standing = trust(world, made, GITHUB)
    with refused(NotAllowed, "service-account", act="access.end_trust", by=world.colleague):
        acts.end_trust(world.colleague, standing.pk, reason="x")
    acts.end_trust(world.administrator, standing.pk, reason="The repository is gone")
    assert_told("access.end_trust", by=world.administrator, about=standing, reason="The repository is gone")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("issuer", "http://ci.example"),
        ("issuer", "https://" + "a" * 200),
        ("audience", ""),
        ("audience", "x" * 201),
        ("claims", {}),
        ("claims", {"ref": "refs/heads/main"}),
        ("claims", {"repository_id": "4711"}),
        ("claims", {"repository": "acme/*", "ref": "refs/heads/main"}),
        ("claims", {"sub": "repo:acme/lotx:*"}),
        ("claims", {"sub": ""}),
        ("claims", {"sub": "x" * 301}),
        ("claims", {"sub": "x", "aud": "y"}),
        ("claims", {"sub": 3}),
        ("claims", {"sub": "x"} | {f"c{n}": "x" for n in range(12)}),
    ],
)
def test_a_trust_names_one_project_and_its_job(world, field, value):
    made = service(world)
    with refused(BadInput, "ci-trust", act="access.request_trust", by=world.author):
        asked_trust(made, GITHUB, **{field: value}) if field != "issuer" else asked_trust(made, value)
    assert not CiTrust.objects.exists()


@pytest.mark.parametrize("project", sorted(PROJECT))
@pytest.mark.parametrize("job", sorted(JOB))
def test_every_pair_of_project_and_job_will_do(project, job):
    assert claims_problem({project: "x", job: "y"}) == ""


@pytest.mark.django_db(transaction=True)
def test_one_identity_shown_by_many_at_once_is_good_for_one_token(world, issuer):
    trusted = trust(world, service(world), issuer.url)
    token, codes = issuer.token(), []

    def show() -> None:
        try:
            codes.append(exchange(token).status_code)
        finally:
            connection.close()

    threads = [threading.Thread(target=show) for _ in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(codes) == [201] + [401] * 5
    assert ApiToken.objects.filter(narrowed__trust=trusted).count() == 1


def test_the_audience_is_that_of_this_portal(issuer, trusted):
    assert trusted.audience == AUDIENCE
    assert exchange(issuer.token(aud=[AUDIENCE, "other"])).status_code == 201
