"""Erasures of words from the trail, and legal holds."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action

from apps.access import acts
from apps.access.acts.erasures import LONGEST, MOST
from apps.access.erasure_models import Erasure, Hold
from apps.access.gate import ORGANISATION_SUBJECT, visible
from apps.accounts.models import User
from apps.api.base import IDEMPOTENCY, GateViewSet, ReasonInput, allowed_acts
from apps.api.lookup import one_of
from apps.api.v1.account_requests import FIRST, LAST, AccountRequests, RequestOut, described, person_named
from apps.core.errors import BadInput


class ErasureOut(RequestOut):
    person = serializers.CharField(source="person.username", allow_null=True, default=None)

    class Meta:
        model = Erasure
        fields = [*FIRST, "entry", "places", "basis", *LAST]


class ErasureInput(serializers.Serializer):
    entry = serializers.IntegerField(min_value=1, help_text="Number of the entry.")
    passages = serializers.ListField(
        child=serializers.CharField(max_length=LONGEST),
        min_length=1,
        max_length=MOST,
        help_text="The words as they stand in the entry; every occurrence of them in it is erased.",
    )
    basis = serializers.ChoiceField(Erasure.Basis.choices)
    person = serializers.CharField(
        max_length=80,
        required=False,
        default="",
        allow_blank=True,
        help_text="Username of whose data they are.",
    )
    reason = serializers.CharField(max_length=2000, help_text="It stays: do not repeat the words.")


@described("erasure", ErasureInput, ErasureOut)
class Erasures(AccountRequests):
    """Words of an entry erased: asked for by one person, done by a compliance officer with no part in it."""

    model = Erasure
    noun = "erasure"
    decisions = {
        "approve": acts.approve_erasure,
        "refuse": acts.refuse_erasure,
        "withdraw": acts.withdraw_erasure,
    }
    serializer_class = ErasureOut

    def create(self, request, *args, **kwargs):
        given = self.given(ErasureInput, "access.request_erasure", ORGANISATION_SUBJECT)
        name = given["person"]
        person = visible(self.actor, User).filter(username=name).first() if name else None
        if name and person is None:
            raise BadInput(fields={"person": ["Nobody you may see has this username."]})
        made = acts.request_erasure(
            self.actor,
            given["entry"],
            passages=given["passages"],
            basis=given["basis"],
            person_id=person.pk if person else None,
            reason=given["reason"],
            **self.key(),
        )
        self.kwargs["pk"] = made.pk
        return self.answer(self.get_object(), status=201)


class HoldOut(serializers.ModelSerializer):
    ref = serializers.CharField()
    person = serializers.CharField(source="person.username")
    placed_by = serializers.CharField(source="placed_by.username")
    lifted_by = serializers.CharField(source="lifted_by.username", allow_null=True, default=None)
    allowed_acts = serializers.SerializerMethodField()

    class Meta:
        model = Hold
        fields = [
            *("id", "ref", "person", "reason", "state", "placed_by", "placed_at"),
            *("lifted_by", "lifted_at", "lift_reason", "allowed_acts"),
        ]

    def get_allowed_acts(self, row) -> list[dict]:
        view = self.context["view"]
        return [] if view.action == "list" else allowed_acts(view.actor, row)


class HoldInput(serializers.Serializer):
    person = serializers.CharField(max_length=80, help_text="Username.")
    reason = serializers.CharField(max_length=2000)


@extend_schema_view(
    list=extend_schema(
        tags=["trail"],
        summary="Legal holds the caller may see",
        parameters=[OpenApiParameter("state", str, enum=Hold.State.values)],
    ),
    retrieve=extend_schema(tags=["trail"], summary="One legal hold"),
    create=extend_schema(
        tags=["trail"],
        summary="Place a legal hold on a person's data (not with a token)",
        request=HoldInput,
        responses={201: HoldOut},
        parameters=[IDEMPOTENCY],
    ),
    lift=extend_schema(
        tags=["trail"],
        summary="Lift a legal hold (not with a token)",
        request=ReasonInput,
        responses=HoldOut,
        parameters=[IDEMPOTENCY],
    ),
)
class Holds(GateViewSet):
    """While a hold stands, no word of the trail is erased that concerns the person."""

    model = Hold
    serializer_class = HoldOut
    lookup_value_regex = "[0-9]+"
    select_related = ("person", "placed_by", "lifted_by")

    def get_queryset(self):
        rows = super().get_queryset()
        if getattr(self, "swagger_fake_view", False) or self.action != "list":
            return rows
        state = one_of(self.request, "state", Hold.State.values)
        return rows.filter(state=state) if state else rows

    def create(self, request, *args, **kwargs):
        person = person_named(self.actor, request)
        given = self.given(HoldInput, "access.place_hold", person)
        made = acts.place_hold(self.actor, person.pk, reason=given["reason"], **self.key())
        self.kwargs["pk"] = made.pk
        return self.answer(self.get_object(), status=201)

    @action(detail=True, methods=["post"])
    def lift(self, request, pk=None):
        row = self.get_object()
        given = self.given(ReasonInput, "access.lift_hold", row)
        acts.lift_hold(self.actor, row.pk, **given, **self.key())
        return self.answer(self.get_object())


def register(router) -> None:
    router.register("erasures", Erasures, basename="erasure")
    router.register("holds", Holds, basename="hold")
