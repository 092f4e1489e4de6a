"""Canonical content of plans and runs: what is shown, signed, exported and printed."""

from __future__ import annotations

from apps.core import registries
from apps.core.clock import iso
from apps.core.digests import plain
from apps.validations.models import Plan, Run
from apps.validations.states import Exclusion, Task


@registries.content("validations.plan")
def plan_content(plan: Plan) -> dict:
    version, test = plan.version, plan.test_data
    return {
        "schema": "validations.plan/1",
        "ref": plan.ref,
        "version": version.ref,
        "artefact_digest": version.artefact_digest,
        "closure_digest": version.closure_digest,
        "intended_use": version.intended_use.ref,
        "tier": version.intended_use.tier,
        "test_data": {
            "ref": test.ref,
            "file_digest": test.file_digest,
            "table_digest": test.table_digest,
            "rows": test.row_count,
            "entity_column": test.entity_column,
        },
        "label_column": plan.label_column,
        "positive_value": plan.positive_value,
        "threshold": plan.threshold,
        "group_columns": list(plan.group_columns),
        "criteria": plain(plan.criteria),
        "bias_limits": plain(plan.bias_limits),
        "rationale": plan.rationale,
        "written_by": plan.written_by.username,
        "written_at": iso(plan.written_at),
        **_said_besides(plan),
    }


def _said_besides(plan: Plan) -> dict:
    """What a plan may say and need not; left out where it says nothing: plans signed before keep their digest."""
    found = {
        "task": plan.task if plan.task != Task.BINARY else "",
        "classes": list(plan.classes),
        "target_unit": plan.target_unit,
        "exclusion": {"rule": plan.exclusion, "max_share": plan.max_excluded}
        if plan.exclusion != Exclusion.FAIL
        else {},
        "baselines": plain(plan.baselines),
        "no_predecessor": plan.no_predecessor,
        "unit_column": plan.unit_column,
        "weight_column": plan.weight_column,
        "undecided": {"from": plan.undecided_from, "to": plan.undecided_to} if plan.undecided_from else {},
        "replaces": plan.replaces.ref if plan.replaces else "",
    }
    return {name: value for name, value in found.items() if value}


@registries.content("validations.run")
def run_content(run: Run) -> dict:
    plan = run.plan
    return {
        "schema": "validations.run/1",
        "ref": run.ref,
        "plan": plan.ref,
        "version": plan.version.ref,
        "artefact_digest": plan.version.artefact_digest,
        "test_table_digest": plan.test_data.table_digest,
        "requested_by": run.requested_by.username,
        "requested_at": iso(run.requested_at),
        "finished_at": iso(run.finished_at) if run.finished_at else "",
        "verdict": run.verdict,
        "results_digest": run.results_digest,
        "cases_digest": run.cases_digest,
        "environment": plain(run.environment),
        "repeat_identical": run.repeat_identical,
        "failure": run.failure,
        "results": [
            {
                "criterion": r.criterion,
                "metric": r.metric,
                **({"class": r.of_class} if r.of_class else {}),
                "subgroup": r.subgroup,
                "n": r.n,
                "value": r.value,
                "low": r.low,
                "high": r.high,
                "method": r.method,
                "limit": r.limit,
                "direction": r.direction,
                "rule": r.rule,
                "verdict": r.verdict,
                "sentence": r.sentence,
            }
            for r in run.results.all()
        ],
    }


@registries.predecessor("validations.Plan")
def replaced_plan(plan: Plan) -> Plan | None:
    """The locked plan that this one takes the place of."""
    return plan.replaces
