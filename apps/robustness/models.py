"""Probe plans with locked limits, probe reports by the portal itself, and the files people hand in for them."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from apps.access import duties
from apps.core.blobs import StoredFile
from apps.core.models import Job
from apps.registry.models import Version
from apps.robustness import states
from apps.trail.history import history
from apps.validations.models import Plan

VERDICTS = [(v.value, states.VERDICT_WORDS[v]) for v in states.Verdict]


class ProbePlan(models.Model):
    """Which probes are made on the test data of a validation plan, how strong, and against which limits (gate G4).

    Locked by two signatures before the first report.
    """

    subject_kind = "robustness.plan"

    number = models.PositiveIntegerField(unique=True)
    validation_plan = models.ForeignKey(Plan, on_delete=models.PROTECT, related_name="probe_plans")
    # of the probes, as `analysis.probes.VERSION`; 1 in plans that were written before it was kept
    catalogue = models.PositiveSmallIntegerField(default=1)
    # {"seed", "rows", "shift", "epsilon", "flips", "budget", "cases"}, of a predicted number {"tolerance", "error"}:
    # decimal text, as `analysis.probes.Settings` and `Deciding`
    bounds = models.JSONField(default=dict)
    # [{"id", "probe", "limit": "0.05", "rule": "point|near|far", "min_n": 30}]: at most the limit
    limits = models.JSONField(default=list)
    rationale = models.TextField()
    # Why a case may go without an answer where a value is missing; empty where a limit says how many may.
    no_answer = models.TextField(blank=True)
    # Empty in plans that were written before it was asked.
    private_training = models.CharField(
        max_length=8, choices=[(p.value, states.PRIVATE_WORDS[p]) for p in states.PrivateTraining], blank=True
    )
    private_epsilon = models.CharField(max_length=24, blank=True)  # of the training, decimal text
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
                fields=["validation_plan"],
                condition=models.Q(state__in=["draft", "authored", "locked"]),
                name="one_open_probe_plan",
            )
        ]

    def __str__(self) -> str:
        return f"{self.ref} for {self.version}"

    @property
    def ref(self) -> str:
        return f"RP-{self.number}"

    @property
    def version(self) -> Version:
        return self.validation_plan.version

    @property
    def scope(self) -> str:
        return duties.scope_text(duties.MODEL, self.version.model_id)


class ProbeEvidence(models.Model):
    """Files that makers hand in: two pipelines on the same rows, or a table of utility against epsilon.

    A claim, marked as such wherever it is shown; the comparison or the check of the table is the portal's own.
    """

    subject_kind = "robustness.evidence"

    number = models.PositiveIntegerField(unique=True)
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="probe_evidence")
    kind = models.CharField(
        max_length=8, choices=[(k.value, states.KIND_WORDS[k]) for k in states.EvidenceKind]
    )
    file_name = models.CharField(max_length=200)
    file_digest = models.CharField(max_length=71)  # of the training pipeline, or the table
    second_name = models.CharField(max_length=200, blank=True)
    second_digest = models.CharField(max_length=71, blank=True)  # of the serving pipeline
    key_column = models.CharField(max_length=120, blank=True)
    tolerance = models.CharField(max_length=24, blank=True)
    outcome = models.JSONField(default=dict)  # as `analysis.probes.submitted` tells it; decimals as text
    submitted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    submitted_at = models.DateTimeField()
    stored_files = (StoredFile("file_digest", "files"), StoredFile("second_digest", "files"))
    history = history()

    class Meta:
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"{self.ref} for {self.version}"

    @property
    def ref(self) -> str:
        return f"PE-{self.number}"

    @property
    def scope(self) -> str:
        return duties.scope_text(duties.MODEL, self.version.model_id)


class ProbeReport(models.Model):
    """One making of a locked plan's probes. Numbers have no gaps; failed and cancelled reports stay."""

    subject_kind = "robustness.report"

    number = models.PositiveIntegerField(unique=True)
    plan = models.ForeignKey(ProbePlan, on_delete=models.PROTECT, related_name="reports")
    state = models.CharField(
        max_length=9,
        choices=[(s.value, states.REPORT_WORDS[s]) for s in states.ReportState],
        default=states.ReportState.QUEUED,
    )
    job = models.OneToOneField(Job, on_delete=models.PROTECT, null=True, related_name="+")
    parity = models.ForeignKey(ProbeEvidence, on_delete=models.PROTECT, null=True, related_name="+")
    epsilon = models.ForeignKey(ProbeEvidence, on_delete=models.PROTECT, null=True, related_name="+")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    verdict = models.CharField(max_length=10, choices=VERDICTS, blank=True)
    summary = models.JSONField(
        default=list
    )  # one item a limit: id, probe, family, value, low, high, n, verdict…
    results_digest = models.CharField(max_length=71, blank=True)  # JSON of every finding
    chart_digest = models.CharField(max_length=71, blank=True)
    environment = models.JSONField(default=dict)  # runtime versions, threads, isolation
    failure = models.TextField(blank=True)
    stored_files = (StoredFile("results_digest", "results"), StoredFile("chart_digest", "results"))
    history = history()

    class Meta:
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"{self.ref} of {self.plan.ref}"

    @property
    def ref(self) -> str:
        return f"PR-{self.number}"

    @property
    def scope(self) -> str:
        return duties.scope_text(duties.MODEL, self.plan.version.model_id)
