"""The audit trail: entries, one entry with what it changed and its proof, export."""

from __future__ import annotations

from datetime import datetime

from django.http import StreamingHttpResponse
from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.pagination import CursorPagination
from rest_framework.views import APIView

from apps.access import acts, duties
from apps.access.gate import visible
from apps.access.policy import TABLE
from apps.access.refs import resolve
from apps.api.auth import actor_of
from apps.api.base import GateViewSet
from apps.core.errors import BadInput
from apps.trail import queries, sealer
from apps.trail.models import Entry

KINDS = [kind.value for kind in queries.TOLD]


class FilterInput(serializers.Serializer):
    """What to show; all parts together. Times in ISO 8601 with a zone."""

    record = serializers.CharField(required=False, max_length=120, help_text="R-3, lotx/1.0.0, lotx, @mchen.")
    who = serializers.CharField(required=False, max_length=160, help_text="@username, or part of a name.")
    act = serializers.ChoiceField(required=False, choices=sorted(TABLE))
    kind = serializers.ChoiceField(required=False, choices=KINDS)
    scope = serializers.CharField(
        required=False, max_length=120, help_text="organisation, or short name of a model or dataset."
    )
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)


def narrowed(actor, asked: dict):
    """Visible entries that fit every part of `asked`."""
    rows = queries.told(visible(actor, Entry))
    if "record" in asked:
        rows = queries.by_records(rows, resolve(actor, asked["record"]))
    if "who" in asked:
        rows = queries.by_person(rows, asked["who"])
    if "act" in asked:
        rows = rows.filter(act=asked["act"])
    if "kind" in asked:
        rows = rows.filter(kind=asked["kind"])
    if "scope" in asked:
        rows = rows.filter(scope__in=_scopes(actor, asked["scope"]))
    return queries.between(rows, asked.get("since"), asked.get("until"))


def _scopes(actor, text: str) -> list[str]:
    if text == "organisation":
        return [duties.scope_text(duties.ORGANISATION, duties.ORGANISATION_ID)]
    return [record.scope for record in resolve(actor, text)]


def checked(data) -> dict:
    unknown = set(data) - set(FilterInput().fields) if hasattr(data, "keys") else {"body"}
    if unknown:
        raise BadInput(fields={name: ["This filter is not known here."] for name in sorted(unknown)})
    serializer = FilterInput(data=data)
    serializer.is_valid(raise_exception=True)
    return dict(serializer.validated_data)


class EntryOut(serializers.Serializer):
    id = serializers.IntegerField()
    at = serializers.DateTimeField()
    kind = serializers.ChoiceField(choices=KINDS)
    act = serializers.CharField()
    act_id = serializers.CharField()
    who = serializers.CharField()
    who_uuid = serializers.CharField()
    on_behalf = serializers.CharField()
    subject_kind = serializers.CharField()
    subject_id = serializers.CharField()
    scope = serializers.CharField()
    digest = serializers.CharField(help_text="SHA-256 in hex of salt, space, body.")
    body = serializers.JSONField(help_text="The entry's own canonical JSON.")

    def to_representation(self, entry):
        return queries.as_data(entry)


class EntryDetail(EntryOut):
    written = serializers.JSONField(help_text="Rows the act wrote, each field before and after.")
    receipt = serializers.JSONField(help_text="Proof of inclusion; null until the entry is sealed.")

    def to_representation(self, entry):
        try:
            receipt = sealer.receipt(entry)
        except sealer.NotSealed:
            receipt = None
        written = queries.rows_as_data(queries.written_by(entry))
        return super().to_representation(entry) | {"written": written, "receipt": receipt}


class NewestFirst(CursorPagination):
    """`next` leads on; entries written meanwhile shift nothing."""

    ordering = "-id"
    page_size = 100
    page_size_query_param = "page_size"
    max_page_size = 1000


FILTERS = [
    OpenApiParameter(
        name, OpenApiTypes.DATETIME if name in ("since", "until") else str, description=field.help_text or ""
    )
    for name, field in FilterInput().fields.items()
]


@extend_schema_view(
    list=extend_schema(
        tags=["trail"], summary="Entries the caller may see, newest first", parameters=FILTERS
    ),
    retrieve=extend_schema(
        tags=["trail"], summary="One entry, what it changed, its proof", responses=EntryDetail
    ),
)
class Trail(GateViewSet):
    """Acts, events, refusals and seals. Row entries stand with the act that wrote them."""

    model = Entry
    pagination_class = NewestFirst

    def get_serializer_class(self):
        return EntryOut if self.action == "list" else EntryDetail

    def get_queryset(self):
        if getattr(self, "swagger_fake_view", False):
            return Entry.objects.none()
        paging = {"cursor", "page_size"}
        asked = {k: v for k, v in self.request.query_params.items() if k not in paging}
        return narrowed(self.actor, checked(asked) if self.action == "list" else {})


class Export(APIView):
    """Take entries away; the export is entered in the trail before its first byte leaves."""

    @extend_schema(
        tags=["trail"],
        summary="Export entries as JSON Lines, with the rows each act wrote",
        request=FilterInput,
        responses={(200, "application/x-ndjson"): OpenApiResponse(OpenApiTypes.STR)},
    )
    def post(self, request):
        actor, asked = actor_of(request), checked(request.data)
        newest = Entry.objects.order_by("-id").values_list("id", flat=True).first() or 0
        rows = narrowed(actor, asked).filter(pk__lte=newest)
        told = {k: v.isoformat() if isinstance(v, datetime) else str(v) for k, v in asked.items()}
        acts.export_trail(actor, asked=told, count=rows.count(), form="JSON Lines")
        response = StreamingHttpResponse(queries.exported(rows), content_type="application/x-ndjson")
        response["Content-Disposition"] = 'attachment; filename="audit-trail.jsonl"'
        return response


def register(router) -> None:
    router.register("trail", Trail, basename="entry")


urlpatterns = [path("trail/export", Export.as_view(), name="trail_export")]
