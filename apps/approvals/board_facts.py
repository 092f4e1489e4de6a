"""What separation and signatures ask of boards, seats and meetings; meetings read once for a page."""

from __future__ import annotations

from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

from apps.access.facts import Facts, pairs
from apps.access.gate import ORGANISATION_PAIR
from apps.access.owing import Empowered, owing
from apps.access.separation import Deed
from apps.access.sharing import gathered, grouped
from apps.access.signing import content_digest
from apps.approvals.board_models import Attendance, Board, BoardChange, BoardMember, Meeting
from apps.approvals.board_states import ChangeKind, MeetingState, MemberState
from apps.approvals.board_terms import terms_at
from apps.approvals.loading import slots_of
from apps.approvals.models import Gate, Slot
from apps.core import registries
from apps.core.clock import iso, now
from apps.registry.facts import facts_on_version
from apps.registry.hanging import ON, Hanging, of_kind
from apps.registry.models import Version

CHECK = "board_minute"
SEATED = {
    MemberState.APPROVED: "have a seat on this board",
    MemberState.REQUESTED: "would receive a seat on this board",
}


@registries.facts("approvals.board")
def board_facts(_board: Board) -> Facts:
    return Facts(parents=(ORGANISATION_PAIR,))


@registries.facts("approvals.board_change")
def change_facts(change: BoardChange) -> Facts:
    """Who asks for it, and who sits on the board that an amendment changes, does not approve it (DY17).

    Nor who will sit there, or would: a seat that begins later, or waits for its approval, has what is changed too.
    """
    kind, pk = change.subject_kind, str(change.pk)
    declared = [Deed(str(change.requester.uuid), "request_grant", kind, pk, "asked for this change")]
    if change.kind == ChangeKind.AMEND:
        seats = BoardMember.objects.filter(board=change.board_id, state__in=tuple(SEATED))
        seats = seats.exclude(ends_at__lte=now()).select_related("person")
        declared += [
            Deed(str(seat.person.uuid), "receive_grant", kind, pk, SEATED[MemberState(seat.state)])
            for seat in seats.order_by("pk")
        ]
    return Facts(parents=(ORGANISATION_PAIR,), declared=tuple(declared))


@registries.facts("approvals.board_member")
def member_facts(member: BoardMember) -> Facts:
    """Nor does who holds a duty of the organisation, or a seat, that the receiver approved approve it (EN4)."""
    kind, pk = member.subject_kind, str(member.pk)
    declared: tuple[Deed, ...] = (
        Deed(str(member.requester.uuid), "request_grant", kind, pk, "asked for this seat"),
        Deed(str(member.person.uuid), "receive_grant", kind, pk, "would receive this seat"),
    )
    if member.state == MemberState.REQUESTED:
        person = member.person
        declared += owing(kind, member.pk, person.pk, person.printed_name, {ORGANISATION_PAIR})
    return Facts(parents=(ORGANISATION_PAIR,), declared=declared)


@registries.empowered("people")
def seats_approved(people: list[int]) -> list[tuple[int, Empowered]]:
    """(who approved it, the seat) of the seats in force. A seat counts everywhere: any release may be put before it."""
    rows = BoardMember.objects.in_force().filter(approver_id__in=people).select_related("person", "board")
    return [
        (
            row.approver_id,
            Empowered(str(row.person.uuid), ORGANISATION_PAIR, f"the seat {row.ref} on {row.board}"),
        )
        for row in rows.order_by("pk")
    ]


@registries.facts("approvals.meeting")
def meeting_facts(meeting: Meeting) -> Facts:
    """Siblings are the signature slots of the gate: a board's signed decision is one of them too (DY20).

    Other meetings at the gate are none: they are put again, and decide in the place of one another.
    """
    return facts_on_version(meeting.gate.version).besides(
        lambda: {"siblings": pairs(Slot.subject_kind, [slot.pk for slot in slots_of(meeting.gate)])}
    )


def minutes_of(gate: Gate) -> frozenset[tuple[str, str]]:
    """The meetings at one gate, whose signers fill its slot of the board."""
    return pairs(Meeting.subject_kind, [meeting.pk for meeting in meetings_of_gates([gate])[gate.pk]])


