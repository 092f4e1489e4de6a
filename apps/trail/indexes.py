"""Indexes of the trail that each entry pays for, kept as few as the lists need."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.models import Q

ROW = "row"  # models.Kind.ROW, which cannot be imported here


class WithoutRows(models.Index):
    """An index over acts, events, refusals and seals; on PostgreSQL it leaves row entries out.

    They are the most by far, name no act, actor or scope, and no list shows them, so each write of a record would pay
    for places nobody looks up. A query uses it only if it names the kinds it wants. SQLite's planner sees that for a
    condition that reads exactly as the query's alone, so it keeps the index whole.
    """

    def create_sql(self, model: Any, schema_editor: Any, using: str = "", **kwargs: Any) -> Any:
        if schema_editor.connection.vendor != "postgresql":
            return super().create_sql(model, schema_editor, using, **kwargs)
        partial = models.Index(fields=self.fields, name=self.name, condition=~Q(kind=ROW))
        return partial.create_sql(model, schema_editor, using, **kwargs)
