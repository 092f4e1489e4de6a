"""What ends by itself when its time has come."""

from __future__ import annotations

from apps.access.actors import Actor
from apps.access.acts.reviews import due_sheets, lapse_review
from apps.core.errors import WrongState


def lapse_reviews() -> int:
    """Let every sheet lapse whose campaign is past due; one act each, so that one fault keeps none from the others."""
    worker, count = Actor.service("worker"), 0
    for sheet in due_sheets():
        try:
            lapse_review(worker, sheet)
        except WrongState:  # another worker was first
            continue
        count += 1
    return count
