"""What the API says and takes about requirements, evidence, links and claims."""

from __future__ import annotations

from rest_framework import serializers

from apps.access.signing import content_digest, content_of
from apps.api.base import ChangeFields, allowed_acts
from apps.api.v1.evidence_shapes import Strict, signatures_of
from apps.verification.models import Claim, Evidence, Requirement, Risk
from apps.verification.states import Kind, Source, Target

LEVELS = ["low", "medium", "high"]


class RiskOut(serializers.ModelSerializer):
    ref = serializers.CharField()
    model = serializers.CharField(source="model.slug")
    intended_use = serializers.CharField(source="intended_use.ref")
    written_by = serializers.CharField(source="written_by.username")

    class Meta:
        model = Risk
        fields = [
            "id", "ref", "number", "revision", "model", "intended_use", "hazard", "harm", "severity", "likelihood",
            "control", "written_by", "written_at",
        ]  # fmt: skip


class RiskDetail(RiskOut):
    digest = serializers.SerializerMethodField()
    content = serializers.SerializerMethodField(help_text="The canonical content: its digest is `digest`.")
    allowed_acts = serializers.SerializerMethodField()

    class Meta(RiskOut.Meta):
        fields = [*RiskOut.Meta.fields, "digest", "content", "allowed_acts"]

    def get_digest(self, row) -> str:
        return content_digest(row)

    def get_content(self, row) -> dict:
        return content_of(row)

    def get_allowed_acts(self, row) -> list[dict]:
        return allowed_acts(self.context["view"].actor, row)


class RequirementOut(serializers.ModelSerializer):
    ref = serializers.CharField()
    model = serializers.CharField(source="model.slug")
    intended_use = serializers.CharField(source="intended_use.ref")
    written_by = serializers.CharField(source="written_by.username")

    class Meta:
        model = Requirement
        fields = [
            "id", "ref", "number", "revision", "model", "intended_use", "text", "source", "risks", "clauses", "state",
            "written_by", "written_at", "decided_at", "withdrawn_at",
        ]  # fmt: skip


class RequirementDetail(RequirementOut):
    digest = serializers.SerializerMethodField()
    content = serializers.SerializerMethodField(help_text="What is signed: its digest is `digest`.")
    signatures = serializers.SerializerMethodField()
    allowed_acts = serializers.SerializerMethodField()

    class Meta(RequirementOut.Meta):
        fields = [*RequirementOut.Meta.fields, "digest", "content", "signatures", "allowed_acts"]

    def get_digest(self, row) -> str:
        return content_digest(row)

    def get_content(self, row) -> dict:
        return content_of(row)

    def get_signatures(self, row) -> list[dict]:
        return signatures_of(row)

    def get_allowed_acts(self, row) -> list[dict]:
        return allowed_acts(self.context["view"].actor, row)


class EvidenceOut(serializers.ModelSerializer):
    ref = serializers.CharField()
    version = serializers.CharField(source="version.ref")
    uploaded_by = serializers.CharField(source="uploaded_by.username")
    digest = serializers.SerializerMethodField()

    class Meta:
        model = Evidence
        fields = [
            "number", "ref", "version", "kind", "title", "format", "file_name", "file_digest", "file_size",
            "results_digest", "tool", "tool_version", "commit", "produced_at", "zone_stated", "summary", "notes",
            "uploaded_by", "uploaded_at", "digest",
        ]  # fmt: skip

    def get_digest(self, row) -> str:
        return content_digest(row)


class ClaimOut(serializers.ModelSerializer):
    ref = serializers.CharField()
    version = serializers.CharField(source="version.ref")
    standing = serializers.SerializerMethodField(help_text="Always: submitted, not computed here.")
    submitted_by = serializers.CharField(source="submitted_by.username")

    class Meta:
        model = Claim
        fields = [
            "number", "ref", "version", "standing", "origin", "figures", "script_digest", "script_name", "data_digest",
            "tool", "tool_version", "computed_at", "note", "submitted_by", "submitted_at",
        ]  # fmt: skip

    def get_standing(self, _row) -> str:
        return "submitted, not computed here"


