"""The stored figures of a run as CSV: every metric, the calibration bins, the thresholds. CRLF line ends, UTF-8."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

from apps.access.actors import Actor
from apps.accounts.models import User
from apps.core.csvsafe import disarmed
from apps.core.errors import WrongState
from apps.validations.models import Run
from apps.validations.states import RUN_FACTS, RunState
from apps.validations.telling import results_for

ESTIMATE = ("value", "low", "high", "n", "method")
Line = dict[str, Any]


def refuse_unfinished(run: Run) -> None:
    """Figures are given out when a run is done; WrongState before, and for one that gave nothing."""
    if run.state != RunState.DONE:
        raise WrongState(
            f"{run.ref} has no figures.",
            fact=RUN_FACTS[RunState(run.state)],
            rule="run-done",
            who=["whoever may see it, after a run that came to its end"],
        )


def estimates_of(group: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(class or "", metric, estimate) of a group: its own metrics, then those of each class against the rest."""
    for metric, estimate in group["metrics"].items():
        yield "", metric, estimate
    for one in group.get("classes", ()):
        for metric, estimate in one["metrics"].items():
            yield one["class"], metric, estimate


def _figures(results: dict[str, Any]) -> Iterator[Line]:
    report = results["report"]
    several = "classes" in report["overall"]
    whole = {"attributes": ["all cases"], "groups": [report["overall"] | {"name": "all cases"}]}
    for grouping in [whole, *report.get("groupings", ())]:
        for group in grouping["groups"]:
            for of_class, metric, estimate in estimates_of(group):
                yield {
                    "grouping": disarmed(" x ".join(grouping["attributes"])),
                    "group": disarmed(group["name"]),
                    **({"class": disarmed(of_class)} if several else {}),
                    "metric": metric,
                    **{name: estimate[name] for name in ESTIMATE},
                    "note": disarmed(estimate["reason"]),
                }


def _calibration(results: dict[str, Any]) -> Iterator[Line]:
    for one in results.get("all_cases", results["report"]["overall"]).get("calibration") or ():
        yield {name: one[name] for name in ("from", "to", "n", "mean_score", "rate", "low", "high")}


def _thresholds(results: dict[str, Any]) -> Iterator[Line]:
    for point in (results.get("thresholds") or {}).get("points", ()):
        counts = {name: point["counts"][name] for name in ("tn", "fp", "fn", "tp")}
        for metric, estimate in point["metrics"].items():
            told = {name: estimate[name] for name in ESTIMATE}
            yield {
                "threshold": point["threshold"],
                "locked": point["locked"],
                **counts,
                "metric": metric,
                **told,
            }


def _confusion(results: dict[str, Any]) -> Iterator[Line]:
    names = results.get("classes", [])
    for label, row in zip(names, results["all_cases"].get("confusion", ()), strict=bool(names)):
        for said, n in zip(names, row, strict=True):
            yield {"label": disarmed(label), "predicted": disarmed(said), "n": n}


def _observed(results: dict[str, Any]) -> Iterator[Line]:
    yield from (results.get("observed") or {}).get("bands", ())


def _errors(results: dict[str, Any]) -> Iterator[Line]:
    bars = (results.get("observed") or {}).get("bars") or {"edges": [], "counts": []}
    for i, n in enumerate(bars["counts"]):
        yield {"from": bars["edges"][i], "to": bars["edges"][i + 1], "n": n}


TABLES = {
    "figures": _figures,
    "calibration": _calibration,
    "thresholds": _thresholds,
    "confusion": _confusion,
    "observed": _observed,
    "errors": _errors,
}


def as_csv(run: Run, table: str, actor: Actor | User) -> str:
    """One of `TABLES` of a finished run as told to `actor`; without a line where the run has no such figures."""
    lines = list(TABLES[table](results_for(actor, run)))
    out = io.StringIO(newline="")
    if lines:
        writer = csv.DictWriter(out, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    return out.getvalue()
