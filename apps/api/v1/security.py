"""Resets of accounts, links with identity providers, and the caller's second factors.

Adding a factor, ending one and confirming a link ask for the person at the browser, on their account page.
"""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action

from apps.access import acts
from apps.access.gate import visible
from apps.accounts.factors import Factor, Reset, SignOnLink
from apps.accounts.models import User
from apps.api.base import IDEMPOTENCY, GateViewSet, ReasonInput, allowed_acts
from apps.api.lookup import one_of
from apps.core.errors import NotVisible


class ResetOut(serializers.ModelSerializer):
    ref = serializers.CharField()
    person = serializers.CharField(source="person.username")
    requested_by = serializers.CharField(source="requested_by.username")
    decided_by = serializers.CharField(source="decided_by.username", allow_null=True, default=None)
    allowed_acts = serializers.SerializerMethodField()

    class Meta:
        model = Reset
        fields = [
            "id",
            "ref",
            "person",
            "what",
            "reason",
            "state",
            "requested_by",
            "requested_at",
            "decided_by",
            "decided_at",
            "decision_reason",
            "allowed_acts",
        ]

    def get_allowed_acts(self, row) -> list[dict]:
        view = self.context["view"]
        return [] if view.action == "list" else allowed_acts(view.actor, row)


class ResetInput(serializers.Serializer):
    person = serializers.CharField(max_length=80, help_text="Username.")
    what = serializers.ChoiceField(choices=Reset.What.choices)
    reason = serializers.CharField(max_length=2000)


class CommentInput(serializers.Serializer):
    reason = serializers.CharField(max_length=2000, required=False, default="", allow_blank=True)


def person_named(actor, request) -> User:
    """The person that the body names, if the caller may see them."""
    name = request.data.get("person") if hasattr(request.data, "get") else None
    rows = visible(actor, User).filter(is_service=False)
    found = rows.filter(username=name).first() if isinstance(name, str) and "\x00" not in name else None
    if found is None:
        raise NotVisible()
    return found


@extend_schema_view(
    list=extend_schema(
        tags=["accounts"],
        summary="Resets the caller may see",
        parameters=[OpenApiParameter("state", str, enum=Reset.State.values)],
    ),
    retrieve=extend_schema(tags=["accounts"], summary="One reset"),
)
class Resets(GateViewSet):
    """A lost password or second factor: asked for by an administrator, decided by a compliance officer."""

    model = Reset
    lookup_value_regex = "[0-9]+"
    serializer_class = ResetOut
    select_related = ("person", "requested_by", "decided_by")

    def get_queryset(self):
        if getattr(self, "swagger_fake_view", False):
            return Reset.objects.none()
        rows = super().get_queryset()
        if self.action == "list" and (state := one_of(self.request, "state", Reset.State.values)):
            rows = rows.filter(state=state)
        return rows

    @extend_schema(
        tags=["accounts"],
        summary="Ask for a reset (not with a token)",
        request=ResetInput,
        responses={201: ResetOut},
        parameters=[IDEMPOTENCY],
    )
    def create(self, request, *args, **kwargs):
        person = person_named(self.actor, request)
        given = self.given(ResetInput, "access.request_reset", person)
        made = acts.request_reset(
            self.actor, person.pk, what=given["what"], reason=given["reason"], **self.key()
        )
        self.kwargs["pk"] = made.pk
        return self.answer(self.get_object(), status=201)

    @extend_schema(
        tags=["accounts"],
        summary="Approve a reset: it is done at once (not with a token)",
        request=CommentInput,
        responses=ResetOut,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def approve(self, request, pk=None):
        row = self.get_object()
        given = self.given(CommentInput, "access.approve_reset", row)
        acts.approve_reset(self.actor, row.pk, **given, **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=["accounts"],
        summary="Refuse a reset (not with a token)",
        request=ReasonInput,
        responses=ResetOut,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def refuse(self, request, pk=None):
        row = self.get_object()
        given = self.given(ReasonInput, "access.refuse_reset", row)
        acts.refuse_reset(self.actor, row.pk, **given, **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=["accounts"],
        summary="Withdraw a reset (not with a token)",
        request=ReasonInput,
        responses=ResetOut,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def withdraw(self, request, pk=None):
        row = self.get_object()
        given = self.given(ReasonInput, "access.withdraw_reset", row)
        acts.withdraw_reset(self.actor, row.pk, **given, **self.key())
        return self.answer(self.get_object())


class LinkOut(serializers.ModelSerializer):
    person = serializers.CharField(source="person.username")
    proposed_by = serializers.CharField(source="proposed_by.username")
    ended_by = serializers.CharField(source="ended_by.username", default=None, allow_null=True)

    class Meta:
        model = SignOnLink
        fields = [
            "id",
            "person",
            "issuer",
            "subject",
            "state",
            "proposed_by",
            "proposed_at",
            "confirmed_at",
            "ended_by",
            "ended_at",
            "end_reason",
        ]


class LinkInput(serializers.Serializer):
    person = serializers.CharField(max_length=80, help_text="Username.")
    provider = serializers.CharField(max_length=40, help_text="Key of an identity provider of the settings.")
    subject = serializers.CharField(max_length=255, help_text="Claim sub of the provider's tokens.")


@extend_schema_view(
    list=extend_schema(tags=["accounts"], summary="Links with identity providers the caller may see"),
    retrieve=extend_schema(tags=["accounts"], summary="One link with an identity provider"),
)
class SignOns(GateViewSet):
    """The account of an identity provider that opens a person's account, once that person has confirmed it."""

    model = SignOnLink
    lookup_value_regex = "[0-9]+"
    serializer_class = LinkOut
    select_related = ("person", "proposed_by", "ended_by")

    @extend_schema(
        tags=["accounts"],
        summary="Propose a link (not with a token)",
        request=LinkInput,
        responses={201: LinkOut},
        parameters=[IDEMPOTENCY],
    )
    def create(self, request, *args, **kwargs):
        person = person_named(self.actor, request)
        given = self.given(LinkInput, "access.propose_link", person)
        made = acts.propose_link(
            self.actor, person.pk, provider=given["provider"], subject=given["subject"], **self.key()
        )
        self.kwargs["pk"] = made.pk
        return self.answer(self.get_object(), status=201)

    @extend_schema(
        tags=["accounts"],
        summary="End a link of another person (not with a token)",
        request=ReasonInput,
        responses=LinkOut,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def end(self, request, pk=None):
        row = self.get_object()
        acts.end_link(self.actor, row.pk, **self.given(ReasonInput, "access.end_link", row), **self.key())
        return self.answer(self.get_object())


class FactorOut(serializers.ModelSerializer):
    person = serializers.CharField(source="person.username")

    class Meta:
        model = Factor
        fields = ["id", "person", "kind", "name", "created_at", "ended_at", "end_cause"]


@extend_schema_view(
    list=extend_schema(
        tags=["accounts"], summary="Second factors: one's own, all for who watches over accounts"
    ),
    retrieve=extend_schema(tags=["accounts"], summary="One second factor"),
)
class Factors(GateViewSet):
    """Authenticator apps and passkeys, without their secrets."""

    model = Factor
    lookup_value_regex = "[0-9]+"
    serializer_class = FactorOut
    select_related = ("person",)


def register(router) -> None:
    router.register("resets", Resets, basename="reset")
    router.register("sign-ons", SignOns, basename="sign-on")
    router.register("second-factors", Factors, basename="second-factor")
