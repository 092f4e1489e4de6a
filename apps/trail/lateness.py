"""How late it was when the last entry was written: a process that starts asks once, before it believes the clock."""

from __future__ import annotations

from apps.core import clock
from apps.trail.models import Entry

_asked = False


def known() -> None:
    """Tell the clock, once in the life of this process."""
    global _asked
    if _asked:
        return
    newest = Entry.objects.order_by("-id").values_list("at", flat=True).first()
    if newest is not None:
        clock.passed(newest)
    _asked = True


def forget() -> None:
    """Ask again: of another database, or after the clock was accepted as it is."""
    global _asked
    _asked = False
