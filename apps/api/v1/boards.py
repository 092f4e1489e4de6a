"""Review boards, the changes to them, and their seats."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action

from apps.access.gate import ORGANISATION_SUBJECT
from apps.access.previewing import Preview
from apps.api.base import IDEMPOTENCY, ChangeFields, GateViewSet, ReasonInput, allowed_acts, change_of
from apps.api.lookup import one_of, person_ids
from apps.approvals import board_change_acts as changing
from apps.approvals import board_seat_acts as seating
from apps.approvals.board_models import Board, BoardChange, BoardMember
from apps.approvals.board_rules import MAX_NAME, MAX_TEXT
from apps.approvals.board_states import BOARD_WORDS, FUNCTION_WORDS

FUNCTIONS = [(each.value, word) for each, word in FUNCTION_WORDS.items()]


class SeatOut(serializers.ModelSerializer):
    ref = serializers.CharField()
    board = serializers.CharField(source="board.name")
    person = serializers.CharField(source="person.username")
    requester = serializers.CharField(source="requester.username")
    approver = serializers.CharField(source="approver.username", default=None, allow_null=True)
    closed_by = serializers.CharField(
        source="closed_by.username", default=None, allow_null=True, help_text="Who refused or ended it."
    )

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
            "closed_by",
            "closed_at",
        ]


class BoardOut(serializers.ModelSerializer):
    ref = serializers.CharField()
    required = serializers.ListField(child=serializers.ChoiceField(choices=FUNCTIONS))

    class Meta:
        model = Board
        fields = [
            "id",
            "ref",
            "name",
            "purpose",
            "quorum",
            "required",
            "state",
            "version",
            "created_at",
            "ended_at",
        ]


class TermsOut(serializers.Serializer):
    name = serializers.CharField()
    purpose = serializers.CharField()
    quorum = serializers.IntegerField()
    required = serializers.ListField(child=serializers.ChoiceField(choices=FUNCTIONS))


class BoardChangeOut(serializers.ModelSerializer):
    ref = serializers.CharField()
    board = serializers.IntegerField(source="board_id")
    before = serializers.SerializerMethodField(
        help_text="The board when it was asked for; null of a founding."
    )
    after = serializers.SerializerMethodField(help_text="The board once it is approved; null of an ending.")
    requester = serializers.CharField(source="requester.username")
    decided_by = serializers.CharField(source="decided_by.username", default=None, allow_null=True)

    class Meta:
        model = BoardChange
        fields = [
            "id",
            "ref",
            "board",
            "kind",
            "version",
            "before",
            "after",
            "state",
            "reason",
            "requester",
            "requested_at",
            "decided_by",
            "decided_at",
            "decision_reason",
        ]

    @extend_schema_field(TermsOut(allow_null=True))
    def get_before(self, row):
        return row.before or None

    @extend_schema_field(TermsOut(allow_null=True))
    def get_after(self, row):
        return row.after or None


class BoardDetail(BoardOut):
    changes = BoardChangeOut(many=True)
    allowed_acts = serializers.SerializerMethodField()

    class Meta(BoardOut.Meta):
        fields = [*BoardOut.Meta.fields, "changes", "allowed_acts"]

    def get_allowed_acts(self, row) -> list[dict]:
        return allowed_acts(self.context["view"].actor, row)


class BoardInput(serializers.Serializer):
    name = serializers.CharField(max_length=MAX_NAME)
    purpose = serializers.CharField(max_length=MAX_TEXT)
    quorum = serializers.IntegerField(min_value=0, max_value=1000)
    required = serializers.ListField(
        child=serializers.ChoiceField(choices=FUNCTIONS), required=False, default=list
    )
    reason = serializers.CharField(max_length=2000)


class AmendInput(ChangeFields, BoardInput):
    """The board's terms, as they should be from then on."""


class SeatInput(serializers.Serializer):
    person = serializers.CharField(max_length=80, help_text="Username.")
    function = serializers.ChoiceField(choices=FUNCTIONS)
    chair = serializers.BooleanField(required=False, default=False)
    starts_at = serializers.DateTimeField(required=False, default=None, allow_null=True)
    ends_at = serializers.DateTimeField(required=False, default=None, allow_null=True)
    reason = serializers.CharField(max_length=2000)


