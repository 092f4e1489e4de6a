"""Inspection packs: one PDF with its bundle embedded, by digest."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from apps.access import duties
from apps.core.blobs import StoredFile
from apps.core.models import Job
from apps.packs import states
from apps.registry.models import Version
from apps.trail.history import history


class Pack(models.Model):
    """An inspection pack of one version as of one instant."""

    subject_kind = "packs.pack"

    number = models.PositiveIntegerField(unique=True)
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="packs")
    as_of = models.DateTimeField()
    purpose = models.CharField(max_length=200)
    state = models.CharField(
        max_length=8, choices=[(s.value, states.WORDS[s]) for s in states.State], default=states.State.QUEUED
    )
    job = models.OneToOneField(Job, on_delete=models.PROTECT, null=True, related_name="+")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    content_digest = models.CharField(max_length=71, blank=True)  # of what the pack says, whoever builds it
    pdf_digest = models.CharField(max_length=71, blank=True)
    pdf_size = models.BigIntegerField(null=True, blank=True)  # bytes
    pages = models.PositiveIntegerField(null=True, blank=True)
    failure = models.TextField(blank=True)
    stored_files = (StoredFile("pdf_digest", "results", "pdf_size"),)
    history = history()

    class Meta:
        ordering = ["-number"]

    def __str__(self):
        return f"{self.ref} of {self.version}"

    @property
    def ref(self):
        return f"P-{self.number}"

    @property
    def scope(self):
        return duties.scope_text(duties.MODEL, self.version.model_id)
