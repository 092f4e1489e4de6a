"""Probes of robustness and privacy: limits, reports, files handed in. The same acts and refusals as the pages."""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response

from apps.access.gate import Judge
from apps.access.policy import policy
from apps.access.signing import content_digest, content_of
from apps.api.base import IDEMPOTENCY, GateViewSet, ReasonInput, SignatureFields, allowed_acts, entered
from apps.api.v1.evidence import LABEL, MODEL, Numbered, chosen
from apps.api.v1.evidence_shapes import Strict, progress_of, signatures_of
from apps.api.v1.findings import CSVRenderer
from apps.core import blobs, uploads
from apps.quality.queries import opened_by
from apps.registry.models import Version
from apps.robustness import acts, handed_in, queries
from apps.robustness.export import as_csv
from apps.robustness.models import ProbeEvidence, ProbePlan, ProbeReport
from apps.robustness.rules import BOUNDS, MAX_REASON, OF_NUMBERS
from apps.robustness.states import PlanState, ReportState, Verdict
from apps.validations.models import Plan

TAGS = ["probes"]


class BoundsInput(Strict):
    """Bounds of the probes as decimal text; what is left out has its usual value."""

    seed = serializers.CharField(max_length=24, required=False, help_text=BOUNDS["seed"][0])
    rows = serializers.CharField(max_length=24, required=False, help_text=BOUNDS["rows"][0])
    shift = serializers.CharField(max_length=24, required=False, help_text=BOUNDS["shift"][0])
    epsilon = serializers.CharField(max_length=24, required=False, help_text=BOUNDS["epsilon"][0])
    flips = serializers.CharField(max_length=24, required=False, help_text=BOUNDS["flips"][0])
    budget = serializers.CharField(max_length=24, required=False, help_text=BOUNDS["budget"][0])
    cases = serializers.CharField(max_length=24, required=False, help_text=BOUNDS["cases"][0])
    tolerance = serializers.CharField(
        max_length=24,
        required=False,
        help_text=f"{OF_NUMBERS['tolerance'][0]} this, in the unit of the target; needed in a regression",
    )
    error = serializers.CharField(
        max_length=24,
        required=False,
        help_text=f"{OF_NUMBERS['error'][0]} this, in the unit of the target; needed in a regression",
    )


class ProbeLimitInput(Strict):
    id = serializers.CharField(max_length=40, required=False)
    probe = serializers.CharField(max_length=40, help_text="Name of the probe, such as `noise_5`")
    limit = serializers.CharField(max_length=24, help_text="At most this, as decimal text")
    rule = serializers.CharField(max_length=8, default="near", help_text="`point`, `near` or `far`")
    min_n = serializers.IntegerField(default=30)


class ProbePlanInput(serializers.Serializer):
    bounds = BoundsInput(required=False)
    limits = ProbeLimitInput(many=True)
    rationale = serializers.CharField(max_length=20_000)
    private_training = serializers.CharField(
        max_length=8, help_text="Whether differential privacy was used in training: `used` or `not_used`"
    )
    private_epsilon = serializers.CharField(
        max_length=24,
        required=False,
        default="",
        allow_blank=True,
        help_text="Its epsilon, where it was used",
    )
    no_answer = serializers.CharField(
        max_length=MAX_REASON,
        required=False,
        default="",
        allow_blank=True,
        help_text="Why a case may go without an answer where a value is missing; medium and high tier ask for it or "
        "for a limit on `missing_unanswered`",
    )


class ProbePlanOut(serializers.ModelSerializer):
    ref = serializers.CharField()
    validation_plan = serializers.CharField(source="validation_plan.ref")
    version = serializers.CharField(source="version.ref")
    written_by = serializers.CharField(source="written_by.username")

    class Meta:
        model = ProbePlan
        fields = [
            "number", "ref", "validation_plan", "version", "state", "written_by", "written_at", "locked_at",
        ]  # fmt: skip


class ProbePlanDetail(ProbePlanOut):
    digest = serializers.SerializerMethodField()
    content = serializers.SerializerMethodField(help_text="What is signed: its digest is `digest`.")
    signatures = serializers.SerializerMethodField()
    allowed_acts = serializers.SerializerMethodField()

    class Meta(ProbePlanOut.Meta):
        fields = [
            *ProbePlanOut.Meta.fields, "bounds", "limits", "rationale", "private_training", "private_epsilon",
            "no_answer", "catalogue", "digest", "content", "signatures",
            "allowed_acts",
        ]  # fmt: skip

    def get_digest(self, plan) -> str:
        return content_digest(plan)

    def get_content(self, plan) -> dict:
        return content_of(plan)

    def get_signatures(self, plan) -> list[dict]:
        return signatures_of(plan)

    def get_allowed_acts(self, plan) -> list[dict]:
        return allowed_acts(self.context["view"].actor, plan)


