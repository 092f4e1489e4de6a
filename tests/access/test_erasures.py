"""Words of the trail are erased by two people, and every proof holds; holds and the law keep what they keep."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from django.db import DatabaseError, connection, transaction

from apps.access.actors import as_actor
from apps.access.acts import (
    approve_erasure,
    lift_hold,
    place_hold,
    refuse_correction,
    refuse_erasure,
    request_correction,
    request_erasure,
    withdraw_erasure,
)
from apps.access.erasure_models import Erasure
from apps.access.signing import SignatureInput, content_digest
from apps.access.waiting import queues_for
from apps.core.errors import BadInput, Conflict, NotAllowed, NotVisible, WrongState
from apps.registry.acts import sign_intended_use_expert, write_intended_use
from apps.registry.models import IntendedUse
from apps.trail import erasing, export, past, sealer, tiles, verifier
from apps.trail.confirmed import confirm
from apps.trail.models import Entry, Leaf
from apps.trail.preimages import body_digest, erased_by
from apps.trail.queries import place_of
from apps.trail.testing import without_triggers
from apps.trail.writer import database_now
from tests.access.telling import assert_history, assert_told, last, refused
from tests.access.test_queues import blocked, waiting
from tests.cast import PASSWORD
from tests.factories.foundation import USE

pytestmark = pytest.mark.django_db
ASK, APPROVE = "access.request_erasure", "access.approve_erasure"
REFUSE, WITHDRAW = "access.refuse_erasure", "access.withdraw_erasure"
NAME = "Zofia Nowicka, born 4 May 1961"
SAID = f"First statement, after the complaint of {NAME}"
WHY = "A patient is named where no patient is to be named"


@pytest.fixture
def named(world) -> Entry:
    """The entry of an act whose reason names a patient, sealed."""
    write_intended_use(world.owner, world.model.pk, given=USE, reason=SAID)
    sealer.seal()
    return last("registry.write_intended_use")


def asked(world, entry: Entry, *passages: str, **given) -> Erasure:
    given = {"basis": "17-1-d", "reason": WHY} | given
    return request_erasure(world.compliance, entry.pk, passages=passages or [NAME], **given)


def erased(world, entry: Entry) -> Erasure:
    row = approve_erasure(world.compliance2, asked(world, entry).pk, reason="It is so")
    sealer.seal()
    return row


def everything_holds() -> None:
    result = verifier.verify()
    assert result.findings == []


def dump() -> str:
    """Every word of the trail and of every history table."""
    with connection.cursor() as cursor:
        found = []
        for table in connection.introspection.table_names(cursor):
            if table == "trail_entry" or "historical" in table:
                cursor.execute(f'SELECT * FROM "{table}"')
                found.append(repr(cursor.fetchall()))
    return "\n".join(found)


# ---------------------------------------------------------------- the acts


def test_request_erasure_and_approve_erasure(world, named):
    assert NAME in dump()
    row = asked(world, named, person_id=world.author.pk)
    assert_told(ASK, by=world.compliance, about=row, reason=WHY)
    assert_history(row, act=ASK, by=world.compliance, reason=WHY)
    assert row.places == [["reason", SAID.index(NAME), len(SAID)]], "places, and not the words"
    assert Entry.objects.get(pk=named.pk).body == named.body, "asking alone changes nothing"
    approve_erasure(world.compliance2, row.pk, reason="It is so")
    told = assert_told(APPROVE, by=world.compliance2, about=row, reason="It is so")
    assert_history(row, act=APPROVE, by=world.compliance2, reason="It is so")
    now = Entry.objects.get(pk=named.pk)
    assert erased_by(now.body) == told.act_id
    assert json.loads(now.body)["reason"] == SAID.replace(NAME, "[erased]")
    history = IntendedUse.objects.get().history.latest()
    assert history.history_change_reason == SAID.replace(NAME, "[erased]")
    assert NAME not in dump()
    assert now.salt != named.salt, "with the old salt the digest that is kept could be tried with names"
    assert now.digest == named.digest == body_digest(named.salt, named.body)
    sealer.seal()
    everything_holds()


def test_whoever_lacks_the_duty_neither_asks_nor_decides(world, named):
    with refused(NotAllowed, "duty", act=ASK, by=world.owner):
        request_erasure(world.owner, named.pk, passages=[NAME], basis="17-1-d", reason=WHY)
    with refused(NotVisible, "visibility", act=ASK, by=world.administrator):
        request_erasure(world.administrator, named.pk, passages=[NAME], basis="17-1-d", reason=WHY)
    row = asked(world, named)
    for person, error in ((world.approver, NotVisible), (world.administrator, NotAllowed)):
        with pytest.raises(error):
            approve_erasure(person, row.pk, reason="It is so")
        with pytest.raises(error):
            refuse_erasure(person, row.pk, reason="No")
    with pytest.raises(NotVisible):
        withdraw_erasure(world.owner, row.pk, reason="No")
    assert NAME in dump()


def test_who_asked_or_has_a_part_in_it_does_not_decide(world, named):
    own = request_erasure(world.compliance, named.pk, passages=[NAME], basis="17-1-d", reason=WHY)
    for act, name in ((approve_erasure, APPROVE), (refuse_erasure, REFUSE)):
        with refused(Conflict, "erasure-two", act=name, by=world.compliance):
            act(world.compliance, own.pk, reason="It is so")
    withdraw_erasure(world.compliance, own.pk, reason="Asked anew")
    theirs = asked(world, named, person_id=world.compliance2.pk)
    with refused(Conflict, "erasure-two", act=APPROVE, by=world.compliance2):
        approve_erasure(world.compliance2, theirs.pk, reason="It is so")


def test_who_wrote_the_words_does_not_erase_them(world):
    wish = request_correction(
        world.administrator, world.author.pk, email="a@example.org", reason="typo: seen"
    )
    refuse_correction(world.compliance2, wish.pk, reason=SAID)
    sealer.seal()
    entry = last("access.refuse_correction")
    row = request_erasure(world.administrator, entry.pk, passages=[NAME], basis="17-1-d", reason=WHY)
    with refused(Conflict, "erasure-two", act=APPROVE, by=world.compliance2):
        approve_erasure(world.compliance2, row.pk, reason="It is so")
    approve_erasure(world.compliance, row.pk, reason="It is so")
    sealer.seal()
    assert NAME not in Entry.objects.get(pk=entry.pk).body
    everything_holds()


def test_the_words_of_a_refused_attempt_are_erased(world):
    with pytest.raises(NotAllowed):
        write_intended_use(world.approver, world.model.pk, given=USE, reason=SAID)
    sealer.seal()
    attempt = last("registry.write_intended_use", "refusal")
    erased(world, attempt)
    assert NAME not in dump()
    everything_holds()


def test_refuse_erasure_and_withdraw_erasure_leave_the_words(world, named):
    first = asked(world, named)
    refuse_erasure(world.compliance2, first.pk, reason="Needed")
    assert_told(REFUSE, by=world.compliance2, about=first, reason="Needed")
    with refused(WrongState, "erasure-state", act=APPROVE, by=world.compliance2):
        approve_erasure(world.compliance2, first.pk, reason="It is so")
    second = asked(world, named)
    with refused(WrongState, "erasure-state", act=ASK, by=world.compliance):
        asked(world, named)
    withdraw_erasure(world.administrator, second.pk, reason="Not needed")
    assert_told(WITHDRAW, by=world.administrator, about=second, reason="Not needed")
    with refused(WrongState, "erasure-state", act=WITHDRAW, by=world.administrator):
        withdraw_erasure(world.administrator, second.pk, reason="Again")
    assert Entry.objects.get(pk=named.pk).body == named.body


def test_what_is_no_good_is_told_and_not_repeated(world, named):
    for passages in (
        [],
        ["Nobody who stands there"],
        ["x"],
        ["[erased]"],
        [NAME] + [f"p{n}" for n in range(30)],
    ):
        with pytest.raises(BadInput) as caught:
            request_erasure(world.compliance, named.pk, passages=passages, basis="17-1-d", reason=WHY)
        assert "passages" in caught.value.fields
        assert "Nobody who stands" not in str(caught.value.fields)
    for given, field in (({"basis": "because"}, "basis"), ({"person_id": 10**6}, "person")):
        with pytest.raises(BadInput) as caught:
            asked(world, named, **given)
        assert field in caught.value.fields
    with pytest.raises(NotVisible):
        asked(world, Entry(pk=10**9))


# ---------------------------------------------------------------- what is kept


def test_place_hold_and_lift_hold(world, named):
    row = asked(world, named)
    hold = place_hold(world.compliance, world.owner.pk, reason="Matter 7")
    assert_told("access.place_hold", by=world.compliance, about=world.owner, reason="Matter 7")
    assert_history(hold, act="access.place_hold", by=world.compliance, reason="Matter 7")
    with refused(WrongState, "hold", act=APPROVE, by=world.compliance2) as caught:
        approve_erasure(world.compliance2, row.pk, reason="It is so")
    assert caught.value.fact == f"A legal hold stands: {hold.ref} on {world.owner.printed_name}."
    with refused(NotAllowed, "duty", act="access.lift_hold", by=world.administrator):
        lift_hold(world.administrator, hold.pk, reason="Over")
    lift_hold(world.compliance2, hold.pk, reason="Over")
    assert_told("access.lift_hold", by=world.compliance2, about=hold, reason="Over")
    with refused(WrongState, "hold-state", act="access.lift_hold", by=world.compliance2):
        lift_hold(world.compliance2, hold.pk, reason="Over")
    approve_erasure(world.compliance2, row.pk, reason="It is so")
    assert NAME not in dump()


def test_a_hold_is_placed_by_compliance_and_not_lifted_by_whom_it_is_on(world):
    with refused(NotAllowed, "duty", act="access.place_hold", by=world.administrator):
        place_hold(world.administrator, world.author.pk, reason="Matter 7")
    hold = place_hold(world.compliance, world.compliance2.pk, reason="Matter 8")
    with refused(Conflict, "hold-state", act="access.lift_hold", by=world.compliance2):
        lift_hold(world.compliance2, hold.pk, reason="Over")


def test_a_hold_on_whose_data_they_are_counts(world, named):
    place_hold(world.compliance, world.stranger.pk, reason="Matter 7")
    with refused(WrongState, "hold", act=ASK, by=world.compliance):
        asked(world, named, person_id=world.stranger.pk)


def test_a_signature_and_an_erasure_are_kept(world):
    use = write_intended_use(world.owner, world.model.pk, given=USE, reason="First statement")
    sign_intended_use_expert(
        world.process_expert,
        use.pk,
        reason=SAID,
        signature=SignatureInput(content_digest(use), PASSWORD),
    )
    sealer.seal()
    signed = last("registry.sign_intended_use_expert")
    with refused(WrongState, "retained", act=ASK, by=world.compliance) as caught:
        asked(world, signed)
    assert "what was signed" in caught.value.fact
    row = last("registry.write_intended_use")
    row = Entry.objects.filter(kind="row", act_id=row.act_id).first()
    with refused(WrongState, "retained", act=ASK, by=world.compliance):
        asked(world, row)
    hold = place_hold(world.compliance, world.author.pk, reason=SAID)
    sealer.seal()
    assert hold.pk
    with refused(WrongState, "retained", act=ASK, by=world.compliance):
        asked(world, last("access.place_hold"))


def test_what_is_not_sealed_yet_waits(world):
    write_intended_use(world.owner, world.model.pk, given=USE, reason=SAID)
    with refused(WrongState, "erasure-state", act=ASK, by=world.compliance):
        asked(world, last("registry.write_intended_use"))


def test_fields_of_records_stay_and_are_named(world):
    request_correction(
        world.administrator, world.author.pk, printed_name="Anna Author", reason=f"typo: {NAME} told it"
    )
    sealer.seal()
    entry = last("access.request_correction")
    row = request_erasure(world.compliance, entry.pk, passages=[NAME], basis="17-1-d", reason=WHY)
    left = erasing.remains(entry, [NAME])
    assert len(left) == 1
    assert left[0].endswith(", reason")
    approve_erasure(world.compliance2, row.pk, reason="It is so")
    assert json.loads(last(APPROVE).body)["facts"]["remains"] == left
    sealer.seal()
    everything_holds()


# ---------------------------------------------------------------- proofs


def test_the_proof_of_an_erased_entry_holds(world, named):
    leaf = Leaf.objects.get(entry_id=named.pk)
    erased(world, named)
    place = place_of(Entry.objects.get(pk=named.pk))
    assert place is not None
    assert (place.proved, place.leaf_hash) == (True, leaf.hash)


def test_as_of_a_moment_before_the_record_is_confirmed_without_the_words(world, named):
    moment = database_now()
    erased(world, named)
    with past.at(moment) as here:
        assert IntendedUse.objects.get().pk
        found = confirm(here)
    assert found.verified, found.faults
    assert found.records == 1


def offline(folder) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, folder / "offline_verifier.py", folder], capture_output=True, text=True, check=False
    )


def test_extracts_and_tiles_verify_offline_and_hold_the_words_no_more(world, named, tmp_path):
    before, extract, whole = tmp_path / "before", tmp_path / "extract", tmp_path / "whole"
    extract.mkdir()
    tiles.write(before)
    erased(world, named)
    export.write(extract, [named.scope])
    tiles.write(whole)
    tiles.write(before)  # carried on: what was written before is written anew
    for folder in (extract, whole, before):
        done = offline(folder)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "words were erased" in done.stdout
        words = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
        assert NAME.encode() not in words


def test_an_extract_without_the_act_of_erasure_does_not_verify(world, named, tmp_path, monkeypatch):
    erased(world, named)
    monkeypatch.setattr(export, "_vouching", lambda chosen: [])
    export.write(tmp_path, [named.scope])
    done = offline(tmp_path)
    assert done.returncode == 1
    assert "the body is not the one the head names" in done.stdout


def test_an_extract_edited_by_hand_does_not_verify(world, named, tmp_path):
    erased(world, named)
    export.write(tmp_path, [named.scope])
    log = tmp_path / "entries.log"
    text = log.read_text()
    assert text.count("complaint of [erased]") >= 2
    log.write_text(text.replace("complaint of [erased]", "complaint of Somebody", 1))
    done = offline(tmp_path)
    assert done.returncode == 1
    assert "the act of erasure left" in done.stdout


# ---------------------------------------------------------------- attacks


def sql(statement: str, *parameters: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        assert cursor.rowcount == 1, "an attack that changes nothing proves nothing"


def findings() -> list[tuple[str, str, str]]:
    return [(each.detector, each.table, each.row) for each in verifier.verify().findings]


def test_the_triggers_let_nothing_else_through(world, named):
    history = IntendedUse.objects.get().history.latest()
    attempts = [
        (
            "UPDATE trail_entry SET body = %s WHERE id = %s",
            '{"erased":"' + "0" * 32 + '","act":"x"}',
            named.pk,
        ),
        ("UPDATE trail_entry SET actor_name = %s WHERE id = %s", "Nobody", named.pk),
        (
            "UPDATE registry_historicalintendeduse SET history_change_reason = %s WHERE history_id = %s",
            "[erased]",
            history.pk,
        ),
    ]
    for statement, *parameters in attempts:
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            sql(statement, *parameters)


@pytest.mark.parametrize("kind", ["act", "row"])
def test_a_tombstone_written_by_hand_is_found(world, named, kind):
    entry = Entry.objects.filter(kind=kind, act_id=named.act_id).first()
    body = '{"erased":"' + "0" * 32 + '",' + entry.body[1:].replace(NAME, "[erased]")
    with without_triggers():
        sql("UPDATE trail_entry SET body = %s, digest = %s WHERE id = %s", body, digest_of(entry), entry.pk)
    assert ("erased", "trail_entry", str(entry.pk)) in findings()


def digest_of(entry: Entry) -> str:
    return Leaf.objects.get(entry_id=entry.pk).body_digest


def test_a_tombstone_that_borrows_an_honest_act_is_found(world, named):
    write_intended_use(world.owner, world.model.pk, given=USE, reason="Second statement")
    sealer.seal()
    other = last("registry.write_intended_use")
    row = erased(world, named)
    act = last(APPROVE).act_id
    assert row.pk
    body = f'{{"erased":"{act}",' + other.body[1:].replace("Second", "[erased]")
    with without_triggers():
        sql("UPDATE trail_entry SET body = %s WHERE id = %s", body, other.pk)
    assert ("erased", "trail_entry", str(other.pk)) in findings()


def test_words_of_a_tombstone_edited_later_are_found(world, named):
    erased(world, named)
    now = Entry.objects.get(pk=named.pk)
    with without_triggers():
        sql(
            "UPDATE trail_entry SET body = %s WHERE id = %s",
            now.body.replace("First statement", "No statement"),
            now.pk,
        )
    assert ("erased", "trail_entry", str(now.pk)) in findings()


def test_words_put_back_from_a_backup_are_found(world, named):
    erased(world, named)
    with without_triggers():
        sql("UPDATE trail_entry SET body = %s, salt = %s WHERE id = %s", named.body, named.salt, named.pk)
    assert ("erased", "trail_entry", str(named.pk)) in findings()


def test_a_forged_act_of_erasure_vouches_for_nothing(world, named):
    erased(world, named)
    told = last(APPROVE)
    with without_triggers():
        sql("UPDATE trail_entry SET body = %s WHERE id = %s", told.body.replace('"via"', '"vio"'), told.pk)
    found = findings()
    assert ("erased", "trail_entry", str(named.pk)) in found
    assert ("mac", "trail_entry", str(told.pk)) in found


@pytest.mark.parametrize("what", ["entry", "history"])
def test_what_was_edited_before_is_not_made_honest_by_erasing(world, named, what):
    row = asked(world, named)
    history = IntendedUse.objects.get().history.latest()
    with without_triggers():
        if what == "entry":
            sql("UPDATE trail_entry SET scope = %s WHERE id = %s", "registry.model:999", named.pk)
        else:
            sql(
                "UPDATE registry_historicalintendeduse SET history_type = %s WHERE history_id = %s",
                "~",
                history.pk,
            )
    with refused(WrongState, "erasure-state", act=APPROVE, by=world.compliance2) as caught:
        approve_erasure(world.compliance2, row.pk, reason="It is so")
    assert "would make that look honest" in caught.value.fact


def test_it_waits_for_the_officers_who_have_no_part_in_it(world, named, django_assert_max_num_queries):
    row = asked(world, named)
    assert waiting(world, "erasures") == {"compliance2": [f"{row.ref}: 1 passage of entry {named.pk}"]}
    assert blocked(world, "erasures") == {"compliance": ["erasure-two"]}
    for label in ("second", "third"):
        write_intended_use(world.owner, world.model.pk, given=USE, reason=f"{SAID}, {label}")
        sealer.seal()
        asked(world, last("registry.write_intended_use"))
    with django_assert_max_num_queries(9):
        found = {each.queue.key: each for each in queues_for(as_actor(world.compliance2))}
    assert len(found["erasures"].mine) == 3
    for each in Erasure.objects.all():
        refuse_erasure(world.compliance2, each.pk, reason="It stays")
    assert waiting(world, "erasures") == blocked(world, "erasures") == {}
