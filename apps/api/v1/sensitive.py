"""Sensitive data: marking, asking to read, granting for hours, and who read which data, when, why."""

from __future__ import annotations

from django.urls import path
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action

from apps.access.gate import visible
from apps.access.previewing import Preview
from apps.api.base import IDEMPOTENCY, ChangeFields, GateViewSet, ReasonInput, allowed_acts, change_of
from apps.api.lookup import data_version_ids, one_of
from apps.api.v1.inspections import AS_OF, moment_of
from apps.datasets import readings, sensitive_acts
from apps.datasets.grants import ReadGrant, Unmarking
from apps.datasets.models import Dataset
from apps.datasets.sensitive_acts import mark_sensitive, request_unmark
from apps.trail.models import Entry


class ReadGrantOut(serializers.ModelSerializer):
    ref = serializers.CharField()
    dataset = serializers.CharField(source="dataset.slug")
    person = serializers.CharField(source="person.username")
    standing = serializers.CharField(source="word", help_text="What it is now: it lapses by itself.")
    decided_by = serializers.CharField(source="decided_by.username", default=None)
    hours = serializers.IntegerField(help_text="Asked for.")
    hours_given = serializers.IntegerField(allow_null=True, help_text="Once granted.")
    ended_by = serializers.CharField(source="ended_by.username", default=None, allow_null=True)

    class Meta:
        model = ReadGrant
        fields = [
            "id",
            "ref",
            "dataset",
            "person",
            "justification",
            "hours",
            "hours_given",
            "state",
            "standing",
            "requested_at",
            "decided_by",
            "decided_at",
            "decision_reason",
            "expires_at",
            "ended_by",
            "ended_at",
            "end_reason",
        ]


class ReadGrantDetail(ReadGrantOut):
    allowed_acts = serializers.SerializerMethodField()

    class Meta(ReadGrantOut.Meta):
        fields = [*ReadGrantOut.Meta.fields, "allowed_acts"]

    def get_allowed_acts(self, row) -> list[dict]:
        return allowed_acts(self.context["view"].actor, row)


class ReadInput(serializers.Serializer):
    dataset_version = serializers.CharField(
        max_length=80, help_text="Such as trial/v2; the whole dataset is opened."
    )
    hours = serializers.IntegerField(help_text="Whole hours, at most SENSITIVE_HOURS of the portal.")
    reason = serializers.CharField(max_length=2000, help_text="The justification.")


class HoursInput(serializers.Serializer):
    hours = serializers.IntegerField(help_text="At most what was asked for.")
    reason = serializers.CharField(max_length=2000, required=False, default="", allow_blank=True)


