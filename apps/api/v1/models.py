"""Models and their intended use."""

from __future__ import annotations

from django.conf import settings
from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.parsers import MultiPartParser
from rest_framework.response import Response

from apps.access.gate import ORGANISATION_SUBJECT, may
from apps.access.previewing import Preview
from apps.access.signing import as_printed, content_digest, content_of, standings
from apps.api.base import (
    IDEMPOTENCY,
    ChangeFields,
    GateViewSet,
    SignatureFields,
    allowed_acts,
    change_of,
    entered,
)
from apps.api.lookup import one_of, ordered, person_ids, said
from apps.api.v1.versions import NOTHING
from apps.core import blobs, uploads
from apps.quality.queries import unsettled_of_model
from apps.registry import acts, queries
from apps.registry.models import LEVELS, IntendedUse, Model
from apps.registry.rules import USE_TEXTS
from apps.registry.states import Level, State

UPLOAD_LIMITS = {
    "artefact": "UPLOAD_LIMIT_MODEL",
    "code_archive": "UPLOAD_LIMIT_FILE",
    "environment": "UPLOAD_LIMIT_FILE",
}


class ModelOut(serializers.ModelSerializer):
    tier = serializers.CharField(allow_null=True, help_text="Of the newest intended use.")
    newest_version = serializers.CharField(source="newest_label", allow_null=True)
    newest_state = serializers.CharField(allow_null=True)
    released_version = serializers.CharField(source="released_label", allow_null=True)
    open_deviations = serializers.IntegerField()
    registered_by = serializers.CharField(source="registered_by.username")

    class Meta:
        model = Model
        fields = [
            "slug",
            "name",
            "description",
            "tier",
            "newest_version",
            "newest_state",
            "released_version",
            "open_deviations",
            "registered_by",
            "registered_at",
        ]


class ModelDetail(ModelOut):
    people = serializers.SerializerMethodField(help_text="Where the people and their duties are.")
    versions = serializers.SerializerMethodField(help_text="Where the versions are.")
    intended_uses = serializers.SerializerMethodField(help_text="References, newest first.")
    allowed_acts = serializers.SerializerMethodField()

    class Meta(ModelOut.Meta):
        fields = [*ModelOut.Meta.fields, "people", "versions", "intended_uses", "allowed_acts"]

    def get_people(self, model) -> str:
        return self.context["request"].build_absolute_uri(reverse("web:model_people", args=[model.slug]))

    def get_versions(self, model) -> str:
        address = reverse("api:versions-list")
        return self.context["request"].build_absolute_uri(f"{address}?model={model.slug}")

    def get_intended_uses(self, model) -> list[str]:
        return [use.ref for use in queries.intended_uses(self.context["view"].actor, model)]

    def get_allowed_acts(self, model) -> list[dict]:
        return allowed_acts(self.context["view"].actor, model)


class ModelInput(serializers.Serializer):
    slug = serializers.CharField(max_length=60)
    name = serializers.CharField(max_length=160)
    description = serializers.CharField(required=False, default="", allow_blank=True, max_length=4000)
    owner = serializers.CharField(max_length=80, help_text="Username.")


class UseOut(serializers.ModelSerializer):
    model = serializers.CharField(source="model.slug")
    written_by = serializers.CharField(source="written_by.username")

    class Meta:
        model = IntendedUse
        fields = ["id", "ref", "model", "number", "tier", "question", "written_by", "written_at"]


class UseDetail(UseOut):
    digest = serializers.SerializerMethodField(help_text="Of the content: what a signature binds.")
    content = serializers.SerializerMethodField()
    signatures = serializers.SerializerMethodField()
    allowed_acts = serializers.SerializerMethodField()

    class Meta(UseOut.Meta):
        fields = [*UseOut.Meta.fields, "digest", "content", "signatures", "allowed_acts"]

    def get_digest(self, use) -> str:
        return content_digest(use)

    def get_content(self, use) -> dict:
        return content_of(use)

    def get_signatures(self, use) -> list[dict]:
        return [as_printed(s.signature) | {"standing": s.word} for s in standings(use)]

    def get_allowed_acts(self, use) -> list[dict]:
        return allowed_acts(self.context["view"].actor, use)


class UseInput(ChangeFields):
    """What a model is for and the risk if it is wrong. The tier follows from influence and consequence."""

    gmp_critical = serializers.BooleanField()
    affects_people = serializers.BooleanField()
    influence = serializers.ChoiceField(choices=LEVELS)
    consequence = serializers.ChoiceField(choices=LEVELS)
    raised_by_one = serializers.BooleanField(default=False)
    raised_rationale = serializers.CharField(default="", allow_blank=True, required=False)

    def get_fields(self):
        texts = {name: serializers.CharField(help_text=words) for name, words in USE_TEXTS.items()}
        return texts | super().get_fields()


class UploadInput(serializers.Serializer):
    kind = serializers.ChoiceField(choices=list(UPLOAD_LIMITS))
    file = serializers.FileField()


class UploadOut(serializers.Serializer):
    upload = serializers.CharField(
        help_text="Names the stored bytes when the version is registered; good for a day."
    )
    digest = serializers.CharField()
    size = serializers.IntegerField(help_text="Bytes.")
    name = serializers.CharField()


LIST = [
    OpenApiParameter("tier", str, enum=[level.value for level in Level]),
    OpenApiParameter("state", str, enum=[s.value for s in State], description="Of the newest version."),
    OpenApiParameter("search", str, description="Part of the name or short name."),
    OpenApiParameter("ordering", str, description="slug, name, registered_at; with - before it, reversed."),
]


