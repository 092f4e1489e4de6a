"""Receipts by mail: each signature once, to its signer, with a proof that holds without the portal."""

from __future__ import annotations

import json
from smtplib import SMTPRecipientsRefused, SMTPServerDisconnected

import pytest
from django.core import mail
from django.core.mail import EmailMessage

from apps.access.acts import deactivate_account
from apps.access.receipts import Signers, places
from apps.access.signing import SignatureInput, content_digest
from apps.accounts.models import User
from apps.registry.acts import sign_intended_use_expert, sign_intended_use_owner, write_intended_use
from apps.trail import destinations, offline, sealer
from apps.trail.anchor_models import Destination
from apps.trail.models import Checkpoint, Signature
from tests.cast import PASSWORD
from tests.factories.foundation import USE

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def told(settings) -> Signers:
    """The place as the sender knows it, from before the first signature of the test."""
    settings.SIGNATURE_MAIL = True
    [place] = places()
    destinations.row_of(place)
    return place


def sign_both(world):
    use = write_intended_use(world.process_expert, world.model.pk, given=USE, reason="First statement")
    for act, person in (
        (sign_intended_use_expert, world.process_expert),
        (sign_intended_use_owner, world.owner),
    ):
        act(person, use.pk, reason="Żółw read it", signature=SignatureInput(content_digest(use), PASSWORD))
    sealer.seal()
    return use


def send(place) -> Destination:
    while destinations.step(place, at_once=True):
        continue
    return destinations.row_of(place)


def test_each_signer_gets_what_they_signed_and_its_proof_once(world, told):
    use = sign_both(world)
    row = send(told)
    assert [each.to for each in mail.outbox] == [[world.process_expert.email], [world.owner.email]]
    assert (row.position, row.failures) == (Checkpoint.objects.latest("size").size, 0)
    first, given = mail.outbox[0], Signature.objects.order_by("pk").first()
    for part in (
        given.printed_name,
        given.meaning_text,
        f"{given.signed_at:%Y-%m-%d %H:%M:%S} UTC",
        use.ref,
        given.content_digest,
        "Żółw read it",
        f"/signatures/{given.uuid}/",
    ):
        assert part in first.body
    [(name, content, kind)] = first.attachments
    assert json.loads(content)["receipt"]["checkpoint"] in first.body
    assert (name, kind) == (f"receipt-{given.uuid}.json", "application/json")
    assert given.printed_name in offline.verify_receipt(content.decode())
    send(told)
    assert len(mail.outbox) == 2


def test_what_was_signed_before_the_place_was_known_is_not_mailed(world, told):
    Destination.objects.filter(kind=told.kind).delete()
    sign_both(world)
    assert send(told).position == Checkpoint.objects.latest("size").size
    assert mail.outbox == []


def test_who_has_left_gets_none_and_the_others_do(world, told):
    sign_both(world)
    deactivate_account(world.administrator, world.owner.pk, reason="Left")
    send(told)
    assert [each.to for each in mail.outbox] == [[world.process_expert.email]]


def test_who_has_no_address_gets_none_and_the_others_do(world, told):
    sign_both(world)
    User.objects.filter(pk=world.process_expert.pk).update(email="")
    send(told)
    assert [each.to for each in mail.outbox] == [[world.owner.email]]


def test_a_mail_server_that_is_away_loses_nothing_and_repeats_nothing(world, told, monkeypatch):
    sign_both(world)
    sent = EmailMessage.send

    def away_after(number: int) -> None:
        def send_or_fail(self, *args, **kwargs):
            if len(mail.outbox) >= number:
                raise SMTPServerDisconnected("Connection unexpectedly closed")
            return sent(self, *args, **kwargs)

        monkeypatch.setattr(EmailMessage, "send", send_or_fail)

    away_after(0)
    assert "Connection unexpectedly closed" in send(told).error
    assert (mail.outbox, destinations.row_of(told).position) == ([], 0)
    away_after(1)
    row = send(told)
    assert (len(mail.outbox), row.failures) == (1, 1)
    away_after(99)
    row = send(told)
    assert [each.to for each in mail.outbox] == [[world.process_expert.email], [world.owner.email]]
    assert (row.failures, row.error) == (0, "")


def test_an_address_that_is_refused_holds_nobody_up(world, told, monkeypatch, caplog):
    sign_both(world)
    sent = EmailMessage.send

    def refuse_one(self, *args, **kwargs):
        if self.to == [world.process_expert.email]:
            raise SMTPRecipientsRefused({self.to[0]: (550, b"no such user")})
        return sent(self, *args, **kwargs)

    monkeypatch.setattr(EmailMessage, "send", refuse_one)
    assert send(told).failures == 0
    assert [each.to for each in mail.outbox] == [[world.owner.email]]
    assert "address is refused" in caplog.text


def test_nobody_is_told_where_it_is_not_asked_for(settings):
    settings.SIGNATURE_MAIL = False
    assert places() == []
    assert destinations.configured() == []
