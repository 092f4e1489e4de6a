"""The triggers that make the tables append-only and write the row entries; one source for SQLite and PostgreSQL.

Installed after every migrate (dropped and made again, so that a new column or a new app is covered). They catch
what no Python signal sees: `QuerySet.update`, `bulk_create`, raw SQL, other programs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from apps.trail.models import Entry
from apps.trail.preimages import ERASED
from apps.trail.watched import ENTRY_TABLE, PENDING_TABLE, Watched, frozen_tables, watched_tables

REFUSAL = "append-only: rows of this table are never changed or removed"
NO_ACT = "a history row without an act is refused"
COLUMNS = (
    "at, kind, act, act_id, actor_uuid, actor_name, on_behalf_uuid, on_behalf_name, subject_kind, subject_id, "
    "scope, table_name, row_id, body, salt, digest, mac"
)

# What the erasing of words (erasing.py) may change, and nothing else may: of an entry that is sealed, and of a history
# row whose entry tells of it.
OF_ENTRY = ("body", "salt", "digest")
OF_HISTORY = ("history_change_reason", "mac")
BEGINNING = len(ERASED) + 32 + 1  # of a body: up to the quote behind the act's identifier


def _kept(columns: tuple[str, ...]) -> str:
    return "ARRAY[" + ", ".join(f"'{column}'" for column in columns) + "]"


# PostgreSQL functions by name. The settings pin how times, floats and bytes are told: to_jsonb follows the session.
POSTGRES_FUNCTIONS = {
    "trail_refuse": f"""
BEGIN
  RAISE EXCEPTION '{REFUSAL} (%)', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END
""",
    "trail_entry_erase": f"""
DECLARE
  under text := coalesce(current_setting('countersign.act_id', true), '');
BEGIN
  IF TG_OP = 'UPDATE' AND under <> '' THEN
    IF left(NEW.body, {BEGINNING}) = '{ERASED}' || under || '"'
      AND to_jsonb(NEW) - {_kept(OF_ENTRY)} = to_jsonb(OLD) - {_kept(OF_ENTRY)}
      AND NEW.digest = (SELECT l.body_digest FROM trail_leaf l WHERE l.entry_id = OLD.id) THEN
      RETURN NEW;
    END IF;
  END IF;
  RAISE EXCEPTION '{REFUSAL} (%)', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END
""",
    "trail_history_erase": f"""
DECLARE
  under text := coalesce(current_setting('countersign.act_id', true), '');
BEGIN
  IF TG_OP = 'UPDATE' AND under <> '' THEN
    IF to_jsonb(NEW) - {_kept(OF_HISTORY)} = to_jsonb(OLD) - {_kept(OF_HISTORY)}
      AND EXISTS (SELECT 1 FROM {ENTRY_TABLE} e WHERE e.kind = 'row' AND e.table_name = TG_TABLE_NAME
        AND e.row_id = OLD.history_id AND left(e.body, {BEGINNING}) = '{ERASED}' || under || '"') THEN
      RETURN NEW;
    END IF;
  END IF;
  RAISE EXCEPTION '{REFUSAL} (%)', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END
""",
    "trail_pend": f"""
BEGIN
  INSERT INTO {PENDING_TABLE} (entry_id) VALUES (NEW.id);
  RETURN NULL;
END
""",
    # Arguments: subject kind, subject column, key column, act column or '', 'history' or ''. Pinning settings for each
    # row costs as much as telling it, so that is asked only of sessions which are not as ours.
    "trail_row": f"""
DECLARE
  told jsonb;
  act text;
