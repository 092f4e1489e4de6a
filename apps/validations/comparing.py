"""Independence of the test set: rows and physical units it shares with what the version was made from (PC23)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apps.analysis.readers import open_table
from apps.analysis.rows import digests_of, entity_overlap, overlap
from apps.core import blobs
from apps.datasets.models import DatasetVersion
from apps.registry.facts import ancestors
from apps.registry.loading import data_of_versions
from apps.validations.failures import CannotCompute, in_words
from apps.validations.loading import comparisons_of
from apps.validations.models import Plan


def data_of(plan: Plan) -> list[DatasetVersion]:
    """Every dataset version the plan's version, or one it was derived from, was trained or tuned on."""
    used = data_of_versions(ancestors([plan.version_id])).values()
    found = {row.dataset_version_id: row.dataset_version for rows in used for row in rows}
    return [found[pk] for pk in sorted(found)]


def missing_comparisons(plan: Plan) -> list[DatasetVersion]:
    """The data versions whose overlap with the test set is not known yet."""
    known = {row.dataset_version_id for row in comparisons_of(plan)}
    return [version for version in data_of(plan) if version.pk not in known]


def compare(plan: Plan, report: Callable[[int, int, str], None]) -> list[dict[str, Any]]:
    """One row per data version: rows, test_rows, shared_rows, shared_units (None where no unit is named).

    Rows are compared over the columns both files have, by digests of their canonical cells.
    """
    wanted = missing_comparisons(plan)
    with in_words():
        test_path = blobs.checked_path(plan.test_data.table_digest, area="vault")
        found = []
        for done, version in enumerate(wanted):
            report(done, len(wanted), f"Comparing {version.ref} with {plan.test_data.ref}")
            path = blobs.checked_path(version.table_digest, area=version.area)
            with open_table(test_path) as test, open_table(path) as made_from:
                shared = sorted({c.name for c in test.columns} & {c.name for c in made_from.columns})
                if len(shared) < 2:
                    raise CannotCompute(
                        f"{version.ref} and {plan.test_data.ref} have fewer than two columns in common, "
                        "so their rows cannot be compared."
                    )
                rows, test_rows = made_from.rows, test.rows
                shared_rows = overlap(digests_of(test, shared), digests_of(made_from, shared))
            unit = plan.test_data.entity_column
            found.append(
                {
                    "dataset_version": version.pk,
                    "rows": rows,
                    "test_rows": test_rows,
                    "shared_rows": shared_rows,
                    "shared_units": entity_overlap(test_path, path, [unit]) if unit in shared else None,
                    "columns": len(shared),
                }
            )
        report(len(wanted), len(wanted), "Compared")
    return found
