"""How many cases a rate needs. Nothing is read of the portal's records and nothing is kept."""

from __future__ import annotations

from django.urls import path
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.analysis import samplesize
from apps.analysis.errors import InputError
from apps.core.errors import BadInput


class SampleSizeQuery(serializers.Serializer):
    expected = serializers.FloatField(help_text="The rate you expect, 0 to 1")
    half_width = serializers.FloatField(
        required=False, help_text="Wanted half width of the 95 % interval; else name `limit`"
    )
    limit = serializers.FloatField(required=False, help_text="The limit that is to be shown")
    direction = serializers.ChoiceField(choices=list(samplesize.DIRECTIONS), default="min")
    power = serializers.FloatField(default=samplesize.POWER, help_text="Chance to show the limit")
    groups = serializers.CharField(
        default="",
        allow_blank=True,
        max_length=5000,
        help_text="`female=0.4,male=0.6`: shares of the cases that count",
    )
    counted = serializers.FloatField(
        default=1.0, help_text="Share of all cases that count, such as the positives"
    )


class SampleSize(APIView):
    @extend_schema(
        tags=["plans"],
        summary="How many cases a rate needs: for an interval's half width, or to show a limit",
        parameters=[SampleSizeQuery],
        responses=OpenApiTypes.OBJECT,
    )
    def get(self, request):
        given = SampleSizeQuery(data=request.query_params)
        given.is_valid(raise_exception=True)
        asked = given.validated_data
        if ("half_width" in asked) == ("limit" in asked):
            raise BadInput(fields={"limit": ["Name either half_width or limit."]})
        try:
            if "half_width" in asked:
                need = samplesize.for_half_width(asked["expected"], asked["half_width"])
            else:
                need = samplesize.to_show(
                    asked["expected"], asked["limit"], asked["power"], direction=asked["direction"]
                )
            spread = samplesize.per_subgroup(need, samplesize.shares_of(asked["groups"]))
            drawn = samplesize.drawn(spread["total"], asked["counted"])
        except InputError as error:
            raise BadInput("No number was worked out.", fields={"expected": [str(error)]}) from error
        return Response({"schema": samplesize.SCHEMA, "need": need.as_dict(), **spread, "drawn": drawn})


urlpatterns = [path("sample-size", SampleSize.as_view(), name="sample_size")]