BEGIN
  IF current_setting('timezone') = 'UTC' AND current_setting('extra_float_digits') = '1'
    AND current_setting('bytea_output') = 'hex' AND current_setting('datestyle') = 'ISO, MDY' THEN
    IF TG_OP = 'DELETE' THEN told := to_jsonb(OLD); ELSE told := to_jsonb(NEW); END IF;
  ELSE
    IF TG_OP = 'DELETE' THEN told := trail_told(OLD); ELSE told := trail_told(NEW); END IF;
  END IF;
  IF TG_ARGV[3] <> '' THEN act := told ->> TG_ARGV[3];
  ELSE act := coalesce(current_setting('countersign.act_id', true), ''); END IF;
  IF TG_ARGV[4] <> '' AND (act = '' OR told ->> 'mac' = '') THEN
    RAISE EXCEPTION '{NO_ACT} (%)', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  INSERT INTO {ENTRY_TABLE} ({COLUMNS}) VALUES (
    clock_timestamp(), 'row', '', act, '', '', '', '', TG_ARGV[0], told ->> TG_ARGV[1], '',
    TG_TABLE_NAME, (told ->> TG_ARGV[2])::bigint,
    jsonb_build_object('op', lower(TG_OP), 'row', told, 'table', TG_TABLE_NAME)::text,
    replace(gen_random_uuid()::text, '-', ''), '', '');
  RETURN NULL;
END
""",
    "trail_told": """
BEGIN
  RETURN to_jsonb(one);
