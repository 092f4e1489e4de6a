"""Several records signed in one ceremony."""

from __future__ import annotations

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView

from apps.access.ceremony import MOST, Listed
from apps.access.receipts import receipt_of
from apps.access.signing import DECISIONS, SignatureInput, as_printed
from apps.access.signing_together import sign_together
from apps.api.auth import actor_of
from apps.api.base import IDEMPOTENCY


class ListedInput(serializers.Serializer):
    act = serializers.CharField(max_length=80, help_text="The act that signs it, from its allowed_acts.")
    id = serializers.IntegerField(min_value=1, help_text="The record's key.")
    digest = serializers.RegexField(
        r"^sha256:[0-9a-f]{64}$",
        help_text="The digest it had when you opened it; another one stops everything.",
    )
    decision = serializers.ChoiceField(choices=list(DECISIONS), default="approved")
    reason = serializers.CharField(max_length=2000, required=False, default="", allow_blank=True)


class TogetherInput(serializers.Serializer):
    """The records, each as it was read, and the components once for all of them. A token cannot sign."""

    records = ListedInput(many=True, max_length=MOST, allow_empty=False)
    password = serializers.CharField(trim_whitespace=False, write_only=True)
    code = serializers.CharField(max_length=20, required=False, default="", allow_blank=True, write_only=True)


class SignedOut(serializers.Serializer):
    act = serializers.CharField(source="listed.act")
    record = serializers.CharField(source="record.ref")
    signature = serializers.SerializerMethodField(help_text="As it is printed; null where it was refused.")
    receipt = serializers.SerializerMethodField(
        help_text="What proves the signature with the portal off; null where it was refused, and until it is sealed."
    )
    refused = serializers.SerializerMethodField(
        help_text="The four parts of the refusal; null where it was signed."
    )

    def get_signature(self, outcome) -> dict | None:
        return (
            {"uuid": str(outcome.signature.uuid), **as_printed(outcome.signature)}
            if outcome.signature
            else None
        )

    def get_receipt(self, outcome) -> dict | None:
        return receipt_of(outcome.signature) if outcome.signature else None

    def get_refused(self, outcome) -> dict | None:
        return outcome.refused.parts() if outcome.refused else None


class SignTogether(APIView):
    """Up to twenty records of one meaning: each gets a signature and a receipt of its own."""

    @extend_schema(
        tags=["signatures"],
        summary="Sign several records in one ceremony (not with a token)",
        request=TogetherInput,
        responses={200: SignedOut(many=True)},
        parameters=[IDEMPOTENCY],
    )
    def post(self, request):
        read = TogetherInput(data=request.data)
        read.is_valid(raise_exception=True)
        given = read.validated_data
        listed = [
            Listed(one["act"], one["id"], one["digest"], one["decision"], one["reason"])
            for one in given["records"]
        ]
        done = sign_together(
            actor_of(request),
            listed,
            SignatureInput("", given["password"], code=given["code"]),
            idempotency_key=request.headers.get("Idempotency-Key", ""),
        )
        return Response(SignedOut(done, many=True).data)


urlpatterns = [path("sign-together", SignTogether.as_view(), name="sign_together")]
