"""Validation plans and runs: written, signed, run, read. The same acts and refusals as the pages."""

from __future__ import annotations

from django.urls import path
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.response import Response

from apps.access.gate import Judge
from apps.access.policy import policy
from apps.access.signing import SignatureInput, as_printed, content_digest, content_of, standings
from apps.api.base import IDEMPOTENCY, GateViewSet, SignatureFields, allowed_acts
from apps.core.errors import BadInput
from apps.registry.models import Version
from apps.validations import acts, queries
from apps.validations.cases import page_of_cases
from apps.validations.models import Comparison, Plan, Result, Run
from apps.validations.states import PlanState, RunState, Verdict

CASES_A_PAGE = 500
MODEL = OpenApiParameter("model", str, description="Short name of the model")
LABEL = OpenApiParameter("label", str, description="Label of the version")


def chosen(name: str, values) -> OpenApiParameter:
    return OpenApiParameter(name, str, enum=[str(v) for v in values])


class Numbered(GateViewSet):
    """Records found by their number, filtered by model and label of their version and by own fields.

    `version_path`: from the row to its version; `own`: query parameter → allowed values of the field of that name.
    """

    lookup_field = "number"
    lookup_value_regex = "[0-9]+"
    version_path = ""
    own: dict[str, list[str]] = {}
    detail_class: type[serializers.Serializer]

    def get_serializer_class(self):
        return self.serializer_class if self.action == "list" else self.detail_class

    def get_queryset(self):
        rows = super().get_queryset().order_by("-number")
        if getattr(self, "swagger_fake_view", False) or self.action != "list":
            return rows
        asked = self.request.query_params
        for name, field in (("model", "model__slug"), ("label", "label")):
            if asked.get(name):
                rows = rows.filter(**{f"{self.version_path}__{field}": asked[name]})
        for name, values in self.own.items():
            if value := asked.get(name, ""):
                if value not in values:
                    raise BadInput(fields={name: [f"One of: {', '.join(values)}."]})
                rows = rows.filter(**{name: value})
        return rows


def progress_of(job) -> dict | None:
    """State, units done and in total, stage and log of a job; None without one."""
    if job is None:
        return None
    return {
        "state": job.state,
        "done": job.done,
        "total": job.total,
        "stage": job.stage,
        "attempt": job.attempt,
        "log": job.log,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
    }


def signatures_of(record) -> list[dict]:
    """Each signature as printed, with its standing now."""
    return [as_printed(s.signature) | {"standing": s.word} for s in standings(record)]


class Strict(serializers.Serializer):
    """A part of an input in which fields nobody declared are an error too."""

    def to_internal_value(self, data):
        if hasattr(data, "keys") and (unknown := set(data) - set(self.fields)):
            raise serializers.ValidationError({n: ["This field is not known here."] for n in sorted(unknown)})
        return super().to_internal_value(data)


class CriterionInput(Strict):
    id = serializers.CharField(max_length=40, required=False)
    metric = serializers.CharField(max_length=60)
    subgroup = serializers.CharField(max_length=160, default="all", help_text="`all`, or `column=value`")
    direction = serializers.CharField(max_length=3, default="min", help_text="`min` or `max`")
    limit = serializers.CharField(max_length=24, help_text="A number as decimal text")
    rule = serializers.CharField(max_length=8, default="point", help_text="`point`, `lower` or `upper`")
    min_n = serializers.IntegerField(default=1)


class LimitInput(Strict):
    id = serializers.CharField(max_length=40, required=False)
    metric = serializers.CharField(max_length=60)
    kind = serializers.CharField(max_length=10, required=False, help_text="`difference` or `ratio`")
    column = serializers.CharField(max_length=120)
    limit = serializers.CharField(max_length=24, help_text="A number as decimal text")
    rule = serializers.CharField(max_length=8, default="near", help_text="`point`, `near` or `far`")
    min_n = serializers.IntegerField(default=30)


class PlanInput(serializers.Serializer):
    test_data_id = serializers.IntegerField(help_text="Id of a fixed test version in the vault")
    label_column = serializers.CharField(max_length=120)
    positive_value = serializers.CharField(max_length=120)
    threshold = serializers.CharField(max_length=24)
    group_columns = serializers.ListField(child=serializers.CharField(max_length=120))
    criteria = CriterionInput(many=True)
    bias_limits = LimitInput(many=True)
    rationale = serializers.CharField(max_length=20_000)


