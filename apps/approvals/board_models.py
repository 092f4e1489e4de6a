"""Review boards: the board and the changes to it, members by function, meetings about one version's gate."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from apps.access import duties
from apps.approvals import board_states as states
from apps.approvals.board_states import (
    BoardDecision,
    BoardState,
    ChangeKind,
    ChangeState,
    Function,
    MeetingState,
    MemberState,
)
from apps.core.blobs import StoredFile
from apps.core.clock import now
from apps.trail.history import history
from apps.trail.models import Signature

PERSON = settings.AUTH_USER_MODEL


class Board(models.Model):
    """A review board and its quorum: how many members with a vote, and which functions among them.

    It stands as its last approved change left it; `version` counts what was approved of name, purpose and quorum.
    """

    subject_kind = "approvals.board"

    name = models.CharField(max_length=100)
    purpose = models.TextField()
    quorum = models.PositiveSmallIntegerField()
    required = models.JSONField()  # functions that must vote, in the order of Function
    state = models.CharField(
        max_length=10,
        choices=[(s.value, states.BOARD_WORDS[s]) for s in BoardState],
        default=BoardState.IN_FORCE,
    )
    version = models.PositiveSmallIntegerField(default=1)
    ended_at = models.DateTimeField(null=True, blank=True)
    reason = models.TextField()
    created_by = models.ForeignKey(PERSON, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    history = history()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(condition=Q(quorum__gte=2), name="board_quorum_is_two_or_more"),
            models.UniqueConstraint(
                fields=["name"], condition=Q(state__in=["proposed", "in_force"]), name="board_name_once"
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def ref(self) -> str:
        return f"B-{self.pk}"

    @property
    def scope(self) -> str:
        return duties.scope_text(duties.ORGANISATION, duties.ORGANISATION_ID)


class BoardChange(models.Model):
    """A board founded, amended or ended: asked for by one person, in force once another approves it (DY17)."""

    subject_kind = "approvals.board_change"

    board = models.ForeignKey(Board, on_delete=models.PROTECT, related_name="changes")
    kind = models.CharField(
        max_length=5, choices=[(kind.value, states.CHANGE_KINDS[kind]) for kind in ChangeKind]
    )
    version = models.PositiveSmallIntegerField()  # of the board, once it is approved
    before = models.JSONField(default=dict)  # {"name", "purpose", "quorum", "required"} when it was asked for
    after = models.JSONField(default=dict)  # the same as it will be; empty of an ending
    state = models.CharField(
        max_length=10,
        choices=[(s.value, s.value.capitalize()) for s in ChangeState],
        default=ChangeState.REQUESTED,
    )
    reason = models.TextField()
    requester = models.ForeignKey(PERSON, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    decided_by = models.ForeignKey(PERSON, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    decision_reason = models.TextField(blank=True)
    history = history()

    class Meta:
        ordering = ["board", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=~Q(state="approved") | ~Q(decided_by=F("requester")),
                name="board_change_approved_by_another",
            ),
            models.UniqueConstraint(
                fields=["board"], condition=Q(state="requested"), name="board_change_open_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.after.get('name') or self.before['name']}"

    @property
    def ref(self) -> str:
        return f"BC-{self.pk}"

    @property
    def scope(self) -> str:
        return self.board.scope


class MemberQuerySet(models.QuerySet["BoardMember"]):
    def in_force(self, at: datetime | None = None, until: datetime | None = None) -> MemberQuerySet:
        """Approved by then, begun, not ended at `at` (now), the person's account not deactivated by then.

        With `until`: at some moment between the two. A seat that was ended before it began has no end, and was
        never in force.
        """
        at = at or now()
        until = until or at
        held = Q(state=MemberState.APPROVED, ends_at=None)
        return self.filter(
            held | Q(state__in=[MemberState.APPROVED, MemberState.ENDED], ends_at__gt=at),
            Q(person__is_active=True) | Q(person__deactivated_at__gt=at),
            decided_at__lte=until,
            approver__isnull=False,
            starts_at__lte=until,
        )


class BoardMember(models.Model):
    """One person's seat on a board: function, start, end, reason; asked for by one, approved by another (DY17)."""

    subject_kind = "approvals.board_member"

    board = models.ForeignKey(Board, on_delete=models.PROTECT, related_name="members")
    person = models.ForeignKey(PERSON, on_delete=models.PROTECT, related_name="seats")
    function = models.CharField(
        max_length=10, choices=[(f.value, states.FUNCTION_WORDS[f]) for f in Function]
    )
    chair = models.BooleanField(default=False)
    state = models.CharField(
        max_length=10,
        choices=[(s.value, s.value.capitalize()) for s in MemberState],
        default=MemberState.REQUESTED,
    )
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    reason = models.TextField()
    requester = models.ForeignKey(PERSON, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    approver = models.ForeignKey(PERSON, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    decided_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.TextField(blank=True)
    # Who refused or ended it, and when that was done: it may end later than that, or have run out before.
    closed_by = models.ForeignKey(PERSON, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    closed_at = models.DateTimeField(null=True, blank=True)
    history = history()
    objects = MemberQuerySet.as_manager()

    class Meta:
        ordering = ["board", "-chair", "function", "person__printed_name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(ends_at__gt=F("starts_at")), name="seat_ends_after_start"
            ),
            models.CheckConstraint(
                condition=Q(approver=None) | (~Q(approver=F("person")) & ~Q(approver=F("requester"))),
                name="seat_approver_is_third",
            ),
            models.UniqueConstraint(
                fields=["board", "person"],
                condition=Q(state__in=["requested", "approved"]),
                name="seat_open_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person.printed_name}, {self.get_function_display().lower()}{', chair' if self.chair else ''}"

    @property
    def ref(self) -> str:
        return f"BM-{self.pk}"

    @property
    def scope(self) -> str:
        return duties.scope_text(duties.ORGANISATION, duties.ORGANISATION_ID)


class Meeting(models.Model):
    """A meeting of a board about the release gate of one version, its minute and the decision two members sign."""

    subject_kind = "approvals.meeting"

    number = models.PositiveIntegerField(unique=True)
    board = models.ForeignKey(Board, on_delete=models.PROTECT, related_name="meetings")
    gate = models.ForeignKey("approvals.Gate", on_delete=models.PROTECT, related_name="meetings")
    agenda = models.TextField()
    held_at = models.DateTimeField()
    state = models.CharField(
        max_length=10,
        choices=[(s.value, states.MEETING_WORDS[s]) for s in MeetingState],
        default=MeetingState.PLANNED,
    )
    planned_by = models.ForeignKey(PERSON, on_delete=models.PROTECT, related_name="+")
    planned_at = models.DateTimeField()
    minute = models.TextField(blank=True)
    file_name = models.CharField(max_length=200, blank=True)
    file_digest = models.CharField(max_length=71, blank=True)
    decision = models.CharField(
        max_length=12, blank=True, choices=[(d.value, states.DECISION_WORDS[d]) for d in BoardDecision]
    )
    conditions = models.TextField(blank=True)
    about = models.JSONField(default=dict)  # {"ref", "digest", "artefact"} of the version when it was minuted
    # {"members", "functions", "board", "version"} of the board when the meeting was held
    quorum = models.JSONField(default=dict)
    minuted_by = models.ForeignKey(PERSON, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    minuted_at = models.DateTimeField(null=True, blank=True)
    chair_signature = models.ForeignKey(
        Signature, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    member_signature = models.ForeignKey(
        Signature, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    conditions_met_by = models.ForeignKey(
        PERSON, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    conditions_met_at = models.DateTimeField(null=True, blank=True)
    conditions_told = models.TextField(blank=True)  # how the conditions were met
    stored_files = (StoredFile("file_digest", "files"),)
    history = history()

    class Meta:
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"{self.ref} of {self.board}"

    @property
    def ref(self) -> str:
        return f"M-{self.number}"

    @property
    def scope(self) -> str:
        return self.gate.scope

    @property
    def withdrawn_because(self) -> str:
        """Why it was withdrawn: the reason in its history; empty in any other state."""
        if self.state != MeetingState.WITHDRAWN:
            return ""
        reasons = self.history.order_by("-history_id").values_list("history_change_reason", flat=True)
        return reasons.first() or ""

    @property
    def signatures(self) -> list[Signature]:
        return [s for s in (self.chair_signature, self.member_signature) if s is not None]


class Attendance(models.Model):
    """One member at one meeting: with a vote, or recused because a separation rule says so."""

    subject_kind = "approvals.attendance"

    meeting = models.ForeignKey(Meeting, on_delete=models.PROTECT, related_name="attendance")
    member = models.ForeignKey(BoardMember, on_delete=models.PROTECT, related_name="+")
    # As it was when minuted, for it is signed. Empty in rows from before it was kept.
    printed_name = models.CharField(max_length=120, blank=True, default="")
    votes = models.BooleanField()
    recused_because = models.TextField(blank=True)
    history = history()

    class Meta:
        ordering = ["meeting", "pk"]
        constraints = [models.UniqueConstraint(fields=["meeting", "member"], name="attends_once")]

    @property
    def ref(self) -> str:
        return f"{self.meeting.ref}: {self.name}"

    @property
    def name(self) -> str:
        """The printed name of the member when it was minuted."""
        return self.printed_name or self.member.person.name_at(self.meeting.minuted_at)

    @property
    def scope(self) -> str:
        return self.meeting.scope
