"""Erased words against who owns the database: nothing but an act of the portal makes another body believed."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from django.db import connection, transaction

from apps.access.acts import (
    approve_erasure,
    lift_hold,
    place_hold,
    refuse_erasure,
    request_erasure,
    withdraw_erasure,
)
from apps.access.erasure_models import Erasure, Hold
from apps.core.errors import BadInput, NotAllowed, WrongState
from apps.registry.acts import write_intended_use
from apps.registry.models import IntendedUse
from apps.trail import erasing, export, sealer, tiles, verifier
from apps.trail.models import Entry, Leaf, Pending
from apps.trail.preimages import body_digest
from apps.trail.testing import without_triggers
from tests.access.telling import last, refused
from tests.access.test_rules_race import one_then_other
from tests.factories.foundation import USE

pytestmark = pytest.mark.django_db
APPROVE = "access.approve_erasure"
NAME = "Zofia Nowicka"
SAID = f"First statement, after the complaint of {NAME}"
WHY = "A patient is named where no patient is to be named"
COLUMNS = (
    "at, kind, act, act_id, actor_uuid, actor_name, on_behalf_uuid, on_behalf_name, subject_kind, subject_id, "
    "scope, table_name, row_id, body, salt, digest, mac"
)


def written(world, reason=SAID) -> Entry:
    write_intended_use(world.owner, world.model.pk, given=USE, reason=reason)
    sealer.seal()
    return last("registry.write_intended_use")


def asked(world, entry, *passages, reason=WHY) -> Erasure:
    return request_erasure(
        world.compliance, entry.pk, passages=passages or [NAME], basis="17-1-d", reason=reason
    )


def erase(world, entry, *passages) -> Entry:
    """The entry of the act that erased the words."""
    approve_erasure(world.compliance2, asked(world, entry, *passages).pk, reason="It is so")
    sealer.seal()
    return last(APPROVE)


def sql(statement, *parameters):
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        assert cursor.rowcount == 1, "an attack that changes nothing proves nothing"


def findings():
    return {(each.detector, each.table, each.row) for each in verifier.verify().findings}


def offline(folder):
    return subprocess.run(
        [sys.executable, folder / "offline_verifier.py", folder], capture_output=True, text=True, check=False
    )


# ---------------------------------------------------------------- what is erased


@pytest.mark.parametrize(
    ("text", "words", "left"),
    [
        ("Anna Maria Berg called", ["Anna Maria", "Maria Berg"], "[erased] called"),
        ("Anna Maria Berg called", ["Maria", "Anna Maria Berg"], "[erased] called"),
        ("Anna, then Anna", ["Anna"], "[erased], then [erased]"),
        ("aaa b", ["aa"], "[erased] b"),
        ("nothing of it", ["Anna"], "nothing of it"),
    ],
)
def test_of_words_that_overlap_nothing_stays(text, words, left):
    assert erasing.without(text, words) == left
    assert erasing.without(text, words[::-1]) == left


def test_passages_that_overlap_are_erased_whole(world):
    entry = written(world)
    erase(world, entry, "complaint of Zofia", NAME)
    assert json.loads(Entry.objects.get(pk=entry.pk).body)["reason"] == "First statement, after the [erased]"
    assert IntendedUse.objects.get().history.latest().history_change_reason.endswith("after the [erased]")
    assert findings() == set()


def test_words_to_erase_do_not_come_back_in_what_accounts_for_it(world):
    entry = written(world)
    told = f"Erase the name of {NAME.upper()}."
    with refused(BadInput, "erasure", act="access.request_erasure", by=world.compliance) as caught:
        asked(world, entry, reason=told)
    assert list(caught.value.fields) == ["reason"]
    row = asked(world, entry)
    for act, person in (
        (approve_erasure, world.compliance2),
        (refuse_erasure, world.compliance2),
        (withdraw_erasure, world.compliance),
    ):
        with pytest.raises(BadInput) as caught:
            act(person, row.pk, reason=told)
        assert list(caught.value.fields) == ["reason"]
    assert not Entry.objects.filter(body__icontains="erase the name of").exists()
    approve_erasure(world.compliance2, row.pk, reason="Zofianowicka is another word")


def test_the_reason_of_a_refused_attempt_to_erase_is_erased_itself(world):
    entry = written(world)
    with pytest.raises(NotAllowed):
        request_erasure(world.owner, entry.pk, passages=[NAME], basis="17-1-d", reason=f"It names {NAME}")
    sealer.seal()
    attempt = last("access.request_erasure", "refusal")
    erase(world, attempt)
    assert NAME not in Entry.objects.get(pk=attempt.pk).body
    assert findings() == set()


# ---------------------------------------------------------------- forged acts of erasure


def forge(entry: Entry, body: str, copied: Entry) -> Entry:
    """What who owns the database can do without a key: an act of erasure that says `entry` has this body, sealed by
    the portal's own sealer, and the body put there."""
    salt, act_id = "0" * 32, "f" * 32
    body = body.replace("ACT", act_id)
    facts = json.loads(copied.body)
    facts |= {"act_id": act_id, "act": APPROVE}
    was = Leaf.objects.get(entry_id=entry.pk).body_digest
    facts["facts"] = {"erased": [[entry.pk, was, body_digest(salt, body)]], "macs": []}
    sql(f"INSERT INTO trail_entry ({COLUMNS}) SELECT {COLUMNS} FROM trail_entry WHERE id = %s", copied.pk)
    forged = Entry.objects.latest("pk")
    with without_triggers():
        text = json.dumps(facts, separators=(",", ":"), sort_keys=True)
        digest = body_digest(forged.salt, text)
        sql(
            "UPDATE trail_entry SET act = %s, act_id = %s, body = %s, digest = %s WHERE id = %s",
            *(APPROVE, act_id, text, digest, forged.pk),
        )
        sql("UPDATE trail_entry SET body = %s, salt = %s WHERE id = %s", body, salt, entry.pk)
    return forged


