"""Requirements, verification evidence, links, claims and the traceability matrix. The same acts as the pages."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework.decorators import action
from rest_framework.response import Response

from apps.access.gate import may, visible
from apps.access.previewing import Preview
from apps.access.sharing import shared
from apps.api.base import IDEMPOTENCY, ChangeFields, GateViewSet, SignatureFields, change_of, entered
from apps.api.lookup import one_of, said
from apps.api.v1.evidence import LABEL, MODEL, Numbered, chosen
from apps.api.v1.verification_shapes import (
    ClaimInput,
    ClaimOut,
    EvidenceInput,
    EvidenceOut,
    RequirementDetail,
    RequirementInput,
    RequirementLinkInput,
    RequirementLinkOut,
    RequirementOut,
    RiskDetail,
    RiskInput,
    RiskOut,
    TraceabilityOut,
)
from apps.core import blobs, uploads
from apps.core.downloads import attachment
from apps.core.errors import BadInput, NotVisible
from apps.core.uploads import Upload
from apps.registry.models import Model, Version
from apps.verification import acts, matrix, queries
from apps.verification.models import Claim, Evidence, Requirement, Risk
from apps.verification.receiving import Received, receive
from apps.verification.states import Kind, State

NEWEST = OpenApiParameter(
    "newest", str, enum=["true", "false"], description="true: of each number the newest revision alone."
)


class _OfModel(GateViewSet):
    """Records of a model, every revision."""

    lookup_value_regex = "[0-9]+"

    def get_queryset(self):
        rows = super().get_queryset().order_by("number", "revision")
        if getattr(self, "swagger_fake_view", False) or self.action != "list":
            return rows
        if slug := self.request.query_params.get("model", ""):
            rows = rows.filter(model__slug=slug)
        return queries.newest(rows) if one_of(self.request, "newest", ("true", "false")) == "true" else rows

    def _model(self, request) -> Model:
        model = visible(self.actor, Model).filter(slug=said(request, "model")).first()
        if model is None:
            raise NotVisible()
        return model

    def _write(self, request, shape, act: str, perform) -> Response:
        model = self._model(request)
        given = self.given(shape, act, model)
        why, number = change_of(given), given.pop("revises")
        given.pop("model")
        made = perform(self.actor, model.pk, given=given, revises=number, **why, **self.key())
        if isinstance(made, Preview):
            return self.answer(made)
        self.kwargs["pk"] = made.pk
        return self.answer(self.get_object(), status=201)


@extend_schema_view(
    list=extend_schema(
        tags=["verification"], summary="Risks you may see, every revision", parameters=[MODEL, NEWEST]
    ),
    retrieve=extend_schema(
        tags=["verification"], summary="One revision: content, digest, what you may do", responses=RiskDetail
    ),
)
class Risks(_OfModel):
    """Risks of intended uses."""

    model = Risk
    select_related = queries.REQUIREMENTS

    def get_serializer_class(self):
        return RiskOut if self.action == "list" else RiskDetail

    @extend_schema(
        tags=["verification"], summary="Write a risk, or the next revision of one", request=RiskInput,
        responses={201: RiskDetail}, parameters=[IDEMPOTENCY],
    )  # fmt: skip
    def create(self, request, *args, **kwargs):
        return self._write(request, RiskInput, "verification.write_risk", acts.write_risk)


@extend_schema_view(
    list=extend_schema(
        tags=["verification"], summary="Requirements you may see, every revision",
        parameters=[MODEL, NEWEST, chosen("state", State)],
    ),
    retrieve=extend_schema(
        tags=["verification"], summary="One revision: content, digest, signatures, what you may do",
        responses=RequirementDetail,
    ),
)  # fmt: skip
class Requirements(_OfModel):
    """Requirements of intended uses. A change is a new revision."""

    model = Requirement
    select_related = queries.REQUIREMENTS

    def get_serializer_class(self):
        return RequirementOut if self.action == "list" else RequirementDetail

    def get_queryset(self):
        rows = super().get_queryset()
        if getattr(self, "swagger_fake_view", False) or self.action != "list":
            return rows
        state = self.request.query_params.get("state", "")
        if state and state not in list(State):
            raise BadInput(fields={"state": [f"One of: {', '.join(State)}."]})
        return rows.filter(state=state) if state else rows

    @extend_schema(
        tags=["verification"], summary="Write a requirement, or the next revision of one", request=RequirementInput,
        responses={201: RequirementDetail}, parameters=[IDEMPOTENCY],
    )  # fmt: skip
    def create(self, request, *args, **kwargs):
        return self._write(
            request, RequirementInput, "verification.write_requirement", acts.write_requirement
        )

    def _sign(self, perform):
        row = self.get_object()
        given = self.given(SignatureFields, f"verification.{perform.__name__}", row)
        perform(self.actor, row.pk, reason=given["reason"], signature=entered(given), **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=["verification"], summary="Approve, or reject", request=SignatureFields, responses=RequirementDetail,
        parameters=[IDEMPOTENCY],
    )  # fmt: skip
    @action(detail=True, methods=["post"])
    def approve(self, request, pk=None):
        return self._sign(acts.approve_requirement)

    @extend_schema(
        tags=["verification"], summary="Withdraw an approved requirement", request=SignatureFields,
        responses=RequirementDetail, parameters=[IDEMPOTENCY],
    )  # fmt: skip
    @action(detail=True, methods=["post"])
    def withdraw(self, request, pk=None):
        return self._sign(acts.withdraw_requirement)


@extend_schema_view(
    list=extend_schema(
        tags=["verification"], summary="Verification evidence you may see",
        parameters=[MODEL, LABEL, chosen("kind", Kind)],
    ),
    retrieve=extend_schema(tags=["verification"], summary="One piece of evidence: where from, and what it counts"),
)  # fmt: skip
class EvidenceFiles(Numbered):
    """Verification evidence, by number."""

    model = Evidence
    serializer_class = EvidenceOut
    detail_class = EvidenceOut
    select_related = queries.EVIDENCE
    version_path = "version"
    own = {"kind": [k.value for k in Kind]}

    @extend_schema(
        tags=["verification"], summary="The file as it was uploaded; that it was fetched is entered", request=None,
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY},
    )  # fmt: skip
    @action(detail=True, methods=["post"])
    def file(self, request, number=None):
        return attachment(acts.download_evidence(self.actor, self.get_object().pk))


@extend_schema_view(
    list=extend_schema(tags=["verification"], summary="Claims you may see", parameters=[MODEL, LABEL]),
    retrieve=extend_schema(
        tags=["verification"], summary="One claim: figures computed elsewhere, with their digests"
    ),
)
class Claims(Numbered):
    """Figures computed elsewhere, by number. They meet no criterion."""

    model = Claim
    serializer_class = ClaimOut
    detail_class = ClaimOut
    select_related = queries.CLAIMS
    version_path = "version"


class OfVersion(GateViewSet):
    """What verification adds to a version, and its matrix."""

    model = Version
    serializer_class = EvidenceOut
    select_related = ("model", "intended_use__model")

    @extend_schema(
        tags=["verification"], summary="The traceability matrix with its open ends", responses=TraceabilityOut
    )
    def traceability(self, request, pk=None):
        version = self.get_object()
        with shared():
            lines = queries.lines_of(version)
        return Response(
            {
                "version": version.ref,
                "intended_use": version.intended_use.ref,
                "open_ends": matrix.counted(lines),
                "blocking": sum(line.blocks for line in lines),
                "lines": [queries.as_data(line) for line in lines],
            }
        )

    @extend_schema(
        tags=["verification"], summary="Attach evidence: a file of another tool", parameters=[IDEMPOTENCY],
        request={"multipart/form-data": EvidenceInput}, responses={201: EvidenceOut},
    )  # fmt: skip
    def attach(self, request, pk=None):
        version = self.get_object()
        if not may(self.actor, "verification.attach_evidence", version).allowed:
            acts.attach_evidence(
                self.actor, version.pk, received=_NOTHING, title=""
            )  # refuses; no byte is kept
        given: dict[str, Any] = self.given(EvidenceInput)
        file, kind = given.pop("file"), given.pop("kind")
        upload = uploads.of(blobs.put(file, limit=settings.UPLOAD_LIMIT_EVIDENCE), file.name)
        made = acts.attach_evidence(
            self.actor, version.pk, received=receive(upload, kind), **given, **self.key()
        )
        return self.answer(queries.evidence(self.actor).get(pk=made.pk), status=201)

    @extend_schema(
        tags=["verification"], summary="Say by hand what shows a requirement", request=RequirementLinkInput,
        responses={201: RequirementLinkOut}, parameters=[IDEMPOTENCY],
    )  # fmt: skip
    def link(self, request, pk=None):
        version = self.get_object()
        given = self.given(RequirementLinkInput, "verification.link_requirement", version)
        return Response(
            RequirementLinkOut(acts.link_requirement(self.actor, version.pk, **given, **self.key())).data,
            status=201,
        )

    @extend_schema(
        tags=["verification"], summary="Take a link away", request=ChangeFields, responses=RequirementLinkOut,
        parameters=[IDEMPOTENCY],
    )  # fmt: skip
    def end_link(self, request, pk=None, link_id=None):
        version = self.get_object()
        given = self.given(ChangeFields, "verification.end_link", version)
        made = acts.end_link(self.actor, version.pk, link_id=link_id, **change_of(given), **self.key())
        return self.answer(made) if isinstance(made, Preview) else Response(RequirementLinkOut(made).data)

    @extend_schema(
        tags=["verification"], summary="Submit figures computed elsewhere", request=ClaimInput,
        responses={201: ClaimOut}, parameters=[IDEMPOTENCY],
    )  # fmt: skip
    def claim(self, request, pk=None):
        version = self.get_object()
        given = self.given(ClaimInput, "verification.submit_claim", version)
        given["figures"] = [dict(each) for each in given["figures"]]
        made = acts.submit_claim(self.actor, version.pk, given=given, **self.key())
        shown = ClaimOut(queries.claims(self.actor).get(pk=made.pk), context=self.get_serializer_context())
        return Response(shown.data, status=201)


_NOTHING = Received(Upload("", 0, ""), {"tool": "", "tool_version": "", "commit": "", "produced_at": ""}, "")


def register(router) -> None:
    router.register("risks", Risks, basename="risks")
    router.register("requirements", Requirements, basename="requirements")
    router.register("evidence", EvidenceFiles, basename="evidence")
    router.register("claims", Claims, basename="claims")


urlpatterns = [
    path(
        "versions/<int:pk>/traceability",
        OfVersion.as_view({"get": "traceability"}),
        name="version_traceability",
    ),
    path("versions/<int:pk>/evidence", OfVersion.as_view({"post": "attach"}), name="version_evidence"),
    path("versions/<int:pk>/links", OfVersion.as_view({"post": "link"}), name="version_links"),
    path(
        "versions/<int:pk>/links/<int:link_id>/end",
        OfVersion.as_view({"post": "end_link"}),
        name="version_link_end",
    ),
    path("versions/<int:pk>/claims", OfVersion.as_view({"post": "claim"}), name="version_claims"),
]