class PlanOut(serializers.ModelSerializer):
    ref = serializers.CharField()
    version = serializers.CharField(source="version.ref")
    version_id = serializers.IntegerField()
    test_data = serializers.CharField(source="test_data.ref")
    written_by = serializers.CharField(source="written_by.username")

    class Meta:
        model = Plan
        fields = ["number", "ref", "version", "version_id", "state", "test_data", "written_by", "written_at", "locked_at"]  # fmt: skip


class ComparisonOut(serializers.ModelSerializer):
    data = serializers.CharField(source="dataset_version.ref")

    class Meta:
        model = Comparison
        fields = ["data", "rows", "test_rows", "shared_rows", "shared_units", "compared_at"]


class PlanDetail(PlanOut):
    digest = serializers.SerializerMethodField()
    content = serializers.SerializerMethodField(help_text="What is signed: its digest is `digest`.")
    comparisons = serializers.SerializerMethodField()
    signatures = serializers.SerializerMethodField()
    allowed_acts = serializers.SerializerMethodField()

    class Meta(PlanOut.Meta):
        fields = [*PlanOut.Meta.fields, "digest", "content", "comparisons", "signatures", "allowed_acts"]

    def get_digest(self, plan) -> str:
        return content_digest(plan)

    def get_content(self, plan) -> dict:
        return content_of(plan)

    def get_comparisons(self, plan) -> list[dict]:
        return list(
            ComparisonOut(plan.comparisons.select_related("dataset_version__dataset"), many=True).data
        )

    def get_signatures(self, plan) -> list[dict]:
        return signatures_of(plan)

    def get_allowed_acts(self, plan) -> list[dict]:
        return allowed_acts(self.context["view"].actor, plan)


class RunOut(serializers.ModelSerializer):
    ref = serializers.CharField()
    plan = serializers.CharField(source="plan.ref")
    version = serializers.CharField(source="plan.version.ref")
    requested_by = serializers.CharField(source="requested_by.username")

    class Meta:
        model = Run
        fields = ["number", "ref", "plan", "version", "state", "verdict", "requested_by", "requested_at", "finished_at"]  # fmt: skip


class ResultOut(serializers.ModelSerializer):
    class Meta:
        model = Result
        fields = ["criterion", "metric", "subgroup", "n", "value", "low", "high", "method", "limit", "direction", "rule", "verdict", "sentence"]  # fmt: skip


class RunDetail(RunOut):
    digest = serializers.SerializerMethodField()
    progress = serializers.SerializerMethodField(
        help_text="Of the job: state, done and total (cases), stage, log."
    )
    results = serializers.SerializerMethodField()
    deviations = serializers.SerializerMethodField(help_text="References of the deviations the run opened.")
    allowed_acts = serializers.SerializerMethodField()

    class Meta(RunOut.Meta):
        fields = [
            *RunOut.Meta.fields, "digest", "results_digest", "cases_digest", "environment", "repeat_identical",
            "failure", "progress", "results", "deviations", "allowed_acts",
        ]  # fmt: skip

    def get_digest(self, run) -> str:
        return content_digest(run)

    def get_progress(self, run) -> dict | None:
        return progress_of(run.job)

    def get_results(self, run) -> list[dict]:
        return list(ResultOut(run.results.all(), many=True).data)

    def get_deviations(self, run) -> list[str]:
        return [d.ref for d in queries.opened_by(run)]

    def get_allowed_acts(self, run) -> list[dict]:
        return allowed_acts(self.context["view"].actor, run)


class CasesInput(serializers.Serializer):
    page = serializers.IntegerField(default=1, min_value=1)


class CasesOut(serializers.Serializer):
    total = serializers.IntegerField()
    page = serializers.IntegerField(source="number")
    pages = serializers.IntegerField()
    columns = serializers.ListField(child=serializers.CharField())
    rows = serializers.ListField(child=serializers.ListField())


