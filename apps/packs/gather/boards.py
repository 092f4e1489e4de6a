"""What review boards decided at a gate, with who voted and who was recused."""

from __future__ import annotations

from typing import Any

from apps.access.signing import content_digest
from apps.approvals.board_facts import meetings_of_gates, name_of_board
from apps.approvals.board_models import Meeting
from apps.approvals.board_rules import decision_told
from apps.approvals.models import Gate
from apps.core.clock import iso


def decisions(gate: Gate) -> list[dict[str, Any]]:
    """The meetings of the gate that have a minute, oldest first; none where its template wants no board."""
    rows = meetings_of_gates([gate])[gate.pk]
    return [_decision(meeting) for meeting in reversed(rows) if meeting.minuted_at is not None]


def _decision(meeting: Meeting) -> dict[str, Any]:
    attended = meeting.attendance.select_related("member__person").order_by("pk")
    told = decision_told(meeting.decision, meeting.conditions, meeting.conditions_met_at is not None)
    return {
        "ref": meeting.ref,
        "board": name_of_board(meeting),
        "held_at": iso(meeting.held_at),
        "state_word": meeting.get_state_display(),
        "decision": told,
        "voted": [str(each.member) for each in attended if each.votes],
        "recused": [f"{each.member} ({each.recused_because})" for each in attended if not each.votes],
        "version_digest": meeting.about["digest"],
        "digest": content_digest(meeting),
        "minute": meeting.minute,
        "file_digest": meeting.file_digest,
        "signed_by": [each.printed_name for each in meeting.signatures],
    }
