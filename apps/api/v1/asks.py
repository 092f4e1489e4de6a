"""Asking somebody who may: what the page's “Ask A. Novak” does."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action

from apps.access import acts
from apps.access.ask_queues import told
from apps.access.models import Ask
from apps.accounts.models import User
from apps.api.base import IDEMPOTENCY, GateViewSet


class AskOut(serializers.ModelSerializer):
    what = serializers.SerializerMethodField(help_text="The act's label and the name of the record.")
    asker = serializers.CharField(source="asker.username")
    person = serializers.CharField(source="person.username")

    class Meta:
        model = Ask
        fields = ["id", "act", "what", "asker", "person", "state", "asked_at", "answered_at", "answer"]

    def get_what(self, row) -> str:
        return told(row)


class AskInput(serializers.Serializer):
    act = serializers.CharField(
        max_length=80, help_text="The act that was refused, as a refusal's page names it."
    )
    subject_id = serializers.IntegerField(min_value=1, help_text="Id of the record it would be done on.")
    person = serializers.CharField(max_length=80, help_text="Username of somebody who may do it.")


class AnswerInput(serializers.Serializer):
    done = serializers.BooleanField()
    answer = serializers.CharField(
        max_length=500, required=False, default="", allow_blank=True, help_text="Needed where it is declined."
    )


@extend_schema_view(
    list=extend_schema(tags=["people"], summary="What the caller asked of others, and others of the caller"),
    retrieve=extend_schema(tags=["people"], summary="One of them"),
)
class Asks(GateViewSet):
    """Requests from who met a refusal to who may do what was refused. They give no power to anybody."""

    model = Ask
    lookup_value_regex = "[0-9]+"
    serializer_class = AskOut
    select_related = ("asker", "person")

    @extend_schema(
        tags=["people"],
        summary="Ask somebody who may do what the caller may not",
        request=AskInput,
        responses={201: AskOut},
        parameters=[IDEMPOTENCY],
    )
    def create(self, request, *args, **kwargs):
        given = self.given(AskInput)
        person = User.objects.filter(username=given["person"]).values_list("pk", flat=True).first()
        made = acts.ask(self.actor, given["act"], given["subject_id"], person_id=person or 0, **self.key())
        self.kwargs["pk"] = made.pk
        return self.answer(self.get_object(), status=201)

    @extend_schema(
        tags=["people"],
        summary="Say that it is done, or decline it",
        request=AnswerInput,
        responses=AskOut,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"], url_path="answer")
    def respond(self, request, pk=None):
        row = self.get_object()
        given = self.given(AnswerInput, "access.answer_ask", row)
        acts.answer_ask(self.actor, row.pk, **given, **self.key())
        return self.answer(self.get_object())


def register(router) -> None:
    router.register("asks", Asks, basename="ask")
