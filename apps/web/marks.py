"""States as marks: word + icon shape + fill, never hue alone. Icons come from here and nowhere else.

The ten gate states have shapes of our own (distinct in outline, readable at 14 px); all other icons are
Lucide's. Fills are the `st-…` classes of static/app.css.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import lucide
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from apps.core.outcomes import WORDS, CheckState

# Solid shapes on a 16 × 16 grid: circle with tick, octagon, arrow, clock, open ring, turning arrow, triangle,
# shield, dashed circle, empty circle.
_SHAPES = {
    "met": "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm3.6 5.3L7.3 11 4.6 8.4l1-1 1.6 1.5 3.3-3.6Z",
    "not_met": "M5 1h6l4 4v6l-4 4H5l-4-4V5Z"
    "m.6 3.6L4.6 5.6 7 8l-2.4 2.4 1 1L8 9l2.4 2.4 1-1L9 8l2.4-2.4-1-1L8 7Z",
    "needs_you": "M1 7h9L6.5 3.5 8 2l6 6-6 6-1.5-1.5L10 9H1Z",
    "waiting": "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm0 1.6a5.4 5.4 0 1 1 0 10.8A5.4 5.4 0 0 1 8 2.6Z"
    "M7.3 4.5v4l3 1.8.8-1.3-2.3-1.4V4.5Z",
    "running": "M8 1a7 7 0 1 0 7 7h-1.7A5.3 5.3 0 1 1 8 2.7Z",
    "out_of_date": "M8 2a6 6 0 1 1-5.7 4.2l1.5.5A4.4 4.4 0 1 0 8 3.6V6L4.5 3 8 0Z",
    "stuck": "M8 1 .5 14.5h15ZM7.2 6h1.6v4.5H7.2Zm0 5.5h1.6V13H7.2Z",
    "by_deviation": "M8 1 2 3.5v4C2 11 4.5 14 8 15c3.5-1 6-4 6-7.5v-4ZM7 4.5h2v5H7Zm0 6h2v2H7Z",
    "not_applicable": "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1ZM4.5 7.2h7v1.6h-7Z",
    "not_started": "M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1Zm0 1.6a5.4 5.4 0 1 1 0 10.8A5.4 5.4 0 0 1 8 2.6Z",
}


@dataclass(frozen=True)
class Mark:
    """How one state looks: its word, the name of its icon, and its fill (a class `st-<fill>`)."""

    word: str
    icon: str
    fill: str


_FILLS = {
    CheckState.MET: "quiet",
    CheckState.NOT_MET: "bad",
    CheckState.NEEDS_YOU: "act",
    CheckState.WAITING: "outline",
    CheckState.RUNNING: "outline",
    CheckState.OUT_OF_DATE: "tint",
    CheckState.STUCK: "dashed-bad",
    CheckState.BY_DEVIATION: "dashed",
    CheckState.NOT_APPLICABLE: "plain",
    CheckState.NOT_STARTED: "plain",
}
CHECK_MARKS = {state.value: Mark(WORDS[state], state.value, _FILLS[state]) for state in CheckState}

JOB_MARKS = {
    "queued": Mark("Queued", "waiting", "outline"),
    "running": Mark("Running", "running", "outline"),
    "done": Mark("Done", "met", "quiet"),
    "failed": Mark("Failed", "not_met", "bad"),
    "cancelled": Mark("Cancelled", "not_applicable", "plain"),
}

# States of versions and of the other records; a record's own word (its label) wins over the one here.
RECORD_MARKS = {
    **JOB_MARKS,
    "met": CHECK_MARKS["met"],
    "not_met": CHECK_MARKS["not_met"],
    "none": Mark("Not reviewed", "not_started", "plain"),
    "written": Mark("Written", "pencil", "outline"),
    "wanted": Mark("Wanted", "waiting", "outline"),
    "signed": Mark("Signed", "pen-line", "quiet"),
    "authored": Mark("Signed by its author", "pen-line", "outline"),
    "uploaded": Mark("Uploaded", "not_started", "plain"),
    "registered": Mark("Registered", "not_started", "plain"),
    "draft": Mark("Draft", "pencil", "outline"),
    "scoped": Mark("Scoped", "not_started", "plain"),
    "data_ready": Mark("Data ready", "not_started", "plain"),
    "preparing": Mark("Being opened", "waiting", "outline"),
    "open": Mark("Open", "circle-dot", "outline"),
    "fixed": Mark("Fixed", "lock", "outline"),
    "frozen": Mark("Frozen", "lock", "outline"),
    "locked": Mark("Locked", "lock", "outline"),
    "verified": Mark("Verified", "met", "quiet"),
    "plan_approved": Mark("Plan approved", "met", "quiet"),
    "validated": Mark("Validated", "met", "quiet"),
    "in_review": Mark("In review", "waiting", "outline"),
    "requested": Mark("Requested", "waiting", "outline"),
    "proposed": Mark("Proposed", "waiting", "outline"),
    "planned": Mark("Planned", "waiting", "outline"),
    "minuted": Mark("Minute waits for signatures", "waiting", "outline"),
    "in_force": Mark("In force", "met", "quiet"),
    "placed": Mark("Placed", "lock", "outline"),
    "lifted": Mark("Lifted", "met", "quiet"),
    "refused": Mark("Refused", "not_met", "bad"),
    "active": Mark("Active", "met", "quiet"),
    "approved": Mark("Approved", "met", "quiet"),
    "released": Mark("Released", "met", "quiet"),
    "accepted": Mark("Accepted", "by_deviation", "dashed"),
    "in_service": Mark("In service", "met", "quiet"),
    "closed": Mark("Closed", "met", "quiet"),
    "passed": Mark("Passed", "met", "quiet"),
    "within": Mark("Within limits", "met", "quiet"),
    "breached": Mark("Limit breached", "not_met", "bad"),
    "undecided": Mark("Too little data to tell", "not_started", "dashed"),
    "rejected": Mark("Rejected", "not_met", "bad"),
    "suspended": Mark("Suspended", "ban", "bad"),
    "restricted": Mark("Restricted", "stuck", "tint"),
    "superseded": Mark("Superseded", "out_of_date", "tint"),
    "expired": Mark("Expired", "waiting", "tint"),
    "ended": Mark("Ended", "not_applicable", "plain"),
    "withdrawn": Mark("Withdrawn", "not_applicable", "plain"),
    "retired": Mark("Retired", "archive", "plain"),
    "archived": Mark("Archived", "archive", "plain"),
}

# How a training stands.
TRAINING_MARKS = {
    "current": Mark("Current", "met", "quiet"),
    "soon": Mark("Lapses soon", "waiting", "tint"),
    "lapsed": Mark("Lapsed", "not_met", "bad"),
    "outdated": Mark("Superseded edition", "out_of_date", "tint"),
    "missing": Mark("Missing", "not_started", "dashed-bad"),
}

# How a part of the portal itself stands.
HEALTH_MARKS = {
    "well": Mark("Well", "met", "quiet"),
    "watch": Mark("Look at it", "stuck", "tint"),
    "fault": Mark("Fault", "not_met", "bad"),
}

SIGNATURE_MARKS = {
    "valid": Mark("VALID", "met", "quiet"),
    "out_of_date": Mark("OUT OF DATE", "out_of_date", "tint"),
    "invalid": Mark("INVALID", "not_met", "bad"),
    "unsigned": Mark("UNSIGNED", "not_met", "bad"),
}


def mark_of(state: object, table: dict[str, Mark]) -> Mark:
    """The mark of `state` in `table`. A state nobody drew is shown by its own word, never hidden."""
    code = str(getattr(state, "value", state))
    known = table.get(code)
    if known is not None:
        return known
    return Mark(code.replace("_", " ").capitalize() or "Unknown", "not_started", "outline")


def render_mark(mark: Mark, word: str = "", extra: str = "") -> SafeString:
    """`<span class="st st-…">icon word extra</span>`; `word` overrides the mark's own."""
    text = word or mark.word
    if extra:
        text = f"{text}: {extra}"
    spin = "spin" if mark.icon == "running" else ""
    return format_html('<span class="st st-{}">{} {}</span>', mark.fill, icon(mark.icon, spin), text)


@lru_cache(maxsize=512)
def icon(name: str, css: str = "") -> SafeString:
    """Inline SVG, hidden from assistive technology: the word beside it carries the meaning.

    Raises lucide.IconDoesNotExist for an unknown name: a missing icon must fail in tests, not vanish.
    """
    classes = f"i {css}".strip()
    shape = _SHAPES.get(name)
    if shape:
        return format_html(
            '<svg class="{}" viewBox="0 0 16 16" fill="currentColor" aria-hidden="true" focusable="false">'
            '<path fill-rule="evenodd" d="{}"/></svg>',
            classes,
            shape,
        )
    # Lucide ships fixed files; nothing from a user reaches this string but the name, which picks a file.
    svg = lucide._render_icon(name, None, **{"class": classes, "aria_hidden": "true", "focusable": "false"})
    return mark_safe(" ".join(svg.split()).replace("> <", "><"))
