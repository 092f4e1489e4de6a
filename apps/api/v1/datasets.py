"""Datasets and their versions."""

from __future__ import annotations

from django.urls import reverse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.response import Response

from apps.access.gate import ORGANISATION_SUBJECT, may, visible
from apps.access.signing import content_digest
from apps.api.base import IDEMPOTENCY, GateViewSet, ReasonInput, allowed_acts
from apps.api.lookup import one_of, ordered, person_ids, said
from apps.core.downloads import attachment
from apps.core.errors import NotVisible, WrongState
from apps.core.rulewords import stands
from apps.datasets import acts, queries
from apps.datasets.models import Dataset, DatasetVersion
from apps.datasets.profiling import stored_profile
from apps.datasets.receiving import receive
from apps.datasets.sensitive_acts import read_profile
from apps.datasets.states import Partition, State


class DatasetOut(serializers.ModelSerializer):
    versions = serializers.IntegerField(source="version_count")
    newest_upload = serializers.DateTimeField(source="newest", allow_null=True)
    registered_by = serializers.CharField(source="registered_by.username")
    marked_by = serializers.CharField(
        source="marked_by.username", default=None, allow_null=True, help_text="Who marked it as sensitive."
    )

    class Meta:
        model = Dataset
        fields = [
            "slug",
            "name",
            "description",
            "sensitive",
            "marked_by",
            "marked_at",
            "mark_reason",
            "versions",
            "newest_upload",
            "registered_by",
            "registered_at",
        ]


class DatasetDetail(DatasetOut):
    people = serializers.SerializerMethodField(help_text="Where the people and their duties are.")
    allowed_acts = serializers.SerializerMethodField()

    class Meta(DatasetOut.Meta):
        fields = [*DatasetOut.Meta.fields, "people", "allowed_acts"]

    def get_people(self, dataset) -> str:
        return self.context["request"].build_absolute_uri(reverse("web:dataset_people", args=[dataset.slug]))

    def get_allowed_acts(self, dataset) -> list[dict]:
        return allowed_acts(self.context["view"].actor, dataset)


class DatasetInput(serializers.Serializer):
    slug = serializers.CharField(max_length=60)
    name = serializers.CharField(max_length=160)
    description = serializers.CharField(required=False, default="", allow_blank=True, max_length=4000)
    sensitive = serializers.BooleanField(default=False)
    owner = serializers.CharField(max_length=80, help_text="Username.")


@extend_schema_view(
    list=extend_schema(
        tags=["datasets"],
        summary="Datasets the caller may see",
        parameters=[
            OpenApiParameter("search", str, description="Part of the name or short name."),
            OpenApiParameter(
                "ordering", str, description="slug, name, registered_at; with - before it, reversed."
            ),
        ],
    ),
    retrieve=extend_schema(tags=["datasets"], summary="One dataset", responses=DatasetDetail),
)
class Datasets(GateViewSet):
    """Registered datasets."""

    model = Dataset
    lookup_field = "slug"
    lookup_value_regex = "[-a-z0-9]+"

    def get_serializer_class(self):
        return DatasetOut if self.action == "list" else DatasetDetail

    def get_queryset(self):
        if getattr(self, "swagger_fake_view", False):
            return Dataset.objects.none()
        rows = queries.register(self.actor)
        if self.action != "list":
            return rows
        if words := self.request.query_params.get("search", ""):
            rows = rows.filter(name__icontains=words) | rows.filter(slug__icontains=words)
        allowed = {"slug": "slug", "name": "name", "registered_at": "registered_at"}
        return ordered(self.request, rows, allowed, "slug")

    @extend_schema(
        tags=["datasets"],
        summary="Register a dataset",
        request=DatasetInput,
        responses={201: DatasetDetail},
        parameters=[IDEMPOTENCY],
    )
    def create(self, request, *args, **kwargs):
        given = self.given(DatasetInput, "datasets.register_dataset", ORGANISATION_SUBJECT)
        with self.asking("datasets.register_dataset", ORGANISATION_SUBJECT):
            owner = person_ids([given.pop("owner")], "owner")[0]
        made = acts.register_dataset(self.actor, owner_id=owner, **given, **self.key())
        self.kwargs["slug"] = made.slug
        return self.answer(self.get_object(), status=201)


class DataOut(serializers.ModelSerializer):
    dataset = serializers.CharField(source="dataset.slug")
    uploaded_by = serializers.CharField(source="uploaded_by.username")

    class Meta:
        model = DatasetVersion
        fields = [
            "id",
            "ref",
            "dataset",
            "number",
            "partition",
            "state",
            "failure",
            "file_name",
            "file_digest",
            "file_size",
            "file_format",
            "row_count",
            "uploaded_by",
            "uploaded_at",
        ]


class ReadOut(serializers.Serializer):
    at = serializers.DateTimeField()
    person = serializers.CharField()
    sentence = serializers.CharField()
    reason = serializers.CharField()
    entry = serializers.IntegerField(source="entry_id")


class DataDetail(DataOut):
    digest = serializers.SerializerMethodField(help_text="Of the content.")
    derived_from = serializers.CharField(source="derived_from.ref", default=None, allow_null=True)
    columns = serializers.JSONField()
    reads = serializers.SerializerMethodField(help_text="Who read or took the rows, newest first.")
    allowed_acts = serializers.SerializerMethodField()

    class Meta(DataOut.Meta):
        fields = [
            *DataOut.Meta.fields,
            "source",
            "collection",
            "transformation_commit",
            "entity_column",
            "derived_from",
            "columns",
            "digest",
            "reads",
            "allowed_acts",
        ]

    def get_digest(self, version) -> str:
        return content_digest(version)

    def get_reads(self, version) -> list[dict]:
        return ReadOut(queries.reads_of(version), many=True).data

    def get_allowed_acts(self, version) -> list[dict]:
        return allowed_acts(self.context["view"].actor, version)


