"""The key figures of bias report, probes and explanation for who signs a release, and how their signatures stand."""

from __future__ import annotations

from typing import Any

from apps.access.signing import Standing, standings
from apps.explanation.checks import last_report as last_explanation
from apps.explanation.rules import wanted
from apps.explanation.states import State as ExplanationState
from apps.fairness.models import Report
from apps.registry.models import Version
from apps.robustness.checks import last_probe_report, live_probe_plan
from apps.robustness.states import Verdict
from apps.validations.checks import live_plan
from apps.web.links import url_of

ORDER = (Verdict.BREACHED, Verdict.UNDECIDED, Verdict.WITHIN)  # the worst first


def key_figures(version: Version, bias: Report | None) -> dict[str, Any]:
    """Context of evidence/_key_figures.html: every part is None where there is nothing of it yet."""
    plan = live_plan(version)
    return {
        "plan": plan,
        "plan_url": url_of(plan),
        "plan_signed": _signed(plan),
        "use_signed": _signed(version.intended_use),
        "bias_signed": _signed(bias),
        "probes": probe_figures(version),
        "explained": explanation_figures(version),
    }


def probe_figures(version: Version) -> dict[str, Any] | None:
    """The newest probe report of the locked limits: how many are kept, and the limit that is worst kept."""
    plan, report = live_probe_plan(version), last_probe_report(version)
    if plan is None:
        return None
    summary = report.summary if report is not None else []
    return {
        "plan": plan,
        "plan_url": url_of(plan),
        "signed": _signed(plan),
        "report": report,
        "url": url_of(report),
        "limits": len(summary),
        "breached": sum(line["verdict"] == Verdict.BREACHED for line in summary),
        "undecided": sum(line["verdict"] == Verdict.UNDECIDED for line in summary),
        "worst": min(summary, key=_badness, default=None),
    }


def _badness(line: dict[str, Any]) -> tuple[int, float]:
    """Breached before undecided before within; of these the value farthest beyond its limit, or nearest to it."""
    value = line["value"]
    return ORDER.index(Verdict(line["verdict"])), float(line["limit"]) - float(value) if value else 0.0


def explanation_figures(version: Version) -> dict[str, Any]:
    """The newest explanation: what it rests on first, its stability, the fidelity of its surrogate, and its review."""
    use, report = version.intended_use, last_explanation(version)
    done = report is not None and report.state == ExplanationState.DONE
    return {
        "wanted": wanted(use.tier, use.affects_people),
        "report": report,
        "url": url_of(report),
        "first": report.summary["features"][0]["sentence"] if done and report else "",
        "stability": report.summary["stability"] if done and report else "",
        "surrogate": report.summary["surrogate"] if done and report else "",
        "signed": _signed(report),
    }


def _signed(record: Any) -> list[Standing]:
    return standings(record) if record is not None else []
