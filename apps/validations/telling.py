"""What of results is told to whom: figures of small groups only to who may read the cases (`analysis.disclosure`).

Stored results are exact and whole; what is signed, sent on or printed beside them (criteria with their sentences) never
has a figure of a small group.
"""

from __future__ import annotations

from typing import Any

from apps.access import gate, past
from apps.access.actors import Actor
from apps.accounts.models import User
from apps.analysis import disclosure
from apps.validations.catalogue import UNDECIDED
from apps.validations.models import Run
from apps.validations.rules import subgroup_values
from apps.validations.stored import read_results


def reads_cases(actor: Actor | User, *runs: Run) -> bool:
    """Whether the person may read the cases of the runs one by one, today: the figures of a few are then no secret."""
    with past.today():
        return all(gate.may(actor, "validations.read_cases", run).allowed for run in runs)


def results_for(actor: Actor | User, run: Run) -> dict[str, Any]:
    """The stored results of a finished run as they are told to the person."""
    found = read_results(run.results_digest)
    return found if reads_cases(actor, run) else told(found)


def told(results: dict[str, Any]) -> dict[str, Any]:
    """Stored results of a run or of a bias report without the figures of small groups."""
    made = dict(results)
    for name in ("report", "undecided"):
        if results.get(name):
            made[name] = disclosure.told(results[name])
    return made


def told_comparison(found: dict[str, Any]) -> dict[str, Any]:
    """A paired comparison, computed or stored, without the lines of small groups; one that was not made as it is."""
    if not found.get("groups"):
        return found
    columns = found["inputs"]["groups"]
    return found | {"groups": disclosure.told_lines(found["groups"], columns, int(found["n"]))}


def without_small_groups(
    lines: list[dict[str, Any]], figures: dict[str, Any], left_open: dict[str, Any]
) -> list[dict[str, Any]]:
    """Judged criteria (`figures.judge`) or their worst cases, those about a hidden group by their verdict alone.

    `figures`, `left_open`: the reports they were judged on, from which follows what is hidden.
    """
    return [_without(line, left_open if line["metric"] == UNDECIDED else figures) for line in lines]


def _without(line: dict[str, Any], report: dict[str, Any]) -> dict[str, Any]:
    values = subgroup_values(line["subgroup"])
    key = frozenset(values.items())
    if not values or not report or key not in disclosure.hidden_of(report):
        return line
    made = line | {name: "" for name in ("value", "low", "high", "method") if name in line}
    if "n" in line:  # of the metric: its positives, or what is predicted so
        made["n"] = disclosure.sizes_of(report)[key]
    if "reason" in line:
        made["reason"] = disclosure.WHY
    if "sentence" in line:
        made["sentence"] = disclosure.coarse(line["verdict"])
    return made
