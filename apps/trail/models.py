"""Tables of the trail. All are append-only by triggers (triggers.py); only Pending shrinks, as the sealer works."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models

from apps.trail.anchor_models import Cosignature, Destination, Stamp  # noqa: F401  (models of this app)
from apps.trail.indexes import WithoutRows


class Kind(models.TextChoices):
    ACT = "act", "act"
    ROW = "row", "row"
    EVENT = "event", "event"
    REFUSAL = "refusal", "refusal"
    SEAL = "seal", "seal"


class Log(models.Model):
    """Which log this database is: the newest row. `verifier` is the public key in note form."""

    origin = models.CharField(max_length=60)
    verifier = models.CharField(max_length=200)
    created_at = models.DateTimeField(auto_now_add=True)


class Entry(models.Model):
    """One line of the trail.

    act, event, refusal: who did or tried what, written by `writer.record`. row: one written row of a history,
    grant or signature table, written by a database trigger. `body` is JSON text; `digest` is SHA-256 of
    `salt body` for entries made in Python (triggers cannot hash on SQLite: theirs is in the leaf); `mac` likewise.
    """

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(help_text="By the database's clock, UTC.")
    kind = models.CharField(max_length=8, choices=Kind)
    act = models.CharField(max_length=80, blank=True, default="")
    act_id = models.CharField(max_length=32, blank=True, default="")
    actor_uuid = models.CharField(max_length=36, blank=True, default="")
    actor_name = models.CharField(max_length=160, blank=True, default="")
    on_behalf_uuid = models.CharField(max_length=36, blank=True, default="")
    on_behalf_name = models.CharField(max_length=160, blank=True, default="")
    subject_kind = models.CharField(max_length=100, blank=True, default="")
    subject_id = models.CharField(max_length=64, blank=True, default="")
    scope = models.CharField(
        max_length=120, blank=True, default="", help_text='Parent, as "registry.model:3".'
    )
    table_name = models.CharField(max_length=63, blank=True, default="", help_text="Row entries: the table.")
    row_id = models.BigIntegerField(
        null=True, blank=True, help_text="Row entries: the row's key in that table."
    )
    body = models.TextField()
    salt = models.CharField(max_length=32)
    digest = models.CharField(max_length=64, blank=True, default="")
    mac = models.CharField(max_length=64, blank=True, default="")

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["subject_kind", "subject_id", "id"], name="trail_entry_subject"),
            WithoutRows(fields=["actor_uuid", "id"], name="trail_entry_actor"),
            WithoutRows(fields=["act", "id"], name="trail_entry_act"),
            WithoutRows(fields=["scope", "id"], name="trail_entry_scope"),
            # Not by db_index, which adds one for LIKE on PostgreSQL: nobody asks for the beginning of an act's id.
            models.Index(fields=["act_id"], name="trail_entry_of_act"),
            models.Index(fields=["table_name", "row_id"], name="trail_entry_row"),
            models.Index(fields=["at"], name="trail_entry_at"),
            # The list is sorted by these; the key after them keeps pages steady.
            WithoutRows(fields=["actor_name", "id"], name="trail_entry_who"),
            WithoutRows(fields=["kind", "id"], name="trail_entry_kind"),
        ]


class Pending(models.Model):
    """Entries not yet sealed; filled by a trigger in the entry's own transaction, emptied by the sealer."""

    entry_id = models.BigIntegerField(primary_key=True)


class Leaf(models.Model):
    """The position the sealer gave an entry. `hash` is the RFC 6962 leaf hash, hex."""

    index = models.BigIntegerField(primary_key=True)
    entry_id = models.BigIntegerField(unique=True)
    hash = models.CharField(max_length=64)
    body_digest = models.CharField(max_length=64)


class Node(models.Model):
    """A complete subtree of 2^level leaves, kept at every eighth level so that proofs read few rows."""

    level = models.PositiveSmallIntegerField()
    index = models.BigIntegerField()
    hash = models.CharField(max_length=64)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["level", "index"], name="trail_node_place")]


class Checkpoint(models.Model):
    """A signed state of the log. `frontier` is the compact range (hex hashes, left to right, spaces between)."""

    size = models.BigIntegerField(primary_key=True)
    root = models.CharField(max_length=64)
    frontier = models.TextField(blank=True, default="")
    note = models.TextField()
    created_at = models.DateTimeField()


class Signature(models.Model):
    """An electronic signature (21 CFR 11.50): name, time and meaning frozen as they were printed.

    `statement` is the canonical JSON that was signed (statements.py); the columns repeat it for reading, and the
    verifier compares the two. A change of the signed record never changes this row: it only no longer matches.
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    signer = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    printed_name = models.CharField(max_length=160)
    username = models.CharField(max_length=80)
    duties = models.TextField(blank=True, default="")
    meaning = models.CharField(max_length=60)
    meaning_text = models.CharField(max_length=300)
    decision = models.CharField(max_length=20)
    reason = models.TextField(blank=True, default="")
    subject_kind = models.CharField(max_length=100)
    subject_id = models.CharField(max_length=64)
    subject_ref = models.CharField(max_length=120)
    record_version = models.CharField(max_length=60, blank=True, default="")
    content_digest = models.CharField(max_length=80)
    statement = models.TextField()
    statement_digest = models.CharField(max_length=80)
    nonce = models.CharField(max_length=64)
    checkpoint_size = models.BigIntegerField(default=0)
    factors = models.JSONField(default=list)
    signed_at = models.DateTimeField()
    act_id = models.CharField(max_length=32)
    mac = models.CharField(max_length=64)

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(fields=["subject_kind", "subject_id"], name="trail_sig_subject"),
            models.Index(fields=["signer", "signed_at"], name="trail_sig_signer"),
            models.Index(fields=["act_id"], name="trail_sig_act"),
        ]

    def __str__(self) -> str:
        return f"{self.printed_name}, {self.meaning_text}, {self.signed_at:%Y-%m-%d %H:%M} UTC"
