"""The gate's line for the review board: a decision about exactly this version, signed by chair and second member."""

from __future__ import annotations

from collections import defaultdict

from apps.access.sharing import once
from apps.approvals.board_facts import about, decision_of, meetings_of_gates
from apps.approvals.board_models import BoardMember, Meeting
from apps.approvals.board_rules import decision_told, quorum_problem
from apps.approvals.board_states import BoardDecision, MeetingState
from apps.approvals.models import Gate
from apps.core.clock import now
from apps.core.outcomes import CheckState, Outcome


def has_board() -> bool:
    """Whether a review board has the seats to decide: from then on a minute that somebody typed in counts no more."""
    return once("has board", _any_seated)


def _any_seated() -> bool:
    """A board counts once its seats in force could make its quorum: until then it can decide nothing."""
    functions: dict[int, list[str]] = defaultdict(list)
    wanted: dict[int, tuple[int, list[str]]] = {}
    rows = BoardMember.objects.in_force().values_list(
        "board_id", "board__quorum", "board__required", "function"
    )
    for board, quorum, required, function in rows.order_by("pk"):
        functions[board].append(function)
        wanted[board] = quorum, required
    return any(not quorum_problem(*wanted[board], seated) for board, seated in functions.items())


def put_before_board(gate: Gate) -> bool:
    """Whether a board was asked about this gate: no typed minute stands in for what it says, whoever sits on it now."""
    return any(meeting.state != MeetingState.WITHDRAWN for meeting in meetings_of_gates([gate])[gate.pk])


def board_decided(gate: Gate) -> Outcome:
    """What the newest signed decision says of this version, or what a decision waits for."""
    plan = ("approvals.plan_meeting", gate.subject_kind, gate.pk)
    meetings = meetings_of_gates([gate])[gate.pk]
    under_way = next((m for m in meetings if m.state in (MeetingState.PLANNED, MeetingState.MINUTED)), None)
    decided = decision_of(gate)
    if decided is None or (under_way is not None and under_way.number > decided.number):
        board_speaks = under_way or has_board() or put_before_board(gate)
        return _waiting(under_way, plan) if board_speaks else _no_board(gate)
    by = " and ".join(s.printed_name for s in decided.signatures)
    evidence = f"{decided.ref} of {decided.board}, {decided.held_at:%Y-%m-%d}, signed by {by}"
    told = decision_told(decided.decision, decided.conditions, decided.conditions_met_at is not None)
    refs, digests = (decided.ref,), tuple(s.content_digest for s in decided.signatures)
    if decided.about["digest"] != about(gate.version)["digest"]:
        why = "The version changed after the board decided about it."
        return Outcome(
            CheckState.OUT_OF_DATE, evidence=evidence, why=why, rule="21 CFR 11.70", refs=refs, needs=(plan,)
        )
    if decided.decision == BoardDecision.REJECT:
        return Outcome(CheckState.NOT_MET, evidence=evidence, why=told, rule="G7", refs=refs, needs=(plan,))
    if decided.decision == BoardDecision.CONDITIONAL and decided.conditions_met_at is None:
        return Outcome(CheckState.WAITING, evidence=evidence, why=told, rule="G7", refs=refs)
    return Outcome(CheckState.MET, evidence=f"{evidence}. {told}", refs=refs, digests=digests)


def _waiting(meeting: Meeting | None, plan: tuple[str, str, int]) -> Outcome:
    if meeting is None:
        return Outcome(CheckState.NOT_STARTED, why="No meeting of a review board is planned.", needs=(plan,))
    if meeting.state == MeetingState.PLANNED:
        planned = f"{meeting.ref} of {meeting.board} is planned for {meeting.held_at:%Y-%m-%d %H:%M} UTC."
        if now() < meeting.held_at:
            why = f"{planned} Its minute is due from then on."
            return Outcome(CheckState.WAITING, why=why, refs=(meeting.ref,))
        needs = (("approvals.record_meeting", meeting.subject_kind, meeting.pk),)
        return Outcome(CheckState.WAITING, why=planned, refs=(meeting.ref,), needs=needs)
    if meeting.about["digest"] != about(meeting.gate.version)["digest"]:
        why = f"The version changed after the minute of {meeting.ref} was recorded: reject or withdraw it."
        return Outcome(
            CheckState.OUT_OF_DATE, why=why, rule="21 CFR 11.70", refs=(meeting.ref,), needs=(plan,)
        )
    wanted = [
        word
        for word, given in (
            ("the chair", meeting.chair_signature),
            ("a second member", meeting.member_signature),
        )
        if given is None
    ]
    why = f"The minute of {meeting.ref} waits for the signature of {' and '.join(wanted)}."
    return Outcome(CheckState.WAITING, why=why, refs=(meeting.ref,))


def _no_board(gate: Gate) -> Outcome:
    """Without a board the minute of one outside the portal is recorded."""
    needs = (("approvals.record_minute", gate.subject_kind, gate.pk),)
    return Outcome(CheckState.NOT_STARTED, why="No board minute is recorded.", needs=needs)
