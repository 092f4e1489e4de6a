"""Signing with two components: password and one-time code, or password and passkey over what is signed."""

from __future__ import annotations

import dataclasses

import pytest
from fido2.utils import websafe_decode, websafe_encode

from apps.access import factors, passkeys
from apps.access.gate import eligible, may
from apps.access.policy import meaning_sentence
from apps.access.signing import SignatureInput, SigningLocked, content_digest
from apps.core.digests import sha256_hex
from apps.core.errors import BadInput, NotAllowed
from apps.registry.acts import sign_intended_use_expert, write_intended_use
from apps.trail import sealer, verifier
from apps.trail.models import Signature
from tests.access.telling import body_of, last, refused
from tests.cast import PASSWORD
from tests.factories.factors import app_for, code_of, passkey_for
from tests.factories.foundation import USE

pytestmark = pytest.mark.django_db
ACT = "registry.sign_intended_use_expert"
RULE = "21 CFR 11.200(a)(1)"


@pytest.fixture
def use(world):
    return write_intended_use(world.owner, world.model.pk, given=USE, reason="First statement")


def sign(world, use, *, key: str = "", **given):
    shown = SignatureInput(**{"digest": content_digest(use), "password": PASSWORD, **given})
    return sign_intended_use_expert(world.process_expert, use.pk, signature=shown, idempotency_key=key)


def answered(world, use, factor, device, *, decision: str = "approved", **other) -> SignatureInput:
    """What the page sends: the passkey has signed the challenge of this record, sentence and showing."""
    nonce = factors.new_nonce(world.process_expert)
    meaning = meaning_sentence("responsibility", decision)
    from apps.access.policy import policy

    meaning = meaning_sentence(policy(ACT).meaning, decision)
    challenge = factors.signing_challenge(
        **{
            "user": world.process_expert,
            "act": ACT,
            "digest": content_digest(use),
            "meaning": meaning,
            "nonce": nonce,
            **other,
        }
    )
    options, _ = passkeys.request([factor])
    answer = device.shows(options, challenge=websafe_encode(challenge))
    return SignatureInput(content_digest(use), PASSWORD, passkey=answer, nonce=nonce)


def test_without_a_factor_the_password_alone_signs_where_none_is_required(world, use):
    sign(world, use)
    assert Signature.objects.latest("pk").factors == ["password"]


def test_password_and_code(world, use):
    factor, secret = app_for(world.process_expert)
    with refused(BadInput, RULE, act=ACT, by=world.process_expert) as caught:
        sign(world, use)
    assert caught.value.fields == {
        "code": ["Sign with your password and the code of your authenticator app."]
    }
    with refused(NotAllowed, RULE, act=ACT, by=world.process_expert) as caught:
        sign(world, use, code="000000")
    assert "2 more tries" in caught.value.fact
    with refused(NotAllowed, RULE, act=ACT, by=world.process_expert) as caught:
        sign(world, use, password="wrong", code=code_of(secret))
    assert caught.value.fact.startswith("The password is not right")
    sign(world, use, code=code_of(secret))
    row = Signature.objects.latest("pk")
    assert row.factors == ["password", "totp"]
    assert '"factors":["password","totp"]' in row.statement
    assert body_of(last(ACT))["facts"]["second_factor"] == {"factor": factor.ref}


def test_wrong_codes_lock_signing(world, use):
    _, secret = app_for(world.process_expert)
    for _ in range(3):
        with pytest.raises(NotAllowed):
            sign(world, use, code="000000")
    with pytest.raises(SigningLocked):
        sign(world, use, code=code_of(secret))
    assert body_of(last("access.report_misuse"))["facts"]["what"] == "3 failed attempts to sign"


def test_one_code_one_signature(world, use):
    _, secret = app_for(world.process_expert)
    code = code_of(secret)
    first = sign(world, use, code=code, key="once")
    assert sign(world, use, code=code, key="once") == first, (
        "the same request sent twice is answered once more"
    )
    assert Signature.objects.filter(subject_kind="registry.intended_use").count() == 1
    with refused(NotAllowed, RULE, act=ACT, by=world.process_expert) as caught:
        sign(world, use, code=code, key="another")
    assert "was used already" in caught.value.fact