class RiskInput(ChangeFields):
    """A risk, or the next revision of one."""

    model = serializers.CharField(max_length=60, help_text="Short name.")
    hazard = serializers.CharField(max_length=4000)
    harm = serializers.CharField(max_length=4000)
    severity = serializers.CharField(max_length=6, help_text=f"One of {', '.join(LEVELS)}.")
    likelihood = serializers.CharField(max_length=6, help_text=f"One of {', '.join(LEVELS)}.")
    control = serializers.CharField(max_length=4000)
    revises = serializers.IntegerField(
        required=False, default=None, allow_null=True, help_text="Number of a risk."
    )


class RequirementInput(ChangeFields):
    """A requirement, or the next revision of one."""

    model = serializers.CharField(max_length=60, help_text="Short name.")
    text = serializers.CharField(max_length=4000)
    source = serializers.CharField(max_length=6, help_text=f"One of {', '.join(Source)}.")
    risks = serializers.ListField(child=serializers.IntegerField(), required=False, default=list)
    clauses = serializers.ListField(child=serializers.CharField(max_length=160), required=False, default=list)
    revises = serializers.IntegerField(required=False, default=None, allow_null=True, help_text="Its number.")


class EvidenceInput(serializers.Serializer):
    kind = serializers.CharField(max_length=9, help_text=f"One of {', '.join(Kind)}.")
    title = serializers.CharField(max_length=120)
    file = serializers.FileField()
    commit = serializers.CharField(max_length=64, required=False, default="", allow_blank=True)
    tool = serializers.CharField(max_length=120, required=False, default="", allow_blank=True)
    tool_version = serializers.CharField(max_length=60, required=False, default="", allow_blank=True)
    produced_at = serializers.DateTimeField(required=False, default=None, allow_null=True)


class RequirementLinkInput(serializers.Serializer):
    requirement = serializers.CharField(max_length=40)
    target = serializers.CharField(max_length=9, help_text=f"One of {', '.join(Target)}.")
    pattern = serializers.CharField(max_length=500)
    reason = serializers.CharField(max_length=2000)


class RequirementLinkOut(serializers.Serializer):
    id = serializers.IntegerField()
    ref = serializers.CharField()
    requirement = serializers.CharField(source="requirement.ref")
    target = serializers.CharField()
    pattern = serializers.CharField()
    ended_at = serializers.DateTimeField(allow_null=True)


class FigureInput(Strict):
    metric = serializers.CharField(max_length=60)
    subgroup = serializers.CharField(max_length=160, default="all")
    value = serializers.CharField(max_length=32, help_text="Decimal text")
    low = serializers.CharField(max_length=32, default="", allow_blank=True)
    high = serializers.CharField(max_length=32, default="", allow_blank=True)
    n = serializers.IntegerField(min_value=1)


class ClaimInput(serializers.Serializer):
    origin = serializers.CharField(max_length=200)
    figures = FigureInput(many=True)
    script_digest = serializers.CharField(max_length=71)
    script_name = serializers.CharField(max_length=200, required=False, default="", allow_blank=True)
    data_digest = serializers.CharField(max_length=71)
    tool = serializers.CharField(max_length=120)
    tool_version = serializers.CharField(max_length=60)
    computed_at = serializers.DateTimeField()
    note = serializers.CharField(max_length=4000, required=False, default="", allow_blank=True)


class TraceabilityOut(serializers.Serializer):
    version = serializers.CharField()
    intended_use = serializers.CharField()
    open_ends = serializers.DictField(
        child=serializers.IntegerField(), help_text="Kind of open end: how many lines."
    )
    blocking = serializers.IntegerField(help_text="Lines that stand against the release.")
    lines = serializers.ListField(child=serializers.DictField())
