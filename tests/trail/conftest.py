"""A small honest history to attack: two people and a token, written by acts through the writer."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import connection, transaction

from apps.accounts.models import ApiToken, User
from apps.trail import identity, sealer, statements, witness
from apps.trail.current import opened
from apps.trail.identity import keys
from apps.trail.testing import without_triggers
from apps.trail.writer import Who, database_now, record
from tests import kept_world


class Desk:
    """Carries out acts the way the kernel does: open, write, name the rows in one entry, commit."""

    def act(self, name, write, *, by=None, reason="because"):
        with transaction.atomic(), opened(name, user_id=by.pk if by else None, reason=reason) as act:
            result = write()
            record(
                kind="act",
                act=name,
                act_id=act.act_id,
                actor=Who.of(by, ["approver on registry.model:1"]) if by else Who(),
                subject=result,
                scope="organisation:0",
                reason=reason,
                rows=act.rows,
                via="test",
            )
        return result

    def person(self, username, name, by=None):
        made = User(
            username=username, printed_name=name, created_at=database_now(), email=f"{username}@example.org"
        )
        made.set_unusable_password()
        return self.act("accounts.create", lambda: self._saved(made), by=by)

    def rename(self, person, name, by):
        person.printed_name = name
        return self.act("accounts.change", lambda: self._saved(person), by=by)

    def token(self, owner):
        now = database_now()
        made = ApiToken(
            owner=owner,
            name="ci",
            prefix="abcd",
            hashed="0" * 64,
            created_at=now,
            expires_at=now + timedelta(days=9),
        )
        return self.act("accounts.token", lambda: self._saved(made), by=owner)

    def sign(self, signer, record_signed, decision="approved"):
        def write():
            from apps.trail.current import current

            statements.sign(
                signer=signer,
                duties=["approver on registry.model:1"],
                meaning="approve",
                meaning_text="I approve this release",
                decision=decision,
                subject=record_signed,
                content_digest="sha256:" + "1" * 64,
                factors=["password"],
                act_id=current().act_id,
                reason="read and found good",
                record_version="1",
            )
            return record_signed

        return self.act("approvals.sign", write, by=signer)

    def event(self, by, name="accounts.sign_in"):
        with transaction.atomic():
            return record(kind="event", act=name, actor=Who.of(by), subject=by, body={"address": "192.0.2.7"})

    @staticmethod
    def _saved(row):
        row.save()
        return row


@pytest.fixture
def desk():
    return Desk()


def tell_story(desk):
    """Real commits, sealed twice, so that there are two checkpoints and a witness copy."""
    anna = desk.person("anna", "Anna Berg")
    ben = desk.person("ben", "Ben Cole", by=anna)
    desk.rename(ben, "Benjamin Cole", by=anna)
    sealer.seal()
    token = desk.token(ben)
    desk.sign(anna, ben)
    desk.event(ben)
    desk.rename(ben, "Ben Cole", by=anna)
    sealer.seal()
    witness.catch_up(keys().origin)  # by on_commit in life; a test's transaction does not commit
    return SimpleNamespace(anna=anna, ben=ben, token=token)


@pytest.fixture
def story(db, desk, tmp_path, settings):
    """The story alone in an emptied database with a log and a data folder of its own, all undone with the test."""
    settings.COUNTERSIGN_DATA = tmp_path / "data"
    with new_log():
        yield tell_story(desk)


# Where the story's numbers begin at 1: the attacks name rows. On PostgreSQL undone with the test, unlike setval.
FROM_ONE = {
    "sqlite": ["DELETE FROM sqlite_sequence"],
    "postgresql": [
        "ALTER TABLE trail_entry ALTER COLUMN id RESTART",
        "ALTER TABLE accounts_historicaluser ALTER COLUMN history_id RESTART",
    ],
}


@contextmanager
def new_log():
    """Empty every table inside the test's transaction and begin a new log."""
    with without_triggers():
        kept_world.empty(FROM_ONE[connection.vendor])
    identity.forget()
    identity.establish()
    yield
    identity.forget()


@pytest.fixture
def committed(transactional_db, desk):
    """The story with real commits, for what a transaction of the test would hide."""
    return tell_story(desk)
