"""What an owner of the database can put round our tables is found and named, on both databases."""

from __future__ import annotations

import pytest
from django.core.checks import Tags, run_checks
from django.db import connection

from apps.trail import structure, verifier
from tests.trail.attacks import TOKENS, USERS

VENDORS = ("sqlite", "postgresql")
# name -> (vendors, statements, table named, words in the detail)
CHANGES = {
    "foreign trigger": (
        ("sqlite",),
        [f"CREATE TRIGGER helper AFTER UPDATE ON {USERS} BEGIN SELECT 1; END"],
        USERS,
        "trigger helper",
    ),
    "foreign trigger in our name": (
        ("sqlite",),
        [f"CREATE TRIGGER trail_row_helper AFTER UPDATE ON {USERS} BEGIN SELECT 1; END"],
        USERS,
        "trigger trail_row_helper",
    ),
    "foreign trigger on PostgreSQL": (
        ("postgresql",),
        [
            "CREATE FUNCTION helper() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
            f"CREATE TRIGGER helper BEFORE INSERT ON {TOKENS} FOR EACH ROW EXECUTE FUNCTION helper()",
        ],
        TOKENS,
        "trigger helper",
    ),
    "trigger switched off": (
        ("postgresql",),
        ["ALTER TABLE trail_entry DISABLE TRIGGER trail_no_change"],
        "trail_entry",
        "trail_no_change: missing or disabled",
    ),
    "trigger for replicas only": (
        ("postgresql",),
        ["ALTER TABLE trail_entry ENABLE REPLICA TRIGGER trail_pend"],
        "trail_entry",
        "trail_pend: missing or disabled",
    ),
    "foreign keys switched off": (
        ("postgresql",),
        [f"ALTER TABLE {TOKENS} DISABLE TRIGGER ALL"],
        TOKENS,
        "foreign key",
    ),
    "trigger with a condition": (
        ("postgresql",),
        [
            "DROP TRIGGER trail_no_change ON trail_leaf",
            "CREATE TRIGGER trail_no_change BEFORE UPDATE OR DELETE ON trail_leaf "
            "FOR EACH ROW WHEN (OLD.index > 7) EXECUTE FUNCTION trail_refuse()",
        ],
        "trail_leaf",
        "trail_no_change: not the trigger",
    ),
    "function with other settings": (
        ("postgresql",),
        ["ALTER FUNCTION trail_told(anyelement) RESET ALL"],
        "trail_entry",
        "trail_told: the function",
    ),
    "function run as its owner": (
        ("postgresql",),
        ["ALTER FUNCTION trail_refuse() SECURITY DEFINER"],
        "trail_entry",
        "trail_refuse: the function",
    ),
    "trigger with another body": (
        ("sqlite",),
        [
            "DROP TRIGGER trail_no_update_trail_leaf",
            'CREATE TRIGGER "trail_no_update_trail_leaf" BEFORE UPDATE ON "trail_leaf" BEGIN SELECT 1; END',
        ],
        "trail_leaf",
        "not the trigger",
    ),
    "table behind a view": (
        VENDORS,
        [f"ALTER TABLE {TOKENS} RENAME TO hidden", f"CREATE VIEW {TOKENS} AS SELECT * FROM hidden"],
        TOKENS,
        "not a",
    ),
    "table gone": (VENDORS, ["DROP TABLE accounts_tokenuse"], "accounts_tokenuse", "is missing"),
    "unique index gone": (
        VENDORS,
        ["DROP INDEX username_unique_in_any_case"],
        USERS,
        "username_unique_in_any_case",
    ),
    "unique constraint gone": (
        ("postgresql",),
        ["ALTER TABLE trail_leaf DROP CONSTRAINT trail_leaf_entry_id_key"],
        "trail_leaf",
        "unique no longer",
    ),
    "rule that swallows": (
        ("postgresql",),
        [f"CREATE RULE quiet AS ON INSERT TO {TOKENS} DO INSTEAD NOTHING"],
        TOKENS,
        "rule quiet",
    ),
    "row level security": (
        ("postgresql",),
        [f"ALTER TABLE {USERS} ENABLE ROW LEVEL SECURITY"],
        USERS,
        "row level security",
    ),
    "policy": (("postgresql",), [f"CREATE POLICY blind ON {USERS} USING (id > 1)"], USERS, "policy blind"),
    "inherited rows": (
        ("postgresql",),
        ["CREATE TABLE shadow () INHERITS (trail_node)"],
        "trail_node",
        "the table shadow",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_the_structure_is_named(name, story):
    vendors, statements, table, words = CHANGES[name]
    if connection.vendor not in vendors:
        pytest.skip(f"not on {connection.vendor}")
    assert verifier.verify().findings == []
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for statement in statements:
            cursor.execute(statement)
    if name in ("table behind a view", "table gone"):
        # What else reads the table fails before it is asked: the structure is told all the same.
        told = [(place, detail) for _, place, _, detail in structure.faults(connection)]
    else:
        told = [(each.table, each.detail) for each in verifier.verify().findings]
    assert any(place == table and words in detail for place, detail in told), told
    errors = run_checks(tags=[Tags.database], databases=["default"])
    assert any(each.id in ("trail.E001", "trail.E002") and table in each.msg for each in errors)


def test_the_structure_as_migrated_has_no_fault(db):
    assert list(structure.faults(connection)) == []
