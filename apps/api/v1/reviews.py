"""Access reviews and their sheets."""

from __future__ import annotations

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action

from apps.access import acts
from apps.access import review_queries as reads
from apps.access.gate import ORGANISATION_SUBJECT, visible
from apps.access.models import AccessReview, ReviewSheet
from apps.access.reviewing import shown
from apps.access.signing import as_printed, content_digest
from apps.api.base import IDEMPOTENCY, GateViewSet, ReasonInput, SignatureFields, allowed_acts, entered
from apps.api.lookup import one_of
from apps.core.errors import BadInput
from apps.core.models import Job
from apps.datasets.models import Dataset
from apps.registry.models import Model

ALL = "all"


class OpeningOut(serializers.ModelSerializer):
    class Meta:
        model = Job
        fields = ["state", "done", "total", "stage"]


class ReviewOut(serializers.ModelSerializer):
    ref = serializers.CharField()
    opened_by = serializers.CharField(source="opened_by.username")
    ended_by = serializers.CharField(
        source="ended_by.username", default=None, allow_null=True, help_text="Who withdrew it."
    )
    late = serializers.BooleanField(help_text="Open past its due date: what is not confirmed lapses now.")
    sheets = serializers.IntegerField(source="all_sheets", help_text="That the caller may see.")
    open_sheets = serializers.IntegerField()
    opening = serializers.SerializerMethodField(
        help_text="How far the job is that opens a review over many objects; null where none was needed."
    )
    without_duties = serializers.ListField(source="empty", child=serializers.CharField())

    class Meta:
        model = AccessReview
        fields = [
            "id",
            "ref",
            "title",
            "reason",
            "state",
            "late",
            "opened_by",
            "opened_at",
            "due_at",
            "closed_at",
            "ended_by",
            "ended_at",
            "end_reason",
            "sheets",
            "open_sheets",
            "opening",
            "without_duties",
            "result_digest",
        ]

    @extend_schema_field(OpeningOut(allow_null=True))
    def get_opening(self, review) -> dict | None:
        return OpeningOut(review.job).data if review.job else None


class ReviewInput(serializers.Serializer):
    title = serializers.CharField(max_length=120)
    due_at = serializers.DateTimeField(help_text="A day from now at the earliest, within a year.")
    models = serializers.ListField(
        child=serializers.CharField(max_length=60),
        required=False,
        default=list,
        help_text='Short names, or ["all"].',
    )
    datasets = serializers.ListField(
        child=serializers.CharField(max_length=60),
        required=False,
        default=list,
        help_text='Short names, or ["all"].',
    )
    organisation = serializers.BooleanField(required=False, default=False)
    reason = serializers.CharField(max_length=2000)


class LineOut(serializers.Serializer):
    ref = serializers.CharField()
    person = serializers.CharField()
    name = serializers.CharField()
    duty = serializers.CharField()
    since = serializers.CharField()
    until = serializers.CharField()
    decision = serializers.CharField(help_text="keep, end, gone (over already), or empty: undecided.")
    comment = serializers.CharField()
    by = serializers.CharField(help_text="Who decided.")
    outcome = serializers.CharField(
        help_text="kept, ended, lapsed, gone, sole (nobody else holds it), or empty."
    )


class SheetOut(serializers.ModelSerializer):
    ref = serializers.CharField()
    review = serializers.CharField(source="review.ref")
    on = serializers.CharField(source="place")
    scope = serializers.CharField()
    whose = serializers.SerializerMethodField(
        help_text="The reviewer whose own duties stand here; else empty."
    )
    due_at = serializers.DateTimeField(source="review.due_at")

    class Meta:
        model = ReviewSheet
        fields = ["id", "ref", "review", "on", "scope", "whose", "state", "due_at", "decided_at"]

    def get_whose(self, row) -> str:
        return row.whose.username if row.whose else ""


class SheetDetail(SheetOut):
    digest = serializers.SerializerMethodField(help_text="Of the content that is signed.")
    lines = serializers.SerializerMethodField()
    signature = serializers.SerializerMethodField()
    reviewers = serializers.SerializerMethodField(help_text="Who could sign it now.")
    allowed_acts = serializers.SerializerMethodField()

    class Meta(SheetOut.Meta):
        fields = [*SheetOut.Meta.fields, "digest", "lines", "signature", "reviewers", "allowed_acts"]

    def get_digest(self, row) -> str:
        return content_digest(row)

    def get_lines(self, row) -> list[dict]:
        return LineOut(shown(row), many=True).data

    def get_signature(self, row) -> dict | None:
        return as_printed(row.signature) if row.signature else None

    def get_reviewers(self, row) -> list[str]:
        return [person.username for person in reads.reviewers(row)] if row.state == "open" else []

    def get_allowed_acts(self, row) -> list[dict]:
        return allowed_acts(self.context["view"].actor, row)


class LineInput(serializers.Serializer):
    ref = serializers.CharField(max_length=80)
    decision = serializers.ChoiceField(choices=["keep", "end", ""], help_text="Empty: undecided again.")
    comment = serializers.CharField(max_length=500, required=False, default="", allow_blank=True)


