"""Reviews of the audit trail: opened, gone through, found in, signed. The same acts and refusals as the pages."""

from __future__ import annotations

from django.urls import path
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action

from apps.access.signing import content_digest, content_of
from apps.api.base import IDEMPOTENCY, GateViewSet, SignatureFields, allowed_acts, entered
from apps.api.v1.evidence import LABEL, MODEL, Numbered, chosen
from apps.api.v1.evidence_shapes import signatures_of
from apps.quality import review_acts as acts
from apps.quality import review_queries as queries
from apps.quality.models import TrailReview
from apps.quality.review_models import STATES
from apps.quality.review_rules import AT_ONCE, MAX_TEXT, WEIGHTS
from apps.registry.models import Version


class TrailReviewOut(serializers.ModelSerializer):
    ref = serializers.CharField()
    version = serializers.CharField(source="version.ref")
    opened_by = serializers.CharField(source="opened_by.username")
    ended_by = serializers.CharField(
        source="ended_by.username", default=None, allow_null=True, help_text="Who signed or withdrew it."
    )
    state = serializers.ChoiceField(choices=list(STATES.items()))

    class Meta:
        model = TrailReview
        fields = [
            "number", "ref", "version", "state", "from_size", "until_size", "root", "until_at", "covered",
            "opened_by", "opened_at", "ended_by", "ended_at", "end_reason",
        ]  # fmt: skip


class TrailReviewDetail(TrailReviewOut):
    digest = serializers.SerializerMethodField()
    content = serializers.SerializerMethodField(help_text="What is signed: its digest is `digest`.")
    unseen = serializers.SerializerMethodField(help_text="Entries that must still be marked as seen.")
    came_after = serializers.SerializerMethodField(
        help_text="Acts after the range; a signed review with any is out of date."
    )
    signatures = serializers.SerializerMethodField()
    allowed_acts = serializers.SerializerMethodField()

    class Meta(TrailReviewOut.Meta):
        fields = [
            *TrailReviewOut.Meta.fields, "digest", "content", "unseen", "came_after", "signatures", "allowed_acts",
        ]  # fmt: skip

    def get_digest(self, review) -> str:
        return content_digest(review)

    def get_content(self, review) -> dict:
        return content_of(review)

    def get_unseen(self, review) -> list[int]:
        return sorted(review.shown - set(queries.marks_by_entry(review)))

    def get_came_after(self, review) -> list[dict]:
        later = queries.came_after(review, review.version)
        return [{"entry": each.entry, "act": each.act, "at": each.at} for each in later]

    def get_signatures(self, review) -> list[dict]:
        return signatures_of(review)

    def get_allowed_acts(self, review) -> list[dict]:
        return allowed_acts(self.context["view"].actor, review)


class OpenInput(serializers.Serializer):
    whole = serializers.BooleanField(
        default=False, help_text="From the beginning, not from where the last signed review ended."
    )


class SeenInput(serializers.Serializer):
    entries = serializers.ListField(child=serializers.IntegerField(min_value=1), max_length=AT_ONCE)
    comment = serializers.CharField(max_length=MAX_TEXT, required=False, default="", allow_blank=True)


class FindingInput(serializers.Serializer):
    text = serializers.CharField(max_length=MAX_TEXT)
    weight = serializers.ChoiceField(choices=list(WEIGHTS.items()), default="observation")
    entry = serializers.IntegerField(required=False, allow_null=True, default=None, min_value=1)


class WithdrawInput(serializers.Serializer):
    reason = serializers.CharField(max_length=2000)


@extend_schema_view(
    list=extend_schema(
        tags=["trail"],
        summary="Trail reviews you may see",
        parameters=[MODEL, LABEL, chosen("state", STATES)],
    ),
    retrieve=extend_schema(
        tags=["trail"],
        summary="One review: range, exceptions, sample, what was seen and found, what you may do",
        responses=TrailReviewDetail,
    ),
)
class TrailReviews(Numbered):
    """Reviews of the audit trail, by number."""

    model = TrailReview
    serializer_class = TrailReviewOut
    detail_class = TrailReviewDetail
    select_related = ("version__model", "version__intended_use", "opened_by", "ended_by")
    version_path = "version"
    own = {"state": list(STATES)}

    @extend_schema(
        tags=["trail"],
        summary="Mark entries as seen",
        request=SeenInput,
        responses=TrailReviewDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def seen(self, request, number=None):
        found = self.get_object()
        given = self.given(SeenInput, "quality.mark_trail_entries", found)
        acts.mark_trail_entries(self.actor, found.pk, **given, **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=["trail"],
        summary="Record a finding",
        request=FindingInput,
        responses=TrailReviewDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def findings(self, request, number=None):
        found = self.get_object()
        given = self.given(FindingInput, "quality.record_trail_finding", found)
        acts.record_trail_finding(self.actor, found.pk, **given, **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=["trail"],
        summary="Take the range up to now",
        request=None,
        responses=TrailReviewDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def extend(self, request, number=None):
        acts.extend_trail_review(self.actor, self.get_object().pk, **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=["trail"],
        summary="Withdraw, with a reason",
        request=WithdrawInput,
        responses=TrailReviewDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def withdraw(self, request, number=None):
        found = self.get_object()
        given = self.given(WithdrawInput, "quality.withdraw_trail_review", found)
        acts.withdraw_trail_review(self.actor, found.pk, **given, **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=["trail"],
        summary="Sign the review",
        request=SignatureFields,
        responses=TrailReviewDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def sign(self, request, number=None):
        found = self.get_object()
        given = self.given(SignatureFields, "quality.sign_trail_review", found)
        signature = entered(given)
        acts.sign_trail_review(
            self.actor, found.pk, reason=given["reason"], signature=signature, **self.key()
        )
        return self.answer(self.get_object())


class OfVersion(GateViewSet):
    """What is opened for a version."""

    model = Version
    serializer_class = TrailReviewDetail
    select_related = ("model", "intended_use")

    @extend_schema(
        tags=["trail"],
        summary="Open a review of a version's trail",
        request=OpenInput,
        responses={201: TrailReviewDetail},
        parameters=[IDEMPOTENCY],
    )
    def open_review(self, request, pk=None):
        version = self.get_object()
        given = self.given(OpenInput, "quality.open_trail_review", version)
        made = acts.open_trail_review(self.actor, version.pk, **given, **self.key())
        return self.answer(queries.register(self.actor).get(pk=made.pk), status=201)


def register(router) -> None:
    router.register("trail-reviews", TrailReviews, basename="trail_reviews")


urlpatterns = [
    path(
        "versions/<int:pk>/trail-reviews",
        OfVersion.as_view({"post": "open_review"}),
        name="version_trail_reviews",
    ),
]
