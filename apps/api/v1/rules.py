"""The separation rules and their changes."""

from __future__ import annotations

from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_view
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.response import Response

from apps.access import acts, rule_queries
from apps.access.gate import ORGANISATION_SUBJECT
from apps.access.models import Proposal, RulesChange, SeparationRules
from apps.access.rulesfile import MAX_BYTES
from apps.access.signing import as_printed, content_digest
from apps.api.base import (
    IDEMPOTENCY,
    GateViewSet,
    ReasonInput,
    SignatureFields,
    allowed_acts,
    entered,
    signing,
)
from apps.api.lookup import one_of
from apps.core.blobs import BlobDamaged, damaged

SIGN = {"approver": acts.sign_rules_approver, "compliance": acts.sign_rules_compliance}


class RulesOut(serializers.ModelSerializer):
    class Meta:
        model = SeparationRules
        fields = ["version", "digest", "effective_from"]


class RulesDetail(RulesOut):
    rules = serializers.JSONField(help_text="The rules as data: the file from which a change begins.")

    class Meta(RulesOut.Meta):
        fields = [*RulesOut.Meta.fields, "rules"]


@extend_schema_view(
    list=extend_schema(tags=["separation"], summary="Versions of the separation rules, newest first"),
    retrieve=extend_schema(
        tags=["separation"], summary="One version of the separation rules", responses=RulesDetail
    ),
)
class Rules(GateViewSet):
    """The separation rules: which duties and which acts one person may not have together."""

    model = SeparationRules
    lookup_field = "version"
    lookup_value_regex = "[0-9]+"

    def get_serializer_class(self):
        return RulesOut if self.action == "list" else RulesDetail

    def get_queryset(self):
        return super().get_queryset().order_by("-version")


class DifferenceOut(serializers.Serializer):
    rule = serializers.CharField(source="id")
    change = serializers.ChoiceField(source="kind", choices=["added", "removed", "changed", "same"])
    before = serializers.ListField(child=serializers.CharField())
    after = serializers.ListField(child=serializers.CharField())


class ChangeOut(serializers.ModelSerializer):
    ref = serializers.CharField()
    standing = serializers.CharField(source="word")
    proposed_by = serializers.CharField(source="proposed_by.username")

    class Meta:
        model = RulesChange
        fields = [
            "id",
            "ref",
            "version",
            "base_version",
            "state",
            "standing",
            "reason",
            "effective_from",
            "replayed",
            "replay_failure",
            "newly_refused",
            "newly_allowed",
            "proposed_by",
            "proposed_at",
            "decided_at",
            "ended_at",
            "end_reason",
        ]


class ChangeDetail(ChangeOut):
    rules_digest = serializers.CharField(source="digest", help_text="Of the proposed rules.")
    digest = serializers.SerializerMethodField(help_text="Of the content that is signed.")
    replay_digest = serializers.CharField(help_text="Of the stored result of the replay; empty: not yet.")
    differences = serializers.SerializerMethodField()
    signatures = serializers.SerializerMethodField()
    allowed_acts = serializers.SerializerMethodField()

    class Meta(ChangeOut.Meta):
        fields = [
            *ChangeOut.Meta.fields,
            "rules_digest",
            "digest",
            "replay_digest",
            "differences",
            "signatures",
            "allowed_acts",
        ]

    def get_digest(self, row) -> str:
        return content_digest(row)

    def get_differences(self, row) -> list[dict]:
        return DifferenceOut(rule_queries.difference_to_base(row), many=True).data

    def get_signatures(self, row) -> list[dict]:
        return [as_printed(each) for each in row.signatures]

    def get_allowed_acts(self, row) -> list[dict]:
        return allowed_acts(self.context["view"].actor, row)


class CaseOut(serializers.Serializer):
    result = serializers.ChoiceField(choices=["refused", "allowed"], help_text="By the new rules.")
    sort = serializers.ChoiceField(choices=list(rule_queries.SORTS))
    person = serializers.CharField(help_text="Username; empty where you may not see the record.")
    name = serializers.CharField()
    at = serializers.CharField(help_text="RFC 3339; empty for what the duties held allow.")
    act = serializers.CharField()
    record = serializers.CharField()
    scope = serializers.CharField()
    before = serializers.CharField(help_text="The rule that refuses it until now; empty: allowed.")
    after = serializers.CharField(help_text="The rule that would refuse it; empty: allowed.")


