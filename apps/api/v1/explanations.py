"""Explanations: asked for, submitted, read, reviewed, signed. The same acts and refusals as the pages."""

from __future__ import annotations

from django.http import HttpResponse
from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.renderers import JSONRenderer

from apps.access.signing import content_digest, content_of
from apps.api.base import IDEMPOTENCY, GateViewSet, ReasonInput, SignatureFields, allowed_acts, entered
from apps.api.v1.evidence import LABEL, MODEL, Numbered, chosen
from apps.api.v1.evidence_shapes import progress_of, signatures_of
from apps.api.v1.findings import CSVRenderer
from apps.core import blobs, uploads
from apps.explanation import acts, external, queries
from apps.explanation.export import as_csv
from apps.explanation.models import Report
from apps.explanation.states import Decision, Origin, ReviewState, State
from apps.validations.models import Run


class ExplanationOut(serializers.ModelSerializer):
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
            "origin",
            "explained_class",
            "state",
            "review_state",
            "requested_by",
            "requested_at",
            "finished_at",
        ]


class ExplanationDetail(ExplanationOut):
    digest = serializers.SerializerMethodField()
    content = serializers.SerializerMethodField(
        help_text="What the signatures of the review bind: its digest is `digest`."
    )
    progress = serializers.SerializerMethodField(help_text="Of the job: state, done, total, stage, log.")
    explanation = serializers.SerializerMethodField(
        help_text="Features, stability, surrogate, examples in words only; numbers as text."
    )
    reviewed_by = serializers.CharField(source="reviewed_by.username", default=None)
    signatures = serializers.SerializerMethodField()
    allowed_acts = serializers.SerializerMethodField()

    class Meta(ExplanationOut.Meta):
        fields = [
            *ExplanationOut.Meta.fields, "digest", "content", "method", "results_digest", "chart_digest",
            "cases_digest", "source_digest", "source_name", "failure", "review", "reviewed_by", "reviewed_at",
            "progress", "explanation", "signatures", "allowed_acts",
        ]  # fmt: skip

    def get_digest(self, report) -> str:
        return content_digest(report)

    def get_content(self, report) -> dict:
        return content_of(report)

    def get_progress(self, report) -> dict | None:
        return progress_of(report.job)

    def get_explanation(self, report) -> dict:
        return queries.results_of(report).get("explanation", {})

    def get_signatures(self, report) -> list[dict]:
        return signatures_of(report)

    def get_allowed_acts(self, report) -> list[dict]:
        return allowed_acts(self.context["view"].actor, report)


class DecidedInput(serializers.Serializer):
    decision = serializers.ChoiceField(choices=[str(d) for d in Decision])
    reason = serializers.CharField(max_length=2000, required=False, default="", allow_blank=True)


class FeatureReviewInput(serializers.Serializer):
    decisions = serializers.DictField(
        child=DecidedInput(), help_text="Every feature of the report → its decision."
    )
    surrogate = DecidedInput()
    conclusion = serializers.CharField(max_length=2000)


class ExplainInput(serializers.Serializer):
    explained_class = serializers.CharField(
        max_length=120,
        required=False,
        default="",
        allow_blank=True,
        help_text="Of a plan about several classes: the one whose score is explained of every case, as evidence beside "
        "the explanation that the gate asks for. Left out: of each case the score of the class it gets.",
    )


class SubmitInput(serializers.Serializer):
    file = serializers.FileField(help_text="JSON or CSV, at most 5 MB: docs/statistics.md has the form.")
    method = serializers.ChoiceField(choices=list(external.METHODS))
    library = serializers.CharField(max_length=80, help_text="Name and version.")