class DecideInput(serializers.Serializer):
    seen = serializers.RegexField(r"^sha256:[0-9a-f]{64}$", help_text="Digest of the sheet that was read.")
    lines = LineInput(many=True)


@extend_schema_view(
    list=extend_schema(
        tags=["access reviews"],
        summary="Access reviews the caller may see",
        parameters=[OpenApiParameter("state", str, enum=AccessReview.State.values)],
    ),
    retrieve=extend_schema(tags=["access reviews"], summary="One access review"),
)
class Reviews(GateViewSet):
    """Campaigns: what nobody confirms by the due date lapses by itself."""

    model = AccessReview
    serializer_class = ReviewOut
    lookup_value_regex = "[0-9]+"

    def get_queryset(self):
        if getattr(self, "swagger_fake_view", False):
            return AccessReview.objects.none()
        rows = reads.reviews(self.actor).order_by("-pk")
        if self.action == "list" and (state := one_of(self.request, "state", AccessReview.State.values)):
            rows = rows.filter(state=state)
        return rows

    @extend_schema(
        tags=["access reviews"],
        summary="Open an access review (not with a token)",
        request=ReviewInput,
        responses={201: ReviewOut},
        parameters=[IDEMPOTENCY],
    )
    def create(self, request, *args, **kwargs):
        given = self.given(ReviewInput, "access.open_review", ORGANISATION_SUBJECT)
        with self.asking("access.open_review", ORGANISATION_SUBJECT):
            chosen = {
                "models": self._chosen(Model, given.pop("models"), "models"),
                "datasets": self._chosen(Dataset, given.pop("datasets"), "datasets"),
            }
        made = acts.open_review(self.actor, **chosen, **given, **self.key())
        self.kwargs["pk"] = made.pk
        return self.answer(self.get_object(), status=201)

    def _chosen(self, model, slugs: list[str], field: str) -> list[int] | str:
        if slugs == [ALL]:
            return ALL
        known = dict(visible(self.actor, model).filter(slug__in=slugs).values_list("slug", "pk"))
        if missing := [slug for slug in slugs if slug not in known]:
            raise BadInput(fields={field: [f"{slug}: none that you may see." for slug in missing]})
        return list(known.values())

    @extend_schema(
        tags=["access reviews"],
        summary="Withdraw an access review: nothing lapses (not with a token)",
        request=ReasonInput,
        responses=ReviewOut,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def withdraw(self, request, pk=None):
        row = self.get_object()
        given = self.given(ReasonInput, "access.withdraw_review", row)
        acts.withdraw_review(self.actor, row.pk, **given, **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=["access reviews"],
        summary="The whole result as canonical JSON; its SHA-256 is result_digest once closed",
        responses=OpenApiTypes.OBJECT,
    )
    @action(detail=True, methods=["get"])
    def result(self, request, pk=None):
        found = reads.result(self.actor, self.get_object())
        response = HttpResponse(found.content, content_type="application/json")
        response["X-Countersign-Digest"] = found.digest
        return response


@extend_schema_view(
    list=extend_schema(
        tags=["access reviews"],
        summary="Sheets the caller may see",
        parameters=[
            OpenApiParameter("state", str, enum=ReviewSheet.State.values),
            OpenApiParameter("review", int, description="Of this access review."),
        ],
    ),
    retrieve=extend_schema(tags=["access reviews"], summary="One sheet", responses=SheetDetail),
)
class Sheets(GateViewSet):
    """The duties on one object, decided line by line and signed by whoever answers for it."""

    model = ReviewSheet
    lookup_value_regex = "[0-9]+"

    def get_serializer_class(self):
        return SheetOut if self.action == "list" else SheetDetail

    def get_queryset(self):
        if getattr(self, "swagger_fake_view", False):
            return ReviewSheet.objects.none()
        rows = reads.sheets(self.actor).order_by("-pk")
        if self.action == "list":
            if state := one_of(self.request, "state", ReviewSheet.State.values):
                rows = rows.filter(state=state)
            if review := self.request.query_params.get("review", ""):
                if not review.isdecimal() or len(review) > 15:
                    raise BadInput(fields={"review": ["Give the number of the review."]})
                rows = rows.filter(review_id=int(review))
        return rows

    @extend_schema(
        tags=["access reviews"],
        summary="Keep or end lines; nothing ends before the sheet is signed (not with a token)",
        request=DecideInput,
        responses=SheetDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def decide(self, request, pk=None):
        row = self.get_object()
        given = self.given(DecideInput, "access.decide_review", row)
        decisions = {
            line["ref"]: {"decision": line["decision"], "comment": line["comment"]} for line in given["lines"]
        }
        acts.decide_review(self.actor, row.pk, seen=given["seen"], decisions=decisions, **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=["access reviews"],
        summary="Sign the sheet: what is to end ends (not with a token)",
        request=SignatureFields,
        responses=SheetDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def sign(self, request, pk=None):
        row = self.get_object()
        given = self.given(SignatureFields, "access.sign_review", row)
        acts.sign_review(self.actor, row.pk, reason=given["reason"], signature=entered(given), **self.key())
        return self.answer(self.get_object())


def register(router) -> None:
    router.register("access-reviews", Reviews, basename="access-review")
    router.register("review-sheets", Sheets, basename="review-sheet")