class ProposalInput(serializers.Serializer):
    file = serializers.FileField(
        required=False, help_text="A rules file. Without one: the newest rules that came with the portal."
    )
    effective_from = serializers.DateTimeField(required=False, default=None, allow_null=True)
    reason = serializers.CharField(max_length=2000)


class ChangeSignature(SignatureFields):
    half = serializers.ChoiceField(choices=list(SIGN), help_text="Which of the two signatures.")


@extend_schema_view(
    list=extend_schema(
        tags=["separation"],
        summary="Changes of the separation rules that the caller may see",
        parameters=[OpenApiParameter("state", str, enum=Proposal.State.values)],
    ),
    retrieve=extend_schema(tags=["separation"], summary="One change of the rules", responses=ChangeDetail),
)
class RuleChanges(GateViewSet):
    """A new version of the rules, replayed over the last year and signed by two."""

    model = RulesChange
    lookup_value_regex = "[0-9]+"

    def get_serializer_class(self):
        return ChangeOut if self.action == "list" else ChangeDetail

    def get_queryset(self):
        if getattr(self, "swagger_fake_view", False):
            return RulesChange.objects.none()
        rows = rule_queries.changes(self.actor).order_by("-pk")
        if self.action == "list" and (state := one_of(self.request, "state", Proposal.State.values)):
            rows = rows.filter(state=state)
        return rows

    @extend_schema(
        tags=["separation"],
        summary="Propose new separation rules (not with a token)",
        request={"multipart/form-data": ProposalInput},
        responses={201: ChangeDetail},
        parameters=[IDEMPOTENCY],
    )
    def create(self, request, *args, **kwargs):
        given = self.given(ProposalInput, "access.propose_rules", ORGANISATION_SUBJECT)
        file = given.pop("file", None)
        content = file.read(MAX_BYTES + 1) if file else None
        made = acts.propose_rules(self.actor, content=content, **given, **self.key())
        self.kwargs["pk"] = made.pk
        return self.answer(self.get_object(), status=201)

    @extend_schema(
        tags=["separation"],
        summary="What the change would have refused and allowed in the last year",
        responses=CaseOut(many=True),
        parameters=[OpenApiParameter("result", str, enum=["refused", "allowed"])],
        filters=False,
    )
    @action(detail=True, methods=["get"], pagination_class=None)
    def cases(self, request, pk=None):
        wanted = one_of(request, "result", ["refused", "allowed"])
        try:
            found = rule_queries.replay_of(self.actor, self.get_object()).get("cases", [])
        except BlobDamaged as error:
            raise damaged(error) from None
        rows = [case for case in found if not wanted or case["result"] == wanted]
        return Response(CaseOut(rows, many=True).data)

    def _done(self, name: str, body=None):
        row = self.get_object()
        given = self.given(body, f"access.{name}", row) if body else {}
        getattr(acts, name)(self.actor, row.pk, **given, **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=["separation"],
        summary="Sign one half, or reject it (not with a token)",
        request=ChangeSignature,
        responses=ChangeDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def sign(self, request, pk=None):
        row = self.get_object()
        act, *others = signing(SIGN, request.data, "access.sign_rules_")
        given = self.given(ChangeSignature, act, row, *others)
        signature = entered(given)
        SIGN[given["half"]](self.actor, row.pk, reason=given["reason"], signature=signature, **self.key())
        return self.answer(self.get_object())

    @extend_schema(
        tags=["separation"],
        summary="Withdraw a change: whoever proposed it (not with a token)",
        request=ReasonInput,
        responses=ChangeDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def withdraw(self, request, pk=None):
        return self._done("withdraw_rules", ReasonInput)

    @extend_schema(
        tags=["separation"],
        summary="Replay the last year again, after a replay that failed (not with a token)",
        request=None,
        responses=ChangeDetail,
        parameters=[IDEMPOTENCY],
    )
    @action(detail=True, methods=["post"])
    def replay(self, request, pk=None):
        return self._done("replay_rules_again")


def register(router) -> None:
    router.register("separation-rules", Rules, basename="rules")
    router.register("rule-changes", RuleChanges, basename="rule-change")
