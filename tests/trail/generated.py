"""Attacks by a database owner, generated: a class of attack at a place (table, row, column) drawn by a seed.

Each class is a function of a `Draw`; it changes something by SQL with the triggers off and returns what a finding must
name: (table, row, field), field "" when the row alone is enough. `Useless` when the place it drew cannot be attacked
so (nothing there, a constraint forbids the value): the caller draws again.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.apps import apps
from django.contrib.auth.hashers import make_password
from django.db import connection, models

from apps.core import blobs
from apps.trail.detectors.files import holders
from apps.trail.history import record_of
from apps.trail.models import Checkpoint, Entry, Leaf
from apps.trail.watched import history_models, watched_tables
from tests.trail.attacks import FORGED, reseal

Place = tuple[str, str, str]


class Useless(Exception):
    """Nothing to attack at this place."""


@dataclass
class Draw:
    random: random.Random

    def one(self, rows):
        rows = list(rows)
        if not rows:
            raise Useless
        return self.random.choice(rows)

    def row(self, table, key, where="1 = 1"):
        return self.one(row for (row,) in query(f'SELECT "{key}" FROM "{table}" WHERE {where} ORDER BY 1'))

    def column(self, model, leave=()):
        return self.one(f for f in model._meta.concrete_fields if not f.primary_key and f.column not in leave)


CLASSES: dict[str, Callable[[Draw], Place]] = {}


def attack(function):
    CLASSES[function.__name__] = function
    return function


def query(statement, *parameters):
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchall()


def sql(statement, *parameters):
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        if cursor.rowcount == 0:
            raise Useless
        return cursor.rowcount


def other(draw, field, value):
    """Another value of `field`, as the database takes it."""
    if isinstance(field, models.JSONField):
        return json.dumps({"altered": draw.random.randrange(10**6)})
    if isinstance(field, models.ForeignKey):
        field = field.target_field
    if isinstance(field, models.BooleanField):
        return not value
    if isinstance(field, models.DateTimeField):
        moment = datetime.fromisoformat(str(value)) if value else datetime(2026, 1, 1)  # noqa: DTZ001
        return (moment - timedelta(days=draw.random.randrange(1, 400))).isoformat(sep=" ")
    if isinstance(field, models.DateField):
        return "2020-02-02"
    if isinstance(field, models.UUIDField):
        return uuid.UUID(int=draw.random.getrandbits(128)).hex
    if isinstance(field, (models.IntegerField, models.AutoField)):
        return (value or 0) + 1
    if isinstance(field, (models.FloatField, models.DecimalField)):
        return (value or 0) + 1
    if isinstance(field, models.BinaryField):
        raise Useless
    if not isinstance(value, str | None):
        raise Useless
    text = f"{value or ''}x"
    return text if field.max_length is None or len(text) <= field.max_length else "y" + text[1:-1]


def change(draw, table, key, row, field):
    """Give the field of one row another value."""
    [(value,)] = query(f'SELECT "{field.column}" FROM "{table}" WHERE "{key}" = %s', row)
    sql(f'UPDATE "{table}" SET "{field.column}" = %s WHERE "{key}" = %s', other(draw, field, value), row)
    if query(f'SELECT "{field.column}" FROM "{table}" WHERE "{key}" = %s', row) == [(value,)]:
        raise Useless


def copy(table, key, row):
    """Insert a copy of one row; returns the copy's key."""
    with connection.cursor() as cursor:
        names = [each.name for each in connection.introspection.get_table_description(cursor, table)]
    columns = ", ".join(f'"{name}"' for name in names if name != key)
    sql(f'INSERT INTO "{table}" ({columns}) SELECT {columns} FROM "{table}" WHERE "{key}" = %s', row)
    return query(f'SELECT max("{key}") FROM "{table}"')[0][0]


# ---------------------------------------------------------------- entries, leaves, checkpoints

HEADS = ("at", "act", "act_id", "actor_uuid", "actor_name", "subject_kind", "subject_id", "scope")


