"""The release gate (G7): slots for signatures, snapshots of every evaluation, the board's minute."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from apps.access import duties
from apps.approvals import states
from apps.core.blobs import StoredFile
from apps.registry.models import Version
from apps.trail.history import history
from apps.trail.models import Signature


class Gate(models.Model):
    """The release gate of one version, by the template of its tier as it stood when the gate was opened."""

    subject_kind = "approvals.gate"

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="gates")
    kind = models.CharField(max_length=4, default="G7")
    template = models.CharField(max_length=40)  # e.g. "release-high v1"
    template_content = models.JSONField()
    state = models.CharField(
        max_length=8,
        choices=[(s.value, states.GATE_WORDS[s]) for s in states.GateState],
        default=states.GateState.OPEN,
    )
    opened_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    opened_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    history = history()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["version", "kind"],
                condition=models.Q(state__in=["open", "passed"]),
                name="one_live_gate_per_version_and_kind",
            )
        ]

    def __str__(self):
        return f"Release gate of {self.version}"

    @property
    def ref(self):
        return f"{self.kind} {self.version.ref}"

    @property
    def scope(self):
        return duties.scope_text(duties.MODEL, self.version.model_id)


class Slot(models.Model):
    """One signature the gate wants. One person never fills two (DY20)."""

    subject_kind = "approvals.slot"

    gate = models.ForeignKey(Gate, on_delete=models.PROTECT, related_name="slots")
    code = models.CharField(max_length=20)  # approval | responsibility | review | security
    position = models.PositiveSmallIntegerField()
    state = models.CharField(
        max_length=8,
        choices=[(s.value, states.SLOT_WORDS[s]) for s in states.SlotState],
        default=states.SlotState.WANTED,
    )
    signature = models.ForeignKey(
        Signature, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    history = history()

    waived = True  # whether its signer may ever have had a waiver on the model: true until `slots_of_gates` has asked

    class Meta:
        ordering = ["gate", "position"]
        constraints = [models.UniqueConstraint(fields=["gate", "code"], name="slot_once")]

    @property
    def ref(self):
        return f"{self.gate.ref} {self.code}"

    @property
    def scope(self):
        return self.gate.scope


class Minute(models.Model):
    """The review board's minute that a high-tier release rests on: number, date, file by digest."""

    subject_kind = "approvals.minute"

    gate = models.OneToOneField(Gate, on_delete=models.PROTECT, related_name="minute")
    number = models.CharField(max_length=60)
    held_on = models.DateField()
    file_name = models.CharField(max_length=200)
    file_digest = models.CharField(max_length=71)
    recorded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    recorded_at = models.DateTimeField()
    stored_files = (StoredFile("file_digest", "files"),)
    history = history()

    def __str__(self) -> str:
        return f"minute {self.number} of {self.held_on:%Y-%m-%d}"


class Snapshot(models.Model):
    """One evaluation of the gate as it stood when something was decided. Insert-only."""

    subject_kind = "approvals.snapshot"

    gate = models.ForeignKey(Gate, on_delete=models.PROTECT, related_name="snapshots")
    taken_at = models.DateTimeField()
    cause = models.CharField(max_length=80)
    evaluation = models.JSONField()
    digest = models.CharField(max_length=71)
    history = history()

    class Meta:
        ordering = ["id"]


from apps.approvals.board_models import Attendance, Board, BoardMember, Meeting  # noqa: E402, F401