@extend_schema_view(
    list=extend_schema(
        tags=["sensitive data"],
        summary="Requests and grants the caller may see",
        parameters=[
            OpenApiParameter("state", str, enum=ReadGrant.State.values),
            OpenApiParameter("dataset", str, description="Short name."),
        ],
    ),
    retrieve=extend_schema(
        tags=["sensitive data"], summary="One request or grant", responses=ReadGrantDetail
    ),
)
class ReadGrants(GateViewSet):
    """Access to the rows of a sensitive dataset: justified, granted for hours by its steward, over by itself."""

    model = ReadGrant
    lookup_value_regex = "[0-9]+"

    def get_serializer_class(self):
        return ReadGrantOut if self.action == "list" else ReadGrantDetail

    def get_queryset(self):
        if getattr(self, "swagger_fake_view", False):
            return ReadGrant.objects.none()
        rows = readings.grants(self.actor)
        if self.action == "list":
            if state := one_of(self.request, "state", ReadGrant.State.values):
                rows = rows.filter(state=state)
            if slug := self.request.query_params.get("dataset", ""):
                rows = rows.filter(dataset__slug=slug)
        return rows

    @extend_schema(
        tags=["sensitive data"],
        summary="Ask to read a sensitive dataset",
        request=ReadInput,
        responses={201: ReadGrantDetail},
        parameters=[IDEMPOTENCY],
    )
    def create(self, request, *args, **kwargs):
        given = self.given(ReadInput)
        version = data_version_ids(self.actor, [given.pop("dataset_version")], "dataset_version")[0]
        made = sensitive_acts.request_read(self.actor, version, **given, **self.key())
        self.kwargs["pk"] = made.pk
        return self.answer(self.get_object(), status=201)

    @extend_schema(
        tags=["sensitive data"],
        summary="Grant it for hours: the dataset's steward, never to oneself (not with a token)",
        request=HoursInput,
        responses=ReadGrantDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def grant(self, request, pk=None):
        row = self.get_object()
        given = self.given(HoursInput, "datasets.grant_read", row)
        sensitive_acts.grant_read(self.actor, row.pk, **given, **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=["sensitive data"],
        summary="Refuse it (not with a token)",
        request=ReasonInput,
        responses=ReadGrantDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def refuse(self, request, pk=None):
        row = self.get_object()
        given = self.given(ReasonInput, "datasets.refuse_read", row)
        sensitive_acts.refuse_read(self.actor, row.pk, **given, **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=["sensitive data"],
        summary="End it before its hours are over",
        request=ReasonInput,
        responses=ReadGrantDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def end(self, request, pk=None):
        row = self.get_object()
        given = self.given(ReasonInput, "datasets.end_read", row)
        sensitive_acts.end_read(self.actor, row.pk, **given, **self.key())
        return self.answer(self.get_object())


class UnmarkingOut(serializers.ModelSerializer):
    ref = serializers.CharField()
    dataset = serializers.CharField(source="dataset.slug")
    requested_by = serializers.CharField(source="requested_by.username")
    decided_by = serializers.CharField(source="decided_by.username", default=None)
    allowed_acts = serializers.SerializerMethodField()

    class Meta:
        model = Unmarking
        fields = [
            "id",
            "ref",
            "dataset",
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
        return allowed_acts(self.context["view"].actor, row)


class MarkOut(serializers.ModelSerializer):
    class Meta:
        model = Dataset
        fields = ["slug", "sensitive"]


@extend_schema_view(
    list=extend_schema(tags=["sensitive data"], summary="Requests that a dataset be no longer sensitive"),
    retrieve=extend_schema(tags=["sensitive data"], summary="One such request"),
)
class Unmarkings(GateViewSet):
    """The mark is taken away by two: one asks, another approves."""

    model = Unmarking
    serializer_class = UnmarkingOut
    select_related = ("dataset", "requested_by", "decided_by")
    lookup_value_regex = "[0-9]+"

    @extend_schema(
        tags=["sensitive data"],
        summary="Approve: by somebody else than who asked (not with a token)",
        request=None,
        responses=UnmarkingOut,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def approve(self, request, pk=None):
        row = self.get_object()
        sensitive_acts.approve_unmark(self.actor, row.pk, **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=["sensitive data"],
        summary="Refuse: the mark stays (not with a token)",
        request=ReasonInput,
        responses=UnmarkingOut,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def refuse(self, request, pk=None):
        row = self.get_object()
        given = self.given(ReasonInput, "datasets.refuse_unmark", row)
        sensitive_acts.refuse_unmark(self.actor, row.pk, **given, **self.key())
        return self.answer(self.get_object())


class Marks(GateViewSet):
    model = Dataset
    serializer_class = MarkOut
    lookup_field = "slug"

    def get_queryset(self):
        if getattr(self, "swagger_fake_view", False):
            return Dataset.objects.none()
        return visible(self.actor, Dataset)

    @extend_schema(
        tags=["sensitive data"],
        summary="Mark a dataset as sensitive",
        request=ChangeFields,
        responses=MarkOut,
        parameters=[IDEMPOTENCY],
    )
    def mark(self, request, slug=None):
        row = self.get_object()
        given = self.given(ChangeFields, "datasets.mark_sensitive", row)
        made = mark_sensitive(self.actor, row.pk, **change_of(given), **self.key())
        return self.answer(made if isinstance(made, Preview) else self.get_object())

    @extend_schema(
        tags=["sensitive data"],
        summary="Ask that the mark be taken away",
        request=ChangeFields,
        responses=MarkOut,
        parameters=[IDEMPOTENCY],
    )
    def unmark(self, request, slug=None):
        row = self.get_object()
        given = self.given(ChangeFields, "datasets.request_unmark", row)
        made = request_unmark(self.actor, row.pk, **change_of(given), **self.key())
        return self.answer(made if isinstance(made, Preview) else self.get_object())


class ReadOut(serializers.Serializer):
    entry = serializers.IntegerField()
    at = serializers.DateTimeField()
    who = serializers.CharField()
    who_uuid = serializers.CharField()
    data = serializers.CharField(help_text="Dataset version.")
    act = serializers.CharField()
    why = serializers.CharField()
    under = serializers.CharField(
        help_text="RA-3: the justification; empty where the data were not sensitive."
    )

    def to_representation(self, row) -> dict:
        return readings.as_data([row])[0]


@extend_schema_view(
    list=extend_schema(
        tags=["sensitive data"],
        summary="Who read which data, when, why",
        parameters=[
            AS_OF,
            OpenApiParameter("dataset", str, description="Short name."),
            OpenApiParameter("person", str, description="@username, or part of the name."),
            OpenApiParameter("act", str, enum=[act for act, _label in readings.KINDS]),
        ],
    ),
    retrieve=extend_schema(tags=["sensitive data"], summary="One reading"),
)
class DataReads(GateViewSet):
    model = Entry
    serializer_class = ReadOut
    http_method_names = ["get", "head", "options"]
    lookup_value_regex = "[0-9]+"

    def get_queryset(self):
        if getattr(self, "swagger_fake_view", False):
            return Entry.objects.none()
        asked = self.request.query_params
        rows = readings.reads(self.actor, moment_of(self.request))
        if slug := asked.get("dataset", ""):
            rows = readings.of_dataset(rows, slug)
        if name := asked.get("person", ""):
            rows = readings.by_person(rows, name)
        if act := one_of(self.request, "act", [act for act, _label in readings.KINDS]):
            rows = rows.filter(act=act)
        return rows


urlpatterns = [
    path("datasets/<slug:slug>/mark-sensitive", Marks.as_view({"post": "mark"}), name="dataset-mark"),
    path("datasets/<slug:slug>/unmark", Marks.as_view({"post": "unmark"}), name="dataset-unmark"),
]


def register(router) -> None:
    router.register("read-grants", ReadGrants, basename="read-grant")
    router.register("unmarkings", Unmarkings, basename="unmarking")
    router.register("data-reads", DataReads, basename="data-read")