def test_a_forged_act_of_erasure_gets_no_place_and_convinces_nobody_offline(world, tmp_path):
    entry = written(world, "First statement")
    other = entry.body.replace("First statement", "By order of the owner")
    assert other != entry.body
    forged = forge(entry, '{"erased":"ACT",' + other[1:], entry)
    written(world, "What comes after is sealed")
    assert not Leaf.objects.filter(entry_id=forged.pk).exists()
    assert list(Pending.objects.values_list("entry_id", flat=True)) == [forged.pk]
    assert {("erased", "trail_entry", str(entry.pk)), ("mac", "trail_entry", str(forged.pk))} <= findings()
    for name, write in (("extract", export.write), ("whole", lambda folder: tiles.write(folder))):
        folder = tmp_path / name
        folder.mkdir()
        write(folder)
        done = offline(folder)
        assert done.returncode == 1, done.stdout
        assert "the body is not the one the head names" in done.stdout


def test_a_copied_act_of_erasure_brings_back_nothing(world, tmp_path):
    """Words of one entry are erased twice; the first act once more would vouch for the words that the second erased."""
    entry = written(world)
    first = erase(world, entry, NAME)
    between = Entry.objects.get(pk=entry.pk)
    erase(world, entry, "complaint")
    sql(f"INSERT INTO trail_entry ({COLUMNS}) SELECT {COLUMNS} FROM trail_entry WHERE id = %s", first.pk)
    copy = Entry.objects.latest("pk")
    sealer.seal()
    with without_triggers():
        sql(
            "UPDATE trail_entry SET body = %s, salt = %s WHERE id = %s",
            *(between.body, between.salt, entry.pk),
        )
    assert not Leaf.objects.filter(entry_id=copy.pk).exists()
    assert {("erased", "trail_entry", str(entry.pk)), ("inserted", "trail_entry", str(copy.pk))} <= findings()
    tiles.write(tmp_path)
    done = offline(tmp_path)
    assert done.returncode == 1
    assert "not the one the act of erasure left" in done.stdout


def test_forged_acts_that_fill_a_batch_stop_no_other(world, monkeypatch):
    entry = written(world, "First statement")
    forged = forge(entry, '{"erased":"ACT",' + entry.body[1:], entry)
    write_intended_use(world.owner, world.model.pk, given=USE, reason="Second statement")
    monkeypatch.setattr(sealer, "BATCH", 1)
    assert sealer.seal() == Leaf.objects.filter(entry_id__gt=forged.pk).count() > 0
    assert list(Pending.objects.values_list("entry_id", flat=True)) == [forged.pk]
    assert sealer.seal() == 0, "it ends, and does not ask for ever"


# ---------------------------------------------------------------- edits of what was erased


