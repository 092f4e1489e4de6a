"""What is asked for on a person's account and decided by another: what resets and corrections have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action

from apps.access.gate import visible
from apps.accounts.models import User
from apps.api.base import IDEMPOTENCY, GateViewSet, ReasonInput, allowed_acts
from apps.api.lookup import one_of
from apps.core.errors import NotVisible

FIRST = ("id", "ref", "person")
LAST = (
    "reason",
    "state",
    "requested_by",
    "requested_at",
    "decided_by",
    "decided_at",
    "decision_reason",
    "allowed_acts",
)


# `Meta.fields` of a kind: FIRST, what is asked for, LAST. A docstring would stand in the description of the API.
class RequestOut(serializers.ModelSerializer):
    ref = serializers.CharField()
    person = serializers.CharField(source="person.username")
    requested_by = serializers.CharField(source="requested_by.username")
    decided_by = serializers.CharField(source="decided_by.username", allow_null=True, default=None)
    allowed_acts = serializers.SerializerMethodField()

    def get_allowed_acts(self, row) -> list[dict]:
        view = self.context["view"]
        return [] if view.action == "list" else allowed_acts(view.actor, row)


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


def described(noun: str, asked: type, out: type) -> Callable[[type], type]:
    """What the description of the interface says of the requests called `noun`; `asked`: the body of a new one."""

    def decided(summary: str, body: type) -> Any:
        return extend_schema(
            tags=["accounts"],
            summary=f"{summary} (not with a token)",
            request=body,
            responses=out,
            parameters=[IDEMPOTENCY],
        )

    return extend_schema_view(
        list=extend_schema(
            tags=["accounts"],
            summary=f"{noun.capitalize()}s the caller may see",
            parameters=[OpenApiParameter("state", str, enum=out.Meta.model.State.values)],
        ),
        retrieve=extend_schema(tags=["accounts"], summary=f"One {noun}"),
        create=extend_schema(
            tags=["accounts"],
            summary=f"Ask for a {noun} (not with a token)",
            request=asked,
            responses={201: out},
            parameters=[IDEMPOTENCY],
        ),
        approve=decided(f"Approve a {noun}: it is done at once", CommentInput),
        refuse=decided(f"Refuse a {noun}", ReasonInput),
        withdraw=decided(f"Withdraw a {noun}", ReasonInput),
    )


class AccountRequests(GateViewSet):
    """Asked for by an administrator, decided by a compliance officer, by the acts `access.<verb>_<noun>`."""

    noun: ClassVar[str]
    decisions: ClassVar[Mapping[str, Callable[..., Any]]]  # verb -> act
    lookup_value_regex = "[0-9]+"
    select_related = ("person", "requested_by", "decided_by")

    def get_queryset(self):
        rows = super().get_queryset()
        if getattr(self, "swagger_fake_view", False) or self.action != "list":
            return rows
        state = one_of(self.request, "state", self.model.State.values)
        return rows.filter(state=state) if state else rows

    def _decide(self, verb: str, body: type):
        row = self.get_object()
        given = self.given(body, f"access.{verb}_{self.noun}", row)
        self.decisions[verb](self.actor, row.pk, **given, **self.key())
        return self.answer(self.get_object())

    @action(detail=True, methods=["post"])
    def approve(self, request, pk=None):
        return self._decide("approve", CommentInput)

    @action(detail=True, methods=["post"])
    def refuse(self, request, pk=None):
        return self._decide("refuse", ReasonInput)

    @action(detail=True, methods=["post"])
    def withdraw(self, request, pk=None):
        return self._decide("withdraw", ReasonInput)
