"""What the API says and takes about validation plans and runs."""

from __future__ import annotations

from rest_framework import serializers

from apps.access.signing import as_printed, content_digest, content_of, standings
from apps.api.base import ChangeFields, allowed_acts
from apps.validations import queries
from apps.validations.models import Comparison, Plan, Result, Run
from apps.validations.states import EXCLUSION_WORDS, TASK_WORDS, Exclusion, RunState, Task
from apps.validations.telling import results_for


def progress_of(job) -> dict | None:
    """State, units done and in total, stage and log of a job; None without one."""
    if job is None:
        return None
    return {
        "state": job.state,
        "done": job.done,
        "total": job.total,
        "stage": job.stage,
        "attempt": job.attempt,
        "log": job.log,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
    }


def signatures_of(record) -> list[dict]:
    """Each signature as printed, with its standing now."""
    return [as_printed(s.signature) | {"standing": s.word} for s in standings(record)]


class Strict(serializers.Serializer):
    """A part of an input in which fields nobody declared are an error too."""

    def to_internal_value(self, data):
        if hasattr(data, "keys") and (unknown := set(data) - set(self.fields)):
            raise serializers.ValidationError({n: ["This field is not known here."] for n in sorted(unknown)})
        return super().to_internal_value(data)


class OfClass(Strict):
    """What is measured of one of several classes names it. `class` is a word of the language, hence this way."""

    def get_fields(self):
        return super().get_fields() | {
            "class": serializers.CharField(
                max_length=120,
                required=False,
                allow_blank=True,
                help_text="Of several classes the one held against the rest: needed for `tpr` and `ppv`",
            )
        }


class CriterionInput(OfClass):
    id = serializers.CharField(max_length=40, required=False)
    metric = serializers.CharField(max_length=60, help_text="One of the metrics of the plan's task")
    subgroup = serializers.CharField(max_length=160, default="all", help_text="`all`, or `column=value`")
    direction = serializers.CharField(max_length=3, default="min", help_text="`min` or `max`")
    limit = serializers.CharField(max_length=24, help_text="A number as decimal text")
    rule = serializers.CharField(max_length=8, default="point", help_text="`point`, `lower` or `upper`")
    min_n = serializers.IntegerField(default=1)


class LimitInput(Strict):
    id = serializers.CharField(max_length=40, required=False)
    metric = serializers.CharField(max_length=60)
    kind = serializers.CharField(max_length=10, required=False, help_text="`difference` or `ratio`")
    column = serializers.CharField(max_length=120)
    limit = serializers.CharField(max_length=24, help_text="A number as decimal text")
    rule = serializers.CharField(max_length=8, default="near", help_text="`point`, `near` or `far`")
    min_n = serializers.IntegerField(default=30)


class BaselineInput(OfClass):
    id = serializers.CharField(max_length=40, required=False)
    metric = serializers.CharField(max_length=60)
    subgroup = serializers.CharField(max_length=160, default="all", help_text="`all`, or `column=value`")
    value = serializers.CharField(max_length=24, help_text="Of the replaced process, as decimal text")
    n = serializers.IntegerField(required=False, allow_null=True, help_text="Cases it rests on, if known")
    source = serializers.CharField(max_length=500, help_text="Where the value comes from")
    rule = serializers.CharField(max_length=8, default="point", help_text="`point`, `lower` or `upper`")


class PlanInput(serializers.Serializer):
    test_data_id = serializers.IntegerField(help_text="Id of a fixed test version in the vault")
    task = serializers.ChoiceField(
        choices=[(t.value, TASK_WORDS[t]) for t in Task],
        default=Task.BINARY.value,
        help_text="What the model answers of a case; its outputs must be able to",
    )
    classes = serializers.ListField(
        child=serializers.CharField(max_length=120),
        required=False,
        help_text="Of several: 3 to 60, as in the label column, in the order of the model's scores",
    )
    target_unit = serializers.CharField(
        max_length=40, required=False, allow_blank=True, help_text="Of a regression, such as `mg/L`"
    )
    label_column = serializers.CharField(max_length=120)
    positive_value = serializers.CharField(
        max_length=120,
        default="",
        allow_blank=True,
        help_text="Of two classes the positive one; of several the one the bias report is about; of a number empty",
    )
    threshold = serializers.CharField(
        max_length=24,
        default="",
        allow_blank=True,
        help_text="Of two classes: scores at or above count as positive",
    )
    group_columns = serializers.ListField(child=serializers.CharField(max_length=120))
    criteria = CriterionInput(many=True)
    bias_limits = LimitInput(many=True)
    rationale = serializers.CharField(max_length=20_000)
    baselines = BaselineInput(
        many=True, required=False, help_text="How good the replaced process is; else say `no_predecessor`"
    )
    no_predecessor = serializers.CharField(
        max_length=5000, required=False, allow_blank=True, help_text="Why nothing is replaced"
    )
    unit_column = serializers.CharField(
        max_length=120, required=False, allow_blank=True, help_text="Which rows belong to one unit"
    )
    weight_column = serializers.CharField(max_length=120, required=False, allow_blank=True)
    undecided_from = serializers.CharField(
        max_length=24,
        required=False,
        allow_blank=True,
        help_text="Scores from here to below `undecided_to` are undecided",
    )
    undecided_to = serializers.CharField(max_length=24, required=False, allow_blank=True)
    exclusion = serializers.ChoiceField(
        choices=[(e.value, EXCLUSION_WORDS[e]) for e in Exclusion],
        default=Exclusion.FAIL.value,
        help_text="What a case does whose score, label, weight or input cannot be used",
    )
    max_excluded = serializers.CharField(
        max_length=24,
        required=False,
        allow_blank=True,
        help_text="With `exclude`: greatest share of excluded cases, decimal text from 0 to below 1",
    )


