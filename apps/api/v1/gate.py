"""The release gate: evaluation, signatures, and "may this digest deploy?"."""

from __future__ import annotations

import re

from django.conf import settings
from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.parsers import MultiPartParser
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.access.acting import refuse_first
from apps.access.gate import visible
from apps.access.signing import content_digest, content_of
from apps.api.auth import actor_of
from apps.api.base import IDEMPOTENCY, GateViewSet, ReasonInput, SignatureFields, allowed_acts, entered
from apps.approvals import acts, board_acts
from apps.approvals.evaluation import evaluate, for_viewer
from apps.approvals.models import Gate, Minute, Slot
from apps.approvals.queries import may_deploy
from apps.core import blobs
from apps.core.downloads import attachment
from apps.core.errors import BadInput, NotVisible
from apps.core.rulewords import rule_words
from apps.registry.models import Version

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class RowOut(serializers.Serializer):
    code = serializers.CharField()
    title = serializers.CharField()
    clause = serializers.CharField()
    state = serializers.CharField()
    evidence = serializers.CharField(source="outcome.evidence")
    why = serializers.CharField(source="outcome.why")
    rule = serializers.CharField(source="outcome.rule")
    refs = serializers.ListField(source="outcome.refs")
    digests = serializers.ListField(source="outcome.digests")
    rule_text = serializers.SerializerMethodField()
    eligible = serializers.ListField(source="who")
    slot = serializers.IntegerField(source="slot.pk", default=None, allow_null=True)

    def get_rule_text(self, row) -> str:
        return rule_words(row.outcome.rule)


class EvaluationOut(serializers.Serializer):
    version = serializers.CharField(source="version.ref")
    state = serializers.CharField(source="version.state")
    gate = serializers.IntegerField(source="gate.pk", default=None, allow_null=True)
    template = serializers.SerializerMethodField()
    headline = serializers.CharField()
    rows = RowOut(many=True)

    def get_template(self, evaluation) -> str:
        return f"{evaluation.template['name']} v{evaluation.template['version']}"


class SlotOut(serializers.ModelSerializer):
    gate = serializers.CharField(source="gate.ref")
    digest = serializers.SerializerMethodField()
    content = serializers.SerializerMethodField()
    version_state = serializers.CharField(source="gate.version.state")
    allowed_acts = serializers.SerializerMethodField()

    class Meta:
        model = Slot
        fields = ["id", "gate", "code", "state", "digest", "content", "version_state", "allowed_acts"]

    def get_digest(self, slot) -> str:
        return content_digest(slot)

    def get_content(self, slot) -> dict:
        return content_of(slot)

    def get_allowed_acts(self, slot) -> list:
        return [
            v
            for v in allowed_acts(actor_of(self.context["request"]), slot)
            if v["act"].endswith(f"sign_{slot.code}")
        ]


class OutsideMinuteOut(serializers.ModelSerializer):
    recorded_by = serializers.CharField(source="recorded_by.username")

    class Meta:
        model = Minute
        fields = ["number", "held_on", "file_name", "file_digest", "recorded_by", "recorded_at"]


class GateOut(serializers.ModelSerializer):
    version = serializers.CharField(source="version.ref")
    minute = OutsideMinuteOut(
        read_only=True, default=None, allow_null=True, help_text="Of a board outside the portal; null: none."
    )

    class Meta:
        model = Gate
        fields = ["id", "version", "kind", "template", "state", "opened_at", "decided_at", "minute"]


class MinuteInput(serializers.Serializer):
    number = serializers.CharField(max_length=60)
    held_on = serializers.DateField()
    file = serializers.FileField()


SIGN = {
    "approval": acts.sign_approval,
    "responsibility": acts.sign_responsibility,
    "review": acts.sign_review,
    "security": acts.sign_security,
}


@extend_schema_view(
    list=extend_schema(tags=["gate"], summary="Signature slots the caller may see"),
    retrieve=extend_schema(tags=["gate"], summary="One signature slot, with the digest to sign"),
)
class Slots(GateViewSet):
    """Signature slots of release gates. Signing asks the digest that was shown and the password; no token signs."""

    model = Slot
    serializer_class = SlotOut
    select_related = ("gate__version__model", "gate__version__intended_use", "signature")

    @extend_schema(
        summary="Sign or reject a slot",
        request=SignatureFields,
        responses=SlotOut,
        parameters=[IDEMPOTENCY],
        tags=["gate"],
    )
    @action(detail=True, methods=["post"])
    def sign(self, request, pk=None):
        slot = self.get_object()
        given = self.given(SignatureFields, f"approvals.sign_{slot.code}", slot)
        signature = entered(given)
        SIGN[slot.code](self.actor, slot.pk, reason=given["reason"], signature=signature, **self.key())
        return self.answer(self.get_object())