END
""",
}
# What a function is besides a trigger's: its arguments and result, and the settings it pins.
POSTGRES_SHAPES = {"trail_told": "(one anyelement) RETURNS jsonb"}
POSTGRES_SETTINGS = {
    "trail_told": "SET timezone = 'UTC' SET extra_float_digits = 1 SET bytea_output = 'hex' SET datestyle = 'ISO'",
}


@dataclass(frozen=True)
class Trigger:
    """One trigger: its table, its name (unique in the database on SQLite) and the statement that makes it."""

    table: str
    name: str
    sql: str


def _sqlite_row(one: Watched, operation: str) -> Trigger:
    side = "OLD" if operation == "delete" else "NEW"
    act = f'{side}."{one.act_column}"' if one.act_column else "countersign_act_id()"
    name = f"trail_row_{operation}_{one.table}"
    sql = (
        f'CREATE TRIGGER "{name}" AFTER {operation.upper()} ON "{one.table}" BEGIN '
        f"INSERT INTO {ENTRY_TABLE} ({COLUMNS}) VALUES ("
        f"strftime('%Y-%m-%d %H:%M:%f', 'now') || '000', 'row', '', {act}, '', '', '', '', "
        f"'{one.subject_kind}', CAST({side}.\"{one.subject_column}\" AS TEXT), '', "
        f"'{one.table}', {side}.\"{one.key}\", {one.body_json('sqlite', side, operation)}, "
        f"lower(hex(randomblob(16))), '', ''); END"
    )
    return Trigger(one.table, name, sql)


def _sqlite_refusing(
    table: str, operation: str, name: str = "", when: str = "", message: str = REFUSAL
) -> Trigger:
    name = name or f"trail_no_{operation}_{table}"
    clause = f" WHEN {when}" if when else ""
    sql = (
        f'CREATE TRIGGER "{name}" BEFORE {operation.upper()} ON "{table}"{clause} '
        f"BEGIN SELECT RAISE(ABORT, '{message} ({table})'); END"
    )
    return Trigger(table, name, sql)


def _same(columns: Iterable[str]) -> str:
    return " AND ".join(f'NEW."{column}" IS OLD."{column}"' for column in columns)


def _sqlite_begins(body: str) -> str:
    return f"substr({body}, 1, {BEGINNING}) = '{ERASED}' || countersign_act_id() || '\"'"


def _sqlite_erases_entry() -> str:
    """SQL: this update erases words of a sealed entry under the act under way, and changes nothing else."""
    rest = [column for field in Entry._meta.concrete_fields if (column := str(field.column)) not in OF_ENTRY]
    return (
        f"countersign_act_id() <> '' AND {_sqlite_begins('NEW.body')} AND {_same(rest)} "
        "AND NEW.digest = (SELECT l.body_digest FROM trail_leaf l WHERE l.entry_id = OLD.id)"
    )


def _sqlite_erases_history(one: Watched) -> str:
    """SQL: this update erases words of the reason of a row, whose entry was erased under the act under way."""
    rest = [column for column in one.columns if column not in OF_HISTORY]
    return (
        f"countersign_act_id() <> '' AND {_same(rest)} AND EXISTS (SELECT 1 FROM {ENTRY_TABLE} e "
        f"WHERE e.kind = 'row' AND e.table_name = '{one.table}' AND e.row_id = OLD.\"{one.key}\" "
        f"AND {_sqlite_begins('e.body')})"
    )


def _sqlite() -> list[Trigger]:
    made = [
        Trigger(
            ENTRY_TABLE,
            "trail_pend",
            f'CREATE TRIGGER "trail_pend" AFTER INSERT ON {ENTRY_TABLE} '
            f"BEGIN INSERT INTO {PENDING_TABLE} (entry_id) VALUES (NEW.id); END",
        )
    ]
    histories = {one.table: one for one in watched_tables() if one.history}
    for table in frozen_tables():
        when = ""
        if table == ENTRY_TABLE:
            when = f"NOT ({_sqlite_erases_entry()})"
        elif table in histories:
            when = f"NOT ({_sqlite_erases_history(histories[table])})"
        made += [_sqlite_refusing(table, "update", when=when), _sqlite_refusing(table, "delete")]
    for one in watched_tables():
        if one.history:
            guard = "NEW.act_id = '' OR NEW.mac = ''"
            made.append(_sqlite_refusing(one.table, "insert", f"trail_need_act_{one.table}", guard, NO_ACT))
        operations = ("insert", "update", "delete") if one.changes else ("insert",)
        made += [_sqlite_row(one, operation) for operation in operations]
    return made


def _postgres() -> list[Trigger]:
    made = [
        Trigger(
            ENTRY_TABLE,
            "trail_pend",
            f"CREATE TRIGGER trail_pend AFTER INSERT ON {ENTRY_TABLE} FOR EACH ROW EXECUTE FUNCTION trail_pend()",
        )
    ]
    histories = {one.table for one in watched_tables() if one.history}
    for table in frozen_tables():
        refuses = "trail_history_erase" if table in histories else "trail_refuse"
        refuses = "trail_entry_erase" if table == ENTRY_TABLE else refuses
        made += [
            Trigger(
                table,
                "trail_no_change",
                f'CREATE TRIGGER trail_no_change BEFORE UPDATE OR DELETE ON "{table}" '
                f"FOR EACH ROW EXECUTE FUNCTION {refuses}()",
            ),
            Trigger(
                table,
                "trail_no_truncate",
                f'CREATE TRIGGER trail_no_truncate BEFORE TRUNCATE ON "{table}" '
                "FOR EACH STATEMENT EXECUTE FUNCTION trail_refuse()",
            ),
        ]
    for one in watched_tables():
        when = "INSERT OR UPDATE OR DELETE" if one.changes else "INSERT"
        arguments = [one.subject_kind, one.subject_column, one.key, one.act_column]
        arguments.append("history" if one.history else "")
        quoted = ", ".join(f"'{argument}'" for argument in arguments)
        made.append(
            Trigger(
                one.table,
                "trail_row",
                f'CREATE TRIGGER trail_row AFTER {when} ON "{one.table}" '
                f"FOR EACH ROW EXECUTE FUNCTION trail_row({quoted})",
            )
        )
    return made


def expected(connection: BaseDatabaseWrapper) -> list[Trigger]:
    """The triggers this code wants on the tables that exist now."""
    there = set(connection.introspection.table_names())
    made = _postgres() if connection.vendor == "postgresql" else _sqlite()
    return [trigger for trigger in made if trigger.table in there]


def installed(connection: BaseDatabaseWrapper) -> dict[tuple[str, str], str]:
    """(table, name) -> definition, of the enabled triggers of ours found in the database."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(
                "SELECT c.relname, t.tgname, pg_get_triggerdef(t.oid) FROM pg_trigger t "
                "JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
                "WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A') AND t.tgname LIKE 'trail\\_%%' "
                "AND n.nspname = current_schema()",
                [],
            )
        else:
            cursor.execute(
                "SELECT tbl_name, name, sql FROM sqlite_master WHERE type = 'trigger' AND name GLOB 'trail_*'"
            )
        return {(table, name): sql for table, name, sql in cursor.fetchall()}