def entry(draw, kinds="'act', 'row', 'refusal', 'event'", sealed=True):
    where = f"kind IN ({kinds}) AND {'' if sealed else 'NOT '}EXISTS (SELECT 1 FROM trail_leaf l WHERE l.entry_id = id)"
    return draw.row("trail_entry", "id", where)


def _edit(draw, row, names):
    change(draw, "trail_entry", "id", row, Entry._meta.get_field(draw.one(names)))
    return "trail_entry", str(row), ""


@attack
def edit_a_sealed_entry(draw):
    return _edit(draw, entry(draw), HEADS)


@attack
def edit_the_body_of_a_sealed_entry(draw):
    return _edit(draw, entry(draw), ("body", "salt"))


@attack
def edit_a_sealed_act_and_its_leaf(draw):
    row = entry(draw, "'act'")
    place = _edit(draw, row, (*HEADS, "body"))
    reseal(row)
    return place


@attack
def edit_a_waiting_act(draw):
    return _edit(draw, entry(draw, "'act'", sealed=False), (*HEADS, "body"))


@attack
def delete_a_sealed_entry(draw):
    row = entry(draw)
    sql("DELETE FROM trail_entry WHERE id = %s", row)
    return "trail_entry", str(row), ""


@attack
def delete_a_waiting_entry(draw):
    row = entry(draw, sealed=False)
    sql("DELETE FROM trail_entry WHERE id = %s", row)
    return "trail_entry", str(row), ""


@attack
def swap_the_bodies_of_two_entries(draw):
    one, two = entry(draw), entry(draw)
    bodies = dict(query("SELECT id, body FROM trail_entry WHERE id IN (%s, %s)", one, two))
    if len(set(bodies.values())) < 2:
        raise Useless
    sql("UPDATE trail_entry SET body = %s WHERE id = %s", bodies[two], one)
    sql("UPDATE trail_entry SET body = %s WHERE id = %s", bodies[one], two)
    return "trail_entry", str(one), ""


@attack
def insert_a_copy_of_an_entry(draw):
    sql(FORGED, entry(draw))
    return "trail_entry", str(query("SELECT max(id) FROM trail_entry")[0][0]), ""


@attack
def queue_a_forged_act(draw):
    sql(FORGED, entry(draw, "'act'"))
    row = query("SELECT max(id) FROM trail_entry")[0][0]
    sql("INSERT INTO trail_pending (entry_id) VALUES (%s)", row)
    sql("UPDATE trail_entry SET actor_name = 'Somebody Else' WHERE id = %s", row)
    return "trail_entry", str(row), "actor_name"


@attack
def tell_an_act_or_an_event_twice(draw):
    sql(FORGED, entry(draw, "'act', 'event', 'refusal'"))
    row = query("SELECT max(id) FROM trail_entry")[0][0]
    sql("INSERT INTO trail_pending (entry_id) VALUES (%s)", row)
    return "trail_entry", str(row), ""


@attack
def put_a_digest_or_mac_on_a_row_entry(draw):
    return _edit(draw, entry(draw, "'row'"), ("digest", "mac"))


@attack
def take_an_entry_out_of_the_queue(draw):
    row = draw.row("trail_pending", "entry_id")
    sql("DELETE FROM trail_pending WHERE entry_id = %s", row)
    return "trail_entry", str(row), ""


@attack
def queue_a_sealed_entry_again(draw):
    row = entry(draw)
    sql("INSERT INTO trail_pending (entry_id) VALUES (%s)", row)
    return "trail_entry", str(row), ""


@attack
def edit_a_leaf(draw):
    row = draw.row("trail_leaf", "index")
    sql('UPDATE trail_leaf SET hash = %s WHERE "index" = %s', draw.random.randbytes(32).hex(), row)
    return "trail_leaf", str(row), "hash"


@attack
def delete_a_leaf(draw):
    row = draw.row("trail_leaf", "index")
    entry_id = Leaf.objects.get(pk=row).entry_id
    sql('DELETE FROM trail_leaf WHERE "index" = %s', row)
    return "trail_entry", str(entry_id), ""