@extend_schema_view(
    list=extend_schema(tags=["gate"], summary="Release gates the caller may see"),
    retrieve=extend_schema(tags=["gate"], summary="One release gate"),
)
class Gates(GateViewSet):
    """Release gates (G7)."""

    model = Gate
    serializer_class = GateOut
    select_related = ("version__model", "minute__recorded_by")

    @extend_schema(
        tags=["gate"],
        summary="Fetch the file of a minute recorded outside; every fetching is entered",
        request=None,
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
    )
    @action(detail=True, methods=["post"], url_path="minute/download")
    def minute_file(self, request, pk=None):
        return attachment(board_acts.read_outside_minute(self.actor, self.get_object().pk))

    @extend_schema(
        summary="Have the whole trail verified",
        description="The result becomes a row of the evaluation.",
        request=None,
        responses={202: GateOut},
        parameters=[IDEMPOTENCY],
        tags=["gate"],
    )
    @action(detail=True, methods=["post"], url_path="verify-trail")
    def verify_trail(self, request, pk=None):
        return self.answer(
            acts.request_verification(self.actor, self.get_object().pk, **self.key()), status=202
        )

    @extend_schema(
        summary="Record the review board's minute (high tier)",
        request={"multipart/form-data": MinuteInput},
        responses={201: GateOut},
        parameters=[IDEMPOTENCY],
        tags=["gate"],
    )
    @action(detail=True, methods=["post"], parser_classes=[MultiPartParser])
    def minute(self, request, pk=None):
        gate = self.get_object()
        given = self.given(MinuteInput, "approvals.record_minute", gate)
        blob = blobs.put(given["file"], limit=settings.UPLOAD_LIMIT_FILE)
        acts.record_minute(
            self.actor,
            gate.pk,
            number=given["number"],
            held_on=given["held_on"],
            file_name=given["file"].name,
            file_digest=blob.digest,
            **self.key(),
        )
        return self.answer(self.get_object(), status=201)


def version_or_404(actor, pk) -> Version:
    found = visible(actor, Version).select_related("model", "intended_use").filter(pk=pk).first()
    if found is None:
        raise NotVisible()
    return found


class VersionGate(APIView):
    """The evaluation of one version's release gate, as you see it; POST opens the gate."""

    @extend_schema(
        summary="The release gate of a version, as the caller sees it",
        responses=EvaluationOut,
        tags=["gate"],
    )
    def get(self, request, pk: int):
        actor = actor_of(request)
        return Response(EvaluationOut(for_viewer(evaluate(version_or_404(actor, pk)), actor)).data)

    @extend_schema(
        summary="Open the release gate",
        request=None,
        responses={201: GateOut},
        parameters=[IDEMPOTENCY],
        tags=["gate"],
    )
    def post(self, request, pk: int):
        actor = actor_of(request)
        key = request.headers.get("Idempotency-Key", "")
        gate = acts.open_gate(actor, version_or_404(actor, pk).pk, idempotency_key=key)
        return Response(GateOut(gate).data, status=201)


class Suspend(APIView):
    """Stop a released version."""

    @extend_schema(
        summary="Stop a released version",
        request=ReasonInput,
        responses={200: EvaluationOut},
        parameters=[IDEMPOTENCY],
        tags=["gate"],
    )
    def post(self, request, pk: int):
        actor = actor_of(request)
        version = version_or_404(actor, pk)  # before the input is judged: what one may not see is not there
        given = ReasonInput(data=request.data)
        if not given.is_valid():
            refuse_first(actor, "approvals.suspend", version)
            raise serializers.ValidationError(given.errors)
        key = request.headers.get("Idempotency-Key", "")
        acts.suspend(actor, version.pk, reason=given.validated_data["reason"], idempotency_key=key)
        return Response(EvaluationOut(for_viewer(evaluate(version_or_404(actor, pk)), actor)).data)


class AnswerOut(serializers.Serializer):
    allowed = serializers.BooleanField()
    digest = serializers.CharField()
    version = serializers.CharField(source="version.ref", default=None, allow_null=True)
    state = serializers.CharField(source="version.state", default=None, allow_null=True)
    reasons = serializers.ListField(child=serializers.CharField())
    versions = serializers.ListField(child=serializers.CharField())


class MayDeploy(APIView):
    """May this digest deploy? 200 allowed; 409 not allowed, with reasons; 404 unknown or not visible."""

    @extend_schema(
        tags=["gate"],
        summary="May this digest deploy?",
        parameters=[
            OpenApiParameter(
                "digest", str, required=True, description="`sha256:` and 64 hex digits of the model file"
            ),
            OpenApiParameter(
                "model", str, description="Short name of the model, where a digest is in several versions"
            ),
        ],
        responses={200: AnswerOut, 409: OpenApiResponse(AnswerOut, "Not allowed, with reasons")},
    )
    def get(self, request):
        digest = request.query_params.get("digest", "").strip().lower()
        if not DIGEST.fullmatch(digest):
            raise BadInput(
                fields={"digest": ["Give `sha256:` followed by the 64 hex digits of the file's SHA-256."]}
            )
        answer = may_deploy(actor_of(request), digest, request.query_params.get("model", "").strip())
        return Response(AnswerOut(answer).data, status=answer.status)


def register(router) -> None:
    router.register("gates", Gates, basename="gates")
    router.register("slots", Slots, basename="slots")


urlpatterns = [
    path("gate", MayDeploy.as_view(), name="may_deploy"),
    path("versions/<int:pk>/gate", VersionGate.as_view(), name="version_gate"),
    path("versions/<int:pk>/suspend", Suspend.as_view(), name="suspend"),
]
