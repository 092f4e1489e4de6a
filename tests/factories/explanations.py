"""An explained run, its features reviewed and signed by process expert and quality."""

from __future__ import annotations

from typing import Any

from apps.core import blobs
from apps.core.jobs import run_queued
from apps.explanation.acts import (
    request_report,
    sign_review_expert,
    sign_review_quality,
    submit_report,
    write_review,
)
from apps.explanation.models import Report
from apps.explanation.queries import RELATED
from apps.validations.models import Run
from tests.cast import World
from tests.factories.foundation import sign


def read(report: Report) -> Report:
    return Report.objects.select_related(*RELATED).get(pk=report.pk)


def explained(world: World, run: Run, explained_class: str = "") -> Report:
    """Asked for by the validator and computed."""
    report = request_report(world.validator, run.pk, explained_class=explained_class)
    run_queued()
    return read(report)


def submitted(world: World, run: Run) -> Report:
    """Made elsewhere and taken in: done at once, and nothing is computed."""
    data = b'{"schema": "countersign.explanation-upload/1", "feature_names": ["age", "marker"], "values": [[0.1, 0.5]]}'
    report = submit_report(
        world.validator,
        run.pk,
        file_digest=blobs.put(data).digest,
        file_name="shap.json",
        method="shap",
        library="shap 0.51",
    )
    return read(report)


def said(report: Report, **doubts: tuple[str, str]) -> dict[str, Any]:
    """Arguments of `write_review`: everything plausible but for `doubts`, feature -> (decision, reason)."""
    decisions = {
        each["feature"]: {"decision": "plausible", "reason": ""} for each in report.summary["features"]
    }
    for feature, (decision, reason) in doubts.items():
        decisions[feature] = {"decision": decision, "reason": reason}
    return {
        "decisions": decisions,
        "surrogate": {"decision": "plausible", "reason": ""},
        "conclusion": "The marker leads, as the process would have it.",
    }


def reviewed(world: World, run: Run, **doubts: tuple[str, str]) -> Report:
    """Computed, reviewed and signed by process expert and approver."""
    report = explained(world, run)
    write_review(world.process_expert, report.pk, **said(report, **doubts))
    report = read(report)
    sign_review_expert(world.process_expert, report.pk, signature=sign(report))
    sign_review_quality(world.approver, report.pk, signature=sign(report))
    return read(report)
