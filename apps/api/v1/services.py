"""Service accounts and the identities of CI systems they trust. Secrets are made on the page, by the owner."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.response import Response

from apps.access import acts, reach
from apps.access import service_queries as queries
from apps.access.gate import ORGANISATION_SUBJECT
from apps.access.previewing import Preview
from apps.accounts.models import User
from apps.accounts.services import CiTrust, ServiceAccount
from apps.api.base import IDEMPOTENCY, ChangeFields, GateViewSet, ReasonInput, allowed_acts, change_of
from apps.api.lookup import one_of
from apps.api.v1.me import TokenOut
from apps.api.v1.people import place


def path_of(name: str) -> str:
    """`model lotx` as the API writes it: models/lotx."""
    kind, _, slug = name.partition(" ")
    return f"{kind}s/{slug}" if kind in ("model", "dataset") else "organisation"


class TrustOut(serializers.ModelSerializer):
    ref = serializers.CharField()
    service = serializers.CharField(source="service.name")
    claims = serializers.DictField(child=serializers.CharField())
    requester = serializers.CharField(source="requester.username")
    approver = serializers.CharField(source="approver.username", default=None, allow_null=True)
    ended_by = serializers.CharField(
        source="ended_by.username", default=None, allow_null=True, help_text="Who refused or ended it."
    )

    class Meta:
        model = CiTrust
        fields = [
            "id", "ref", "service", "issuer", "audience", "claims", "state", "reason", "requester", "requested_at",
            "approver", "decided_at", "ended_by", "ended_at", "end_reason",
        ]  # fmt: skip


class TrustDetail(TrustOut):
    allowed_acts = serializers.SerializerMethodField()

    class Meta(TrustOut.Meta):
        fields = [*TrustOut.Meta.fields, "allowed_acts"]

    def get_allowed_acts(self, row) -> list[dict]:
        return allowed_acts(self.context["view"].actor, row)


class ServiceOut(serializers.ModelSerializer):
    owner = serializers.CharField(source="owner.username", help_text="The person who answers for it.")
    standing = serializers.SerializerMethodField(help_text="What it is now: it follows its owner's duties.")
    why = serializers.SerializerMethodField(help_text="Why it cannot be used, empty while it can.")
    requester = serializers.CharField(source="requester.username")
    approver = serializers.CharField(source="approver.username", default=None, allow_null=True)
    ended_by = serializers.CharField(
        source="ended_by.username",
        default=None,
        allow_null=True,
        help_text="Who refused, suspended or ended it.",
    )
    last_used_at = serializers.DateTimeField(allow_null=True)
    last_address = serializers.CharField(allow_null=True)

    class Meta:
        model = ServiceAccount
        fields = [
            "name", "owner", "purpose", "state", "standing", "why", "starts_at", "ends_at", "requester",
            "requested_at", "approver", "decided_at", "ended_by", "ended_at", "end_reason", "last_used_at",
            "last_address",
        ]  # fmt: skip

    def _standing(self, row) -> reach.Standing:
        known = self.context.get("standings", {})
        return known[row.pk] if row.pk in known else reach.standing(row)

    def get_standing(self, row) -> str:
        return self._standing(row).word

    def get_why(self, row) -> str:
        return self._standing(row).why


class ServiceDetail(ServiceOut):
    acts = serializers.ListField(child=serializers.CharField())
    objects = serializers.SerializerMethodField(help_text="models/lotx, datasets/trial, or organisation.")
    tokens = serializers.SerializerMethodField()
    trusts = serializers.SerializerMethodField()
    allowed_acts = serializers.SerializerMethodField()

    class Meta(ServiceOut.Meta):
        fields = [*ServiceOut.Meta.fields, "acts", "objects", "tokens", "trusts", "allowed_acts"]

    def get_objects(self, row) -> list[str]:
        return sorted(path_of(name) for name in reach.names_of(row.reaches()).values())

    def get_tokens(self, row) -> list[dict]:
        found = list(queries.tokens_of(self.context["view"].actor, row)[:50])
        return TokenOut(found, many=True, context={"told": queries.tokens_told(found)}).data

    def get_trusts(self, row) -> list[dict]:
        return TrustOut(queries.trusts_of(self.context["view"].actor, row)[:50], many=True).data

    def get_allowed_acts(self, row) -> list[dict]:
        return allowed_acts(self.context["view"].actor, row)


class ServiceInput(serializers.Serializer):
    name = serializers.CharField(max_length=40)
    owner = serializers.CharField(max_length=80, help_text="Username of the person who answers for it.")
    purpose = serializers.CharField(max_length=4000)
    acts = serializers.ListField(
        child=serializers.ChoiceField(choices=sorted(reach.PROPOSALS)), max_length=40
    )
    objects = serializers.ListField(
        child=serializers.CharField(max_length=80),
        max_length=50,
        help_text="models/lotx, datasets/trial, or organisation alone.",
    )
    starts_at = serializers.DateTimeField(required=False, default=None, allow_null=True)
    ends_at = serializers.DateTimeField()


class TrustInput(serializers.Serializer):
    issuer = serializers.CharField(max_length=200, help_text="https://token.actions.githubusercontent.com")
    audience = serializers.CharField(max_length=200)
    claims = serializers.DictField(
        child=serializers.CharField(max_length=300), help_text="Claims and the exact values they must have."
    )
    reason = serializers.CharField(max_length=2000)


def _decision(summary: str, responses, body=ReasonInput):
    return extend_schema(
        tags=["services"], summary=summary, request=body, responses=responses, parameters=[IDEMPOTENCY]
    )


@extend_schema_view(
    list=extend_schema(
        tags=["services"],
        summary="Service accounts the caller may see",
        parameters=[OpenApiParameter("state", str, enum=ServiceAccount.State.values)],
    ),
    retrieve=extend_schema(tags=["services"], summary="One service account", responses=ServiceDetail),
)
class Services(GateViewSet):
    """Services that act for a person within a scope: they propose, and never sign or approve."""

    model = ServiceAccount
    lookup_field = "name"
    lookup_value_regex = "[a-z0-9-]+"

    def get_serializer_class(self):
        return ServiceOut if self.action == "list" else ServiceDetail

    def get_queryset(self):
        if getattr(self, "swagger_fake_view", False):
            return ServiceAccount.objects.none()
        rows = queries.services(self.actor)
        if self.action != "list":
            return rows.exclude(state=ServiceAccount.State.REFUSED)  # a refused name may be asked for anew
        if state := one_of(self.request, "state", ServiceAccount.State.values):
            rows = rows.filter(state=state)
        return rows.order_by("name", "pk")

    def paginate_queryset(self, queryset):
        self._page = super().paginate_queryset(queryset)
        return self._page

    def get_serializer_context(self):
        found = super().get_serializer_context()
        page = getattr(self, "_page", None)
        return found | ({"standings": reach.standings(page)} if page else {})

    @_decision("Ask for a service account (not with a token)", {201: ServiceDetail}, ServiceInput)
    def create(self, request, *args, **kwargs):
        given = self.given(ServiceInput, "access.request_service", ORGANISATION_SUBJECT)
        with self.asking("access.request_service", ORGANISATION_SUBJECT):
            owner = User.objects.filter(username__iexact=given.pop("owner"), is_service=False).first()
            places = [place(self.actor, on) for on in given.pop("objects")]
        made = acts.request_service(
            self.actor,
            owner_id=owner.pk if owner else 0,
            only_acts=given.pop("acts"),
            objects=[(parent.subject_kind, parent.pk) for parent in places],
            **given,
            **self.key(),
        )
        self.kwargs["name"] = made.name
        return self.answer(self.get_object(), status=201)

    def _act(self, name: str, body=ReasonInput):
        row = self.get_object()
        given = self.given(body, f"access.{name}", row) if body else {}
        if body is ChangeFields:
            given = change_of(given)
        made = getattr(acts, name)(self.actor, row.pk, **given, **self.key())
        if isinstance(made, Preview):
            return self.answer(made)
        return self.answer(queries.services(self.actor).get(pk=row.pk))

    @_decision("Approve a service account (not with a token)", ServiceDetail, None)
    @action(detail=True, methods=["post"])
    def approve(self, request, name=None):
        return self._act("approve_service", None)

    @_decision("Refuse a service account (not with a token)", ServiceDetail)
    @action(detail=True, methods=["post"])
    def refuse(self, request, name=None):
        return self._act("refuse_service")

    @_decision("Suspend a service account: its owner or an officer (not with a token)", ServiceDetail)
    @action(detail=True, methods=["post"])
    def suspend(self, request, name=None):
        return self._act("suspend_service")

    @_decision("Resume a suspended service account (not with a token)", ServiceDetail, ChangeFields)
    @action(detail=True, methods=["post"])
    def resume(self, request, name=None):
        return self._act("resume_service", ChangeFields)

    @_decision("End a service account with its tokens and trusts (not with a token)", ServiceDetail)
    @action(detail=True, methods=["post"])
    def end(self, request, name=None):
        return self._act("end_service")

    @_decision(
        "Ask that an identity of a CI system be trusted (not with a token)", {201: TrustDetail}, TrustInput
    )
    @action(detail=True, methods=["post"])
    def trusts(self, request, name=None):
        row = self.get_object()
        given = self.given(TrustInput, "access.request_trust", row)
        made = acts.request_trust(self.actor, row.pk, **given, **self.key())
        return Response(TrustDetail(made, context=self.get_serializer_context()).data, status=201)


@extend_schema_view(
    list=extend_schema(tags=["services"], summary="Trusted identities of CI systems the caller may see"),
    retrieve=extend_schema(tags=["services"], summary="One trusted identity", responses=TrustDetail),
)
class Trusts(GateViewSet):
    """Which jobs of a CI system are which service account: issuer, audience, and claims compared exactly."""

    model = CiTrust
    select_related = ("service__owner", "requester", "approver", "ended_by")
    lookup_value_regex = "[0-9]+"

    def get_serializer_class(self):
        return TrustOut if self.action == "list" else TrustDetail

    def _act(self, name: str, body=ReasonInput):
        row = self.get_object()
        given = self.given(body, f"access.{name}", row) if body else {}
        getattr(acts, name)(self.actor, row.pk, **given, **self.key())
        return self.answer(self.get_object())

    @_decision("Approve a trust (not with a token)", TrustDetail, None)
    @action(detail=True, methods=["post"])
    def approve(self, request, pk=None):
        return self._act("approve_trust", None)

    @_decision("Refuse a trust (not with a token)", TrustDetail)
    @action(detail=True, methods=["post"])
    def refuse(self, request, pk=None):
        return self._act("refuse_trust")

    @_decision("End a trust now: the service's owner or an officer (not with a token)", TrustDetail)
    @action(detail=True, methods=["post"])
    def end(self, request, pk=None):
        return self._act("end_trust")


def register(router) -> None:
    router.register("services", Services, basename="service")
    router.register("trusts", Trusts, basename="trust")
