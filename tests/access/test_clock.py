"""The clock of the server set back: nothing that lapsed comes back to life, and nothing is done until it is right."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command

from apps.access import acts, clockwork, nightly
from apps.access.actors import Actor
from apps.access.gate import may, visible
from apps.access.models import Assignment, Waiver
from apps.access.reach import refuse_token
from apps.accounts.models import ApiToken
from apps.core import clock
from apps.core.clock import now
from apps.core.errors import NotAllowed, WrongState
from apps.datasets.acts import download_version
from apps.datasets.grants import ReadGrant
from apps.datasets.sensitive_acts import grant_read, mark_sensitive, request_read
from apps.registry.models import Model
from apps.trail import lateness
from apps.trail.models import Entry
from tests.access.telling import body_of, last, refused
from tests.access.test_waivers import granted
from tests.datasets.test_acts import uploaded
from tests.factories.doors import browser, session_api

pytestmark = pytest.mark.django_db
DAY = timedelta(days=1)


@pytest.fixture
def hands(monkeypatch):
    """Sets the server's clock: `hands(3 * DAY)` is three days ahead of the real one."""
    monkeypatch.setattr(clock, "_latest", clock._latest)
    monkeypatch.setattr(lateness, "_asked", False)
    monkeypatch.setattr(nightly, "_clock_told", False)

    def turn(by: timedelta) -> None:
        monkeypatch.setattr(clock, "_system", lambda: datetime.now(UTC) + by)

    return turn


def new_process(monkeypatch) -> None:
    """What a process knows when it has just started."""
    clock.forget()
    lateness.forget()


def test_time_stands_where_it_was_until_the_clock_has_caught_up(hands):
    hands(3 * DAY)
    late = now()
    hands(timedelta(0))
    assert now() == late
    assert abs(clock.behind() - 3 * DAY) < timedelta(seconds=5)
    hands(4 * DAY)
    assert now() > late
    assert clock.behind() == timedelta(0)


def test_duties_waivers_grants_and_tokens_that_lapsed_stay_lapsed(world, hands):
    asked = acts.request_assignment(
        world.registrar,
        person_id=world.stranger.pk,
        duty="monitor",
        scope_kind="registry.model",
        scope_id=world.model.pk,
        ends_at=now() + DAY,
        reason="For the trial",
    )
    duty = acts.approve_assignment(world.owner, asked.pk)
    waiver = granted(world)
    token = acts.create_token(world.author, name="ci", days=2)
    version = uploaded(world)
    mark_sensitive(world.owner, world.dataset.pk, reason="Patients")
    version.dataset.refresh_from_db()
    grant = request_read(world.author, version.pk, hours=8, reason="Query 7")
    grant_read(world.steward, grant.pk, hours=8)

    def alive() -> set[str]:
        found = {
            "duty": Assignment.objects.active().filter(pk=duty.pk).exists(),
            "sight": visible(world.stranger, Model).exists(),
            "waiver": Waiver.objects.in_force().filter(pk=waiver.pk).exists(),
            "token": refuse_token(ApiToken.objects.get(pk=token.pk)) is None,
            "grant": ReadGrant.objects.in_force().exists(),
            "read": may(Actor.of(world.author), "datasets.download_version", version).allowed,
        }
        return {name for name, still in found.items() if still}

    assert alive() == {"duty", "sight", "waiver", "token", "grant", "read"}
    hands(400 * DAY)
    assert alive() == set()
    hands(timedelta(0))
    assert alive() == set(), "the clock was set back"
    with refused(NotAllowed, "sensitive-access", act="datasets.download_version", by=world.author):
        download_version(world.author, version.pk, reason="Once more")
    with refused(WrongState, "clock", act="access.create_token", by=world.author) as caught:
        acts.create_token(world.author, name="more")
    assert "it was set back, or it was ahead before" in caught.value.fact


def test_a_process_that_starts_with_a_wrong_clock_asks_the_trail(world, hands, monkeypatch):
    """Who sets the clock back and restarts the portal gains nothing: the newest entry says how late it was."""
    newest = Entry.objects.order_by("-id").first().at
    new_process(monkeypatch)
    hands(-2 * DAY)
    assert abs(now() - datetime.now(UTC)) > DAY, "before anybody asked"
    page = session_api(world.author).get("/api/v1/me")
    assert page.status_code == 200
    assert now() >= newest
    with refused(WrongState, "clock", act="access.create_token", by=world.author):
        acts.create_token(world.author, name="more")
    client = browser(world.author)
    assert client.get("/account/").status_code == 200
    acts.sign_out(world.author, world.author.pk)


def test_a_little_is_corrected_without_a_word(world, hands):
    now()
    hands(-timedelta(seconds=30))
    assert acts.create_token(world.author, name="ci")
    assert clockwork.told() == ""


def test_the_watch_tells_of_it_once_and_accept_clock_ends_it(world, hands, mailoutbox):
    hands(2 * DAY)
    now()
    with pytest.raises(CommandError, match="right"):
        call_command("accept_clock", reason="Nothing")
    hands(timedelta(0))
    assert any("set back" in line for line in nightly.watch())
    assert not any("set back" in line for line in nightly.watch())
    assert last("access.raise_trail_alarm").kind == "act"
    assert mailoutbox
    with refused(WrongState, "clock", act="access.create_token", by=world.author):
        acts.create_token(world.author, name="ci")
    call_command("accept_clock", reason="The battery was changed; time comes from the time server again")
    facts = body_of(last("access.accept_clock"))["facts"]
    assert "has seen" in facts["fault"]
    clock.forget()  # the restart
    assert acts.create_token(world.author, name="ci")


def test_nobody_but_the_operator_accepts_a_clock(world, hands):
    with refused(NotAllowed, "service", act="access.accept_clock", by=world.administrator):
        acts.accept_clock(world.administrator, operator="me", reason="x")
