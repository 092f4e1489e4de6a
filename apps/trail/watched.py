"""Which tables the trail watches, and how one row of each is told as JSON, by the database itself.

Found from the model registry: every history table, the signature table, guardian's permission tables, memberships
(many-to-many tables of people and groups). Of the last two, which keep no history, changes and removals are told
as well as inserts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import models
from guardian.models.models import BaseObjectPermission

from apps.trail.anchor_models import Cosignature, Stamp
from apps.trail.history import column_of, is_history, record_of
from apps.trail.models import Checkpoint, Entry, Leaf, Log, Node, Pending, Signature

# json_object takes at most 127 arguments in the SQLite of Debian 12.
SQLITE_COLUMNS_A_CALL = 60


@dataclass(frozen=True)
class Watched:
    """One watched table. `key`: integer primary key column. `changes`: also UPDATE and DELETE are told."""

    table: str
    columns: tuple[str, ...]
    blobs: frozenset[str]
    key: str
    subject_kind: str
    subject_column: str
    act_column: str
    changes: bool = False
    history: bool = False
    model: type[models.Model] | None = None

    def row_json(self, vendor: str, alias: str) -> str:
        """SQL for one row as JSON, `alias` being NEW, OLD or a table alias."""
        if vendor == "postgresql":
            return f"to_jsonb({alias})"
        shown = sorted(self.columns)
        calls = []
        for start in range(0, len(shown), SQLITE_COLUMNS_A_CALL):
            pairs = ", ".join(
                f"'{column}', "
                + (f'hex({alias}."{column}")' if column in self.blobs else f'{alias}."{column}"')
                for column in shown[start : start + SQLITE_COLUMNS_A_CALL]
            )
            calls.append(f"json_object({pairs})")
        if len(calls) == 1:
            return calls[0]
        inner = " || ',' || ".join(f"substr({call}, 2, length({call}) - 2)" for call in calls)
        return f"json('{{' || {inner} || '}}')"

    def body_json(self, vendor: str, alias: str, operation: str) -> str:
        """SQL for the body of the row entry."""
        build = "jsonb_build_object" if vendor == "postgresql" else "json_object"
        body = f"{build}('op', '{operation}', 'row', {self.row_json(vendor, alias)}, 'table', '{self.table}')"
        return f"{body}::text" if vendor == "postgresql" else body


def _watch(model: type[models.Model], **options: Any) -> Watched:
    meta = model._meta
    fields = meta.concrete_fields
    columns = tuple(column_of(field) for field in fields)
    options.setdefault("subject_kind", getattr(model, "subject_kind", meta.label_lower))
    options.setdefault("subject_column", column_of(meta.pk))
    return Watched(
        table=meta.db_table,
        columns=columns,
        blobs=frozenset(column_of(field) for field in fields if isinstance(field, models.BinaryField)),
        key=column_of(meta.pk),
        act_column="act_id" if "act_id" in columns else "",
        model=model,
        **options,
    )


def _is_membership(model: type[models.Model]) -> bool:
    if not model._meta.auto_created:
        return False
    ends = {field.remote_field.model for field in model._meta.fields if field.remote_field}
    return bool(ends & {get_user_model(), Group})


def is_changing(model: type[models.Model]) -> bool:
    """Whether rows of `model` come and go without history: grants and memberships."""
    return issubclass(model, BaseObjectPermission) or _is_membership(model)


def watched_tables() -> list[Watched]:
    """Every table whose rows get a row entry, by table name."""
    found = []
    for model in apps.get_models(include_auto_created=True):
        if not model._meta.managed or model._meta.proxy:
            continue
        if is_history(model):
            record = record_of(model)
            kind = getattr(record, "subject_kind", record._meta.label_lower)
            column = column_of(record._meta.pk)
            found.append(_watch(model, subject_kind=kind, subject_column=column, history=True))
        elif model is Signature:
            found.append(_watch(model, subject_kind="trail.signature"))
        elif is_changing(model):
            found.append(_watch(model, changes=True))
    return sorted(found, key=lambda one: one.table)


def history_models() -> list[type[models.Model]]:
    return [model for model in apps.get_models() if is_history(model)]


def frozen_tables() -> list[str]:
    """Tables that only grow: the trail's own, the signatures, every history."""
    own = [
        model._meta.db_table for model in (Log, Entry, Leaf, Node, Checkpoint, Cosignature, Stamp, Signature)
    ]
    return sorted([*own, *(model._meta.db_table for model in history_models())])


PENDING_TABLE = Pending._meta.db_table
ENTRY_TABLE = Entry._meta.db_table
