"""Model versions: register, declare authors, freeze, fetch the model file."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action

from apps.access.gate import may, visible
from apps.access.previewing import Preview
from apps.access.signing import content_digest
from apps.api.base import IDEMPOTENCY, ChangeFields, GateViewSet, ReasonInput, allowed_acts, change_of
from apps.api.lookup import Names, Settings, data_version_ids, one_of, ordered, person_ids, said
from apps.api.v1.gate import RowOut
from apps.approvals.evaluation import evaluate, for_viewer
from apps.core import blobs, uploads
from apps.core.downloads import attachment
from apps.core.errors import BadInput, NotVisible
from apps.core.uploads import Upload
from apps.registry import acts, queries
from apps.registry.inspecting import inspect_artefact
from apps.registry.models import IntendedUse, Model, Version
from apps.registry.states import State

LIMITS = {
    "artefact": "UPLOAD_LIMIT_MODEL",
    "code_archive": "UPLOAD_LIMIT_FILE",
    "environment": "UPLOAD_LIMIT_FILE",
}
# What the act is asked with by somebody who may not: it refuses before it looks at any of this.
NOTHING: dict[str, Any] = {
    "label": "",
    "intended_use_id": 0,
    "artefact_digest": "",
    "artefact_size": 0,
    "artefact_name": "",
    "artefact_format": "",
    "interface": {},
    "features": [],
    "code_commit": "",
    "data_version_ids": [],
    "author_ids": [],
}


class VersionOut(serializers.ModelSerializer):
    model = serializers.CharField(source="model.slug")
    intended_use = serializers.CharField(source="intended_use.ref")
    tier = serializers.CharField(source="intended_use.tier")
    parent = serializers.SerializerMethodField(
        help_text="What it was derived from; null: nothing. A version that the caller may not see is not named."
    )
    registered_by = serializers.CharField(source="registered_by.username")

    class Meta:
        model = Version
        fields = [
            "id",
            "ref",
            "model",
            "label",
            "state",
            "tier",
            "intended_use",
            "artefact_digest",
            "artefact_format",
            "parent",
            "registered_by",
            "registered_at",
            "frozen_at",
        ]

    def get_parent(self, version) -> str | None:
        return queries.parent_told(version)


class VersionDetail(VersionOut):
    digest = serializers.SerializerMethodField(help_text="Of the content.")
    content = serializers.SerializerMethodField(
        help_text="What the digest is of; a parent that the caller may not see is left unnamed here."
    )
    interface = serializers.JSONField(help_text="Inputs and outputs as found in the sandbox.")
    headline = serializers.SerializerMethodField()
    open_checks = serializers.SerializerMethodField(
        help_text="What is missing before release, and who can mend it."
    )
    allowed_acts = serializers.SerializerMethodField()

    class Meta(VersionOut.Meta):
        fields = [
            *VersionOut.Meta.fields,
            "closure_digest",
            "digest",
            "content",
            "interface",
            "headline",
            "open_checks",
            "allowed_acts",
        ]

    def to_representation(self, version):
        self.evaluation = for_viewer(evaluate(version), self.context["view"].actor)
        return super().to_representation(version)

    def get_digest(self, version) -> str:
        return content_digest(version)

    def get_content(self, version) -> dict:
        return queries.content_told(version)

    def get_headline(self, version) -> str:
        return self.evaluation.headline

    def get_open_checks(self, version) -> list[dict]:
        return RowOut(self.evaluation.open_rows, many=True).data

    def get_allowed_acts(self, version) -> list[dict]:
        return allowed_acts(self.context["view"].actor, version)


class VersionInput(serializers.Serializer):
    """A version in one call: files in a multipart form, or the `upload` texts that `models/{slug}/uploads` gave."""

    model = serializers.CharField(max_length=60, help_text="Short name.")
    label = serializers.CharField(max_length=40)
    intended_use = serializers.IntegerField(min_value=1, help_text="Its number.")
    artefact = serializers.FileField(required=False)
    artefact_upload = serializers.CharField(required=False, default="", allow_blank=True)
    code_archive = serializers.FileField(required=False)
    code_archive_upload = serializers.CharField(required=False, default="", allow_blank=True)
    environment = serializers.FileField(required=False)
    environment_upload = serializers.CharField(required=False, default="", allow_blank=True)
    features = Names(
        required=False, default=list, help_text="Input columns in the order the model takes them."
    )
    code_commit = serializers.CharField(max_length=64)
    image_digest = serializers.CharField(required=False, default="", allow_blank=True, max_length=71)
    hyperparameters = Settings(required=False, default=dict)
    claimed_metrics = Settings(required=False, default=dict)
    data_versions = Names(help_text='Such as ["trial/v1"].')
    authors = Names(help_text="Usernames of everybody whose work is in it.")
    parent = serializers.CharField(
        required=False, default="", allow_blank=True, help_text="Such as lotx/1.0.0."
    )
    note = serializers.CharField(required=False, default="", allow_blank=True, max_length=4000)


class AuthorInput(ChangeFields):
    username = serializers.CharField(max_length=80)


LIST = [
    OpenApiParameter("model", str, description="Short name of the model."),
    OpenApiParameter("label", str),
    OpenApiParameter("state", str, enum=[s.value for s in State]),
    OpenApiParameter("digest", str, description="`sha256:` of the model file."),
    OpenApiParameter("ordering", str, description="registered_at, label, state; with - before it, reversed."),
]


@extend_schema_view(
    list=extend_schema(tags=["versions"], summary="Versions the caller may see", parameters=LIST),
    retrieve=extend_schema(
        tags=["versions"], summary="One version with its open checks", responses=VersionDetail
    ),
)
class Versions(GateViewSet):
    """Model versions. Once frozen a version never changes."""

    model = Version
    lookup_value_regex = "[0-9]+"

    def get_serializer_class(self):
        return VersionOut if self.action == "list" else VersionDetail

    def get_queryset(self):
        if getattr(self, "swagger_fake_view", False):
            return Version.objects.none()
        rows = queries.versions(self.actor)
        if self.action != "list":
            return rows
        asked = self.request.query_params
        for name, field in (("model", "model__slug"), ("label", "label"), ("digest", "artefact_digest")):
            if value := asked.get(name, ""):
                rows = rows.filter(**{field: value})
        if state := one_of(self.request, "state", [s.value for s in State]):
            rows = rows.filter(state=state)
        allowed = {"registered_at": "registered_at", "label": "label", "state": "state"}
        return ordered(self.request, rows, allowed, "-registered_at")

    @extend_schema(
        tags=["versions"],
        summary="Register a version; the answer lists its open checks",
        request={"multipart/form-data": VersionInput, "application/json": VersionInput},
        responses={201: VersionDetail},
        parameters=[IDEMPOTENCY],
    )
    def create(self, request, *args, **kwargs):
        model = visible(self.actor, Model).filter(slug=said(request, "model")).first()
        if model is None:
            raise NotVisible()
        if not may(self.actor, "registry.register_version", model).allowed:
            acts.register_version(self.actor, model.pk, **NOTHING)  # refuses before any byte is kept
        given = self.given(VersionInput)
        made = acts.register_version(self.actor, model.pk, **self._input(model, given), **self.key())
        self.kwargs["pk"] = made.pk
        return self.answer(self.get_object(), status=201)

    def _input(self, model: Model, given: dict[str, Any]) -> dict[str, Any]:
        """The act's input: files stored and looked at, names resolved. BadInput says what is missing."""
        files = {name: self._file(given, name) for name in LIMITS}
        artefact = files["artefact"]
        if artefact is None:
            raise BadInput(fields={"artefact": ["Send the model file, or the text of its upload."]})
        use = IntendedUse.objects.filter(model=model, number=given["intended_use"]).first()
        if use is None:
            raise BadInput(fields={"intended_use": ["This model has no intended use with this number."]})
        parent = given["parent"]
        parent_id = self._parent(parent) if parent else None
        found = inspect_artefact(artefact.digest)
        plain = (
            "label",
            "features",
            "code_commit",
            "image_digest",
            "hyperparameters",
            "claimed_metrics",
            "note",
        )
        return {name: given[name] for name in plain} | {
            "intended_use_id": use.pk,
            "artefact_digest": artefact.digest,
            "artefact_size": artefact.size,
            "artefact_name": artefact.name,
            "artefact_format": found["format"],
            "interface": found["interface"],
            "code_archive_digest": files["code_archive"].digest if files["code_archive"] else "",
            "environment_digest": files["environment"].digest if files["environment"] else "",
            "data_version_ids": data_version_ids(self.actor, given["data_versions"], "data_versions"),
            "author_ids": person_ids(given["authors"], "authors"),
            "parent_id": parent_id,
        }

    def _file(self, given: dict[str, Any], name: str) -> Upload | None:
        sent, sealed = given.get(name), given[f"{name}_upload"]
        if sent is not None:
            return uploads.of(blobs.put(sent, limit=getattr(settings, LIMITS[name])), sent.name)
        if not sealed:
            return None
        upload = uploads.opened(self.actor.pk, sealed)
        if upload is None:
            raise BadInput(
                fields={f"{name}_upload": ["This upload is not yours, or older than a day. Send it again."]}
            )
        return upload

    def _parent(self, ref: str) -> int:
        slug, _, label = ref.partition("/")
        found = visible(self.actor, Version).filter(model__slug=slug, label=label).first()
        if found is None:
            raise BadInput(
                fields={"parent": ["Name a version you may see, such as lotx/1.0.0, or leave it empty."]}
            )
        return found.pk

    @extend_schema(
        tags=["versions"],
        summary="Declare an author",
        request=AuthorInput,
        responses={201: VersionDetail},
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def authors(self, request, pk=None):
        version = self.get_object()
        given = self.given(AuthorInput, "registry.add_author", version)
        if not may(self.actor, "registry.add_author", version).allowed:
            acts.add_author(self.actor, version.pk, person_id=0, reason=given["reason"])
        person = person_ids([given["username"]], "username")[0]
        made = acts.add_author(self.actor, version.pk, person_id=person, **change_of(given), **self.key())
        return self.answer(made if isinstance(made, Preview) else self.get_object(), status=201)

    @extend_schema(
        tags=["versions"],
        summary="Freeze a version",
        request=None,
        responses=VersionDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def freeze(self, request, pk=None):
        acts.freeze(self.actor, self.get_object().pk, **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=["versions"],
        summary="Fetch the model file, for a stated reason",
        request=ReasonInput,
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
    )
    @action(detail=True, methods=["post"])
    def download(self, request, pk=None):
        version = self.get_object()
        given = self.given(ReasonInput, "registry.download_artefact", version)
        return attachment(acts.download_artefact(self.actor, version.pk, reason=given["reason"]))


def register(router) -> None:
    router.register("versions", Versions, basename="versions")