def test_the_digest_that_was_sealed_is_kept_in_an_erased_row_entry(world, tmp_path):
    """Exports say it of the entry: another one there would spoil them, and nobody would know why."""
    entry = written(world)
    erase(world, entry)
    row = Entry.objects.filter(kind="row", act_id=entry.act_id).first()
    with without_triggers():
        sql("UPDATE trail_entry SET digest = %s WHERE id = %s", "ab" * 32, row.pk)
    found = [each for each in verifier.verify().findings if each.row == str(row.pk)]
    assert [(each.detector, each.field) for each in found] == [("edited", "digest")]


def test_a_history_row_put_back_from_a_backup_is_found(world):
    entry = written(world)
    before = IntendedUse.objects.get().history.latest()
    erase(world, entry)
    with without_triggers():
        sql(
            "UPDATE registry_historicalintendeduse SET history_change_reason = %s, mac = %s WHERE history_id = %s",
            *(before.history_change_reason, before.mac, before.pk),
        )
    found = {(each.detector, each.row, each.field) for each in verifier.verify().findings}
    assert ("history", str(before.pk), "history_change_reason") in found
    assert ("act", str(before.pk), "mac") in found


def test_the_update_that_erasing_may_do_changes_no_meaning(world):
    """With the triggers on, under the identifier of the act that erased: another reason in the history shows."""
    entry = written(world)
    act = erase(world, entry)
    history = IntendedUse.objects.get().history.latest()
    with transaction.atomic(), opened_as(act.act_id):
        sql(
            "UPDATE registry_historicalintendeduse SET history_change_reason = %s WHERE history_id = %s",
            *("By order", history.pk),
        )
        now = Entry.objects.get(pk=entry.pk)
        sql(
            "UPDATE trail_entry SET body = %s WHERE id = %s",
            *(now.body.replace("First statement", "No statement"), entry.pk),
        )
    assert {
        ("mac", "registry_historicalintendeduse", str(history.pk)),
        ("erased", "trail_entry", str(entry.pk)),
    } <= findings()


def opened_as(act_id):
    from apps.trail.current import opened

    return opened("registry.write_intended_use", user_id=None, act_id=act_id)


# ---------------------------------------------------------------- an export while words are erased


@pytest.mark.parametrize("kind", ["extract", "tiles"])
def test_an_export_that_words_are_erased_under_begins_anew(world, tmp_path, monkeypatch, kind):
    entry = written(world)
    row = asked(world, entry)
    module = export if kind == "extract" else tiles
    plain, done = module._lines, []

    def lines(*args):
        if not done:
            done.append(approve_erasure(world.compliance2, row.pk, reason="It is so"))
        yield from plain(*args)

    monkeypatch.setattr(module, "_lines", lines)
    module.write(tmp_path)
    assert done
    found = offline(tmp_path)
    assert found.returncode == 0, found.stdout
    assert "words were erased" in found.stdout


# ---------------------------------------------------------------- a hold placed at the same time


@pytest.mark.django_db(transaction=True)
def test_a_hold_that_was_first_stops_the_erasure(world, monkeypatch):
    entry = written(world)
    row = asked(world, entry)
    first, second, _ = one_then_other(
        monkeypatch,
        "access.place_hold",
        lambda: place_hold(world.compliance, world.owner.pk, reason="Matter 7"),
        lambda: approve_erasure(world.compliance2, row.pk, reason="It is so"),
    )
    assert isinstance(first, Hold)
    assert isinstance(second, WrongState), second
    assert second.rule == "hold"
    assert NAME in Entry.objects.get(pk=entry.pk).body
    lift_hold(world.compliance, first.pk, reason="Over")


@pytest.mark.django_db(transaction=True)
def test_an_erasure_that_was_first_is_done_before_the_hold_begins(world, monkeypatch):
    entry = written(world)
    row = asked(world, entry)
    first, second, ended = one_then_other(
        monkeypatch,
        APPROVE,
        lambda: approve_erasure(world.compliance2, row.pk, reason="It is so"),
        lambda: place_hold(world.compliance, world.owner.pk, reason="Matter 7"),
    )
    assert isinstance(first, Erasure), first
    assert isinstance(second, Hold), second
    assert second.placed_at >= ended, "the hold waited for the erasure to end"
    assert NAME not in Entry.objects.get(pk=entry.pk).body
    sealer.seal()
    assert findings() == set()
