"""Canonical content of probe plans, reports and evidence: what is shown, signed, exported and printed."""

from __future__ import annotations

from apps.core import registries
from apps.core.clock import iso
from apps.core.digests import plain
from apps.robustness.models import ProbeEvidence, ProbePlan, ProbeReport


@registries.content("robustness.plan")
def plan_content(plan: ProbePlan) -> dict:
    return _plan(plan) | {
        "schema": "robustness.plan/2",
        "catalogue": plan.catalogue,
        **({"no_answer": plan.no_answer} if plan.no_answer else {}),
    }


@registries.earlier_content("robustness.plan/1")
def plan_content_1(plan: ProbePlan) -> dict | None:
    """Before the catalogue of probes had versions; nothing for limits that name one."""
    return _plan(plan) if plan.catalogue == 1 and not plan.no_answer else None


def _plan(plan: ProbePlan) -> dict:
    validation, version = plan.validation_plan, plan.version
    return {
        "schema": "robustness.plan/1",
        "ref": plan.ref,
        "validation_plan": validation.ref,
        "version": version.ref,
        "artefact_digest": version.artefact_digest,
        "intended_use": version.intended_use.ref,
        "tier": version.intended_use.tier,
        "test_data": {"ref": validation.test_data.ref, "table_digest": validation.test_data.table_digest},
        "bounds": plain(plan.bounds),
        "limits": plain(plan.limits),
        "rationale": plan.rationale,
        # Left out where it was not asked yet: what was signed then stays as it was.
        **(
            {"differential_privacy": {"training": plan.private_training, "epsilon": plan.private_epsilon}}
            if plan.private_training
            else {}
        ),
        "written_by": plan.written_by.username,
        "written_at": iso(plan.written_at),
    }


@registries.content("robustness.report")
def report_content(report: ProbeReport) -> dict:
    plan = report.plan
    return {
        "schema": "robustness.report/1",
        "ref": report.ref,
        "plan": plan.ref,
        "version": plan.version.ref,
        "artefact_digest": plan.version.artefact_digest,
        "test_table_digest": plan.validation_plan.test_data.table_digest,
        "parity": report.parity.ref if report.parity else "",
        "epsilon": report.epsilon.ref if report.epsilon else "",
        "requested_by": report.requested_by.username,
        "requested_at": iso(report.requested_at),
        "finished_at": iso(report.finished_at) if report.finished_at else "",
        "state": report.state,
        "verdict": report.verdict,
        "summary": plain(report.summary),
        "results_digest": report.results_digest,
        "chart_digest": report.chart_digest,
        "environment": plain(report.environment),
        "failure": report.failure,
    }


@registries.content("robustness.evidence")
def evidence_content(evidence: ProbeEvidence) -> dict:
    return {
        "schema": "robustness.evidence/1",
        "ref": evidence.ref,
        "version": evidence.version.ref,
        "kind": evidence.kind,
        "file_name": evidence.file_name,
        "file_digest": evidence.file_digest,
        "second_name": evidence.second_name,
        "second_digest": evidence.second_digest,
        "key_column": evidence.key_column,
        "tolerance": evidence.tolerance,
        "outcome": plain(evidence.outcome),
        "submitted_by": evidence.submitted_by.username,
        "submitted_at": iso(evidence.submitted_at),
    }