@extend_schema_view(
    list=extend_schema(tags=["models"], summary="Models the caller may see", parameters=LIST),
    retrieve=extend_schema(tags=["models"], summary="One model", responses=ModelDetail),
)
class Models(GateViewSet):
    """Registered models."""

    model = Model
    lookup_field = "slug"
    lookup_value_regex = "[-a-z0-9]+"

    def get_serializer_class(self):
        return ModelOut if self.action == "list" else ModelDetail

    def get_queryset(self):
        if getattr(self, "swagger_fake_view", False):
            return Model.objects.none()
        rows = queries.inventory(self.actor).annotate(open_deviations=unsettled_of_model(self.actor))
        if self.action != "list":
            return rows
        if tier := one_of(self.request, "tier", [level.value for level in Level]):
            rows = rows.filter(tier=tier)
        if state := one_of(self.request, "state", [s.value for s in State]):
            rows = rows.filter(newest_state=state)
        if words := self.request.query_params.get("search", ""):
            rows = rows.filter(name__icontains=words) | rows.filter(slug__icontains=words)
        allowed = {"slug": "slug", "name": "name", "registered_at": "registered_at"}
        return ordered(self.request, rows, allowed, "slug")

    @extend_schema(
        tags=["models"],
        summary="Register a model",
        request=ModelInput,
        responses={201: ModelDetail},
        parameters=[IDEMPOTENCY],
    )
    def create(self, request, *args, **kwargs):
        given = self.given(ModelInput, "registry.register_model", ORGANISATION_SUBJECT)
        with self.asking("registry.register_model", ORGANISATION_SUBJECT):
            owner = person_ids([given.pop("owner")], "owner")[0]
        made = acts.register_model(self.actor, owner_id=owner, **given, **self.key())
        self.kwargs["slug"] = made.slug
        return self.answer(self.get_object(), status=201)

    @extend_schema(
        tags=["models"],
        summary="Intended uses of a model, newest first; POST writes the next number",
        request=UseInput,
        responses={200: UseOut(many=True), 201: UseDetail},
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["get", "post"], url_path="intended-uses")
    def intended_uses(self, request, slug=None):
        model, context = self.get_object(), self.get_serializer_context()
        if request.method == "GET":
            rows = self.paginate_queryset(queries.intended_uses(self.actor, model))
            return self.get_paginated_response(UseOut(rows, many=True, context=context).data)
        given = self.given(UseInput, "registry.write_intended_use", model)
        why = change_of(given)
        made = acts.write_intended_use(self.actor, model.pk, given=given, **why, **self.key())
        if isinstance(made, Preview):
            return self.answer(made)
        return Response(UseDetail(made, context=context).data, status=201)

    def _let_in(self, model: Model) -> None:
        if not may(self.actor, "registry.register_version", model).allowed:
            acts.register_version(self.actor, model.pk, **NOTHING)  # refuses; its refusal stands in the trail

    @extend_schema(
        tags=["versions"],
        summary="Store a file for a version that will be registered",
        request={"multipart/form-data": UploadInput},
        responses={201: UploadOut},
    )
    @action(detail=True, methods=["post"], parser_classes=[MultiPartParser])
    def uploads(self, request, slug=None):
        model = self.get_object()
        self._let_in(model)
        given = self.given(UploadInput)
        self._let_in(model)  # once more: the token may have ended while the bytes came
        blob = blobs.put(given["file"], limit=getattr(settings, UPLOAD_LIMITS[given["kind"]]))
        upload = uploads.of(blob, given["file"].name)
        sealed = uploads.sealed(self.actor.pk, upload)
        told = {"upload": sealed, "digest": upload.digest, "size": upload.size, "name": upload.name}
        return Response(told, status=201)


class UseSignature(SignatureFields):
    signing_as = serializers.ChoiceField(choices=["process_expert", "owner"])


SIGN = {"process_expert": acts.sign_intended_use_expert, "owner": acts.sign_intended_use_owner}


@extend_schema_view(
    list=extend_schema(
        tags=["models"],
        summary="Intended uses the caller may see",
        parameters=[OpenApiParameter("model", str, description="Short name of the model.")],
    ),
    retrieve=extend_schema(tags=["models"], summary="One intended use", responses=UseDetail),
)
class IntendedUses(GateViewSet):
    """Intended uses with their risk; a change is a new number."""

    model = IntendedUse

    def get_serializer_class(self):
        return UseOut if self.action == "list" else UseDetail

    def get_queryset(self):
        if getattr(self, "swagger_fake_view", False):
            return IntendedUse.objects.none()
        rows = queries.intended_uses(self.actor)
        slug = self.request.query_params.get("model", "")
        return rows.filter(model__slug=slug) if self.action == "list" and slug else rows

    @extend_schema(
        tags=["models"],
        summary="Sign an intended use (signed-in session only)",
        request=UseSignature,
        responses=UseDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def sign(self, request, pk=None):
        use = self.get_object()
        name = "expert" if said(request, "signing_as") == "process_expert" else "owner"
        given = self.given(UseSignature, f"registry.sign_intended_use_{name}", use)
        signature = entered(given)
        sign = SIGN[given["signing_as"]]
        sign(self.actor, use.pk, reason=given["reason"], signature=signature, **self.key())
        return self.answer(self.get_object())


def register(router) -> None:
    router.register("models", Models, basename="models")
    router.register("intended-uses", IntendedUses, basename="intended-uses")