class ReplaceInput(ChangeFields, PlanInput):
    """The plan that takes the place of a locked one, and why that one is not kept."""


class PlanOut(serializers.ModelSerializer):
    ref = serializers.CharField()
    version = serializers.CharField(source="version.ref")
    version_id = serializers.IntegerField()
    test_data = serializers.CharField(source="test_data.ref")
    written_by = serializers.CharField(source="written_by.username")

    class Meta:
        model = Plan
        fields = [
            "number",
            "ref",
            "version",
            "version_id",
            "task",
            "state",
            "test_data",
            "written_by",
            "written_at",
            "locked_at",
        ]


class ComparisonOut(serializers.ModelSerializer):
    data = serializers.CharField(source="dataset_version.ref")

    class Meta:
        model = Comparison
        fields = ["data", "rows", "test_rows", "shared_rows", "shared_units", "compared_at"]


class PlanDetail(PlanOut):
    digest = serializers.SerializerMethodField()
    content = serializers.SerializerMethodField(help_text="What is signed: its digest is `digest`.")
    comparisons = serializers.SerializerMethodField()
    signatures = serializers.SerializerMethodField()
    allowed_acts = serializers.SerializerMethodField()

    class Meta(PlanOut.Meta):
        fields = [*PlanOut.Meta.fields, "digest", "content", "comparisons", "signatures", "allowed_acts"]

    def get_digest(self, plan) -> str:
        return content_digest(plan)

    def get_content(self, plan) -> dict:
        return content_of(plan)

    def get_comparisons(self, plan) -> list[dict]:
        return list(
            ComparisonOut(plan.comparisons.select_related("dataset_version__dataset"), many=True).data
        )

    def get_signatures(self, plan) -> list[dict]:
        return signatures_of(plan)

    def get_allowed_acts(self, plan) -> list[dict]:
        return allowed_acts(self.context["view"].actor, plan)


class RunOut(serializers.ModelSerializer):
    ref = serializers.CharField()
    plan = serializers.CharField(source="plan.ref")
    version = serializers.CharField(source="plan.version.ref")
    requested_by = serializers.CharField(source="requested_by.username")

    class Meta:
        model = Run
        fields = [
            "number",
            "ref",
            "plan",
            "version",
            "state",
            "verdict",
            "requested_by",
            "requested_at",
            "finished_at",
        ]


class ResultOut(serializers.ModelSerializer):
    class Meta:
        model = Result
        fields = [
            "criterion",
            "metric",
            "of_class",
            "subgroup",
            "n",
            "value",
            "low",
            "high",
            "method",
            "limit",
            "direction",
            "rule",
            "verdict",
            "sentence",
        ]


class RunDetail(RunOut):
    digest = serializers.SerializerMethodField()
    progress = serializers.SerializerMethodField(
        help_text="Of the job: state, done and total (cases), stage, log."
    )
    results = serializers.SerializerMethodField()
    measured = serializers.SerializerMethodField(
        help_text="`coverage` of the test rows, `undecided` share, comparison with the `replaced` process, `gap` to "
        "the training data, `thresholds` with the locked one marked, runs with the `same_bytes`; where cases were "
        "`excluded` their reasons and the `worst_case`; of several classes their `confusion` (labels in rows); of a "
        "regression what was `observed` in bands; empty until done."
    )
    deviations = serializers.SerializerMethodField(help_text="References of the deviations the run opened.")
    allowed_acts = serializers.SerializerMethodField()

    class Meta(RunOut.Meta):
        fields = [
            *RunOut.Meta.fields, "digest", "results_digest", "cases_digest", "environment", "repeat_identical",
            "failure", "progress", "results", "measured", "deviations", "allowed_acts",
        ]  # fmt: skip

    def get_digest(self, run) -> str:
        return content_digest(run)

    def get_progress(self, run) -> dict | None:
        return progress_of(run.job)

    def get_results(self, run) -> list[dict]:
        return list(ResultOut(run.results.all(), many=True).data)

    def get_measured(self, run) -> dict:
        if run.state != RunState.DONE:
            return {}
        stored = results_for(self.context["view"].actor, run)
        told = {
            name: stored.get(name, {}) for name in ("coverage", "undecided", "replaced", "gap", "thresholds")
        }
        told |= {name: stored[name] for name in ("excluded", "worst_case", "observed") if stored.get(name)}
        if run.plan.task == Task.MULTICLASS:
            told["confusion"] = {"classes": stored["classes"], "counts": stored["all_cases"]["confusion"]}
        return told | {"same_bytes": [each.ref for each in queries.same_bytes(run)]}

    def get_deviations(self, run) -> list[str]:
        return [d.ref for d in queries.opened_by(run)]

    def get_allowed_acts(self, run) -> list[dict]:
        return allowed_acts(self.context["view"].actor, run)


class CasesInput(serializers.Serializer):
    page = serializers.IntegerField(default=1, min_value=1)


class CasesOut(serializers.Serializer):
    total = serializers.IntegerField()
    page = serializers.IntegerField(source="number")
    pages = serializers.IntegerField()
    columns = serializers.ListField(child=serializers.CharField())
    rows = serializers.ListField(child=serializers.ListField())