@registries.as_one("registry.versions")
def minutes_as_one(version_ids: Collection[int]) -> dict[tuple[str, str], tuple[str, str]]:
    """Meetings of one gate fill one slot between them: who signed two of their minutes did not fill two slots."""
    one_of: dict[tuple[str, str], tuple[str, str]] = {}
    for minutes in grouped(of_kind(Meeting, version_ids), lambda each: each.made_for).values():
        found = sorted(pairs(Meeting.subject_kind, [each.pk for each in minutes]))
        one_of |= dict.fromkeys(found[1:], found[0])
    return one_of


@registries.facts("approvals.attendance")
def attendance_facts(attendance: Attendance) -> Facts:
    return facts_on_version(attendance.meeting.gate.version)


def wants_board(gate: Gate) -> bool:
    """Whether the gate's template has a line for the board: only then is anything read of meetings."""
    return any(check["code"] == CHECK for check in gate.template_content["checks"])


def meetings_of_gates(gates: Collection[Gate]) -> dict[int, list[Meeting]]:
    """Gate id -> its meetings, newest first, with board and signatures. One query, none without a board's line."""

    def load(ids: list[int]) -> dict[int, list[Meeting]]:
        rows = Meeting.objects.filter(gate_id__in=ids).select_related(
            "board", "chair_signature", "member_signature", "conditions_met_by"
        )
        return grouped(rows.order_by("-number"), lambda meeting: meeting.gate_id)

    wanted = [gate for gate in gates if wants_board(gate)]
    found = gathered("board meetings", [gate.pk for gate in wanted], load) if wanted else {}
    by_id = {gate.pk: gate for gate in wanted}
    for pk, rows in found.items():
        for meeting in rows or []:
            meeting.gate = by_id[pk]
    return {gate.pk: found.get(gate.pk) or [] for gate in gates}


@registries.hanging(ON)
def meetings() -> tuple[Hanging, ...]:
    """Who signs a board's decision approves the version."""
    return (Hanging(Meeting, "gate__version_id", made_for="gate_id"),)


def about(version: Version) -> dict[str, str]:
    """The version as a board sees it."""
    return {"ref": version.ref, "digest": content_digest(version), "artefact": version.artefact_digest}


def decision_of(gate: Gate) -> Meeting | None:
    """The newest decision that a board signed on this gate; of a decided gate, signed before it was decided."""
    for meeting in meetings_of_gates([gate])[gate.pk]:
        in_time = gate.decided_at is None or (
            meeting.decided_at is not None and meeting.decided_at <= gate.decided_at
        )
        if meeting.state == MeetingState.SIGNED and in_time:
            return meeting
    return None


def seat_told(seat: BoardMember, meeting: Meeting) -> str:
    """`chair of Release board for security`: by what a member signs."""
    place = "chair" if seat.chair else "member"
    return f"{place} of {name_of_board(meeting)} for {seat.get_function_display().lower()}"


def name_of_board(meeting: Meeting) -> str:
    """The board as the minute calls it: an amendment since changes nothing of what was signed."""
    if not meeting.quorum:
        return meeting.board.name
    return meeting.quorum.get("board") or terms_at(meeting.board, meeting.held_at)[1].name


@registries.content("approvals.meeting")
def meeting_content(meeting: Meeting) -> dict[str, Any]:
    """What chair and second member sign: board and quorum, version by digest, who attended, minute and decision."""
    rows = meeting.attendance.select_related("member__person").order_by("pk")
    return {
        "schema": "approvals.meeting/1",
        "ref": meeting.ref,
        "board": {"ref": meeting.board.ref, "name": name_of_board(meeting)},
        "gate": meeting.gate.ref,
        "held_at": iso(meeting.held_at),
        "agenda": meeting.agenda,
        "version": meeting.about or None,
        "quorum": {k: v for k, v in meeting.quorum.items() if k != "board"} or None,
        "attendance": [
            {
                "person": {
                    "username": each.member.person.username,
                    "printed_name": each.name,
                },
                "function": each.member.function,
                "chair": each.member.chair,
                "votes": each.votes,
                "recused_because": each.recused_because,
            }
            for each in rows
        ],
        "minute": meeting.minute,
        "file": meeting.file_digest or None,
        "decision": meeting.decision,
        "conditions": meeting.conditions,
    }


@registries.predecessor("approvals.BoardChange")
def terms_before(change: BoardChange) -> SimpleNamespace:
    """The board's terms of today, beside those that are asked for."""
    return SimpleNamespace(after=change.before)
