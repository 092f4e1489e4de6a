"""The caller: who they are, which duties they hold, their access tokens."""

from __future__ import annotations

from django.urls import path
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.access import acts, queries, reach, service_queries
from apps.access.gate import visible
from apps.access.models import Assignment
from apps.accounts.models import ApiToken, User
from apps.api.auth import actor_of
from apps.api.base import IDEMPOTENCY, GateViewSet


class DutyOut(serializers.Serializer):
    assignment = serializers.CharField(source="a.ref", help_text="Reference, A-12.")
    duty = serializers.CharField(source="a.duty")
    on = serializers.CharField(source="place", help_text="Short name of the model or dataset.")
    scope = serializers.CharField(source="a.scope", help_text="registry.model:3")
    ends_at = serializers.DateTimeField(source="a.ends_at", allow_null=True)


class MeOut(serializers.ModelSerializer):
    duties = serializers.SerializerMethodField()
    token = serializers.SerializerMethodField(help_text="Beginning of the token used, null in a session.")
    service = serializers.SerializerMethodField(
        help_text="The service account that acts for this person, or null."
    )

    class Meta:
        model = User
        fields = [
            "username",
            "uuid",
            "printed_name",
            "title",
            "email",
            "time_zone",
            "duties",
            "token",
            "service",
        ]

    def get_duties(self, user) -> list[dict]:
        actor = self.context["actor"]
        held = list(
            visible(actor, Assignment).active().filter(person=user).order_by("scope_kind", "scope_id", "duty")
        )
        names = queries.place_names(actor, held)
        return DutyOut([{"a": a, "place": names[a.scope]} for a in held], many=True).data

    def get_token(self, _user) -> str | None:
        token = self.context["actor"].token
        return token.prefix if token else None

    def get_service(self, _user) -> str | None:
        through = self.context["actor"].through
        return through.name if through else None


class Me(APIView):
    """Who is asking."""

    @extend_schema(tags=["me"], summary="The caller and their duties in force", responses=MeOut)
    def get(self, request):
        actor = actor_of(request)
        return Response(MeOut(actor.user, context={"actor": actor}).data)


class TokenOut(serializers.ModelSerializer):
    last_used_at = serializers.SerializerMethodField()
    last_address = serializers.SerializerMethodField(help_text="Network address of the last use.")
    service = serializers.SerializerMethodField(
        help_text="The service account it belongs to, empty for one's own."
    )
    acts = serializers.SerializerMethodField(
        help_text="Acts it is for; empty: all that its owner may do by token."
    )
    objects = serializers.SerializerMethodField(
        help_text="Models and datasets it is for; empty: not narrowed."
    )

    class Meta:
        model = ApiToken
        fields = [
            "id", "name", "prefix", "created_at", "expires_at", "ended_at", "last_used_at", "last_address", "service",
            "acts", "objects",
        ]  # fmt: skip

    def _told(self, token):
        known = self.context.get("told", {})
        return known[token.pk] if token.pk in known else service_queries.tokens_told([token])[token.pk]

    def get_service(self, token) -> str:
        narrowed = reach.narrowed_by(token)
        return narrowed.service.name if narrowed and narrowed.service else ""

    def get_acts(self, token) -> list[str]:
        return sorted(reach.reach_of(token).acts or ())

    def get_objects(self, token) -> list[str]:
        return list(self._told(token).objects)

    def get_last_address(self, token) -> str | None:
        use = getattr(token, "use", None)
        return use.last_address if use else None

    def get_last_used_at(self, token) -> str | None:
        use = getattr(token, "use", None)
        return serializers.DateTimeField().to_representation(use.last_used_at) if use else None


@extend_schema_view(
    list=extend_schema(tags=["me"], summary="The caller's access tokens"),
    retrieve=extend_schema(tags=["me"], summary="One access token"),
)
class Tokens(GateViewSet):
    """The caller's own access tokens. They are created on the account page: a token cannot make a token."""

    model = ApiToken
    serializer_class = TokenOut
    select_related = ("use", "narrowed__service")

    def paginate_queryset(self, queryset):
        self._page = super().paginate_queryset(queryset)
        return self._page

    def get_serializer_context(self):
        page = getattr(self, "_page", None)
        told = {"told": service_queries.tokens_told(page)} if page else {}
        return super().get_serializer_context() | told

    def get_queryset(self):
        if getattr(self, "swagger_fake_view", False):
            return ApiToken.objects.none()
        return super().get_queryset().filter(owner=self.request.user.pk)

    @extend_schema(
        tags=["me"], summary="End a token at once", request=None, responses=TokenOut, parameters=[IDEMPOTENCY]
    )
    @action(detail=True, methods=["post"])
    def end(self, request, pk=None):
        token = self.get_object()
        return self.answer(acts.end_token(self.actor, token.pk, **self.key()))


def register(router) -> None:
    router.register("me/tokens", Tokens, basename="token")


urlpatterns = [path("me", Me.as_view(), name="me")]
