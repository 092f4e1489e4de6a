"""Inspection packs: ask, watch, take away."""

from __future__ import annotations

from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.response import Response

from apps.access.gate import visible
from apps.api.base import IDEMPOTENCY, GateViewSet, allowed_acts
from apps.core.errors import NotVisible
from apps.packs import acts, queries
from apps.packs.models import Pack
from apps.registry.models import Version


class PackOut(serializers.ModelSerializer):
    ref = serializers.CharField()
    version = serializers.CharField(source="version.ref")
    version_id = serializers.IntegerField()
    requested_by = serializers.CharField(source="requested_by.username")
    progress = serializers.SerializerMethodField(
        help_text="Of the job: done, total (units of work) and stage."
    )

    class Meta:
        model = Pack
        fields = [
            "number", "ref", "version", "version_id", "state", "as_of", "purpose", "requested_by", "requested_at",
            "finished_at", "content_digest", "pdf_digest", "pdf_size", "pages", "failure", "progress",
        ]  # fmt: skip

    def get_progress(self, pack) -> dict:
        job = pack.job
        return {"state": job.state, "done": job.done, "total": job.total, "stage": job.stage} if job else {}


class PackDetail(PackOut):
    allowed_acts = serializers.SerializerMethodField()

    class Meta(PackOut.Meta):
        fields = [*PackOut.Meta.fields, "allowed_acts"]

    def get_allowed_acts(self, pack) -> list[dict]:
        return allowed_acts(self.context["view"].actor, pack)


class PackInput(serializers.Serializer):
    version = serializers.IntegerField(help_text="Number (id) of the model version.")
    purpose = serializers.CharField(max_length=acts.MAX_PURPOSE, help_text="Printed on the cover.")


class PDFRenderer(BaseRenderer):
    """Lets a client ask for application/pdf; the answer is a file, never rendered here."""

    media_type = "application/pdf"
    format = "pdf"
    render_style = "binary"

    def render(self, data, accepted_media_type=None, renderer_context=None):
        return JSONRenderer().render(data)  # a refusal: problem details


LIST_FILTERS = [
    OpenApiParameter("version", int, description="Packs of this version (id)."),
    OpenApiParameter("model", str, description="Packs of this model (slug)."),
    OpenApiParameter("state", str, description="queued, done or failed."),
]


@extend_schema_view(
    list=extend_schema(
        responses=PackOut, parameters=LIST_FILTERS, tags=["packs"], summary="Packs you may see"
    ),
    retrieve=extend_schema(responses=PackDetail, tags=["packs"], summary="One pack with its progress"),
)
class Packs(GateViewSet):
    """Inspection packs, by number."""

    model = Pack
    serializer_class = PackOut
    select_related = queries.RELATED
    lookup_field = "number"
    lookup_value_regex = r"\d+"

    def get_serializer_class(self):
        return PackOut if self.action == "list" else PackDetail

    def get_queryset(self):
        rows, asked = super().get_queryset(), self.request.query_params
        for name, field in (("version", "version_id"), ("model", "version__model__slug"), ("state", "state")):
            if asked.get(name):
                rows = (
                    rows.filter(**{field: asked[name]})
                    if name != "version" or asked[name].isdigit()
                    else rows.none()
                )
        return rows

    @extend_schema(
        request=PackInput,
        responses={202: PackDetail},
        parameters=[IDEMPOTENCY],
        tags=["packs"],
        summary="Ask for the pack of a version as of now",
    )
    def create(self, request, *args, **kwargs) -> Response:
        asked = str(request.data.get("version", "")) if hasattr(request.data, "get") else ""
        named = asked.isascii() and asked.isdigit() and len(asked) < 19
        version = visible(self.actor, Version).filter(pk=asked).first() if named else None
        if named and version is None:
            raise NotVisible()
        given = self.given(PackInput, "packs.request_pack", version)
        made = acts.request_pack(self.actor, version.pk, purpose=given["purpose"], **self.key())
        return self.answer(Pack.objects.select_related(*queries.RELATED).get(pk=made.pk), status=202)

    @extend_schema(
        request=None,
        responses={(200, "application/pdf"): OpenApiResponse(OpenApiTypes.BINARY, "The PDF")},
        tags=["packs"],
        summary="Take the PDF away; an entry says who did",
    )
    @action(detail=True, methods=["post"], renderer_classes=[JSONRenderer, PDFRenderer])
    def download(self, request, number=None) -> FileResponse:
        pack = acts.download_pack(self.actor, self.get_object().pk)
        response = FileResponse(
            queries.file_of(pack).open("rb"),
            as_attachment=True,
            filename=queries.file_name(pack),
            content_type="application/pdf",
        )
        response["X-Content-Type-Options"] = "nosniff"
        response["Content-Security-Policy"] = "default-src 'none'; sandbox"
        response["Cache-Control"] = "no-store, private"
        return response


def register(router) -> None:
    router.register("packs", Packs, basename="packs")


urlpatterns: list = []
