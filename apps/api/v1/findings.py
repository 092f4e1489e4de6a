"""Bias reports and deviations: asked for, read, accepted, closed. The same acts and refusals as the pages."""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.renderers import BaseRenderer, JSONRenderer

from apps.access.gate import Judge
from apps.access.policy import policy
from apps.access.signing import content_digest, content_of
from apps.api.base import IDEMPOTENCY, GateViewSet, ReasonInput, SignatureFields, allowed_acts, entered
from apps.api.v1.evidence import LABEL, MODEL, Numbered, chosen
from apps.api.v1.evidence_shapes import progress_of, signatures_of
from apps.fairness import acts as fairness_acts
from apps.fairness import queries as reads
from apps.fairness.export import as_csv
from apps.fairness.models import Report
from apps.fairness.states import NoteKind, Verdict
from apps.fairness.states import State as ReportState
from apps.quality import acts as quality_acts
from apps.quality import rules
from apps.quality.models import Deviation
from apps.quality.queries import opened_by
from apps.quality.queries import register as deviations_seen
from apps.quality.states import State
from apps.registry.models import Version
from apps.validations.models import Run


class ReportOut(serializers.ModelSerializer):
    ref = serializers.CharField()
    run = serializers.CharField(source="run.ref")
    version = serializers.CharField(source="run.plan.version.ref")
    requested_by = serializers.CharField(source="requested_by.username")

    class Meta:
        model = Report
        fields = [
            "number",
            "ref",
            "run",
            "version",
            "state",
            "verdict",
            "requested_by",
            "requested_at",
            "finished_at",
        ]


class ReportDetail(ReportOut):
    digest = serializers.SerializerMethodField()
    progress = serializers.SerializerMethodField(help_text="Of the job: state, done, total, stage, log.")
    figures = serializers.SerializerMethodField(
        help_text="Every metric of every group and pair; numbers as text."
    )
    found_besides = serializers.SerializerMethodField(
        help_text="By what rows are counted, undecided share, groups too small, replaced version on the same cases."
    )
    notes = serializers.SerializerMethodField(help_text="Remediation and feedback, oldest first.")
    signatures = serializers.SerializerMethodField()
    deviations = serializers.SerializerMethodField(
        help_text="References of the deviations the report opened."
    )
    allowed_acts = serializers.SerializerMethodField()

    class Meta(ReportOut.Meta):
        fields = [
            *ReportOut.Meta.fields, "digest", "summary", "results_digest", "cells_digest", "chart_digest", "failure",
            "progress", "figures", "found_besides", "notes", "signatures", "deviations", "allowed_acts",
        ]  # fmt: skip

    def get_found_besides(self, report) -> dict:
        found = reads.results_for(self.context["view"].actor, report)
        return {name: found.get(name, {}) for name in ("counted_by", "undecided", "too_few", "replaced")}

    def get_notes(self, report) -> list[dict]:
        return [
            {
                "kind": n.kind,
                "text": n.text,
                "reason": n.reason,
                "written_by": n.written_by.username,
                "written_at": n.written_at,
            }
            for n in report.notes.select_related("written_by")
        ]

    def get_signatures(self, report) -> list[dict]:
        return signatures_of(report)

    def get_digest(self, report) -> str:
        return content_digest(report)

    def get_progress(self, report) -> dict | None:
        return progress_of(report.job)

    def get_figures(self, report) -> dict:
        return reads.results_for(self.context["view"].actor, report).get("report", {})

    def get_deviations(self, report) -> list[str]:
        return [d.ref for d in opened_by(report)]

    def get_allowed_acts(self, report) -> list[dict]:
        return allowed_acts(self.context["view"].actor, report.run)


class NoteInput(serializers.Serializer):
    kind = serializers.ChoiceField(choices=[k.value for k in NoteKind])
    text = serializers.CharField(max_length=fairness_acts.MAX_NOTE)
    reason = serializers.CharField(max_length=2000)


