"""Meetings of review boards about releases: planned, minuted, signed by two."""

from __future__ import annotations

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action

from apps.access.gate import visible
from apps.access.signing import as_printed, content_digest
from apps.api.base import (
    IDEMPOTENCY,
    GateViewSet,
    ReasonInput,
    SignatureFields,
    allowed_acts,
    entered,
    signing,
)
from apps.api.lookup import one_of
from apps.approvals import board_acts as acts
from apps.approvals.board_models import Meeting
from apps.approvals.board_rules import MAX_TEXT
from apps.approvals.board_states import DECISION_WORDS, MeetingState
from apps.approvals.models import Gate
from apps.core import blobs, uploads
from apps.core.downloads import attachment
from apps.core.errors import NotVisible

DECISIONS = [(each.value, word) for each, word in DECISION_WORDS.items()]
SIGN = {"chair": acts.sign_minute_chair, "member": acts.sign_minute_member}


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
    file = serializers.FileField(
        required=False,
        default=None,
        allow_null=True,
        help_text="The signed minute, up to 100 MiB, with multipart/form-data only.",
    )


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
        request={"application/json": MeetingMinuteInput, "multipart/form-data": MeetingMinuteInput},
        responses=MeetingDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def minute(self, request, pk=None):
        meeting = self.get_object()
        given = self.given(MeetingMinuteInput, "approvals.record_meeting", meeting)
        if (file := given.pop("file")) is not None:
            blob = blobs.put(file, limit=settings.UPLOAD_LIMIT_FILE)
            given |= {"file_name": uploads.of(blob, file.name).name, "file_digest": blob.digest}
        acts.record_meeting(self.actor, meeting.pk, **given, **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=["boards"],
        summary="Fetch the file beside the minute; every fetching is entered",
        request=None,
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
    )
    @action(detail=True, methods=["post"])
    def download(self, request, pk=None):
        return attachment(acts.read_minute_file(self.actor, self.get_object().pk))

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
        act, *others = signing(SIGN, request.data, "approvals.sign_minute_")
        given = self.given(MinuteSignature, act, meeting, *others)
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
    router.register("board-meetings", Meetings, basename="meeting")