class ProbeReportOut(serializers.ModelSerializer):
    ref = serializers.CharField()
    plan = serializers.CharField(source="plan.ref")
    version = serializers.CharField(source="plan.version.ref")
    requested_by = serializers.CharField(source="requested_by.username")

    class Meta:
        model = ProbeReport
        fields = [
            "number", "ref", "plan", "version", "state", "verdict", "requested_by", "requested_at", "finished_at",
        ]  # fmt: skip


class ProbeReportDetail(ProbeReportOut):
    digest = serializers.SerializerMethodField()
    parity = serializers.CharField(source="parity.ref", default="", help_text="Pipeline files it used")
    epsilon = serializers.CharField(source="epsilon.ref", default="", help_text="Table of utility it used")
    progress = serializers.SerializerMethodField(help_text="Of the job: state, done, total, stage, log.")
    results = serializers.SerializerMethodField(
        help_text="The stored results: every finding, as behind `results_digest`; numbers as text."
    )
    deviations = serializers.SerializerMethodField(
        help_text="References of the deviations the report opened."
    )
    allowed_acts = serializers.SerializerMethodField()

    class Meta(ProbeReportOut.Meta):
        fields = [
            *ProbeReportOut.Meta.fields, "digest", "summary", "results_digest", "chart_digest", "environment",
            "parity", "epsilon", "failure", "progress", "results", "deviations", "allowed_acts",
        ]  # fmt: skip

    def get_digest(self, report) -> str:
        return content_digest(report)

    def get_progress(self, report) -> dict | None:
        return progress_of(report.job)

    def get_results(self, report) -> dict:
        return queries.results_of(report)

    def get_deviations(self, report) -> list[str]:
        return [d.ref for d in opened_by(report)]

    def get_allowed_acts(self, report) -> list[dict]:
        return allowed_acts(self.context["view"].actor, report)


class ProbeEvidenceOut(serializers.ModelSerializer):
    ref = serializers.CharField()
    version = serializers.CharField(source="version.ref")
    submitted_by = serializers.CharField(source="submitted_by.username")

    class Meta:
        model = ProbeEvidence
        fields = [
            "number", "ref", "version", "kind", "file_name", "file_digest", "second_name", "second_digest",
            "key_column", "tolerance", "outcome", "submitted_by", "submitted_at",
        ]  # fmt: skip


class ProbeEvidenceInput(serializers.Serializer):
    kind = serializers.CharField(max_length=8, help_text="`parity` or `epsilon`")
    file = serializers.FileField(
        help_text="Of the training pipeline, or the table of utility; CSV or Parquet"
    )
    second = serializers.FileField(required=False, default=None, help_text="Of the serving pipeline")
    key_column = serializers.CharField(max_length=120, required=False, default="", allow_blank=True)
    tolerance = serializers.CharField(max_length=24, required=False, default="", allow_blank=True)