@attack
def edit_a_checkpoint(draw):
    row = draw.row("trail_checkpoint", "size")
    change(
        draw,
        "trail_checkpoint",
        "size",
        row,
        Checkpoint._meta.get_field(draw.one(("root", "frontier", "note"))),
    )
    return "trail_checkpoint", str(row), ""


@attack
def delete_a_checkpoint(draw):
    row = draw.row("trail_checkpoint", "size")
    sql("DELETE FROM trail_checkpoint WHERE size = %s", row)
    return "trail_checkpoint", str(row), ""


@attack
def cut_the_tail(draw):
    sizes = [row for (row,) in query("SELECT size FROM trail_checkpoint ORDER BY 1")]
    at = draw.one(sizes[:-1])
    sql('DELETE FROM trail_entry WHERE id IN (SELECT entry_id FROM trail_leaf WHERE "index" >= %s)', at)
    sql('DELETE FROM trail_leaf WHERE "index" >= %s', at)
    sql("DELETE FROM trail_checkpoint WHERE size > %s", at)
    return "trail_checkpoint", str(sizes[-1]), ""


# ---------------------------------------------------------------- histories and records


def history(draw):
    model = draw.one(history_models())
    return model, model._meta.db_table, draw.row(model._meta.db_table, "history_id")


@attack
def edit_a_history_row(draw):
    model, table, row = history(draw)
    field = draw.column(model)
    change(draw, table, "history_id", row, field)
    return table, str(row), field.column


@attack
def edit_a_history_row_its_entry_and_leaf(draw):
    """Row entry and leaf made to agree with the edited row: only the MAC does not."""
    model, table, row = history(draw)
    field = draw.column(model, leave=("mac", "act_id"))
    change(draw, table, "history_id", row, field)
    one = next(each for each in watched_tables() if each.table == table)
    told = one.body_json(connection.vendor, "h", "insert")
    [(body,)] = query(f'SELECT {told} FROM "{table}" h WHERE h.history_id = %s', row)
    sql("UPDATE trail_entry SET body = %s WHERE table_name = %s AND row_id = %s", body, table, row)
    found = Entry.objects.get(table_name=table, row_id=row)
    if Leaf.objects.filter(entry_id=found.pk).exists():
        reseal(found.pk)
    return table, str(row), "mac"


@attack
def delete_a_history_row(draw):
    _, table, row = history(draw)
    sql(f'DELETE FROM "{table}" WHERE history_id = %s', row)
    return table, str(row), ""


@attack
def insert_a_history_row(draw):
    _, table, row = history(draw)
    return table, str(copy(table, "history_id", row)), ""


@attack
def copy_the_mac_of_another_history_row(draw):
    _, table, row = history(draw)
    source = draw.row(table, "history_id", f"history_id <> {row}")
    sql(
        f'UPDATE "{table}" SET mac = (SELECT mac FROM "{table}" WHERE history_id = %s) WHERE history_id = %s',
        source,
        row,
    )
    return table, str(row), "mac"


def live(draw):
    model = record_of(draw.one(history_models()))
    key = model._meta.pk.column
    return model, model._meta.db_table, key, draw.row(model._meta.db_table, key)


@attack
def edit_a_record(draw):
    model, table, key, row = live(draw)
    tracked = {field.attname for field in model.history.model.tracked_fields}
    field = draw.one(f for f in model._meta.concrete_fields if f.attname in tracked and not f.primary_key)
    change(draw, table, key, row, field)
    return table, str(row), field.column


@attack
def delete_a_record(draw):
    _, table, key, row = live(draw)
    sql(f'DELETE FROM "{table}" WHERE "{key}" = %s', row)
    return table, str(row), ""


@attack
def insert_a_record(draw):
    _, table, key, row = live(draw)
    return table, str(copy(table, key, row)), ""


# ---------------------------------------------------------------- signatures, passwords, jobs, grants, files


@attack
def edit_a_signature(draw):
    from apps.trail.models import Signature

    row = draw.row("trail_signature", "id")
    field = draw.column(Signature, leave=("mac", "statement_digest"))
    change(draw, "trail_signature", "id", row, field)
    return "trail_signature", str(row), field.column