@extend_schema_view(
    list=extend_schema(tags=["plans"], summary="Validation plans you may see", parameters=[MODEL, LABEL, chosen("state", PlanState)]),
    retrieve=extend_schema(tags=["plans"], summary="One plan: content, digest, signatures, what you may do", responses=PlanDetail),
)  # fmt: skip
class Plans(Numbered):
    """Validation plans, by number."""

    model = Plan
    serializer_class = PlanOut
    detail_class = PlanDetail
    select_related = queries.PLANS
    version_path = "version"
    own = {"state": [s.value for s in PlanState]}

    def _sign(self, perform):
        plan, given = self.get_object(), self.given(SignatureFields)
        signature = SignatureInput(given["digest"], given["password"], given["decision"])
        perform(self.actor, plan.pk, reason=given["reason"], signature=signature, **self.key())
        return self.answer(self.get_object())

    @extend_schema(tags=["plans"], summary="Sign as the author", request=SignatureFields, responses=PlanDetail, parameters=[IDEMPOTENCY])  # fmt: skip
    @action(detail=True, methods=["post"], url_path="sign-author")
    def sign_author(self, request, number=None):
        return self._sign(acts.sign_plan_author)

    @extend_schema(tags=["plans"], summary="Approve and lock, or reject", request=SignatureFields, responses=PlanDetail, parameters=[IDEMPOTENCY])  # fmt: skip
    @action(detail=True, methods=["post"], url_path="sign-approval")
    def sign_approval(self, request, number=None):
        return self._sign(acts.sign_plan_approval)

    @extend_schema(tags=["plans"], summary="Compare the partitions again after a failure", request=None, responses={202: PlanDetail}, parameters=[IDEMPOTENCY])  # fmt: skip
    @action(detail=True, methods=["post"])
    def compare(self, request, number=None):
        acts.compare_again(self.actor, self.get_object().pk, **self.key())
        return self.answer(self.get_object(), status=202)

    @extend_schema(tags=["runs"], summary="Start a run of the locked plan", request=None, responses={202: RunDetail}, parameters=[IDEMPOTENCY])  # fmt: skip
    @action(detail=True, methods=["post"])
    def runs(self, request, number=None):
        made = acts.start_run(self.actor, self.get_object().pk, **self.key())
        run = queries.runs(self.actor).get(pk=made.pk)
        return Response(RunDetail(run, context=self.get_serializer_context()).data, status=202)


@extend_schema_view(
    list=extend_schema(tags=["runs"], summary="The register of runs you may see", parameters=[MODEL, LABEL, chosen("state", RunState), chosen("verdict", Verdict)]),
    retrieve=extend_schema(tags=["runs"], summary="One run: progress while it works, then its results", responses=RunDetail),
)  # fmt: skip
class Runs(Numbered):
    """Validation runs, by number."""

    model = Run
    serializer_class = RunOut
    detail_class = RunDetail
    select_related = queries.RUNS
    version_path = "plan__version"
    own = {"state": [s.value for s in RunState], "verdict": [v.value for v in Verdict]}

    @extend_schema(
        tags=["runs"],
        summary="Read per-case results: every call is entered as a read of test data (DY6)",
        request=CasesInput,
        responses=CasesOut,
    )
    @action(detail=True, methods=["post"])
    def cases(self, request, number=None):
        """A POST, because a read of test data is a deed that counts for separation of duties."""
        run, given = self.get_object(), self.given(CasesInput)
        read = acts.read_cases(self.actor, run.pk)
        found = CasesOut(page_of_cases(read.cases_digest, given["page"], CASES_A_PAGE)).data
        return Response(found, headers={"Cache-Control": "no-store, private"})


class OfVersion(GateViewSet):
    """What is made for a version."""

    model = Version
    serializer_class = PlanDetail
    select_related = ("model", "intended_use")

    @extend_schema(tags=["plans"], summary="Write a validation plan for a frozen version", request=PlanInput, responses={201: PlanDetail}, parameters=[IDEMPOTENCY])  # fmt: skip
    def write_plan(self, request, pk=None):
        version = self.get_object()
        verdict = Judge(version).verdict(self.actor, policy("validations.write_plan"))
        given = self.given(PlanInput) if verdict.allowed else _BLANK_PLAN
        made = acts.write_plan(self.actor, version.pk, **given, **self.key())
        return self.answer(queries.plans(self.actor).get(pk=made.pk), status=201)


# Who may not write a plan hears that before anything is said of the input: the act refuses, and it is entered.
_BLANK_PLAN: dict = {
    "test_data_id": 0,
    **dict.fromkeys(("label_column", "positive_value", "threshold", "rationale"), ""),
    **{name: [] for name in ("group_columns", "criteria", "bias_limits")},
}


def register(router) -> None:
    router.register("plans", Plans, basename="plans")
    router.register("runs", Runs, basename="runs")


urlpatterns = [
    path("versions/<int:pk>/plans", OfVersion.as_view({"post": "write_plan"}), name="version_plans"),
]
