"""Review boards, their seats, and their meetings about releases."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action

from apps.access.gate import ORGANISATION_SUBJECT, visible
from apps.access.signing import as_printed, content_digest
from apps.api.base import IDEMPOTENCY, GateViewSet, ReasonInput, SignatureFields, allowed_acts, entered
from apps.api.lookup import one_of, person_ids
from apps.approvals import board_acts as acts
from apps.approvals.board_models import Board, BoardMember, Meeting
from apps.approvals.board_rules import MAX_NAME, MAX_TEXT
from apps.approvals.board_states import DECISION_WORDS, FUNCTION_WORDS, MeetingState
from apps.approvals.models import Gate
from apps.core.errors import NotVisible

FUNCTIONS = [(each.value, word) for each, word in FUNCTION_WORDS.items()]
DECISIONS = [(each.value, word) for each, word in DECISION_WORDS.items()]
SIGN = {"chair": acts.sign_minute_chair, "member": acts.sign_minute_member}


class SeatOut(serializers.ModelSerializer):
    ref = serializers.CharField()
    board = serializers.CharField(source="board.name")
    person = serializers.CharField(source="person.username")
    requester = serializers.CharField(source="requester.username")
    approver = serializers.CharField(source="approver.username", default=None, allow_null=True)

    class Meta:
        model = BoardMember
        fields = [
            "id",
            "ref",
            "board",
            "person",
            "function",
            "chair",
            "state",
            "starts_at",
            "ends_at",
            "reason",
            "requester",
            "approver",
            "decided_at",
            "end_reason",
        ]


class BoardOut(serializers.ModelSerializer):
    ref = serializers.CharField()
    required = serializers.ListField(child=serializers.ChoiceField(choices=FUNCTIONS))

    class Meta:
        model = Board
        fields = ["id", "ref", "name", "purpose", "quorum", "required", "created_at"]


class BoardInput(serializers.Serializer):
    name = serializers.CharField(max_length=MAX_NAME)
    purpose = serializers.CharField(max_length=MAX_TEXT)
    quorum = serializers.IntegerField(min_value=0, max_value=1000)
    required = serializers.ListField(
        child=serializers.ChoiceField(choices=FUNCTIONS), required=False, default=list
    )
    reason = serializers.CharField(max_length=2000)


class SeatInput(serializers.Serializer):
    person = serializers.CharField(max_length=80, help_text="Username.")
    function = serializers.ChoiceField(choices=FUNCTIONS)
    chair = serializers.BooleanField(required=False, default=False)
    starts_at = serializers.DateTimeField(required=False, default=None, allow_null=True)
    ends_at = serializers.DateTimeField(required=False, default=None, allow_null=True)
    reason = serializers.CharField(max_length=2000)


@extend_schema_view(
    list=extend_schema(tags=["boards"], summary="Review boards"),
    retrieve=extend_schema(tags=["boards"], summary="One review board"),
)
class Boards(GateViewSet):
    """Review boards: members by function, and the quorum that decides."""

    model = Board
    serializer_class = BoardOut
    lookup_value_regex = "[0-9]+"

    @extend_schema(
        tags=["boards"],
        summary="Found a review board",
        request=BoardInput,
        responses={201: BoardOut},
        parameters=[IDEMPOTENCY],
    )
    def create(self, request, *args, **kwargs):
        given = self.given(BoardInput, "approvals.create_board", ORGANISATION_SUBJECT)
        return self.answer(acts.create_board(self.actor, **given, **self.key()), status=201)

    @extend_schema(
        tags=["boards"],
        summary="Ask for a seat on the board",
        request=SeatInput,
        responses={201: SeatOut},
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"], serializer_class=SeatOut)
    def seats(self, request, pk=None):
        board = self.get_object()
        with self.asking("approvals.request_seat", board):
            given = self.given(SeatInput, "approvals.request_seat", board)
            person = person_ids([given.pop("person")], "person")[0]
        made = acts.request_seat(self.actor, board.pk, person_id=person, **given, **self.key())
        return self.answer(made, status=201)


@extend_schema_view(
    list=extend_schema(
        tags=["boards"], summary="Seats of review boards", parameters=[OpenApiParameter("board", int)]
    ),
    retrieve=extend_schema(tags=["boards"], summary="One seat"),
)
class Seats(GateViewSet):
    """Seats: asked for by one person, approved by another."""

    model = BoardMember
    serializer_class = SeatOut
    select_related = ("board", "person", "requester", "approver")
    lookup_value_regex = "[0-9]+"

    def get_queryset(self):
        rows = super().get_queryset()
        board = self.request.query_params.get("board", "") if self.action == "list" else ""
        return rows.filter(board_id=int(board)) if board.isdecimal() and len(board) < 18 else rows

    def _done(self, function, **given):
        seat = self.get_object()
        function(self.actor, seat.pk, **given, **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=["boards"],
        summary="Approve a seat (not with a token)",
        request=None,
        responses=SeatOut,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def approve(self, request, pk=None):
        return self._done(acts.approve_seat)

    @extend_schema(
        tags=["boards"],
        summary="Refuse a seat (not with a token)",
        request=ReasonInput,
        responses=SeatOut,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def refuse(self, request, pk=None):
        given = self.given(ReasonInput, "approvals.refuse_seat", self.get_object())
        return self._done(acts.refuse_seat, **given)

    @extend_schema(
        tags=["boards"],
        summary="End a seat",
        request=ReasonInput,
        responses=SeatOut,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def end(self, request, pk=None):
        given = self.given(ReasonInput, "approvals.end_seat", self.get_object())
        return self._done(acts.end_seat, **given)


class AttendanceOut(serializers.Serializer):
    seat = serializers.IntegerField(source="member_id")
    person = serializers.CharField(source="member.person.username")
    function = serializers.CharField(source="member.function")
    votes = serializers.BooleanField()
    recused_because = serializers.CharField()


class MeetingOut(serializers.ModelSerializer):
    ref = serializers.CharField()
    board = serializers.CharField(source="board.name")
    gate = serializers.IntegerField(source="gate_id")
    version = serializers.CharField(source="gate.version.ref")

    class Meta:
        model = Meeting
        fields = [
            "id",
            "ref",
            "board",
            "gate",
            "version",
            "state",
            "held_at",
            "agenda",
            "decision",
            "conditions",
            "conditions_met_at",
            "decided_at",
        ]


class MeetingDetail(MeetingOut):
    attendance = AttendanceOut(many=True)
    about = serializers.DictField(child=serializers.CharField(), help_text="The version when it was minuted.")
    withdrawn_because = serializers.CharField(help_text="Empty unless withdrawn.")
    digest = serializers.SerializerMethodField(help_text="Of the content that is signed.")
    signatures = serializers.SerializerMethodField()
    allowed_acts = serializers.SerializerMethodField()

    class Meta(MeetingOut.Meta):
        fields = [
            *MeetingOut.Meta.fields,
            "minute",
            "file_name",
            "file_digest",
            "withdrawn_because",
            "about",
            "attendance",
            "digest",
            "signatures",
            "allowed_acts",
        ]

    def get_digest(self, row) -> str:
        return content_digest(row)

    def get_signatures(self, row) -> list[dict]:
        return [as_printed(each) for each in row.signatures]

    def get_allowed_acts(self, row) -> list[dict]:
        return allowed_acts(self.context["view"].actor, row)


class MeetingInput(serializers.Serializer):
    gate = serializers.IntegerField()
    board = serializers.IntegerField()
    held_at = serializers.DateTimeField()
    agenda = serializers.CharField(max_length=MAX_TEXT)


class MeetingMinuteInput(serializers.Serializer):
    held_at = serializers.DateTimeField(
        required=False, default=None, allow_null=True, help_text="When it was held; none: as planned."
    )
    attended = serializers.ListField(child=serializers.IntegerField(), help_text="Ids of seats.")
    minute = serializers.CharField(max_length=MAX_TEXT)
    decision = serializers.ChoiceField(choices=DECISIONS)
    conditions = serializers.CharField(max_length=MAX_TEXT, required=False, default="", allow_blank=True)


class MinuteSignature(SignatureFields):
    half = serializers.ChoiceField(choices=list(SIGN), help_text="Which of the two signatures.")


@extend_schema_view(
    list=extend_schema(
        tags=["boards"],
        summary="Board meetings the caller may see",
        parameters=[OpenApiParameter("state", str, enum=[each.value for each in MeetingState])],
    ),
    retrieve=extend_schema(
        tags=["boards"], summary="One meeting, with the digest to sign", responses=MeetingDetail
    ),
)
class Meetings(GateViewSet):
    """Meetings of review boards: agenda, attendance, minute, and the decision that chair and second member sign."""

    model = Meeting
    select_related = (
        "board",
        "gate__version__model",
        "gate__version__intended_use",
        "chair_signature",
        "member_signature",
    )
    lookup_value_regex = "[0-9]+"

    def get_serializer_class(self):
        return MeetingOut if self.action == "list" else MeetingDetail

    def get_queryset(self):
        rows = super().get_queryset()
        if self.action == "list" and (state := one_of(self.request, "state", list(MeetingState))):
            rows = rows.filter(state=state)
        return rows

    @extend_schema(
        tags=["boards"],
        summary="Put a release gate before a review board",
        request=MeetingInput,
        responses={201: MeetingDetail},
        parameters=[IDEMPOTENCY],
    )
    def create(self, request, *args, **kwargs):
        given = self.given(MeetingInput)
        gate = visible(self.actor, Gate).filter(pk=given.pop("gate")).first()
        if gate is None:
            raise NotVisible()
        made = acts.plan_meeting(self.actor, gate.pk, board_id=given.pop("board"), **given, **self.key())
        self.kwargs["pk"] = made.pk
        return self.answer(self.get_object(), status=201)

    @extend_schema(
        tags=["boards"],
        summary="Record the minute (not with a token)",
        request=MeetingMinuteInput,
        responses=MeetingDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def minute(self, request, pk=None):
        meeting = self.get_object()
        given = self.given(MeetingMinuteInput, "approvals.record_meeting", meeting)
        acts.record_meeting(self.actor, meeting.pk, **given, **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=["boards"],
        summary="Sign the minute, or reject it (not with a token)",
        request=MinuteSignature,
        responses=MeetingDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def sign(self, request, pk=None):
        meeting = self.get_object()
        half = request.data.get("half") if hasattr(request.data, "get") else None
        given = self.given(MinuteSignature, f"approvals.sign_minute_{half}" if half in SIGN else "", meeting)
        half, reason = given.pop("half"), given.pop("reason")
        SIGN[half](self.actor, meeting.pk, reason=reason, signature=entered(given), **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=["boards"],
        summary="Confirm that the conditions are met (not with a token)",
        request=ReasonInput,
        responses=MeetingDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def conditions(self, request, pk=None):
        meeting = self.get_object()
        given = self.given(ReasonInput, "approvals.confirm_conditions", meeting)
        acts.confirm_conditions(self.actor, meeting.pk, **given, **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=["boards"],
        summary="Withdraw a meeting, planned or minuted",
        request=ReasonInput,
        responses=MeetingDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def withdraw(self, request, pk=None):
        meeting = self.get_object()
        given = self.given(ReasonInput, "approvals.withdraw_meeting", meeting)
        acts.withdraw_meeting(self.actor, meeting.pk, **given, **self.key())
        return self.answer(self.get_object())


def register(router) -> None:
    router.register("boards", Boards, basename="board")
    router.register("board-seats", Seats, basename="seat")
    router.register("board-meetings", Meetings, basename="meeting")
