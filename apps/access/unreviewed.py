"""Access that nobody has reviewed for a year: told to compliance on their page of work and once a month by mail.

A review is opened by a person: which objects it covers and until when is theirs to decide. That it is due is told.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet

from apps.access import duties
from apps.access.models import Assignment, ReviewSheet
from apps.accounts.models import User
from apps.core.clock import now

EVERY = timedelta(
    days=365
)  # Annex 11 draft 11.8 asks for reviews at regular times; a year is the longest usual one


def unreviewed() -> QuerySet[Assignment, Any]:
    """(kind, id) of the models, datasets and the organisation where a duty is in force for longer than a year and no
    sheet of a review was signed within one."""
    since = now() - EVERY
    signed = ReviewSheet.objects.filter(
        state=ReviewSheet.State.SIGNED,
        scope_kind=OuterRef("scope_kind"),
        scope_id=OuterRef("scope_id"),
        signature__signed_at__gt=since,
    )
    old = Assignment.objects.active().filter(starts_at__lte=since).exclude(Exists(signed))
    places: QuerySet[Assignment, Any] = old.order_by().values_list("scope_kind", "scope_id").distinct()
    return places


def told(number: int) -> str:
    """`Access to 3 objects was not reviewed for a year.`; empty for none."""
    if not number:
        return ""
    return f"Access to {number} object{'' if number == 1 else 's'} was not reviewed for a year."


def due(link: str) -> Iterator[tuple[User, str, str, str]]:
    """(compliance officer, stage, title, text) of the mail of this month; nothing where all was reviewed."""
    if not (number := unreviewed().count()):
        return
    officers = Assignment.objects.active().filter(scope_kind=duties.ORGANISATION, duty=duties.Duty.COMPLIANCE)
    for held in officers.select_related("person"):
        yield (
            held.person,
            f"review {now():%y%m}",
            told(number),
            f"Dear {held.person.printed_name},\n\n{told(number)[:-1]}: duties there are in force, and no sheet of a "
            f"review was signed within the last 365 days. A review is opened here:\n\n{link}\n",
        )
