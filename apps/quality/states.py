"""States of a deviation."""

from __future__ import annotations

import enum


class State(enum.StrEnum):
    OPEN = "open"
    ACCEPTED = "accepted"
    CLOSED = "closed"


WORDS = {State.OPEN: "Open", State.ACCEPTED: "Accepted", State.CLOSED: "Closed as resolved"}
TRANSITIONS = {
    (State.OPEN, "accept_deviation"): State.ACCEPTED,
    (State.ACCEPTED, "accept_deviation"): State.ACCEPTED,  # once its acceptance has run out
    (State.OPEN, "close_deviation"): State.CLOSED,
    (State.ACCEPTED, "close_deviation"): State.CLOSED,
}