@extend_schema_view(
    list=extend_schema(
        tags=["boards"],
        summary="Review boards",
        parameters=[OpenApiParameter("state", str, enum=[each.value for each in BOARD_WORDS])],
    ),
    retrieve=extend_schema(
        tags=["boards"], summary="One review board with its changes", responses=BoardDetail
    ),
)
class Boards(GateViewSet):
    """Review boards: members by function, and the quorum that decides."""

    model = Board
    lookup_value_regex = "[0-9]+"

    def get_serializer_class(self):
        return {"list": BoardOut, "seats": SeatOut}.get(self.action, BoardDetail)

    def get_queryset(self):
        if self.action != "list":
            return super().get_queryset().prefetch_related("changes__requester", "changes__decided_by")
        state = one_of(self.request, "state", [each.value for each in BOARD_WORDS])
        rows = super().get_queryset()
        return rows.filter(state=state) if state else rows

    @extend_schema(
        tags=["boards"],
        summary="Ask for a review board; somebody else approves it",
        request=BoardInput,
        responses={201: BoardDetail},
        parameters=[IDEMPOTENCY],
    )
    def create(self, request, *args, **kwargs):
        given = self.given(BoardInput, "approvals.create_board", ORGANISATION_SUBJECT)
        self.kwargs["pk"] = changing.create_board(self.actor, **given, **self.key()).pk
        return self.answer(self.get_object(), status=201)

    @extend_schema(
        tags=["boards"],
        summary="Ask to amend the board; somebody else approves it",
        request=AmendInput,
        responses={201: BoardDetail},
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def amend(self, request, pk=None):
        board = self.get_object()
        given = self.given(AmendInput, "approvals.amend_board", board)
        why = change_of(given)
        made = changing.amend_board(self.actor, board.pk, **why, **given, **self.key())
        return self.answer(made if isinstance(made, Preview) else self.get_object(), status=201)

    @extend_schema(
        tags=["boards"],
        summary="Ask to end the board with all its seats; somebody else approves it",
        request=ChangeFields,
        responses={201: BoardDetail},
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def end(self, request, pk=None):
        board = self.get_object()
        given = self.given(ChangeFields, "approvals.end_board", board)
        made = changing.end_board(self.actor, board.pk, **change_of(given), **self.key())
        return self.answer(made if isinstance(made, Preview) else self.get_object(), status=201)

    @extend_schema(
        tags=["boards"],
        summary="Ask for a seat on the board",
        request=SeatInput,
        responses={201: SeatOut},
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def seats(self, request, pk=None):
        board = self.get_object()
        with self.asking("approvals.request_seat", board):
            given = self.given(SeatInput, "approvals.request_seat", board)
            person = person_ids([given.pop("person")], "person")[0]
        made = seating.request_seat(self.actor, board.pk, person_id=person, **given, **self.key())
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
    select_related = ("board", "person", "requester", "approver", "closed_by")
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
        return self._done(seating.approve_seat)

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
        return self._done(seating.refuse_seat, **given)

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
        return self._done(seating.end_seat, **given)


@extend_schema_view(
    list=extend_schema(tags=["boards"], summary="Changes of review boards: founding, amendment, ending"),
    retrieve=extend_schema(tags=["boards"], summary="One change of a review board"),
)
class BoardChanges(GateViewSet):
    """Changes of boards: asked for by one person, in force once another approves."""

    model = BoardChange
    serializer_class = BoardChangeOut
    select_related = ("board", "requester", "decided_by")
    lookup_value_regex = "[0-9]+"

    def _done(self, function, **given):
        change = self.get_object()
        function(self.actor, change.pk, **given, **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=["boards"],
        summary="Approve a change of a board (not with a token)",
        request=None,
        responses=BoardChangeOut,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def approve(self, request, pk=None):
        return self._done(changing.approve_board_change)

    @extend_schema(
        tags=["boards"],
        summary="Refuse a change of a board (not with a token)",
        request=ReasonInput,
        responses=BoardChangeOut,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def refuse(self, request, pk=None):
        given = self.given(ReasonInput, "approvals.refuse_board_change", self.get_object())
        return self._done(changing.refuse_board_change, **given)


def register(router) -> None:
    router.register("boards", Boards, basename="board")
    router.register("board-changes", BoardChanges, basename="board-change")
    router.register("board-seats", Seats, basename="seat")
