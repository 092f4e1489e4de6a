"""How the portal itself stands."""

from __future__ import annotations

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.access import health
from apps.api.auth import actor_of


class PointOut(serializers.Serializer):
    key = serializers.CharField()
    title = serializers.CharField()
    state = serializers.CharField(help_text="well, watch or fault.")
    told = serializers.CharField()
    since = serializers.DateTimeField(allow_null=True, help_text="From when on, or when last.")


class Health(APIView):
    """For administrators and others who see the whole organisation."""

    @extend_schema(
        tags=["trail"],
        summary="How the portal stands: second factors, trail, clock, places outside, jobs",
        responses=PointOut(many=True),
    )
    def get(self, request):
        health.refuse_unless_told(actor_of(request))
        return Response(PointOut(health.points(), many=True).data)


urlpatterns = [path("health", Health.as_view(), name="health")]
