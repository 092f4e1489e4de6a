"""The records of one version by their canonical contents, as pages and signatures use them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apps.access.policy import policy
from apps.access.signing import content_digest, content_of
from apps.core import blobs
from apps.core.clock import iso
from apps.datasets.models import DatasetVersion
from apps.datasets.queries import READS
from apps.explanation.models import Report as Explanation
from apps.explanation.queries import RELATED as EXPLAINED
from apps.explanation.queries import results_of as explained
from apps.fairness.models import Report
from apps.fairness.queries import RELATED, results_of, told_results
from apps.fairness.states import State as ReportState
from apps.packs.gather.limits import level_of
from apps.quality.models import Deviation
from apps.registry.models import IntendedUse, Version
from apps.trail.models import Entry, Kind
from apps.validations.models import Comparison, Plan, Run
from apps.validations.queries import PLANS, RUNS
from apps.validations.stored import AREA, read_results
from apps.validations.telling import told


def moment(value: datetime | None) -> str:
    return iso(value) if value else ""


def person(user: Any) -> dict[str, str]:
    return {"username": user.username, "printed_name": user.printed_name} if user else {}


def record(subject: Any, **more: Any) -> dict[str, Any]:
    """A record as signed: its reference, canonical content and digest, with what is not part of the content."""
    return {
        "kind": subject.subject_kind,
        "id": str(subject.pk),
        "ref": subject.ref,
        "content": content_of(subject),
        "digest": content_digest(subject),
        **more,
    }


def version(of: Version) -> dict[str, Any]:
    return record(
        of,
        name=of.model.name,
        description=of.model.description,
        state=of.state,
        state_word=of.get_state_display(),
        registered_by=person(of.registered_by),
        registered_at=iso(of.registered_at),
        frozen_at=moment(of.frozen_at),
        closure_digest=of.closure_digest,
        authors=[person(a.person) for a in of.authors.select_related("person").order_by("person__username")],
        inputs=list(of.interface.get("inputs", ())) if isinstance(of.interface, dict) else [],
        siblings=[
            {
                "ref": v.ref,
                "state": v.state,
                "state_word": v.get_state_display(),
                "registered_at": iso(v.registered_at),
            }
            for v in Version.objects.filter(model=of.model)
            .exclude(pk=of.pk)
            .select_related("model")
            .order_by("pk")
        ],
    )


def intended_use(of: Version) -> dict[str, Any]:
    use: IntendedUse = of.intended_use
    return record(use, written_by=person(use.written_by), written_at=iso(use.written_at))


def _used(of: Version) -> list[DatasetVersion]:
    """The data the version was made of, then the test sets of its plans."""
    chosen = DatasetVersion.objects.select_related("dataset", "uploaded_by")
    made_of = chosen.filter(used_by__version=of).order_by("pk")
    tests = chosen.filter(plans__version=of).exclude(used_by__version=of).order_by("pk").distinct()
    return [*made_of, *tests]


def datasets(of: Version) -> list[dict[str, Any]]:
    return [
        record(
            each,
            state=each.state,
            partition=str(each.partition),
            partition_word=each.get_partition_display(),
            in_vault=each.in_vault,
            name=each.dataset.name,
            uploaded_by=person(each.uploaded_by),
        )
        for each in _used(of)
    ]


def independence(of: Version, as_of: datetime) -> list[dict[str, Any]]:
    """For each test set: what it shares with the training data, who read it, how often it was used."""
    found = []
    for test in DatasetVersion.objects.filter(plans__version=of).distinct().order_by("pk"):
        compared = (
            Comparison.objects.filter(plan__version=of, plan__test_data=test)
            .select_related("dataset_version__dataset", "plan")
            .order_by("pk")
        )
        reads = Entry.objects.filter(
            subject_kind=test.subject_kind,
            subject_id=str(test.pk),
            kind=Kind.ACT,
            act__in=READS,
            at__lte=as_of,
        ).order_by("id")
        cases = Entry.objects.filter(
            subject_kind=Run.subject_kind,
            subject_id__in=[
                str(pk) for pk in Run.objects.filter(plan__test_data=test).values_list("pk", flat=True)
            ],
            kind=Kind.ACT,
            act="validations.read_cases",
            at__lte=as_of,
        ).order_by("id")
        found.append(
            {
                "test_data": test.ref,
                "rows": test.row_count,
                "entity_column": test.entity_column,
                "uses": Run.objects.filter(plan__test_data=test).count(),
                "uses_by_this_version": Run.objects.filter(plan__test_data=test, plan__version=of).count(),
                "comparisons": [
                    {
                        "plan": c.plan.ref,
                        "with": c.dataset_version.ref,
                        "rows": c.rows,
                        "test_rows": c.test_rows,
                        "shared_rows": c.shared_rows,
                        "shared_units": c.shared_units,
                        "compared_at": iso(c.compared_at),
                    }
                    for c in compared
                ],
                "reads": [
                    {"entry": e.pk, "at": iso(e.at), "who": e.actor_name, "act": policy(e.act).sentence}
                    for e in (*reads, *cases)
                ],
            }
        )
    return found


def plans(of: Version) -> list[dict[str, Any]]:
    rows = Plan.objects.filter(version=of).select_related(*PLANS).order_by("number")
    return [
        record(
            p,
            state=p.state,
            state_word=p.get_state_display(),
            locked_at=moment(p.locked_at),
            written_by=person(p.written_by),
        )
        for p in rows
    ]


def runs(of: Version, charts: dict[str, str]) -> list[dict[str, Any]]:
    rows = (
        Run.objects.filter(plan__version=of)
        .select_related(*RUNS)
        .prefetch_related("results")
        .order_by("number")
    )
    return [
        record(
            r,
            state=r.state,
            state_word=r.get_state_display(),
            verdict_word=r.get_verdict_display(),
            requested_by=person(r.requested_by),
            plan_locked_at=moment(r.plan.locked_at),
            **_measured(r, charts),
        )
        for r in rows
    ]


def _measured(run: Run, charts: dict[str, str]) -> dict[str, Any]:
    """Of a finished run besides its judged criteria: what is printed. Charts go by digest into `charts`."""
    stored = told(read_results(run.results_digest)) if run.results_digest else {}
    for chart in stored.get("charts", ()):
        charts[chart["digest"]] = blobs.read(chart["digest"], area=AREA).decode()
    overall = stored.get("report", {}).get("overall", {})
    return {
        "gap": stored.get("gap", {}),
        "coverage": stored.get("coverage", {}),
        "replaced_process": stored.get("replaced", []),
        "undecided": stored.get("undecided", {}),
        "confusion": overall.get("counts", {}),
        "charts": stored.get("charts", []),
        "classes": stored.get("classes", []),
        "matrix": stored.get("all_cases", {}).get("confusion", []),
        "observed": stored.get("observed", {}),
        "excluded": stored.get("excluded", {}),
        "worst_case": stored.get("worst_case", []),
        "target_unit": run.plan.target_unit,
    }


def bias_reports(of: Version, charts: dict[str, str]) -> list[dict[str, Any]]:
    """Each report with its results as they are told to everybody, since a pack goes from hand to hand; charts too."""
    found = []
    rows = Report.objects.filter(run__plan__version=of).select_related(*RELATED).order_by("number")
    for each in rows:
        results = told_results(results_of(each)) if each.state == ReportState.DONE else {}
        for chart in results.get("charts", ()):
            charts[chart["digest"]] = blobs.read(chart["digest"], area=AREA).decode()
        found.append(
            record(
                each,
                state=each.state,
                state_word=each.get_state_display(),
                verdict_word=each.get_verdict_display(),
                requested_by=person(each.requested_by),
                results=results,
                levels={line["id"]: level_of(line, results) for line in each.summary},
                notes=[
                    {
                        "kind": note.get_kind_display(),
                        "text": note.text,
                        "reason": note.reason,
                        "written_by": person(note.written_by),
                        "written_at": moment(note.written_at),
                    }
                    for note in each.notes.select_related("written_by")
                ],
            )
        )
    return found


def explanations(of: Version, charts: dict[str, str]) -> list[dict[str, Any]]:
    """Each explanation with its stored results and review; the chart goes by digest into `charts`."""
    found = []
    rows = Explanation.objects.filter(run__plan__version=of).select_related(*EXPLAINED).order_by("number")
    for each in rows:
        if each.chart_digest:
            charts[each.chart_digest] = blobs.read(each.chart_digest, area=AREA).decode()
        found.append(
            record(
                each,
                state=each.state,
                state_word=each.get_state_display(),
                origin_word=each.get_origin_display(),
                review_state=each.review_state,
                review_word=each.get_review_state_display(),
                requested_by=person(each.requested_by),
                reviewed_by=person(each.reviewed_by),
                results=explained(each).get("explanation", {}),
                chart=each.chart_digest,
            )
        )
    return found


def deviations(of: Version) -> list[dict[str, Any]]:
    rows = (
        Deviation.objects.filter(version=of)
        .select_related("version__model", "raised_by", "raised_on_behalf_of")
        .order_by("number")
    )
    return [
        record(
            d,
            state=d.state,
            state_word=d.get_state_display(),
            raised_by=person(d.raised_by),
            expires_at=moment(d.expires_at),
            decided_at=moment(d.decided_at),
            decision_reason=d.decision_reason,
        )
        for d in rows
    ]
