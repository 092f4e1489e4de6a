"""Which separation rules and which training matrix are in force, told by the query that reads the duties.

Both are append-only and large, and every verdict needs them. So the query brings only their digests along, and what
a digest names is read once in each process: content under its own digest never changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet, Subquery

from apps.access.models import Assignment, SeparationRules
from apps.access.training_models import TrainingMatrix
from apps.core.clock import now


@dataclass(frozen=True)
class Marks:
    """Digest of the rules in force; version and digest of the newest matrix (0 where there is none)."""

    rules: str
    matrix: tuple[int, str]

    @classmethod
    def of(cls, row: Any) -> Marks:
        return cls(row.rules_mark or "", (row.matrix_version or 0, row.matrix_mark or ""))


def marked(rows: QuerySet[Assignment]) -> QuerySet[Assignment]:
    """These rows, each with the marks of what is in force now."""
    rules = SeparationRules.objects.filter(effective_from__lte=now()).order_by("-version")
    matrix = TrainingMatrix.objects.order_by("-version")
    return rows.annotate(
        rules_mark=Subquery(rules.values("digest")[:1]),
        matrix_version=Subquery(matrix.values("version")[:1]),
        matrix_mark=Subquery(matrix.values("digest")[:1]),
    )