def test_password_and_passkey_over_what_is_signed(world, use):
    factor, device = passkey_for(world.process_expert)
    given = answered(world, use, factor, device)
    sign_intended_use_expert(world.process_expert, use.pk, signature=given)
    row = Signature.objects.latest("pk")
    assert row.factors == ["password", "passkey"]
    facts = body_of(last(ACT))["facts"]["second_factor"]
    assert (facts["factor"], facts["nonce"]) == (factor.ref, given.nonce)
    # Anybody can check the passkey's answer again, with nothing but the entry and the public key.
    proof = {name: websafe_decode(text) for name, text in facts["passkey"].items()}
    hashed = bytes.fromhex(sha256_hex(proof["client_data"]))
    passkeys._data(factor).public_key.verify(proof["authenticator_data"] + hashed, proof["signature"])


@pytest.mark.parametrize(
    "other",
    [
        {"digest": "sha256:" + "0" * 64},
        {"act": "registry.sign_intended_use_owner"},
        {"meaning": "I reject it."},
        {"nonce": "another"},
    ],
    ids=lambda given: next(iter(given)),
)
def test_a_passkeys_answer_fits_no_other_record_sentence_or_showing(world, use, other):
    factor, device = passkey_for(world.process_expert)
    with refused(NotAllowed, RULE, act=ACT, by=world.process_expert):
        sign_intended_use_expert(
            world.process_expert, use.pk, signature=answered(world, use, factor, device, **other)
        )


def test_a_passkeys_answer_is_its_persons_and_works_once(world, use):
    factor, device = passkey_for(world.process_expert)
    stolen = answered(world, use, factor, device, user=world.owner)
    with pytest.raises(NotAllowed):
        sign_intended_use_expert(world.process_expert, use.pk, signature=stolen)
    given = answered(world, use, factor, device)
    foreign = dataclasses.replace(given, nonce=factors.new_nonce(world.owner))
    with pytest.raises(NotAllowed):
        sign_intended_use_expert(world.process_expert, use.pk, signature=foreign)
    first = sign_intended_use_expert(world.process_expert, use.pk, signature=given, idempotency_key="k")
    assert (
        sign_intended_use_expert(world.process_expert, use.pk, signature=given, idempotency_key="k") == first
    )
    with refused(NotAllowed, RULE, act=ACT, by=world.process_expert) as caught:
        sign_intended_use_expert(world.process_expert, use.pk, signature=given, idempotency_key="other")
    assert "used already" in caught.value.fact
    factor.refresh_from_db()
    assert factor.ended_at is None, "sent twice is no copied passkey"


def test_where_required_nobody_signs_without_a_second_factor(world, use, settings):
    settings.SECOND_FACTOR = "required"
    person = world.process_expert
    assert person not in eligible(ACT, use)
    verdict = may(person, ACT, use)
    assert (verdict.allowed, verdict.status, verdict.rule) == (False, 403, factors.RULE)
    with refused(NotAllowed, RULE, act=ACT, by=person) as caught:
        sign(world, use)
    assert caught.value.fact.startswith("You have no second factor")
    assert caught.value.who == (
        "you, after adding an authenticator app or a passkey under Security on your account page",
    )
    _, secret = app_for(person)
    assert person in eligible(ACT, use)
    assert sign(world, use, code=code_of(secret))


def test_eligible_asks_once_for_everybody(world, use, settings, django_assert_num_queries):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from apps.access.gate import Judge
    from apps.access.policy import policy
    from apps.access.sharing import shared

    def count() -> int:
        with (
            CaptureQueriesContext(
                connection,
            ) as asked,
            shared(),
        ):
            Judge(use).eligible(policy(ACT))
        return len(asked)

    offered = count()
    settings.SECOND_FACTOR = "required"
    assert count() <= offered + 1


def test_signatures_with_one_and_with_two_components_verify(world, use):
    sign(world, use)
    app_for(world.owner)
    sealer.seal()
    assert [finding.line() for finding in verifier.verify().findings] == []
