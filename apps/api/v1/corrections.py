"""Corrections of printed names and addresses."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action

from apps.access import acts
from apps.access.previewing import Preview
from apps.accounts.corrections import Correction
from apps.api.base import IDEMPOTENCY, ChangeFields, GateViewSet, ReasonInput, allowed_acts, change_of
from apps.api.lookup import one_of
from apps.api.v1.security import CommentInput, person_named


class CorrectionOut(serializers.ModelSerializer):
    ref = serializers.CharField()
    person = serializers.CharField(source="person.username")
    requested_by = serializers.CharField(source="requested_by.username")
    decided_by = serializers.CharField(source="decided_by.username", allow_null=True, default=None)
    allowed_acts = serializers.SerializerMethodField()

    class Meta:
        model = Correction
        fields = [
            "id",
            "ref",
            "person",
            "printed_name",
            "email",
            "name_before",
            "email_before",
            "reason",
            "state",
            "requested_by",
            "requested_at",
            "decided_by",
            "decided_at",
            "decision_reason",
            "allowed_acts",
        ]

    def get_allowed_acts(self, row) -> list[dict]:
        view = self.context["view"]
        return [] if view.action == "list" else allowed_acts(view.actor, row)


class CorrectionInput(ChangeFields):
    person = serializers.CharField(max_length=80, help_text="Username.")
    printed_name = serializers.CharField(
        max_length=120, required=False, default="", allow_blank=True, help_text="Empty: stays as it is."
    )
    email = serializers.CharField(
        max_length=254, required=False, default="", allow_blank=True, help_text="Empty: stays as it is."
    )


@extend_schema_view(
    list=extend_schema(
        tags=["accounts"],
        summary="Corrections the caller may see",
        parameters=[OpenApiParameter("state", str, enum=Correction.State.values)],
    ),
    retrieve=extend_schema(tags=["accounts"], summary="One correction"),
)
class Corrections(GateViewSet):
    """A printed name or address corrected: asked for by an administrator, decided by a compliance officer."""

    model = Correction
    lookup_value_regex = "[0-9]+"
    serializer_class = CorrectionOut
    select_related = ("person", "requested_by", "decided_by")

    def get_queryset(self):
        if getattr(self, "swagger_fake_view", False):
            return Correction.objects.none()
        rows = super().get_queryset()
        if self.action == "list" and (state := one_of(self.request, "state", Correction.State.values)):
            rows = rows.filter(state=state)
        return rows

    @extend_schema(
        tags=["accounts"],
        summary="Ask for a correction (not with a token)",
        request=CorrectionInput,
        responses={201: CorrectionOut},
        parameters=[IDEMPOTENCY],
    )
    def create(self, request, *args, **kwargs):
        person = person_named(self.actor, request)
        given = self.given(CorrectionInput, "access.request_correction", person)
        made = acts.request_correction(
            self.actor,
            person.pk,
            printed_name=given["printed_name"],
            email=given["email"],
            **change_of(given),
            **self.key(),
        )
        if isinstance(made, Preview):
            return self.answer(made)
        self.kwargs["pk"] = made.pk
        return self.answer(self.get_object(), status=201)

    @extend_schema(
        tags=["accounts"],
        summary="Approve a correction: it is done at once (not with a token)",
        request=CommentInput,
        responses=CorrectionOut,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def approve(self, request, pk=None):
        row = self.get_object()
        given = self.given(CommentInput, "access.approve_correction", row)
        acts.approve_correction(self.actor, row.pk, **given, **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=["accounts"],
        summary="Refuse a correction (not with a token)",
        request=ReasonInput,
        responses=CorrectionOut,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def refuse(self, request, pk=None):
        row = self.get_object()
        given = self.given(ReasonInput, "access.refuse_correction", row)
        acts.refuse_correction(self.actor, row.pk, **given, **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=["accounts"],
        summary="Withdraw a correction (not with a token)",
        request=ReasonInput,
        responses=CorrectionOut,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def withdraw(self, request, pk=None):
        row = self.get_object()
        given = self.given(ReasonInput, "access.withdraw_correction", row)
        acts.withdraw_correction(self.actor, row.pk, **given, **self.key())
        return self.answer(self.get_object())


def register(router) -> None:
    router.register("corrections", Corrections, basename="correction")
