"""What others said of our checkpoints, and how far each of them was told."""

from __future__ import annotations

from django.db import models


class Cosignature(models.Model):
    """A witness's line over the checkpoint of `size` leaves (cosignatures.py). Append-only."""

    size = models.BigIntegerField()
    witness = models.CharField(max_length=200, help_text="Name of the witness's key.")
    line = models.TextField()
    at = models.DateTimeField(help_text="By the witness's clock.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["size", "witness"], name="trail_cosignature_once")]


class Stamp(models.Model):
    """A time-stamping authority's answer (RFC 3161, DER as base64) over a checkpoint's note. Append-only."""

    size = models.BigIntegerField()
    authority = models.CharField(max_length=300, help_text="Its address.")
    token = models.TextField()
    at = models.DateTimeField(help_text="By the authority's clock.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["size", "authority"], name="trail_stamp_once")]


class Destination(models.Model):
    """Bookkeeping of one place the trail is told to: how far, when last, and what went wrong since.

    `position`: leaves (or size of the checkpoint) it has. `contradicted`: it holds what this log is not.
    """

    kind = models.CharField(max_length=10)
    name = models.CharField(max_length=300)
    position = models.BigIntegerField(default=0)
    known_since = models.DateTimeField()
    done_at = models.DateTimeField(null=True)
    next_at = models.DateTimeField(null=True)
    failures = models.IntegerField(default=0)
    error = models.TextField(default="")
    contradicted = models.BooleanField(default=False)
    alarmed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "name"], name="trail_destination_once")]
