"""Rows of watched tables without history (grants, memberships): written by acts only, and named by the act's entry.

Their row entries come from database triggers, which believe the session about the act under way. So the act's entry,
which has a MAC, names every change by a digest of operation and row; a change that no entry names is a finding.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from django.db import models
from django.db.models.signals import post_delete, post_save, pre_delete, pre_save

from apps.core.digests import canonical_json
from apps.trail.current import current
from apps.trail.history import column_of
from apps.trail.watched import is_changing


def digest(operation: str, row: Mapping[str, Any]) -> str:
    """`operation`: insert, update or delete. `row`: column -> value, all whole numbers or text."""
    return sha256(canonical_json({"op": operation, "row": dict(row)})).hexdigest()


def _refuse_outside_acts(sender: type[models.Model], **_: Any) -> None:
    if is_changing(sender):
        current()


def _note(sender: type[models.Model], instance: models.Model, operation: str) -> None:
    row = {column_of(field): getattr(instance, field.attname) for field in sender._meta.concrete_fields}
    current().rows.append((sender._meta.db_table, int(instance.pk), digest(operation, row)))


def _saved(sender: type[models.Model], instance: models.Model, created: bool, **_: Any) -> None:
    if is_changing(sender):
        _note(sender, instance, "insert" if created else "update")


def _removed(sender: type[models.Model], instance: models.Model, **_: Any) -> None:
    if is_changing(sender):
        _note(sender, instance, "delete")


def connect() -> None:
    pre_save.connect(_refuse_outside_acts, dispatch_uid="trail.refuse_changes_outside_acts")
    pre_delete.connect(_refuse_outside_acts, dispatch_uid="trail.refuse_removals_outside_acts")
    post_save.connect(_saved, dispatch_uid="trail.note_change")
    post_delete.connect(_removed, dispatch_uid="trail.note_removal")
