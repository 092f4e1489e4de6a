"""Validation plans and runs: written, signed, run, read. The same acts and refusals as the pages."""

from __future__ import annotations

from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.response import Response

from apps.access.gate import Judge
from apps.access.policy import policy
from apps.access.previewing import Preview
from apps.api.base import IDEMPOTENCY, GateViewSet, ReasonInput, SignatureFields, change_of, entered
from apps.api.v1.evidence_shapes import (
    CasesInput,
    CasesOut,
    PlanDetail,
    PlanInput,
    PlanOut,
    ReplaceInput,
    RunDetail,
    RunOut,
)
from apps.core.errors import BadInput, NotVisible
from apps.registry.models import Version
from apps.validations import acts, queries
from apps.validations.cases import page_of_cases
from apps.validations.failures import CannotCompute
from apps.validations.models import Plan, Run
from apps.validations.pairing import compare_runs
from apps.validations.states import PlanState, RunState, Verdict
from apps.validations.stored import storable
from apps.validations.telling import reads_cases, told_comparison

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


@extend_schema_view(
    list=extend_schema(
        tags=["plans"],
        summary="Validation plans you may see",
        parameters=[MODEL, LABEL, chosen("state", PlanState)],
    ),
    retrieve=extend_schema(
        tags=["plans"], summary="One plan: content, digest, signatures, what you may do", responses=PlanDetail
    ),
)
class Plans(Numbered):
    """Validation plans, by number."""

    model = Plan
    serializer_class = PlanOut
    detail_class = PlanDetail
    select_related = queries.PLANS
    version_path = "version"
    own = {"state": [s.value for s in PlanState]}

    def _sign(self, perform):
        plan = self.get_object()
        given = self.given(SignatureFields, f"validations.{perform.__name__}", plan)
        signature = entered(given)
        perform(self.actor, plan.pk, reason=given["reason"], signature=signature, **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=["plans"],
        summary="Sign as the author",
        request=SignatureFields,
        responses=PlanDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"], url_path="sign-author")
    def sign_author(self, request, number=None):
        return self._sign(acts.sign_plan_author)

    @extend_schema(
        tags=["plans"],
        summary="Approve and lock, or reject",
        request=SignatureFields,
        responses=PlanDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"], url_path="sign-approval")
    def sign_approval(self, request, number=None):
        return self._sign(acts.sign_plan_approval)

    @extend_schema(
        tags=["plans"],
        summary="Replace a locked plan by a new draft: a blocking deviation is opened",
        request=ReplaceInput,
        responses={201: PlanDetail},
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def replace(self, request, number=None):
        plan = self.get_object()
        given = self.given(ReplaceInput, "validations.replace_plan", plan)
        why = change_of(given)
        made = acts.replace_plan(self.actor, plan.pk, **given, **why, **self.key())
        if isinstance(made, Preview):
            return self.answer(made)
        return self.answer(queries.plans(self.actor).get(pk=made.pk), status=201)

    @extend_schema(
        tags=["plans"],
        summary="Compare the partitions again after a failure",
        request=None,
        responses={202: PlanDetail},
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def compare(self, request, number=None):
        acts.compare_again(self.actor, self.get_object().pk, **self.key())
        return self.answer(self.get_object(), status=202)

    @extend_schema(
        tags=["runs"],
        summary="Start a run of the locked plan",
        request=None,
        responses={202: RunDetail},
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def runs(self, request, number=None):
        made = acts.start_run(self.actor, self.get_object().pk, **self.key())
        run = queries.runs(self.actor).get(pk=made.pk)
        return Response(RunDetail(run, context=self.get_serializer_context()).data, status=202)


@extend_schema_view(
    list=extend_schema(
        tags=["runs"],
        summary="The register of runs you may see",
        parameters=[MODEL, LABEL, chosen("state", RunState), chosen("verdict", Verdict)],
    ),
    retrieve=extend_schema(
        tags=["runs"], summary="One run: progress while it works, then its results", responses=RunDetail
    ),
)
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
        summary="Cancel a run that is queued or under way",
        request=ReasonInput,
        responses=RunDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def cancel(self, request, number=None):
        run = self.get_object()
        given = self.given(ReasonInput, "validations.cancel_run", run)
        acts.cancel_run(self.actor, run.pk, reason=given["reason"], **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=["runs"],
        summary="Two finished runs of one model on the same cases: second minus first, paired",
        parameters=[OpenApiParameter("with", int, required=True, description="Number of the second run")],
        responses=OpenApiTypes.OBJECT,
    )
    @action(detail=True, methods=["get"])
    def paired(self, request, number=None):
        first = self.get_object()
        asked = request.query_params.get("with", "")
        if not (asked.isascii() and asked.isdigit() and len(asked) < 10):
            raise BadInput(fields={"with": ["The number of the second run, such as 12."]})
        second = queries.runs(self.actor).filter(number=int(asked)).first()
        if second is None:
            raise NotVisible
        try:
            found = compare_runs(first, second)
            return Response(
                storable(found if reads_cases(self.actor, first, second) else told_comparison(found))
            )
        except CannotCompute as error:
            raise BadInput("The runs are not compared.", fields={"with": [str(error)]}) from error

    @extend_schema(
        tags=["runs"],
        summary="Read per-case results: every call is entered as a read of test data (DY6)",
        request=CasesInput,
        responses=CasesOut,
    )
    @action(detail=True, methods=["post"])
    def cases(self, request, number=None):
        """A POST, because a read of test data is a deed that counts for separation of duties."""
        run = self.get_object()
        given = self.given(CasesInput, "validations.read_cases", run)
        read = acts.read_cases(self.actor, run.pk)
        found = CasesOut(page_of_cases(read.cases_digest, given["page"], CASES_A_PAGE)).data
        return Response(found, headers={"Cache-Control": "no-store, private"})


class OfVersion(GateViewSet):
    """What is made for a version."""

    model = Version
    serializer_class = PlanDetail
    select_related = ("model", "intended_use")

    @extend_schema(
        tags=["plans"],
        summary="Write a validation plan for a frozen version",
        request=PlanInput,
        responses={201: PlanDetail},
        parameters=[IDEMPOTENCY],
    )
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
