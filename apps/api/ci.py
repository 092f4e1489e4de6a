"""The exchange: a CI job shows its identity (OpenID Connect) and gets a token of a few minutes.

The one address of the API that asks for neither token nor session: the identity in the body is the credential.
"""

from __future__ import annotations

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.access.acts.ci import exchange
from apps.access.ci_identity import MOST
from apps.api.throttles import refuse_from_address
from apps.core.errors import BadInput


class CiIdentityInput(serializers.Serializer):
    service = serializers.CharField(max_length=40, help_text="Name of the service account.")
    token = serializers.CharField(
        max_length=MOST, write_only=True, help_text="The job's JSON Web Token, as its CI system gave it."
    )


class CiTokenOut(serializers.Serializer):
    token = serializers.CharField(help_text="For `Authorization: Bearer …`. It is shown this once.")
    expires_at = serializers.DateTimeField()
    service = serializers.CharField()


class CiToken(APIView):
    """Exchange the identity of a CI job for a short-lived token."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()

    @extend_schema(
        tags=["services"],
        summary="Exchange the identity of a CI job for a token of at most 15 minutes",
        request=CiIdentityInput,
        responses={201: CiTokenOut},
        auth=[],
    )
    def post(self, request):
        address = request.META.get("REMOTE_ADDR", "")
        refuse_from_address(address)
        unknown = set(request.data) - {"service", "token"} if hasattr(request.data, "keys") else set()
        if unknown:
            raise BadInput(fields={name: ["This field is not known here."] for name in sorted(unknown)})
        given = CiIdentityInput(data=request.data)
        given.is_valid(raise_exception=True)
        asked = given.validated_data
        token = exchange(asked["service"], asked["token"], address=address)
        body = {"token": token.secret, "expires_at": token.expires_at, "service": asked["service"]}
        return Response(CiTokenOut(body).data, status=201, headers={"Cache-Control": "no-store"})


urlpatterns = [path("ci/token", CiToken.as_view(), name="ci_token")]
