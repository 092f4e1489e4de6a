"""Records as they stood, and who may see them: a look at a moment past opens nothing that is closed today.

What is shown was there at the moment; whether this person may see it is judged by today's duties on today's record.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, TypeVar

from django.core.exceptions import EmptyResultSet
from django.db import models
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

from apps.access import sharing
from apps.core import clock
from apps.core.errors import Refused, WrongState
from apps.trail import past

Row = TypeVar("Row", bound=models.Model)
RULE = "as-of"


@contextmanager
def today() -> Iterator[None]:
    """Within a look at a moment past: what is asked of today. It shares nothing with what was read of then."""
    if past.world() is None:
        yield
        return
    with past.present(), sharing.afresh():
        yield


def seen_today(model: type[Any], rows: Callable[[], QuerySet[Any]]) -> QuerySet[Any]:
    """Records of then, of those that `rows` gives today."""
    with today():
        found = rows().order_by()
        if not found.query.where:
            return model._default_manager.all()
        query: Any = found.values("pk").query
        try:
            sql, params = query.get_compiler("default").as_sql()
        except EmptyResultSet:
            return model._default_manager.none()
    return model._default_manager.filter(pk__in=RawSQL(past.of_today(sql), params))


def of_today(record: Row) -> Row:
    """The record as it is now, where what it says decides who may look; the record itself in the present."""
    if past.world() is None:
        return record
    with today():
        return type(record)._default_manager.get(pk=record.pk)


def nothing_can_be_done(moment: datetime) -> WrongState:
    """What every act is told on a page of a moment past."""
    return WrongState(
        "Nothing can be done at a moment past.",
        fact=f"You see the records as they stood at {moment:%Y-%m-%d %H:%M:%S} UTC.",
        rule=RULE,
        who=["whoever may do it now, on the page as it is now"],
    )


def nothing_at_a_moment_past() -> Refused:
    """What a door is told that sends something with a moment."""
    return Refused(
        "Nothing can be done at a moment past.",
        fact="The address names a moment, and what was sent would change something.",
        rule=RULE,
        who=["whoever may do it, now: leave the moment out of the address"],
        status=400,
    )


def refuse_acts() -> None:
    """No act is carried out within a look at a moment past."""
    if (moment := clock.as_of()) is not None:
        raise nothing_can_be_done(moment)