@extend_schema_view(
    list=extend_schema(
        tags=["explanations"],
        summary="Explanations you may see",
        parameters=[
            MODEL,
            LABEL,
            chosen("state", State),
            chosen("origin", Origin),
            chosen("review_state", ReviewState),
        ],
    ),
    retrieve=extend_schema(
        tags=["explanations"],
        summary="One explanation: progress while it works, then figures, review and signatures",
        responses=ExplanationDetail,
    ),
)
class Explanations(Numbered):
    """Explanations, by number."""

    model = Report
    serializer_class = ExplanationOut
    detail_class = ExplanationDetail
    select_related = queries.RELATED
    version_path = "run__plan__version"
    own = {
        "state": [str(s) for s in State],
        "origin": [str(o) for o in Origin],
        "review_state": [str(s) for s in ReviewState],
    }

    @extend_schema(
        tags=["explanations"],
        summary="Stop one that is queued or under way, with a reason",
        request=ReasonInput,
        responses=ExplanationDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request, number=None):
        report = self.get_object()
        given = self.given(ReasonInput, "explanation.cancel_report", report)
        acts.cancel_report(self.actor, report.pk, **given, **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=["explanations"],
        summary="Decide on every feature and on the surrogate tree",
        request=FeatureReviewInput,
        responses=ExplanationDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def review(self, request, number=None):
        report = self.get_object()
        given = self.given(FeatureReviewInput, "explanation.write_review", report)
        acts.write_review(self.actor, report.pk, **given, **self.key())
        return self.answer(self.get_object())

    def _sign(self, perform):
        report = self.get_object()
        given = self.given(SignatureFields, f"explanation.{perform.__name__}", report)
        signature = entered(given)
        perform(self.actor, report.pk, reason=given["reason"], signature=signature, **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=["explanations"],
        summary="Sign the review as the process expert who wrote it (not with a token)",
        request=SignatureFields,
        responses=ExplanationDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"], url_path="sign-expert")
    def sign_expert(self, request, number=None):
        return self._sign(acts.sign_review_expert)

    @extend_schema(
        tags=["explanations"],
        summary="Approve the review for quality, or reject it (not with a token)",
        request=SignatureFields,
        responses=ExplanationDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"], url_path="sign-quality")
    def sign_quality(self, request, number=None):
        return self._sign(acts.sign_review_quality)

    @extend_schema(
        tags=["explanations"],
        summary="Every figure as CSV",
        responses={
            (200, "text/csv"): OpenApiResponse(OpenApiTypes.STR, "One line per feature, case and tree node")
        },
    )
    @action(detail=True, methods=["get"], renderer_classes=[CSVRenderer, JSONRenderer])
    def csv(self, request, number=None):
        report = self.get_object()
        queries.refuse_unfinished(report)
        response = HttpResponse(as_csv(report), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="{report.ref}.csv"'
        return response


class OfRun(GateViewSet):
    """What is made for a run."""

    model = Run
    serializer_class = ExplanationDetail
    lookup_field = "number"

    @extend_schema(
        tags=["explanations"],
        summary="Ask for an explanation on a finished run",
        request=ExplainInput,
        responses={202: ExplanationDetail},
        parameters=[IDEMPOTENCY],
    )
    def explain(self, request, number=None):
        run = self.get_object()
        given = self.given(ExplainInput, "explanation.request_report", run)
        made = acts.request_report(self.actor, run.pk, **given, **self.key())
        return self.answer(queries.reports(self.actor).get(pk=made.pk), status=202)

    @extend_schema(
        tags=["explanations"],
        summary="Submit an explanation that was made elsewhere: kept as evidence, and marked so",
        request={"multipart/form-data": SubmitInput},
        responses={201: ExplanationDetail},
        parameters=[IDEMPOTENCY],
    )
    def submit(self, request, number=None):
        run = self.get_object()
        given = self.given(SubmitInput, "explanation.submit_report", run)
        file = given.pop("file")
        blob = blobs.put(file, limit=external.MAX_BYTES)
        made = acts.submit_report(
            self.actor,
            run.pk,
            file_digest=blob.digest,
            file_name=uploads.of(blob, file.name).name,
            **given,
            **self.key(),
        )
        return self.answer(queries.reports(self.actor).get(pk=made.pk), status=201)


def register(router) -> None:
    router.register("explanations", Explanations, basename="explanations")


urlpatterns = [
    path("runs/<int:number>/explanations", OfRun.as_view({"post": "explain"}), name="run_explanations"),
    path(
        "runs/<int:number>/submitted-explanations",
        OfRun.as_view({"post": "submit"}),
        name="run_submitted_explanations",
    ),
]