@attack
def delete_a_signature(draw):
    row = draw.row("trail_signature", "id")
    sql("DELETE FROM trail_signature WHERE id = %s", row)
    return "trail_signature", str(row), ""


@attack
def replace_a_password_hash(draw):
    row = draw.row("accounts_user", "id")
    sql("UPDATE accounts_user SET password = %s WHERE id = %s", make_password("the owner's own choice"), row)
    return "accounts_user", str(row), "password"


@attack
def give_an_account_the_password_of_another(draw):
    row = draw.row("accounts_user", "id")
    source = draw.row("accounts_user", "id", f"id <> {row}")
    [(password, mark)] = query("SELECT password, password_mark FROM accounts_user WHERE id = %s", source)
    sql("UPDATE accounts_user SET password = %s, password_mark = %s WHERE id = %s", password, mark, row)
    return "accounts_user", str(row), "password_mark"


@attack
def edit_a_job(draw):
    from apps.core.models import Job

    row = draw.row("core_job", "id")
    name = draw.one(("kind", "subject_kind", "subject_id", "requested_by", "created_at", "mark"))
    change(draw, "core_job", "id", row, Job._meta.get_field(name))
    return "core_job", str(row), "mark"


def grants(draw):
    return draw.one(
        one.table for one in watched_tables() if one.changes and one.table.endswith("userpermission")
    )


@attack
def insert_a_grant(draw):
    table = grants(draw)
    row = draw.row(table, "id")
    user = draw.row("accounts_user", "id")
    sql(
        f'INSERT INTO "{table}" (permission_id, user_id, content_object_id) '
        f'SELECT permission_id, %s, content_object_id FROM "{table}" WHERE id = %s',
        user,
        row,
    )
    return table, str(query(f'SELECT max(id) FROM "{table}"')[0][0]), ""


@attack
def give_a_grant_to_another(draw):
    table = grants(draw)
    row = draw.row(table, "id")
    change(draw, table, "id", row, apps.get_model("registry", "ModelUserPermission")._meta.get_field("user"))
    return table, str(row), "user_id"


@attack
def delete_a_grant(draw):
    table = grants(draw)
    row = draw.row(table, "id")
    sql(f'DELETE FROM "{table}" WHERE id = %s', row)
    return table, str(row), ""


def stored(draw):
    model, named = draw.one(holders())
    each = draw.one(named)
    row = draw.one(row for row in model.objects.order_by("pk") if getattr(row, each.field))
    path = blobs.path(getattr(row, each.field), area=each.area or row.area)
    return path, (model._meta.db_table, str(row.pk), each.field)


@attack
def delete_a_file(draw):
    path, place = stored(draw)
    path.unlink()
    return place


@attack
def alter_a_byte_of_a_file(draw):
    path, place = stored(draw)
    content = bytearray(path.read_bytes())
    content[draw.random.randrange(len(content))] ^= 1 << draw.random.randrange(8)
    path.chmod(0o640)
    path.write_bytes(bytes(content))
    return place


# ---------------------------------------------------------------- the log and the structure


@attack
def rename_the_log(draw):
    row = draw.row("trail_log", "id")
    column = draw.one(("origin", "verifier"))
    sql(
        f"UPDATE trail_log SET {column} = %s WHERE id = %s",
        f"countersign-{draw.random.getrandbits(64):016x}",
        row,
    )
    return "trail_log", str(row), column


@attack
def put_a_trigger_on_a_table(draw):
    table = draw.one(sorted(model._meta.db_table for model in apps.get_models()))
    if connection.vendor == "sqlite":
        sql_ddl(f'CREATE TRIGGER helper AFTER INSERT ON "{table}" BEGIN SELECT 1; END')
    else:
        sql_ddl(
            f'CREATE TRIGGER helper BEFORE INSERT ON "{table}" FOR EACH ROW EXECUTE FUNCTION trail_refuse()'
        )
    return table, "", ""


def sql_ddl(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
