"""What colleagues asked of one, on the page of work and by mail; what nobody answered leaves it after a fortnight."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from django.db.models import Q

from apps.access.acts.asks import refuse_others
from apps.access.gate import is_visible
from apps.access.models import Ask
from apps.access.policy import TABLE
from apps.access.waiting import Queue, Row, columns, partly, queue
from apps.accounts.models import User
from apps.core.clock import now

STANDS = timedelta(days=14)
ASKS = columns("n1=asker_id n2=person_id n3=about_id t1=act t2=about_kind t3=about_ref t4=state")


def _asks(rows: list[Row], people: Mapping[int, User]) -> list[Ask]:
    found = []
    for each in rows:
        made = partly(Ask, each, ASKS, since="asked_at")
        made.asker, made.person = people[each["n1"]], people[each["n2"]]
        found.append(made)
    return found


def told(row: Ask) -> str:
    """In one line: the button and the name of the record; whoever may no longer see it is not told its name."""
    about = row.about()
    ref = row.about_ref if about is not None and is_visible(row.person, about) else "a record"
    label = TABLE[row.act].label if row.act in TABLE else row.act
    return f"“{label}” on {ref}"


queue(
    Queue(
        key="asks",
        one="request of a colleague",
        many="requests of colleagues",
        record=Ask,
        waits=lambda: Q(state=Ask.State.OPEN, asked_at__gt=now() - STANDS),
        since="asked_at",
        columns=ASKS,
        people=("n1", "n2"),
        acts=lambda _row: ("access.answer_ask",),
        make=_asks,
        what=told,
        asked_by=lambda row: row.asker,
        path=lambda row: f"/asks/{row.pk}/",
        further=lambda person, row, _act: refuse_others(person, row),
        able=lambda row, _act: [row.person],
        told_again=True,
    )
)