def drop(connection: BaseDatabaseWrapper, only: Iterable[str] | None = None) -> None:
    """Take our triggers off; for migrations on SQLite and for tests. `only`: table names."""
    with connection.cursor() as cursor:
        statements = []
        for table, name in _present(cursor, connection.vendor):
            if only is None or table in only:
                on = f' ON "{table}"' if connection.vendor == "postgresql" else ""
                statements.append(f'DROP TRIGGER "{name}"{on}')
        carry_out(cursor, connection.vendor, statements)


def carry_out(cursor: Any, vendor: str, statements: list[str]) -> None:
    """All in one journey and one transaction where the database takes them so: there are hundreds."""
    if vendor == "postgresql":
        cursor.execute(";\n".join(statements) or "SELECT")
    else:
        for statement in statements:
            cursor.execute(statement)


def _present(cursor: Any, vendor: str) -> list[tuple[str, str]]:
    if vendor == "postgresql":
        cursor.execute(
            "SELECT c.relname, t.tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
            "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE NOT t.tgisinternal "
            "AND starts_with(t.tgname, 'trail_') AND n.nspname = current_schema()"
        )
    else:
        cursor.execute(
            "SELECT tbl_name, name FROM sqlite_master WHERE type = 'trigger' AND name GLOB 'trail_*'"
        )
    return list(cursor.fetchall())


def install(connection: BaseDatabaseWrapper) -> None:
    """Drop and make again every trigger of ours. Needs the trail's own tables."""
    if ENTRY_TABLE not in connection.introspection.table_names():
        return
    drop(connection)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            for name, source in POSTGRES_FUNCTIONS.items():
                settings = POSTGRES_SETTINGS.get(name, "")
                shape = POSTGRES_SHAPES.get(name, "() RETURNS trigger")
                cursor.execute(
                    f"CREATE OR REPLACE FUNCTION {name}{shape} LANGUAGE plpgsql {settings} AS $${source}$$"
                )
        carry_out(cursor, connection.vendor, [trigger.sql for trigger in expected(connection)])


def faults(connection: BaseDatabaseWrapper) -> list[tuple[str, str, str]]:
    """(table, trigger, what is wrong) for each trigger that is missing, off or not as this code makes it."""
    there = installed(connection)
    tell = _squeeze if connection.vendor == "postgresql" else str
    found = []
    for trigger in expected(connection):
        sql = there.get((trigger.table, trigger.name))
        if sql is None:
            found.append((trigger.table, trigger.name, "missing or disabled"))
        elif tell(sql) != tell(trigger.sql):
            found.append((trigger.table, trigger.name, "not the trigger this version makes"))
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT p.proname, p.prosrc, l.lanname, p.prosecdef, coalesce(array_length(p.proconfig, 1), 0) "
                "FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace "
                "JOIN pg_language l ON l.oid = p.prolang "
                "WHERE n.nspname = current_schema() AND p.proname = ANY(%s)",
                [list(POSTGRES_FUNCTIONS)],
            )
            made = {name: tuple(rest) for name, *rest in cursor.fetchall()}
        for name, source in POSTGRES_FUNCTIONS.items():
            pinned = POSTGRES_SETTINGS.get(name, "").count("SET ")
            if made.get(name) != (source, "plpgsql", False, pinned):
                found.append((ENTRY_TABLE, name, "the function is not the one this version makes"))
    return found


def _squeeze(sql: str) -> str:
    """A trigger definition without what PostgreSQL adds or leaves out when it prints one."""
    events = {"insert", "update", "delete", "truncate"}
    words = sql.replace('"', "").replace("public.", "").lower().split()
    head = sorted(word for word in words if word in events)
    return " ".join([*head, *(word for word in words if word not in events and word != "or")])