class CSVRenderer(BaseRenderer):
    """Lets a client ask for text/csv; the answer is a file, never rendered here."""

    media_type = "text/csv"
    format = "csv"

    def render(self, data, accepted_media_type=None, renderer_context=None):
        return JSONRenderer().render(data)  # a refusal: problem details


@extend_schema_view(
    list=extend_schema(
        tags=["bias"],
        summary="Bias reports you may see",
        parameters=[MODEL, LABEL, chosen("state", ReportState), chosen("verdict", Verdict)],
    ),
    retrieve=extend_schema(
        tags=["bias"],
        summary="One report: progress while it works, then verdicts and figures",
        responses=ReportDetail,
    ),
)
class Reports(Numbered):
    """Bias reports, by number. `allowed_acts` are those on its run: computing again makes a new report."""

    model = Report
    serializer_class = ReportOut
    detail_class = ReportDetail
    select_related = reads.RELATED
    version_path = "run__plan__version"
    own = {"state": [s.value for s in ReportState], "verdict": [v.value for v in Verdict]}

    @extend_schema(
        tags=["bias"],
        summary="Sign the report as reviewed: a bias tester who did not develop the version",
        request=SignatureFields,
        responses=ReportDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def sign(self, request, number=None):
        report = self.get_object()
        given = self.given(SignatureFields, "fairness.sign_report", report)
        signature = entered(given)
        fairness_acts.sign_report(
            self.actor, report.pk, reason=given["reason"], signature=signature, **self.key()
        )
        return self.answer(self.get_object())

    @extend_schema(
        tags=["bias"],
        summary="Stop a report that is queued or under way, with a reason",
        request=ReasonInput,
        responses=ReportDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request, number=None):
        report = self.get_object()
        given = self.given(ReasonInput, "fairness.cancel_report", report)
        fairness_acts.cancel_report(self.actor, report.pk, **given, **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=["bias"],
        summary="Record remediation or feedback on a report",
        request=NoteInput,
        responses={201: ReportDetail},
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def notes(self, request, number=None):
        report = self.get_object()
        given = self.given(NoteInput, "fairness.record_note", report)
        fairness_acts.record_note(self.actor, report.pk, **given, **self.key())
        return self.answer(self.get_object(), status=201)

    @extend_schema(
        tags=["bias"],
        summary="Every figure as CSV",
        responses={(200, "text/csv"): OpenApiResponse(OpenApiTypes.STR, "One line per group and pair")},
    )
    @action(detail=True, methods=["get"], renderer_classes=[CSVRenderer, JSONRenderer])
    def csv(self, request, number=None):
        report = self.get_object()
        reads.refuse_unfinished(report)
        response = HttpResponse(as_csv(report, self.actor), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="{report.ref}.csv"'
        return response


class OfRun(GateViewSet):
    """What is made for a run."""

    model = Run
    serializer_class = ReportDetail
    lookup_field = "number"

    @extend_schema(
        tags=["bias"],
        summary="Ask for a bias report on a finished run",
        request=None,
        responses={202: ReportDetail},
        parameters=[IDEMPOTENCY],
    )
    def bias_report(self, request, number=None):
        made = fairness_acts.request_report(self.actor, self.get_object().pk, **self.key())
        return self.answer(reads.reports(self.actor).get(pk=made.pk), status=202)


class DeviationOut(serializers.ModelSerializer):
    ref = serializers.CharField()
    version = serializers.CharField(source="version.ref")
    raised_by = serializers.CharField(source="raised_by.username")
    raised_on_behalf_of = serializers.CharField(source="raised_on_behalf_of.username", default=None)

    class Meta:
        model = Deviation
        fields = [
            "number", "ref", "version", "title", "state", "blocking", "criterion", "raised_by", "raised_on_behalf_of",
            "raised_at", "expires_at",
        ]  # fmt: skip


class DeviationDetail(DeviationOut):
    digest = serializers.SerializerMethodField()
    content = serializers.SerializerMethodField(help_text="What is signed: its digest is `digest`.")
    signatures = serializers.SerializerMethodField()
    allowed_acts = serializers.SerializerMethodField()

    class Meta(DeviationOut.Meta):
        fields = [
            *DeviationOut.Meta.fields, "description", "decided_at", "decision_reason", "digest", "content",
            "signatures", "allowed_acts",
        ]  # fmt: skip

    def get_digest(self, deviation) -> str:
        return content_digest(deviation)

    def get_content(self, deviation) -> dict:
        return content_of(deviation)

    def get_signatures(self, deviation) -> list[dict]:
        return signatures_of(deviation)

    def get_allowed_acts(self, deviation) -> list[dict]:
        return allowed_acts(self.context["view"].actor, deviation)


class DeviationInput(serializers.Serializer):
    title = serializers.CharField(max_length=rules.MAX_TITLE)
    description = serializers.CharField(max_length=20_000)
    blocking = serializers.BooleanField(default=True)


class AcceptInput(SignatureFields):
    expires_at = serializers.CharField(
        max_length=40,
        required=False,
        default="",
        allow_blank=True,
        help_text="ISO 8601, UTC; empty: without end",
    )


@extend_schema_view(
    list=extend_schema(
        tags=["deviations"],
        summary="Deviations you may see",
        parameters=[MODEL, LABEL, chosen("state", State)],
    ),
    retrieve=extend_schema(
        tags=["deviations"],
        summary="One deviation: content, digest, decisions, what you may do",
        responses=DeviationDetail,
    ),
)
class Deviations(Numbered):
    """Deviations, by number."""

    model = Deviation
    serializer_class = DeviationOut
    detail_class = DeviationDetail
    select_related = ("version__model", "raised_by", "raised_on_behalf_of")
    version_path = "version"
    own = {"state": [s.value for s in State]}

    def _decide(self, perform, shape, *more: str):
        found = self.get_object()
        given = self.given(shape, f"quality.{perform.__name__}", found)
        signature = entered(given)
        extra = {name: given[name] for name in more}
        perform(self.actor, found.pk, reason=given["reason"], signature=signature, **extra, **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=["deviations"],
        summary="Accept, with a reason and perhaps an end",
        request=AcceptInput,
        responses=DeviationDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def accept(self, request, number=None):
        return self._decide(quality_acts.accept_deviation, AcceptInput, "expires_at")

    @extend_schema(
        tags=["deviations"],
        summary="Close as resolved, with a reason",
        request=SignatureFields,
        responses=DeviationDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def close(self, request, number=None):
        return self._decide(quality_acts.close_deviation, SignatureFields)


class OfVersion(GateViewSet):
    """What is made for a version."""

    model = Version
    serializer_class = DeviationDetail
    select_related = ("model",)

    @extend_schema(
        tags=["deviations"],
        summary="Open a deviation by hand",
        request=DeviationInput,
        responses={201: DeviationDetail},
        parameters=[IDEMPOTENCY],
    )
    def open_deviation(self, request, pk=None):
        version = self.get_object()
        verdict = Judge(version).verdict(self.actor, policy("quality.open_deviation"))
        given = self.given(DeviationInput) if verdict.allowed else {"title": "", "description": ""}
        made = quality_acts.open_deviation(self.actor, version.pk, **given, **self.key())
        return self.answer(deviations_seen(self.actor).get(pk=made.pk), status=201)


def register(router) -> None:
    router.register("bias-reports", Reports, basename="bias_reports")
    router.register("deviations", Deviations, basename="deviations")


urlpatterns = [
    path("runs/<int:number>/bias-reports", OfRun.as_view({"post": "bias_report"}), name="run_bias_reports"),
    path(
        "versions/<int:pk>/deviations",
        OfVersion.as_view({"post": "open_deviation"}),
        name="version_deviations",
    ),
]
