"""Inspections, copies handed out, what inspectors looked at, and the access register."""

from __future__ import annotations

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers, viewsets
from rest_framework.decorators import action

from apps.access import acts, duties, inspections
from apps.access import register as book
from apps.access.gate import ORGANISATION_SUBJECT, visible
from apps.access.inspection_models import Copy, Inspection
from apps.access.models import Assignment
from apps.access.policy import TABLE
from apps.access.register_grants import OTHER, as_data, in_force_at
from apps.access.sharing import shared
from apps.api.auth import actor_of
from apps.api.base import IDEMPOTENCY, GateViewSet, ReasonInput, allowed_acts
from apps.api.lookup import one_of, person_ids
from apps.core.clock import now
from apps.core.errors import BadInput, NotVisible
from apps.datasets.models import Dataset
from apps.registry.models import Model
from apps.trail.models import Entry

AS_OF = OpenApiParameter("as-of", OpenApiTypes.DATETIME, description="ISO 8601 with a zone; empty: now.")


def moment_of(request):
    """`as-of` (or `as_of`) of the query; now when it is not given."""
    given = request.query_params.get("as-of", "") or request.query_params.get("as_of", "")
    if not given:
        return now()
    try:
        moment = serializers.DateTimeField().to_internal_value(given)
    except serializers.ValidationError:
        raise BadInput(
            fields={"as-of": ["Give the time in ISO 8601, such as 2026-11-19T14:02:00Z."]}
        ) from None
    if moment > now():
        raise BadInput(fields={"as-of": ["This moment lies ahead."]})
    return moment


class InspectionOut(serializers.ModelSerializer):
    ref = serializers.CharField()
    person = serializers.CharField(source="person.username")
    standing = serializers.CharField(source="word", help_text="What it is now: it ends by itself.")
    requester = serializers.CharField(source="requester.username")
    approver = serializers.CharField(source="approver.username", default=None, allow_null=True)
    ended_by = serializers.CharField(
        source="ended_by.username",
        default=None,
        allow_null=True,
        help_text="Who refused it or ended it early.",
    )

    class Meta:
        model = Inspection
        fields = [
            "id",
            "ref",
            "person",
            "authority",
            "purpose",
            "everything",
            "state",
            "standing",
            "starts_at",
            "ends_at",
            "requester",
            "requested_at",
            "approver",
            "decided_at",
            "ended_by",
            "ended_at",
            "end_reason",
        ]


class InspectionDetail(InspectionOut):
    places = serializers.SerializerMethodField(help_text="Scopes, such as registry.model:3.")
    allowed_acts = serializers.SerializerMethodField()

    class Meta(InspectionOut.Meta):
        fields = [*InspectionOut.Meta.fields, "places", "allowed_acts"]

    def get_places(self, row) -> list[str]:
        return [each.place for each in row.places.all()]

    def get_allowed_acts(self, row) -> list[dict]:
        return allowed_acts(self.context["view"].actor, row)


class InspectionInput(serializers.Serializer):
    person = serializers.CharField(max_length=80, help_text="Username of the inspector.")
    authority = serializers.CharField(max_length=160, help_text="On whose behalf.")
    everything = serializers.BooleanField(default=False)
    models = serializers.ListField(child=serializers.CharField(max_length=60), default=list, max_length=200)
    datasets = serializers.ListField(child=serializers.CharField(max_length=60), default=list, max_length=200)
    starts_at = serializers.DateTimeField(required=False, allow_null=True, default=None)
    ends_at = serializers.DateTimeField()
    reason = serializers.CharField(max_length=2000, help_text="The purpose.")


def _ids(actor, model, slugs, field) -> list[int]:
    found = dict(visible(actor, model).filter(slug__in=slugs).values_list("slug", "pk"))
    missing = [slug for slug in slugs if slug not in found]
    if missing:
        raise BadInput(fields={field: [f"Not known here: {', '.join(missing)}."]})
    return [found[slug] for slug in slugs]


