"""Between two nights: a sealer that stands still and a silent witness raise an alarm, once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.db import transaction

from apps.access import nightly
from apps.access.tasks import watch_trail
from apps.core.clock import now
from apps.trail import destinations, sealer
from apps.trail.models import Destination, Entry
from apps.trail.writer import record
from tests.access.telling import body_of, last

pytestmark = pytest.mark.django_db


@pytest.fixture
def sealed(world):
    sealer.seal()
    return world


def test_nothing_wrong_tells_nobody(sealed):
    assert watch_trail() == 0
    assert mail.outbox == []


def test_a_sealer_that_stands_still_raises_one_alarm(sealed, monkeypatch):
    with transaction.atomic():
        record(kind="event", act="test.event")
    assert watch_trail() == 0, "an entry may wait for a moment"
    monkeypatch.setattr(destinations, "SEAL_PATIENCE", timedelta(seconds=-60))
    [line] = nightly.watch()
    assert "no sealer is at work" in line
    facts = body_of(last("access.raise_trail_alarm"))["facts"]
    assert facts["first"] == [line]
    assert sealed.compliance2.username in facts["told"]
    assert line in mail.outbox[0].body
    assert nightly.watch() == [], "told once"
    sealer.seal()
    assert nightly.watch() == []
    with transaction.atomic():
        record(kind="event", act="test.event")
    assert len(nightly.watch()) == 1, "it was well in between"


def test_a_place_that_is_silent_too_long_raises_one_alarm(sealed, settings):
    settings.TRAIL_STREAMS = ["syslog+tcp://127.0.0.1:9"]
    [place] = destinations.configured()
    row = destinations.row_of(place)
    assert nightly.watch() == []
    Destination.objects.filter(pk=row.pk).update(
        known_since=now() - timedelta(hours=settings.TRAIL_SILENT_HOURS + 1)
    )
    [line] = nightly.watch()
    assert "stream syslog+tcp://127.0.0.1:9 has taken nothing since" in line
    assert nightly.watch() == []
    assert Entry.objects.filter(act="access.raise_trail_alarm").count() == 1


def test_a_setting_that_cannot_be_read_does_not_stop_the_watch(sealed, settings, caplog):
    settings.TRAIL_STREAMS = ["nonsense"]
    assert watch_trail() == 0
    assert "TRAIL_STREAMS" in caplog.text


def test_beat_watches_every_five_minutes(settings):
    assert settings.CELERY_BEAT_SCHEDULE["access.watch_trail"]["schedule"] <= 300