@extend_schema_view(
    list=extend_schema(
        tags=TAGS,
        summary="Limits of probes you may see",
        parameters=[MODEL, LABEL, chosen("state", PlanState)],
    ),
    retrieve=extend_schema(
        tags=TAGS, summary="Limits of probes: content, digest, signatures", responses=ProbePlanDetail
    ),
)
class ProbePlans(Numbered):
    """Limits of probes, by number."""

    model = ProbePlan
    serializer_class = ProbePlanOut
    detail_class = ProbePlanDetail
    select_related = queries.PLANS
    version_path = "validation_plan__version"
    own = {"state": [s.value for s in PlanState]}

    def _sign(self, perform):
        plan = self.get_object()
        given = self.given(SignatureFields, f"robustness.{perform.__name__}", plan)
        signature = entered(given)
        perform(self.actor, plan.pk, reason=given["reason"], signature=signature, **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=TAGS,
        summary="Sign as the author",
        request=SignatureFields,
        responses=ProbePlanDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"], url_path="sign-author")
    def sign_author(self, request, number=None):
        return self._sign(acts.sign_plan_author)

    @extend_schema(
        tags=TAGS,
        summary="Approve and lock, or reject",
        request=SignatureFields,
        responses=ProbePlanDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"], url_path="sign-approval")
    def sign_approval(self, request, number=None):
        return self._sign(acts.sign_plan_approval)

    @extend_schema(
        tags=TAGS,
        summary="Make the probes of locked limits",
        request=None,
        responses={202: ProbeReportDetail},
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def reports(self, request, number=None):
        made = acts.request_report(self.actor, self.get_object().pk, **self.key())
        report = queries.reports(self.actor).get(pk=made.pk)
        return Response(ProbeReportDetail(report, context=self.get_serializer_context()).data, status=202)


@extend_schema_view(
    list=extend_schema(
        tags=TAGS,
        summary="Probe reports you may see",
        parameters=[MODEL, LABEL, chosen("state", ReportState), chosen("verdict", Verdict)],
    ),
    retrieve=extend_schema(
        tags=TAGS,
        summary="One report: progress while it works, then verdicts and findings",
        responses=ProbeReportDetail,
    ),
)
class ProbeReports(Numbered):
    """Probe reports, by number."""

    model = ProbeReport
    serializer_class = ProbeReportOut
    detail_class = ProbeReportDetail
    select_related = queries.REPORTS
    version_path = "plan__validation_plan__version"
    own = {"state": [s.value for s in ReportState], "verdict": [v.value for v in Verdict]}

    @extend_schema(
        tags=TAGS,
        summary="Stop a report that is queued or running, with a reason",
        request=ReasonInput,
        responses=ProbeReportDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request, number=None):
        report = self.get_object()
        given = self.given(ReasonInput, "robustness.cancel_report", report)
        acts.cancel_report(self.actor, report.pk, **given, **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=TAGS,
        summary="Every finding and limit as CSV",
        responses={(200, "text/csv"): OpenApiResponse(OpenApiTypes.STR, "One line a finding, one a limit")},
    )
    @action(detail=True, methods=["get"], renderer_classes=[CSVRenderer, JSONRenderer])
    def csv(self, request, number=None):
        report = self.get_object()
        queries.refuse_unfinished(report)
        response = HttpResponse(as_csv(report), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="{report.ref}.csv"'
        return response


class OfPlan(GateViewSet):
    """What is written for a validation plan."""

    model = Plan
    serializer_class = ProbePlanDetail
    lookup_field = "number"
    select_related = ("version__model", "version__intended_use")

    @extend_schema(
        tags=TAGS,
        summary="Write limits of probes for a locked validation plan",
        request=ProbePlanInput,
        responses={201: ProbePlanDetail},
        parameters=[IDEMPOTENCY],
    )
    def write_plan(self, request, number=None):
        plan = self.get_object()
        verdict = Judge(plan).verdict(self.actor, policy("robustness.write_plan"))
        empty = {"limits": [], "rationale": "", "private_training": ""}
        given = self.given(ProbePlanInput) if verdict.allowed else empty
        given["bounds"] = given.get("bounds", {})
        made = acts.write_plan(self.actor, plan.pk, **given, **self.key())
        return self.answer(queries.plans(self.actor).get(pk=made.pk), status=201)


class OfVersion(GateViewSet):
    """What is handed in for a version."""

    model = Version
    serializer_class = ProbeEvidenceOut
    select_related = ("model", "intended_use")

    @extend_schema(
        tags=TAGS,
        summary="Hand in pipeline files or a table of utility against epsilon",
        request={"multipart/form-data": ProbeEvidenceInput},
        responses={201: ProbeEvidenceOut},
        parameters=[IDEMPOTENCY],
    )
    def hand_in(self, request, pk=None):
        version = self.get_object()
        verdict = Judge(version).verdict(self.actor, policy("robustness.submit_evidence"))
        given = self.given(ProbeEvidenceInput) if verdict.allowed else {"kind": ""}
        sent = {name: given.pop(name, None) for name in ("file", "second")}
        given |= {"file_digest": "", "file_name": ""}
        for name, file in sent.items():
            if file is not None:
                stored = uploads.of(blobs.put(file, limit=handed_in.MAX_BYTES), file.name)
                given |= {f"{name}_digest": stored.digest, f"{name}_name": stored.name}
        made = acts.submit_evidence(self.actor, version.pk, **given, **self.key())
        return self.answer(queries.evidence(self.actor).get(pk=made.pk), status=201)

    @extend_schema(
        tags=TAGS, summary="What was handed in for a version", responses=ProbeEvidenceOut(many=True)
    )
    def handed_in(self, request, pk=None):
        rows = queries.evidence(self.actor, self.get_object())
        return Response(ProbeEvidenceOut(rows, many=True).data)


def register(router) -> None:
    router.register("probe-plans", ProbePlans, basename="probe_plans")
    router.register("probe-reports", ProbeReports, basename="probe_reports")


urlpatterns = [
    path("plans/<int:number>/probe-plans", OfPlan.as_view({"post": "write_plan"}), name="plan_probe_plans"),
    path(
        "versions/<int:pk>/probe-evidence",
        OfVersion.as_view({"get": "handed_in", "post": "hand_in"}),
        name="version_probe_evidence",
    ),
]
