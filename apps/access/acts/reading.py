"""Taking the trail away is an act of its own (PC09: every export is logged)."""

from __future__ import annotations

from apps.access.acting import Act, act
from apps.access.gate import ORGANISATION_SUBJECT, Organisation


@act("trail.export")
def export_trail(act: Act, *, asked: dict[str, str], count: int, form: str, export: str = "") -> Organisation:
    """Enter an export before its first byte leaves. `asked`: the filter, label to value; `form`: CSV or JSON Lines.

    `export`: the number that its side file bears, where it has one.
    """
    act.allow(ORGANISATION_SUBJECT)
    act.event(filter=dict(asked), count=count, form=form, **({"export": export} if export else {}))
    return ORGANISATION_SUBJECT