@extend_schema_view(
    list=extend_schema(
        tags=["access"],
        summary="Inspections the caller may see",
        parameters=[OpenApiParameter("state", str, enum=Inspection.State.values)],
    ),
    retrieve=extend_schema(tags=["access"], summary="One inspection", responses=InspectionDetail),
)
class Inspections(GateViewSet):
    """An inspector's access: scope, start, end and purpose, approved by a third person; it opens reading alone."""

    model = Inspection
    lookup_value_regex = "[0-9]+"

    def get_serializer_class(self):
        return InspectionOut if self.action == "list" else InspectionDetail

    def get_queryset(self):
        if getattr(self, "swagger_fake_view", False):
            return Inspection.objects.none()
        rows = inspections.inspections(self.actor)
        if self.action == "list" and (state := one_of(self.request, "state", Inspection.State.values)):
            rows = rows.filter(state=state)
        return rows

    @extend_schema(
        tags=["access"],
        summary="Ask for an inspection (not with a token)",
        request=InspectionInput,
        responses={201: InspectionDetail},
        parameters=[IDEMPOTENCY],
    )
    def create(self, request, *args, **kwargs):
        with self.asking("access.request_inspection", ORGANISATION_SUBJECT):
            given = self._checked(InspectionInput)
            person = person_ids([given.pop("person")], "person")[0]
            places = [(duties.MODEL, pk) for pk in _ids(self.actor, Model, given.pop("models"), "models")]
            data = _ids(self.actor, Dataset, given.pop("datasets"), "datasets")
        places += [(duties.DATASET, pk) for pk in data]
        made = acts.request_inspection(self.actor, person_id=person, places=places, **given, **self.key())
        self.kwargs["pk"] = made.pk
        return self.answer(self.get_object(), status=201)

    @extend_schema(
        tags=["access"],
        summary="Approve: not by who asked or is the inspector (not with a token)",
        request=None,
        responses=InspectionDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def approve(self, request, pk=None):
        row = self.get_object()
        acts.approve_inspection(self.actor, row.pk, **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=["access"],
        summary="Refuse (not with a token)",
        request=ReasonInput,
        responses=InspectionDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def refuse(self, request, pk=None):
        row = self.get_object()
        given = self.given(ReasonInput, "access.refuse_inspection", row)
        acts.refuse_inspection(self.actor, row.pk, **given, **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=["access"],
        summary="End it now (not with a token)",
        request=ReasonInput,
        responses=InspectionDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def end(self, request, pk=None):
        row = self.get_object()
        given = self.given(ReasonInput, "access.end_inspection", row)
        acts.end_inspection(self.actor, row.pk, **given, **self.key())
        return self.answer(self.get_object())


class CopyOut(serializers.ModelSerializer):
    person = serializers.CharField(source="person.username")

    class Meta:
        model = Copy
        fields = [
            "number",
            "person",
            "file_name",
            "file_sha256",
            "file_size",
            "page",
            "record",
            "address",
            "handed_at",
            "state",
            "spoilt_because",
        ]


@extend_schema_view(
    list=extend_schema(tags=["access"], summary="Numbered copies handed to inspectors"),
    retrieve=extend_schema(tags=["access"], summary="One copy by its number"),
)
class Copies(GateViewSet):
    """An inspector's downloads: the file unchanged in a ZIP with a cover sheet, under a number without gaps."""

    model = Copy
    serializer_class = CopyOut
    lookup_field = "number"
    lookup_value_regex = "[0-9]+"

    def get_queryset(self):
        if getattr(self, "swagger_fake_view", False):
            return Copy.objects.none()
        return inspections.copies(self.actor)


class LookOut(serializers.Serializer):
    entry = serializers.IntegerField(source="pk")
    at = serializers.DateTimeField()
    who = serializers.CharField(source="actor_name")
    act = serializers.CharField()
    facts = serializers.SerializerMethodField(
        help_text="page, path, record, status, address; copy and sha256."
    )

    def get_facts(self, row) -> dict:
        return inspections.facts_of_look(row)


@extend_schema_view(
    list=extend_schema(
        tags=["access"],
        summary="What inspectors looked at and took away: all for compliance, their own for an inspector",
        parameters=[OpenApiParameter("person", str, description="Part of the name.")],
    ),
    retrieve=extend_schema(tags=["access"], summary="One look or copy of an inspector"),
)
class Looks(GateViewSet):
    model = Entry
    serializer_class = LookOut
    lookup_value_regex = "[0-9]+"

    def get_queryset(self):
        if getattr(self, "swagger_fake_view", False):
            return Entry.objects.none()
        rows = inspections.looked_at(self.actor)
        if name := self.request.query_params.get("person", ""):
            rows = rows.filter(actor_name__icontains=name)
        return rows


class OtherAccessOut(serializers.Serializer):
    kind = serializers.CharField()
    record = serializers.CharField(help_text="Kind of the record.")
    id = serializers.IntegerField()
    username = serializers.CharField()
    printed_name = serializers.CharField(help_text="As it was then.")
    access = serializers.CharField(help_text="What it opens.")
    since = serializers.DateTimeField()
    until = serializers.DateTimeField(allow_null=True)
    history_row = serializers.IntegerField()
    intact = serializers.BooleanField(help_text="The history row is as the portal wrote it.")


class RegisterOut(serializers.Serializer):
    assignment = serializers.CharField()
    username = serializers.CharField()
    printed_name = serializers.CharField(help_text="As it was then.")
    duty = serializers.CharField()
    object = serializers.CharField()
    scope = serializers.CharField()
    since = serializers.DateTimeField()
    until = serializers.DateTimeField(allow_null=True)
    identity_confirmed = serializers.BooleanField(help_text="Without it nothing can be signed.")
    acts = serializers.ListField(
        child=serializers.CharField(),
        help_text="That the duty allowed then. Training and second factor are asked besides.",
    )
    policy = serializers.CharField(help_text="Digest of the policy table that the acts are told by.")
    policy_since = serializers.DateTimeField(
        allow_null=True,
        help_text="When that table was entered in the trail. Null: which was in force then is not recorded, and the "
        "acts are told by the table of the release that runs now.",
    )
    training = serializers.CharField(help_text="How the training that the duty needs stood then.")
    waivers = serializers.ListField(child=serializers.CharField())
    history_row = serializers.IntegerField()
    intact = serializers.BooleanField(help_text="The history row is as the portal wrote it.")


@extend_schema_view(
    list=extend_schema(
        tags=["access"],
        summary="The access register: who could do what, now or at a moment past",
        responses=RegisterOut(many=True),
        parameters=[
            AS_OF,
            OpenApiParameter("person", str, description="Username, or part of the name."),
            OpenApiParameter("object", str, description="Short name of a model or dataset, or organisation."),
            OpenApiParameter("duty", str, enum=[d.value for d in duties.Duty]),
            OpenApiParameter("act", str, description="An act of the policy table."),
        ],
    )
)
class AccessRegister(viewsets.GenericViewSet):
    """Rebuilt from the history of assignments and accounts, of the assignments the caller may see.

    Acts are those that the duty allowed by the policy table in force then. Training and second factor are asked
    besides, and separation of duties may refuse.
    """

    serializer_class = RegisterOut
    queryset = Assignment.objects.none()

    @property
    def actor(self):
        return actor_of(self.request)

    def list(self, request, *args, **kwargs):
        moment = moment_of(request)
        asked = request.query_params
        rows, standing = book.register(self.actor, moment), book.standing_at(moment)
        if name := asked.get("person", ""):
            rows = book.by_person(rows, name)
        if name := asked.get("object", ""):
            rows = book.on_object(self.actor, rows, name)
        if duty := one_of(request, "duty", [d.value for d in duties.Duty]):
            rows = rows.filter(duty=duty)
        if act := asked.get("act", ""):
            if act not in TABLE and act not in standing.policy.rows:
                raise BadInput(fields={"act": ["There is no such act."]})
            rows = book.holding(rows, act, standing.policy.rows)
        names = book.names_of(self.actor, rows)
        page = self.paginate_queryset(rows.order_by("name_then", "scope_kind", "scope_id", "duty", "pk"))
        return self.get_paginated_response(
            [
                book.as_data(row, names[duties.scope_text(row.scope_kind, row.scope_id)], standing)
                for row in page
            ]
        )

    @extend_schema(
        tags=["access"],
        summary="What opened something beside duties: services, tokens, read access, now or at a moment past",
        responses=OtherAccessOut(many=True),
        parameters=[AS_OF, OpenApiParameter("person", str, description="Username, or part of the name.")],
    )
    @action(detail=False, url_path="other/(?P<kind>[a-z-]+)", url_name="other")
    def other(self, request, kind=""):
        if kind not in OTHER:
            raise NotVisible()
        rows = in_force_at(self.actor, OTHER[kind], moment_of(request))
        if name := request.query_params.get("person", ""):
            rows = book.by_person(rows, name)
        page = self.paginate_queryset(rows.order_by("name_then", "pk"))
        with shared():
            return self.get_paginated_response([as_data(OTHER[kind], row) for row in page])


def register(router) -> None:
    router.register("inspections", Inspections, basename="inspection")
    router.register("copies", Copies, basename="copy")
    router.register("inspector-log", Looks, basename="inspector-log")
    router.register("access-register", AccessRegister, basename="access-register")
