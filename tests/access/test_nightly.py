"""The verification of every night: its result in the trail, an alarm and mail when something was found."""

from __future__ import annotations

import pytest
from celery.schedules import crontab
from django.core import mail
from django.db import connection

from apps.access import nightly
from apps.access.acts.logs import enter_verification, raise_trail_alarm
from apps.access.tasks import verify_trail
from apps.core.errors import NotAllowed
from apps.trail import verifier
from apps.trail.models import Entry
from apps.trail.queries import last_verification, log_state
from tests.access.telling import body_of, last

pytestmark = pytest.mark.django_db


def tamper(world):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_user SET title = 'Director' WHERE id = %s", [world.owner.pk])
        assert cursor.rowcount == 1


def test_nothing_found_is_entered_and_told_nobody(world):
    assert last_verification() is None
    assert verify_trail() == 0
    told = last_verification()
    assert (told.ok, told.findings, told.first, told.files_read) == (True, 0, (), True)
    assert told.entries == told.counted["entries"] > 50
    assert float(told.seconds) >= 0
    assert (log_state().verified_at, log_state().findings) == (told.at, 0)
    assert mail.outbox == []
    assert not Entry.objects.filter(act="access.raise_trail_alarm").exists()
    assert verifier.verify().findings == [], "its own entries verify"


def test_a_break_raises_an_alarm(world):
    tamper(world)
    assert verify_trail() == 1
    told = last_verification()
    assert (told.ok, told.findings) == (False, 1)
    assert f"accounts_user row {world.owner.pk}, field title" in told.first[0]
    facts = body_of(last("access.raise_trail_alarm"))["facts"]
    assert facts["first"] == list(told.first)
    reached = {person.username for person in (world.compliance2,)}
    assert set(facts["told"]) == reached
    assert set(facts["missed"]) == {"administrator", "compliance"}, "they have no address"
    assert [one.to for one in mail.outbox] == [[world.compliance2.email]]
    assert told.first[0] in mail.outbox[0].body


def test_a_mail_server_that_fails_does_not_stop_the_alarm(world, monkeypatch):
    def refuse(*_):
        raise ConnectionRefusedError("no mail server")

    monkeypatch.setattr(nightly, "send_mail", refuse)
    tamper(world)
    assert verify_trail() == 1
    facts = body_of(last("access.raise_trail_alarm"))["facts"]
    assert facts["told"] == []
    assert "compliance2" in facts["missed"]


def test_a_verification_that_cannot_be_carried_out_is_a_finding(world, monkeypatch):
    def broken(**_):
        raise OSError("the disk is gone")

    monkeypatch.setattr(verifier, "verify", broken)
    assert verify_trail() == 1
    assert "could not be carried out: OSError: the disk is gone" in last_verification().first[0]
    assert Entry.objects.filter(act="access.raise_trail_alarm").exists()


def test_only_the_portal_itself_enters_verifications_and_alarms(world):
    for person in (world.administrator, world.compliance):
        with pytest.raises(NotAllowed):
            enter_verification(person, counted={}, findings=0, first=[], seconds="0.0")
        with pytest.raises(NotAllowed):
            raise_trail_alarm(person, findings=1, first=["x"], told=[], missed=[])


def test_beat_asks_for_it_every_night(settings):
    beat = settings.CELERY_BEAT_SCHEDULE["access.verify_trail"]
    assert beat["task"] == "access.verify_trail"
    assert beat["schedule"] == crontab(hour="2", minute="30")
