"""What a signature at the release gate covers: the digests of everything the decision rests on."""

from __future__ import annotations

from typing import Any

from apps.access.signing import content_digest, content_of
from apps.approvals.board_facts import decision_of
from apps.approvals.loading import minute_of
from apps.approvals.models import Gate, Minute, Slot
from apps.core import registries
from apps.core.digests import digest, plain
from apps.explanation.checks import CHECK as EXPLAINED
from apps.explanation.checks import report_bound as explanation_bound
from apps.explanation.rules import wanted
from apps.fairness.checks import last_done_report
from apps.quality.models import Deviation
from apps.quality.queries import deviations_of_versions
from apps.robustness.checks import CHECK as PROBED
from apps.robustness.checks import last_done_probe_report
from apps.validations.checks import last_done_run, live_plan
from apps.verification.resting import evidence_bound, matrix_bound

ATTACHED, TRACED = "verification_evidence", "traceability_complete"  # checks of apps/verification


@registries.content("approvals.gate")
def gate_content(gate: Gate) -> dict:
    """The closure of a release by digest. A later change of any part shows every signature as out of date.

    Runs and reports count by what they found: run again with the same result, nothing changes; with another, all does.
    """
    version = gate.version
    plan, run, report = live_plan(version), last_done_run(version), last_done_report(version)
    minute = minute_of(gate)
    content = {
        "schema": "approvals.gate/1",
        "gate": gate.kind,
        "template": digest(gate.template_content),
        "tier": gate.template_content["tier"],
        "version": {
            "ref": version.ref,
            "digest": content_digest(version),
            "artefact": version.artefact_digest,
        },
        "intended_use": {"ref": version.intended_use.ref, "digest": content_digest(version.intended_use)},
        "plan": {"ref": plan.ref, "digest": content_digest(plan)} if plan else None,
        "run": {"results": run.results_digest, "cases": run.cases_digest} if run else None,
        "bias_report": {"results": report.results_digest} if report else None,
        "deviations": [
            {"ref": d.ref, "state": _state_at(gate, d), "digest": content_digest(d)} for d in _rests_on(gate)
        ],
        "board_minute": _board(gate, minute),
    }
    if any(check["code"] == EXPLAINED for check in gate.template_content["checks"]):
        # Gates opened by an earlier template asked for none: what was signed there stays as it was.
        content["explanation"] = _explained(gate)
    if any(check["code"] == PROBED for check in gate.template_content["checks"]):
        probes = last_done_probe_report(version)
        content["probe_report"] = {"results": probes.results_digest} if probes else None
    if any(check["code"] == ATTACHED for check in gate.template_content["checks"]):
        content["verification"] = evidence_bound(version)
    if any(check["code"] == TRACED for check in gate.template_content["checks"]):
        content["traceability"] = matrix_bound(version)
    return content


def _explained(gate: Gate) -> dict[str, Any] | None:
    """The explanation with its review by digest, where the intended use asks for one."""
    use = gate.version.intended_use
    asked = wanted(use.tier, use.affects_people)
    found = explanation_bound(gate.version, gate.decided_at) if asked else None
    return {"results": found.results_digest, "review": digest(plain(found.review))} if found else None


def _board(gate: Gate, minute: Minute | None) -> dict[str, Any] | None:
    """The board's signed decision by digest; else the minute of a board outside the portal."""
    decided = decision_of(gate)
    if decided is not None:
        return {
            "meeting": decided.ref,
            "digest": content_digest(decided),
            "decision": decided.decision,
            "conditions_met": decided.conditions_met_at is not None,
            "signatures": [str(each.uuid) for each in decided.signatures],
        }
    if minute is None:
        return None
    return {"number": minute.number, "held_on": minute.held_on.isoformat(), "file": minute.file_digest}


def _rests_on(gate: Gate) -> list[Deviation]:
    """The blocking deviations that the decision rests on: of a decided gate, those raised before it was decided.

    What is found later stops the version by itself until somebody decides on it; it unsays no signature.
    """
    decided = gate.decided_at
    return [
        each
        for each in deviations_of_versions([gate.version_id])[gate.version_id]
        if each.blocking and (decided is None or each.raised_at <= decided)
    ]


def _state_at(gate: Gate, deviation: Deviation) -> str:
    """The state as it is; of a decided gate, as it was when that was decided."""
    decided = gate.decided_at
    if decided is None or deviation.decided_at is None or deviation.decided_at <= decided:
        return deviation.state
    before = deviation.history.filter(history_date__lte=decided).order_by("-history_date", "-history_id")
    return before.values_list("state", flat=True)[0]


@registries.content("approvals.slot")
def slot_content(slot: Slot) -> dict:
    return {"schema": "approvals.slot/1", "slot": slot.code, "gate": content_of(slot.gate)}


def parts_of(gate: Gate) -> dict[str, Any]:
    """What the digests in `gate_content` stand for, in full: kept with each signature, so that a later change can be
    told field by field. Shape: {"version", "intended_use", "plan": content or None, "deviations": {ref: content}}."""
    version = gate.version
    plan = live_plan(version)
    return {
        "version": content_of(version),
        "intended_use": content_of(version.intended_use),
        "plan": content_of(plan) if plan else None,
        "deviations": {each.ref: content_of(each) for each in _rests_on(gate)},
    }
