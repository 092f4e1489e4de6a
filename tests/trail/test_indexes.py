"""On PostgreSQL the lists find what they show by indexes that row entries are not in."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.db.models import Q, QuerySet

from apps.trail.models import Entry, Kind
from apps.trail.queries import told

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif(connection.vendor != "postgresql", reason="partial indexes are PostgreSQL's"),
]

LINES = Entry.objects.filter(~Q(kind=Kind.ROW))
SHOWN = {
    "trail_entry_act": [
        told(Entry.objects).filter(act__in=["access.sign_in", "access.sign_out"]).order_by(),
        Entry.objects.filter(act="access.sign_in", kind=Kind.ACT).order_by(),
        LINES.order_by("act", "id"),
    ],
    "trail_entry_actor": [LINES.filter(actor_uuid="0" * 36).order_by()],
    "trail_entry_scope": [
        LINES.filter(scope__in=["registry.model:1", "registry.model:2"]).order_by(),
        LINES.filter(scope__in=Entry.objects.filter(act_id="1").values("act")).order_by(),
    ],
    "trail_entry_who": [told(Entry.objects).order_by("-actor_name", "-id")],
    "trail_entry_kind": [LINES.order_by("kind", "id")],
}
WHOLE = {"trail_entry_at", "trail_entry_of_act", "trail_entry_row", "trail_entry_subject"}


@pytest.mark.parametrize(
    ("index", "entries"), [(index, entries) for index, asked in SHOWN.items() for entries in asked]
)
def test_a_list_is_read_by_its_index(index: str, entries: QuerySet[Any]) -> None:
    with connection.cursor() as cursor:
        # So few rows would be read and sorted, or found by any other index; whether this one may be used is what is
        # asked. The test's transaction takes the rest back.
        cursor.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off")
        cursor.execute(f"DROP INDEX {', '.join(sorted({*SHOWN, *WHOLE} - {index}))}")
    assert index in entries[:50].explain()


def test_row_entries_are_in_no_index_over_who_what_and_where() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexname FROM pg_indexes WHERE tablename = 'trail_entry' AND indexdef NOT LIKE '%WHERE%'"
        )
        whole = {name for (name,) in cursor.fetchall()}
    assert whole == WHOLE | {"trail_entry_pkey"}
