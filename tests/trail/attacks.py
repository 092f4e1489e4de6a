"""Attacks by the owner of the database, triggers off: each says what the verifier must name."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.db import connection

from apps.trail import notes, sealer
from apps.trail.identity import keys
from apps.trail.merkle import Range
from apps.trail.models import Checkpoint, Entry, Leaf
from apps.trail.preimages import body_digest, head_line, leaf_hash
from apps.trail.writer import head_of

USERS, TOKENS, SIGNATURES = "accounts_user", "accounts_apitoken", "trail_signature"
USER_HISTORY, TOKEN_HISTORY = "accounts_historicaluser", "accounts_historicalapitoken"


@dataclass(frozen=True)
class Attack:
    """`expected`: (detector, table, field) and the row, that some finding must carry. `row` None: any row."""

    name: str
    do: object
    detector: str
    table: str
    field: str = ""
    unsealed: bool = False
    only: str = ""


ATTACKS: list[Attack] = []


def attack(detector, table, field="", *, unsealed=False, only=""):
    """Register an attack. It returns the row (or None) that a finding of `detector` must name."""

    def register(function):
        ATTACKS.append(Attack(function.__name__, function, detector, table, field, unsealed, only))
        return function

    return register


def sql(statement, *parameters):
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.rowcount


def one(statement, *parameters):
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchone()[0]


def act_entry(name="accounts.change"):
    return Entry.objects.filter(kind="act", act=name).first()


def row_entry(table=USER_HISTORY, place=0):
    return Entry.objects.filter(kind="row", table_name=table)[place]


def reseal(entry_id):
    """Give an entry the leaf hash its present content has."""
    entry = Entry.objects.get(pk=entry_id)
    digest = body_digest(entry.salt, entry.body)
    hashed = leaf_hash(head_line(digest, head_of(entry))).hex()
    sql("UPDATE trail_leaf SET hash = %s, body_digest = %s WHERE entry_id = %s", hashed, digest, entry_id)


def sign_all_again(signing, name):
    """Recompute every leaf and node and sign all checkpoints anew with `signing`."""
    sizes = list(Checkpoint.objects.order_by("size").values_list("size", flat=True))
    sql("DELETE FROM trail_checkpoint")
    tree = Range()
    for leaf in Leaf.objects.order_by("index"):
        reseal(leaf.entry_id)
        tree.push(bytes.fromhex(Leaf.objects.get(pk=leaf.pk).hash))
        if tree.size in sizes:
            text = notes.Checkpoint(name, tree.size, tree.root()).text()
            Checkpoint.objects.create(
                size=tree.size,
                root=tree.root().hex(),
                frontier=" ".join(item.hex() for item in tree.hashes),
                note=notes.sign(text, name, signing),
                created_at="2026-01-01T00:00:00Z",
            )


# Entries of the trail.


@attack("edited", "trail_entry", "body")
def edit_the_reason_in_an_entry():
    entry = act_entry()
    sql("UPDATE trail_entry SET body = replace(body, 'because', 'by order') WHERE id = %s", entry.pk)
    return entry.pk


@attack("edited", "trail_entry", "at")
def date_a_row_entry_back():
    entry = row_entry()
    sql("UPDATE trail_entry SET at = '2026-01-01 00:00:00' WHERE id = %s", entry.pk)
    return entry.pk


@attack("edited", "trail_entry", "actor_name")
def put_another_name_on_an_act():
    entry = act_entry()
    sql("UPDATE trail_entry SET actor_name = 'Somebody Else' WHERE id = %s", entry.pk)
    return entry.pk


@attack("edited", "trail_entry", "subject_id")
def move_an_act_to_another_record():
    entry = act_entry()
    sql("UPDATE trail_entry SET subject_id = '77' WHERE id = %s", entry.pk)
    return entry.pk


@attack("mac", "trail_entry", "body")
def edit_an_entry_and_its_leaf():
    entry = act_entry()
    sql("UPDATE trail_entry SET body = replace(body, 'because', 'by order') WHERE id = %s", entry.pk)
    reseal(entry.pk)
    return entry.pk


@attack("root", "trail_checkpoint", "root")
def edit_a_row_entry_and_its_leaf():
    entry = row_entry()
    sql("UPDATE trail_entry SET at = '2026-01-01 00:00:00' WHERE id = %s", entry.pk)
    reseal(entry.pk)
    return Checkpoint.objects.first().pk


@attack("leaf", "trail_leaf", "hash")
def edit_a_leaf():
    sql('UPDATE trail_leaf SET hash = %s WHERE "index" = 2', "ab" * 32)
    return 2


@attack("deleted", "trail_entry")
def delete_an_entry_in_the_middle():
    entry = act_entry()
    sql("DELETE FROM trail_entry WHERE id = %s", entry.pk)
    return entry.pk


@attack("queue", "trail_entry")
def delete_a_leaf():
    entry_id = Leaf.objects.get(pk=3).entry_id
    sql('DELETE FROM trail_leaf WHERE "index" = 3')
    return entry_id


def _cut_tail():
    first, last = Checkpoint.objects.order_by("size")[0].size, Checkpoint.objects.order_by("size").last().size
    sql('DELETE FROM trail_entry WHERE id IN (SELECT entry_id FROM trail_leaf WHERE "index" >= %s)', first)
    sql('DELETE FROM trail_leaf WHERE "index" >= %s', first)
    sql("DELETE FROM trail_checkpoint WHERE size = %s", last)
    return last


@attack("tail", "trail_checkpoint")
def cut_the_tail():
    return _cut_tail()


@attack("tail", "trail_checkpoint")
def restore_an_older_backup():
    """Everything agrees with itself: only the witness copy remembers."""
    first = Checkpoint.objects.order_by("size")[0].size
    newer = set(Leaf.objects.filter(index__gte=first).values_list("entry_id", flat=True))
    gone = Entry.objects.filter(pk__in=newer, kind="row")
    rows = list(gone.values_list("table_name", "row_id"))
    last = _cut_tail()
    for table, row_id in rows:
        key = "id" if table == SIGNATURES else "history_id"
        sql(f'DELETE FROM "{table}" WHERE "{key}" = %s', row_id)
    sql(f"DELETE FROM {TOKENS}")
    sql(f"UPDATE {USERS} SET printed_name = 'Benjamin Cole' WHERE username = 'ben'")
    if connection.vendor == "sqlite":
        sql("UPDATE sqlite_sequence SET seq = (SELECT max(id) FROM trail_entry) WHERE name = 'trail_entry'")
    return last


@attack("tail", "trail_checkpoint")
def wipe_the_trail():
    last = Checkpoint.objects.order_by("size").last().size
    for table in ("trail_entry", "trail_leaf", "trail_node", "trail_checkpoint", "trail_pending"):
        sql(f"DELETE FROM {table}")
    return last


FORGED = (
    "INSERT INTO trail_entry (at, kind, act, act_id, actor_uuid, actor_name, on_behalf_uuid, on_behalf_name, "
    "subject_kind, subject_id, scope, table_name, row_id, body, salt, digest, mac) "
    "SELECT at, kind, act, act_id, actor_uuid, actor_name, on_behalf_uuid, on_behalf_name, subject_kind, "
    "subject_id, scope, table_name, row_id, body, salt, digest, mac FROM trail_entry WHERE id = %s"
)


@attack("queue", "trail_entry")
def insert_a_forged_entry():
    sql(FORGED, act_entry().pk)
    return one("SELECT max(id) FROM trail_entry")


@attack("mac", "trail_entry", "actor_name", unsealed=True)
def insert_a_forged_entry_and_queue_it():
    sql(FORGED, act_entry().pk)
    forged = one("SELECT max(id) FROM trail_entry")
    sql("UPDATE trail_entry SET actor_name = 'Somebody Else' WHERE id = %s", forged)
    sql("INSERT INTO trail_pending (entry_id) VALUES (%s)", forged)
    return forged


@attack("row", "trail_entry", "table_name", unsealed=True)
def insert_a_row_entry_of_no_table():
    sql(FORGED, row_entry().pk)
    forged = one("SELECT max(id) FROM trail_entry")
    sql("UPDATE trail_entry SET table_name = '' WHERE id = %s", forged)
    sql("INSERT INTO trail_pending (entry_id) VALUES (%s)", forged)
    return forged


@attack("inserted", "trail_entry", "row_id", unsealed=True)
def insert_a_second_entry_for_a_row():
    sql(FORGED, row_entry().pk)
    forged = one("SELECT max(id) FROM trail_entry")
    sql("INSERT INTO trail_pending (entry_id) VALUES (%s)", forged)
    return forged


def _copied(entry_id):
    """Every word of an honest entry once more, its MAC included; sealed by the honest sealer."""
    sql(FORGED, entry_id)
    forged = one("SELECT max(id) FROM trail_entry")
    sql("INSERT INTO trail_pending (entry_id) VALUES (%s)", forged)
    sealer.seal()
    return forged


@attack("inserted", "trail_entry")
def tell_an_act_twice():
    return _copied(act_entry().pk)


@attack("inserted", "trail_entry")
def tell_a_sign_in_twice():
    return _copied(Entry.objects.filter(kind="event").first().pk)


@attack("edited", "trail_entry", "digest")
def put_a_digest_on_a_row_entry():
    entry = row_entry()
    sql("UPDATE trail_entry SET digest = %s WHERE id = %s", "ab" * 32, entry.pk)
    return entry.pk


@attack("edited", "trail_entry", "mac", unsealed=True)
def put_a_mac_on_a_row_entry_that_waits():
    pk = one("SELECT max(id) FROM trail_entry WHERE kind = 'row'")
    sql("UPDATE trail_entry SET mac = %s WHERE id = %s", act_entry().mac, pk)
    return pk


@attack("order", "trail_leaf", "entry_id")
def swap_two_leaves():
    sql('UPDATE trail_leaf SET "index" = -1 WHERE "index" = 2')
    sql('UPDATE trail_leaf SET "index" = 2 WHERE "index" = 3')
    sql('UPDATE trail_leaf SET "index" = 3 WHERE "index" = -1')
    return 3


@attack("edited", "trail_entry", "body")
def swap_the_bodies_of_two_entries():
    first, second = row_entry(), row_entry(place=1)
    sql("UPDATE trail_entry SET body = %s WHERE id = %s", second.body, first.pk)
    sql("UPDATE trail_entry SET body = %s WHERE id = %s", first.body, second.pk)
    return first.pk


# Checkpoints, the queue, the log's name, the triggers.


@attack("checkpoint", "trail_checkpoint")
def delete_a_checkpoint():
    size = Checkpoint.objects.order_by("size")[0].size
    sql("DELETE FROM trail_checkpoint WHERE size = %s", size)
    return size


@attack("checkpoint", "trail_checkpoint", "root")
def edit_a_root():
    size = Checkpoint.objects.order_by("size")[0].size
    sql("UPDATE trail_checkpoint SET root = %s WHERE size = %s", "cd" * 32, size)
    return size


@attack("checkpoint", "trail_checkpoint", "note")
def sign_again_with_another_key():
    entry = act_entry()
    sql("UPDATE trail_entry SET body = replace(body, 'because', 'by order') WHERE id = %s", entry.pk)
    sign_all_again(Ed25519PrivateKey.generate(), keys().origin)
    return Checkpoint.objects.first().pk


@attack("witness", "trail_checkpoint", "root")
def sign_again_with_the_stolen_key():
    entry = row_entry()
    sql("UPDATE trail_entry SET at = '2026-01-01 00:00:00' WHERE id = %s", entry.pk)
    sign_all_again(keys().signing, keys().origin)
    return Checkpoint.objects.first().pk


@attack("queue", "trail_entry", unsealed=True)
def take_an_entry_out_of_the_queue():
    entry_id = one("SELECT max(entry_id) FROM trail_pending")
    sql("DELETE FROM trail_pending WHERE entry_id = %s", entry_id)
    return entry_id


@attack("queue", "trail_entry")
def queue_a_sealed_entry_again():
    sql("INSERT INTO trail_pending (entry_id) VALUES (1)")
    return Leaf.objects.get(entry_id=1).entry_id


@attack("gap", "trail_entry", unsealed=True, only="sqlite")
def delete_an_unsealed_event():
    entry = Entry.objects.filter(kind="event").last()
    sql("DELETE FROM trail_pending WHERE entry_id = %s", entry.pk)
    sql("DELETE FROM trail_entry WHERE id = %s", entry.pk)
    return entry.pk


@attack("log", "trail_log", "origin")
def give_the_log_another_name():
    sql("UPDATE trail_log SET origin = 'countersign-0000000000000000'")
    return one("SELECT max(id) FROM trail_log")


@attack("log", "trail_log", "verifier")
def give_the_log_another_key():
    sql(
        "UPDATE trail_log SET verifier = %s",
        notes.verifier_text(keys().origin, Ed25519PrivateKey.generate().public_key()),
    )
    return one("SELECT max(id) FROM trail_log")


# Histories.


@attack("history", USER_HISTORY, "printed_name")
def edit_a_history_row():
    sql(f"UPDATE {USER_HISTORY} SET printed_name = 'Somebody Else' WHERE history_id = 2")
    return 2


@attack("history", USER_HISTORY, "history_change_reason")
def edit_the_reason_in_a_history_row():
    sql(f"UPDATE {USER_HISTORY} SET history_change_reason = 'agreed' WHERE history_id = 2")
    return 2


@attack("history", USER_HISTORY, "history_date")
def date_a_history_row_back():
    sql(f"UPDATE {USER_HISTORY} SET history_date = '2026-01-01 00:00:00' WHERE history_id = 2")
    return 2


@attack("deleted", USER_HISTORY)
def delete_a_history_row():
    sql(f"DELETE FROM {USER_HISTORY} WHERE history_id = 2")
    return 2


@attack("inserted", USER_HISTORY)
def insert_a_history_row():
    with connection.cursor() as cursor:
        names = [each.name for each in connection.introspection.get_table_description(cursor, USER_HISTORY)]
    columns = ", ".join(f'"{name}"' for name in names if name != "history_id")
    sql(f"INSERT INTO {USER_HISTORY} ({columns}) SELECT {columns} FROM {USER_HISTORY} WHERE history_id = 2")
    return one(f"SELECT max(history_id) FROM {USER_HISTORY}")


@attack("mac", USER_HISTORY, "mac", unsealed=True)
def edit_record_history_and_entry_before_sealing():
    history_id = one(f"SELECT max(history_id) FROM {USER_HISTORY}")
    sql(f"UPDATE {USER_HISTORY} SET printed_name = 'Nobody' WHERE history_id = %s", history_id)
    sql(f"UPDATE {USERS} SET printed_name = 'Nobody' WHERE username = 'ben'")
    statement = "UPDATE trail_entry SET body = replace(body, 'Unsealed Cole', 'Nobody') WHERE table_name = %s"
    assert sql(statement, USER_HISTORY)
    return history_id


@attack("mac", USER_HISTORY, "mac")
def edit_record_history_entry_and_leaf():
    entry = row_entry(place=1)
    sql(f"UPDATE {USER_HISTORY} SET email = 'x@example.org' WHERE history_id = %s", entry.row_id)
    sql(
        "UPDATE trail_entry SET body = replace(body, 'ben@example.org', 'x@example.org') WHERE id = %s",
        entry.pk,
    )
    reseal(entry.pk)
    return entry.row_id


@attack("act", USER_HISTORY, "mac")
def copy_the_mac_of_another_row():
    sql(
        f"UPDATE {USER_HISTORY} SET mac = (SELECT mac FROM {USER_HISTORY} WHERE history_id = 1) WHERE history_id = 2"
    )
    return 2


# Records.


@attack("live", USERS, "printed_name")
def edit_a_record():
    sql(f"UPDATE {USERS} SET printed_name = 'Somebody Else' WHERE username = 'anna'")
    return one(f"SELECT id FROM {USERS} WHERE username = 'anna'")


@attack("live", TOKENS, "expires_at")
def let_a_token_live_longer():
    sql(f"UPDATE {TOKENS} SET expires_at = '2036-01-01 00:00:00'")
    return one(f"SELECT id FROM {TOKENS}")


@attack("live", TOKENS)
def delete_a_record():
    row = one(f"SELECT id FROM {TOKENS}")
    sql(f"DELETE FROM {TOKENS}")
    return row


@attack("live", TOKENS)
def insert_a_record():
    sql(
        f"INSERT INTO {TOKENS} (owner_id, name, prefix, hashed, created_at, expires_at) "
        f"SELECT owner_id, name, 'zzzz', %s, created_at, expires_at FROM {TOKENS}",
        secrets.token_hex(32),
    )
    return one(f"SELECT max(id) FROM {TOKENS}")


# Signatures.


@attack("signature", SIGNATURES, "printed_name")
def sign_in_another_name():
    sql(f"UPDATE {SIGNATURES} SET printed_name = 'Somebody Else'")
    return one(f"SELECT id FROM {SIGNATURES}")


@attack("signature", SIGNATURES, "subject_id")
def move_a_signature_to_another_record():
    sql(f"UPDATE {SIGNATURES} SET subject_id = '77'")
    return one(f"SELECT id FROM {SIGNATURES}")


@attack("signature", SIGNATURES, "decision")
def turn_a_rejection():
    sql(f"UPDATE {SIGNATURES} SET decision = 'rejected'")
    return one(f"SELECT id FROM {SIGNATURES}")


@attack("signature", SIGNATURES, "signed_at")
def date_a_signature_back():
    sql(f"UPDATE {SIGNATURES} SET signed_at = '2026-01-01 00:00:00'")
    return one(f"SELECT id FROM {SIGNATURES}")


@attack("signature", SIGNATURES, "statement")
def rewrite_a_statement_and_its_columns():
    sql(f"UPDATE {SIGNATURES} SET printed_name = 'X', statement = replace(statement, 'Anna Berg', 'X')")
    return one(f"SELECT id FROM {SIGNATURES}")


@attack("signature", SIGNATURES, "signer_id")
def give_a_signature_to_another_account():
    sql(f"UPDATE {SIGNATURES} SET signer_id = (SELECT id FROM {USERS} WHERE username = 'ben')")
    return one(f"SELECT id FROM {SIGNATURES}")


@attack("deleted", SIGNATURES)
def delete_a_signature():
    row = one(f"SELECT id FROM {SIGNATURES}")
    sql(f"DELETE FROM {SIGNATURES}")
    return row
