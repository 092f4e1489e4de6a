"""Waivers of separation rules."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action

from apps.access import acts, queries
from apps.access.gate import visible
from apps.access.models import Waiver
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
from apps.api.lookup import one_of, person_ids
from apps.core.errors import NotVisible
from apps.registry.models import Model, Version

SIGN = {"approver": acts.sign_waiver_approver, "compliance": acts.sign_waiver_compliance}


class WaiverOut(serializers.ModelSerializer):
    ref = serializers.CharField()
    person = serializers.CharField(source="person.username")
    on = serializers.CharField(source="place", help_text="A model, or one version of it.")
    standing = serializers.CharField(source="word", help_text="What it is now: a waiver lapses by itself.")
    proposed_by = serializers.CharField(source="proposed_by.username")

    class Meta:
        model = Waiver
        fields = [
            "id",
            "ref",
            "rule",
            "person",
            "on",
            "state",
            "standing",
            "reason",
            "control",
            "expires_at",
            "proposed_by",
            "proposed_at",
            "decided_at",
            "ended_at",
            "end_reason",
        ]


class WaiverDetail(WaiverOut):
    digest = serializers.SerializerMethodField(help_text="Of the content that is signed.")
    signatures = serializers.SerializerMethodField()
    allowed_acts = serializers.SerializerMethodField()

    class Meta(WaiverOut.Meta):
        fields = [*WaiverOut.Meta.fields, "digest", "signatures", "allowed_acts"]

    def get_digest(self, row) -> str:
        return content_digest(row)

    def get_signatures(self, row) -> list[dict]:
        return [as_printed(each) for each in row.signatures]

    def get_allowed_acts(self, row) -> list[dict]:
        return allowed_acts(self.context["view"].actor, row)


class WaiverInput(serializers.Serializer):
    model = serializers.CharField(max_length=60, help_text="Short name.")
    version = serializers.CharField(
        max_length=40, required=False, default="", allow_blank=True, help_text="Label; empty: every version."
    )
    person = serializers.CharField(max_length=80, help_text="Username.")
    rule = serializers.CharField(max_length=8, help_text="Such as DY8.")
    control = serializers.CharField(max_length=4000, help_text="What is done instead.")
    expires_at = serializers.DateTimeField(help_text="Within a year.")
    reason = serializers.CharField(max_length=2000)


class WaiverSignature(SignatureFields):
    half = serializers.ChoiceField(choices=list(SIGN), help_text="Which of the two signatures.")


@extend_schema_view(
    list=extend_schema(
        tags=["separation"],
        summary="Waivers the caller may see",
        parameters=[OpenApiParameter("state", str, enum=Waiver.State.values)],
    ),
    retrieve=extend_schema(tags=["separation"], summary="One waiver", responses=WaiverDetail),
)
class Waivers(GateViewSet):
    """One rule opened for one person, signed by a QA approver and a compliance officer, for a time."""

    model = Waiver
    lookup_value_regex = "[0-9]+"

    def get_serializer_class(self):
        return WaiverOut if self.action == "list" else WaiverDetail

    def get_queryset(self):
        if getattr(self, "swagger_fake_view", False):
            return Waiver.objects.none()
        rows = queries.waivers(self.actor)
        if self.action == "list" and (state := one_of(self.request, "state", Waiver.State.values)):
            rows = rows.filter(state=state)
        return rows

    @extend_schema(
        tags=["separation"],
        summary="Ask for a waiver (not with a token)",
        request=WaiverInput,
        responses={201: WaiverDetail},
        parameters=[IDEMPOTENCY],
    )
    def create(self, request, *args, **kwargs):
        given = self.given(WaiverInput)
        model = visible(self.actor, Model).filter(slug=given.pop("model")).first()
        label = given.pop("version")
        version = Version.objects.filter(model=model, label=label).first() if model and label else None
        if model is None or (label and version is None):
            raise NotVisible()
        person = person_ids([given.pop("person")], "person")[0]
        made = acts.request_waiver(
            self.actor,
            model_id=model.pk,
            version_id=version.pk if version else 0,
            person_id=person,
            **given,
            **self.key(),
        )
        self.kwargs["pk"] = made.pk
        return self.answer(self.get_object(), status=201)

    @extend_schema(
        tags=["separation"],
        summary="Sign one half, or reject it (not with a token)",
        request=WaiverSignature,
        responses=WaiverDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def sign(self, request, pk=None):
        row = self.get_object()
        act, *others = signing(SIGN, request.data, "access.sign_waiver_")
        given = self.given(WaiverSignature, act, row, *others)
        signature = entered(given)
        SIGN[given["half"]](self.actor, row.pk, reason=given["reason"], signature=signature, **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=["separation"],
        summary="Revoke a waiver now: any QA approver of the model or compliance officer (not with a token)",
        request=ReasonInput,
        responses=WaiverDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def revoke(self, request, pk=None):
        row = self.get_object()
        acts.revoke_waiver(
            self.actor, row.pk, **self.given(ReasonInput, "access.revoke_waiver", row), **self.key()
        )
        return self.answer(self.get_object())


def register(router) -> None:
    router.register("waivers", Waivers, basename="waiver")