class DataInput(serializers.Serializer):
    dataset = serializers.CharField(max_length=60, help_text="Short name.")
    partition = serializers.ChoiceField(
        choices=DatasetVersion.partition.field.choices, help_text="test goes into the vault."
    )
    file = serializers.FileField(help_text="CSV in UTF-8 with a header, or Parquet; up to 2 GiB.")
    source = serializers.CharField(max_length=4000)
    collection = serializers.CharField(max_length=4000)
    transformation_commit = serializers.CharField(required=False, default="", allow_blank=True, max_length=64)
    entity_column = serializers.CharField(required=False, default="", allow_blank=True, max_length=120)
    derived_from = serializers.CharField(
        required=False, default="", allow_blank=True, max_length=80, help_text="Made from, such as trial/v2."
    )


# What the act is asked with by somebody who may not: it refuses before it looks at any of this.
NOTHING = {"file_digest": "", "file_name": "", "source": "", "collection": ""}


@extend_schema_view(
    list=extend_schema(
        tags=["datasets"],
        summary="Dataset versions the caller may see",
        parameters=[
            OpenApiParameter("dataset", str, description="Short name of the dataset."),
            OpenApiParameter("partition", str, enum=[p.value for p in Partition]),
            OpenApiParameter("state", str, enum=[s.value for s in State]),
            OpenApiParameter("digest", str, description="`sha256:` of the file as uploaded."),
            OpenApiParameter("ordering", str, description="uploaded_at, number; with - before it, reversed."),
        ],
    ),
    retrieve=extend_schema(tags=["datasets"], summary="One dataset version", responses=DataDetail),
)
class DatasetVersions(GateViewSet):
    """Fixed versions of datasets. Test data stay in the vault."""

    model = DatasetVersion
    lookup_value_regex = "[0-9]+"

    def get_serializer_class(self):
        return DataOut if self.action == "list" else DataDetail

    def get_queryset(self):
        if getattr(self, "swagger_fake_view", False):
            return DatasetVersion.objects.none()
        rows = queries.versions(self.actor)
        if self.action != "list":
            return rows
        asked = self.request.query_params
        for name, field in (("dataset", "dataset__slug"), ("digest", "file_digest")):
            if value := asked.get(name, ""):
                rows = rows.filter(**{field: value})
        for name, allowed in (("partition", Partition), ("state", State)):
            if value := one_of(self.request, name, [one.value for one in allowed]):
                rows = rows.filter(**{name: value})
        return ordered(self.request, rows, {"uploaded_at": "uploaded_at", "number": "number"}, "-uploaded_at")

    @extend_schema(
        tags=["datasets"],
        summary="Upload a version; it is profiled by a job",
        request={"multipart/form-data": DataInput},
        responses={202: DataDetail},
        parameters=[IDEMPOTENCY],
    )
    def create(self, request, *args, **kwargs):
        dataset = visible(self.actor, Dataset).filter(slug=said(request, "dataset")).first()
        if dataset is None:
            raise NotVisible()
        partition = said(request, "partition")
        test = partition == Partition.TEST
        name = "upload_test_version" if test else "upload_version"
        act, kind = getattr(acts, name), {} if test else {"partition": partition}
        if not may(self.actor, f"datasets.{name}", dataset).allowed:
            act(self.actor, dataset.pk, **NOTHING, **kind)  # refuses before any byte is kept
        given = self.given(DataInput)
        file = given.pop("file")
        del given["dataset"], given["partition"]
        blob = receive(file, test=test)
        made = act(
            self.actor,
            dataset.pk,
            file_digest=blob.digest,
            file_name=file.name,
            **given,
            **kind,
            **self.key(),
        )
        self.kwargs["pk"] = made.pk
        return self.answer(self.get_object(), status=202)

    @extend_schema(
        tags=["datasets"],
        summary="Fetch the rows as uploaded, for a stated reason; never of test data",
        request=ReasonInput,
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
    )
    @action(detail=True, methods=["post"])
    def download(self, request, pk=None):
        version = self.get_object()
        given = self.given(ReasonInput, "datasets.download_version", version)
        return attachment(acts.download_version(self.actor, version.pk, reason=given["reason"]))

    @extend_schema(
        tags=["datasets"],
        summary="Profile of every column; of test data by POST, which counts as a read (DY6)",
        request=None,
        responses=OpenApiTypes.OBJECT,
    )
    @action(detail=True, methods=["get", "post"])
    def profile(self, request, pk=None):
        version = self.get_object()
        if request.method == "POST":
            sensitive = version.dataset.sensitive and not version.in_vault
            return Response((read_profile if sensitive else acts.read_test_profile)(self.actor, version.pk))
        if version.dataset.sensitive and not version.in_vault:
            raise WrongState(
                f"{version.ref} has no open profile.",
                fact="The dataset is marked sensitive: reading its profile is an act that is entered (POST).",
                rule="sensitive-access",
                who=["whoever was granted access, by POST"],
            )
        if version.in_vault or version.state != State.FIXED:
            raise WrongState(
                f"{version.ref} has no open profile.",
                fact="It is test data: reading its profile is an act that counts (POST)."
                if version.in_vault
                else stands(version.get_state_display()),
                rule="PC23" if version.in_vault else "PC22",
                who=["whoever holds a duty that may read it, by POST"]
                if version.in_vault
                else ["everybody who sees it, once it is fixed"],
            )
        return Response(stored_profile(version))


def register(router) -> None:
    router.register("datasets", Datasets, basename="datasets")
    router.register("dataset-versions", DatasetVersions, basename="dataset-versions")
