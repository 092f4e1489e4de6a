"""Quorum, and who may vote and sign at a review board. Pure: facts in, Refused out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from apps.approvals.board_states import (
    DECISION_WORDS,
    FUNCTION_WORDS,
    BoardDecision,
    Function,
    MeetingState,
)
from apps.core.errors import WrongState

MAX_NAME, MAX_TEXT, MAX_QUORUM = 100, 20_000, 30


def quorum_problem(quorum: int, required: Collection[str], voting: Sequence[str]) -> str:
    """What is missing to a quorum; empty when there is one. `voting`: the function of each member with a vote."""
    if len(voting) < quorum:
        return f"The quorum is {quorum} members with a vote; {len(voting)} attended."
    missing = [FUNCTION_WORDS[Function(each)].lower() for each in sorted(set(required) - set(voting))]
    return f"Nobody with a vote attended for: {', '.join(missing)}." if missing else ""


def board_problems(name: str, purpose: str, quorum: int, required: Sequence[str]) -> dict[str, list[str]]:
    problems: dict[str, list[str]] = {}
    if not name.strip() or len(name) > MAX_NAME:
        problems["name"] = [f"Give the board a name of at most {MAX_NAME} characters."]
    if not purpose.strip() or len(purpose) > MAX_TEXT:
        problems["purpose"] = [f"Say what the board decides, in at most {MAX_TEXT:,} characters."]
    if not 2 <= quorum <= MAX_QUORUM:
        problems["quorum"] = [f"A quorum is 2 to {MAX_QUORUM} members: two of them sign."]
    unknown = sorted(set(required) - set(Function))
    if unknown or len(set(required)) != len(required):
        problems["required"] = [f"Choose each at most once from: {', '.join(Function)}."]
    return problems


def minute_problems(text: str, decision: str, conditions: str) -> dict[str, list[str]]:
    problems: dict[str, list[str]] = {}
    if not text.strip() or len(text) > MAX_TEXT:
        problems["minute"] = [f"Write what was said and decided, in at most {MAX_TEXT:,} characters."]
    if decision not in set(BoardDecision):
        problems["decision"] = [f"Choose one of: {', '.join(BoardDecision)}."]
    conditional = decision == BoardDecision.CONDITIONAL
    if conditional and not conditions.strip():
        problems["conditions"] = ["Name the conditions."]
    elif not conditional and conditions.strip():
        problems["conditions"] = ["Only an approval under conditions has conditions."]
    elif len(conditions) > MAX_TEXT:
        problems["conditions"] = [f"At most {MAX_TEXT:,} characters."]
    return problems


def held_problem(held_at: datetime, opened_at: datetime, latest: datetime | None = None) -> str:
    """What is wrong with when a meeting about a gate opened at `opened_at` was held; `latest`: of one that was."""
    if held_at < opened_at:
        return f"Not before the gate was opened, on {opened_at:%Y-%m-%d %H:%M:%S} UTC."
    if latest is not None and held_at > latest:
        return f"{held_at:%Y-%m-%d %H:%M} UTC is in the future: a minute is recorded after the meeting."
    return ""


WHO_IN = {
    MeetingState.PLANNED: "whoever records the minute first",
    MeetingState.MINUTED: "the chair and a second member who voted, who sign the minute",
    MeetingState.SIGNED: "nobody; another meeting can be planned",
    MeetingState.REJECTED: "nobody; another meeting can be planned",
    MeetingState.WITHDRAWN: "nobody; another meeting can be planned",
}


def in_state(ref: str, state: str, wanted: MeetingState, verb: str) -> None:
    if state == wanted:
        return
    raise WrongState(
        f"{ref} cannot be {verb}.",
        fact=f"Its state is: {state}.",
        rule="meeting-state",
        who=[WHO_IN[MeetingState(state)]],
    )


def decision_told(decision: str, conditions: str, confirmed: bool) -> str:
    """`Approves under conditions (not met yet)`."""
    told = DECISION_WORDS[BoardDecision(decision)]
    if decision != BoardDecision.CONDITIONAL:
        return told
    return f"{told} ({'met' if confirmed else 'not confirmed as met'}): {conditions}"


def same_version(shown: Mapping[str, str], today: str, ref: str) -> None:
    """A decision is about the version as the board saw it."""
    if shown["digest"] == today:
        return
    raise WrongState(
        "The version is no longer what the board met about.",
        fact=f"{ref} changed after the minute was recorded.",
        rule="21 CFR 11.70",
        who=["nobody; reject the minute, and the board meets again about the version as it is now"],
    )
