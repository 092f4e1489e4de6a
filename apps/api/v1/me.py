"""The caller: who they are, which duties they hold, their access tokens."""

from __future__ import annotations

from django.urls import path
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.access import acts, queries
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

    class Meta:
        model = User
        fields = ["username", "uuid", "printed_name", "title", "email", "time_zone", "duties", "token"]

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


class Me(APIView):
    """Who is asking."""

    @extend_schema(tags=["me"], summary="The caller and their duties in force", responses=MeOut)
    def get(self, request):
        actor = actor_of(request)
        return Response(MeOut(actor.user, context={"actor": actor}).data)


class TokenOut(serializers.ModelSerializer):
    last_used_at = serializers.SerializerMethodField()

    class Meta:
        model = ApiToken
        fields = ["id", "name", "prefix", "created_at", "expires_at", "ended_at", "last_used_at"]

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
    select_related = ("use",)

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
