"""Resets of accounts, links with identity providers, and the caller's second factors.

Adding a factor, ending one and confirming a link ask for the person at the browser, on their account page.
"""

from __future__ import annotations

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action

from apps.access import acts
from apps.accounts.factors import Factor, Reset, SignOnLink
from apps.api.base import IDEMPOTENCY, GateViewSet, ReasonInput
from apps.api.v1.account_requests import FIRST, LAST, AccountRequests, RequestOut, described, person_named


class ResetOut(RequestOut):
    class Meta:
        model = Reset
        fields = [*FIRST, "what", *LAST]


class ResetInput(serializers.Serializer):
    person = serializers.CharField(max_length=80, help_text="Username.")
    what = serializers.ChoiceField(choices=Reset.What.choices)
    reason = serializers.CharField(max_length=2000)


@described("reset", ResetInput, ResetOut)
class Resets(AccountRequests):
    """A lost password or second factor: asked for by an administrator, decided by a compliance officer."""

    model = Reset
    noun = "reset"
    decisions = {
        "approve": acts.approve_reset,
        "refuse": acts.refuse_reset,
        "withdraw": acts.withdraw_reset,
    }
    serializer_class = ResetOut

    def create(self, request, *args, **kwargs):
        person = person_named(self.actor, request)
        given = self.given(ResetInput, "access.request_reset", person)
        made = acts.request_reset(
            self.actor, person.pk, what=given["what"], reason=given["reason"], **self.key()
        )
        self.kwargs["pk"] = made.pk
        return self.answer(self.get_object(), status=201)


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
