"""Validation plans with locked criteria, runs by the portal itself, results with n and interval (PC24, PC25)."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from apps.access import duties
from apps.core.blobs import StoredFile
from apps.core.models import Job
from apps.datasets.models import DatasetVersion
from apps.registry.models import Version
from apps.trail.history import history
from apps.validations import states

VERDICTS = [(v.value, states.VERDICT_WORDS[v]) for v in states.Verdict]


class Plan(models.Model):
    """What will be tested, on which data, against which limits. Locked by two signatures before any run (gate G5)."""

    subject_kind = "validations.plan"

    number = models.PositiveIntegerField(unique=True)
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="plans")
    test_data = models.ForeignKey(DatasetVersion, on_delete=models.PROTECT, related_name="plans")
    task = models.CharField(
        max_length=10,
        choices=[(t.value, states.TASK_WORDS[t]) for t in states.Task],
        default=states.Task.BINARY,
    )
    classes = models.JSONField(
        default=list
    )  # of several: canonical texts, in the order of the model's scores
    target_unit = models.CharField(max_length=40, blank=True)  # of a regression's label, such as mg/L
    label_column = models.CharField(max_length=120)
    # of several classes the one that bias limits are about, or empty; empty in a regression
    positive_value = models.CharField(max_length=120, blank=True)
    # decimal text; scores at or above count as positive; empty but for two classes
    threshold = models.CharField(max_length=24, blank=True)
    group_columns = models.JSONField(default=list)
    # [{"id", "metric", "subgroup": "all" | "column=value", "direction": "min|max", "limit": "0.8",
    #   "rule": "point|lower|upper", "min_n": 50}], with "class" where one of several is held against the rest
    criteria = models.JSONField(default=list)
    # [{"id", "metric", "kind": "difference|ratio", "column", "limit": "0.1", "rule": "point|near|far", "min_n": 30}]
    bias_limits = models.JSONField(default=list)
    # of the replaced process: [{"id", "metric", "subgroup", "value": "0.8", "n": 400 or null, "source", "direction",
    #   "rule"}]
    baselines = models.JSONField(default=list)
    no_predecessor = models.TextField(blank=True)  # why there is nothing to be as good as
    unit_column = models.CharField(
        max_length=120, blank=True
    )  # intervals by unit (patient, batch), not by row
    weight_column = models.CharField(max_length=120, blank=True)
    # decimal text; a score in [from, to) is undecided: nobody acts on it as it is
    undecided_from = models.CharField(max_length=24, blank=True)
    undecided_to = models.CharField(max_length=24, blank=True)
    # what a case that cannot be judged does: the run fails, or it is excluded up to this share (decimal text) of all
    exclusion = models.CharField(
        max_length=7,
        choices=[(e.value, states.EXCLUSION_WORDS[e]) for e in states.Exclusion],
        default=states.Exclusion.FAIL,
    )
    max_excluded = models.CharField(max_length=24, blank=True)
    rationale = models.TextField()  # why these data, limits and sizes
    # The locked plan this one takes the place of, after it was locked: a deviation stands for that.
    replaces = models.OneToOneField("self", on_delete=models.PROTECT, null=True, related_name="replaced_by")
    state = models.CharField(
        max_length=10,
        choices=[(s.value, states.PLAN_WORDS[s]) for s in states.PlanState],
        default=states.PlanState.DRAFT,
    )
    written_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    written_at = models.DateTimeField()
    locked_at = models.DateTimeField(null=True, blank=True)
    history = history()

    class Meta:
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(
                fields=["version"],
                condition=models.Q(state__in=["draft", "authored", "locked"]),
                name="one_open_plan_per_version",
            )
        ]

    def __str__(self) -> str:
        return f"{self.ref} for {self.version}"

    @property
    def ref(self) -> str:
        return f"VP-{self.number}"

    @property
    def band(self) -> tuple[float, float] | None:
        """Scores from the first up to below the second are undecided; None without a band."""
        return (float(self.undecided_from), float(self.undecided_to)) if self.undecided_from else None

    @property
    def scope(self) -> str:
        return duties.scope_text(duties.MODEL, self.version.model_id)


class Comparison(models.Model):
    """How many rows and physical units a training partition shares with the test set (Annex 22 draft 6.1, 6.4)."""

    subject_kind = "validations.comparison"

    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="comparisons")
    dataset_version = models.ForeignKey(DatasetVersion, on_delete=models.PROTECT, related_name="+")
    rows = models.BigIntegerField()
    test_rows = models.BigIntegerField()
    shared_rows = models.BigIntegerField()
    shared_units = models.BigIntegerField(null=True)
    compared_at = models.DateTimeField()
    history = history()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["plan", "dataset_version"], name="comparison_once")]


class Run(models.Model):
    """One execution of a locked plan by the portal. Numbers have no gaps; failed runs stay."""

    subject_kind = "validations.run"

    number = models.PositiveIntegerField(unique=True)
    plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="runs")
    state = models.CharField(
        max_length=9,
        choices=[(s.value, states.RUN_WORDS[s]) for s in states.RunState],
        default=states.RunState.QUEUED,
    )
    job = models.OneToOneField(Job, on_delete=models.PROTECT, null=True, related_name="+")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    verdict = models.CharField(max_length=10, choices=VERDICTS, blank=True)
    results_digest = models.CharField(max_length=71, blank=True)  # JSON: everything computed
    cases_digest = models.CharField(max_length=71, blank=True)  # Parquet of per-case scores, in the vault
    environment = models.JSONField(default=dict)  # runtime versions, threads, isolation
    repeat_identical = models.BooleanField(null=True)
    failure = models.TextField(blank=True)
    stored_files = (StoredFile("results_digest", "results"), StoredFile("cases_digest", "vault"))
    history = history()

    class Meta:
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"{self.ref} of {self.plan.ref}"

    @property
    def ref(self) -> str:
        return f"R-{self.number}"

    @property
    def scope(self) -> str:
        return duties.scope_text(duties.MODEL, self.plan.version.model_id)


class Result(models.Model):
    """One criterion judged in one run. Numbers are canonical decimal text."""

    subject_kind = "validations.result"

    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="results")
    criterion = models.CharField(max_length=120)
    metric = models.CharField(max_length=40)
    of_class = models.CharField(max_length=120, blank=True)  # held against the rest, where there are several
    subgroup = models.CharField(max_length=160)
    n = models.BigIntegerField()
    value = models.CharField(max_length=30, blank=True)
    low = models.CharField(max_length=30, blank=True)
    high = models.CharField(max_length=30, blank=True)
    method = models.CharField(max_length=60, blank=True)
    limit = models.CharField(max_length=24)
    direction = models.CharField(max_length=3)
    rule = models.CharField(max_length=8)
    verdict = models.CharField(max_length=10, choices=VERDICTS)
    sentence = models.TextField()
    history = history()

    class Meta:
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["run", "criterion"], name="result_once")]
