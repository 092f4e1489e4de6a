"""What of results is told to whom: figures of small groups only to who may read the cases (`analysis.disclosure`).

Stored results are exact and whole; what is signed, sent on or printed beside them (criteria with their sentences) never
has a figure of a small group.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from apps.access import gate, past
from apps.access.actors import Actor
from apps.accounts.models import User
from apps.analysis import disclosure
from apps.analysis.undecided import MISSING
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


SECRET = "secret"  # of stored results: keeps their digest from telling a right guess of what is hidden


@dataclass(frozen=True)
class Apart:
    """What is hidden in all reports on the cases of one run, and the cases of each group of one column.

    `cases` is empty where every case counts: where scores are left undecided or cases are excluded, how many of a
    group are judged is an answer of the model, and the size told of a hidden group is that of the data.
    """

    shut: frozenset[disclosure.Key]
    cases: dict[disclosure.Key, int]

    def spelled(self, missing: str) -> Apart:
        """With another word for a missing value."""
        shut = (frozenset((n, v or missing) for n, v in key) for key in self.shut)
        cases = {frozenset((n, v or missing) for n, v in key): rows for key, rows in self.cases.items()}
        return Apart(frozenset(shut), cases)


def apart(report: dict[str, Any], left_open: dict[str, Any], left_out: dict[str, Any]) -> Apart:
    """Of the report on the judged cases, that of the undecided share and the excluded cases of one run; {} for none.

    A group is hidden in all of them where it is in one: the cases judged and all cases are each a size of it.
    """
    known = [disclosure.sizes_of(report)]
    shut = set(disclosure.hidden_of(report))
    totals = [int(report["overall"]["n"])]
    if left_open.get("groupings"):
        found = disclosure.sizes_of(left_open)
        known.append({_plain(key): n for key, n in found.items()})
        totals.append(int(left_open["overall"]["n"]))
    if left_out.get("groups"):
        rows = {frozenset(((g["column"], g["value"]),)): int(g["rows"]) for g in left_out["groups"]}
        known.append(rows)
        totals.append(int(left_out["rows"]))
    if len(known) == 1:
        return Apart(frozenset(shut), {})
    every = known[-1]
    for sizes, total in zip(known, totals, strict=True):
        shut |= disclosure.hidden(dict.fromkeys(every, 0) | sizes, total)
    return Apart(frozenset(shut), every)


def _plain(key: disclosure.Key) -> disclosure.Key:
    return frozenset((name, "" if value == MISSING else value) for name, value in key)


def told(results: dict[str, Any]) -> dict[str, Any]:
    """Stored results of a run or of a bias report without the figures of small groups."""
    made = {name: value for name, value in results.items() if name != SECRET}
    if not results.get("report"):
        return made
    left_open, left_out = results.get("undecided") or {}, results.get("excluded") or {}
    found = apart(results["report"], left_open, left_out)
    made["report"] = disclosure.told(results["report"], found.shut, found.cases)
    if left_open:
        spelled = found.spelled(MISSING)
        made["undecided"] = disclosure.told(left_open, spelled.shut, spelled.cases)
    if left_out.get("groups"):
        made["excluded"] = left_out | {"groups": [_excluded(group, found) for group in left_out["groups"]]}
    return made


def _excluded(group: dict[str, Any], found: Apart) -> dict[str, Any]:
    hidden = frozenset(((group["column"], group["value"]),)) in found.shut
    return group | {"n": None} if hidden else group


def told_comparison(found: dict[str, Any]) -> dict[str, Any]:
    """A paired comparison, computed or stored, without the lines of small groups; one that was not made as it is."""
    if not found.get("groups"):
        return found
    columns = found["inputs"]["groups"]
    return found | {"groups": disclosure.told_lines(found["groups"], columns, int(found["n"]))}


def without_small_groups(
    lines: list[dict[str, Any]], figures: dict[str, Any], left_open: dict[str, Any], left_out: dict[str, Any]
) -> list[dict[str, Any]]:
    """Judged criteria (`figures.judge`) or their worst cases, those about a hidden group by their verdict alone.

    `figures`, `left_open`, `left_out`: what they were judged on, from which follows what is hidden.
    """
    found = apart(figures, left_open, left_out)
    sizes = disclosure.sizes_of(figures) | found.cases
    return [_without(line, found.shut, sizes) for line in lines]


def _without(
    line: dict[str, Any], shut: Collection[disclosure.Key], sizes: dict[disclosure.Key, int]
) -> dict[str, Any]:
    key = _plain(frozenset(subgroup_values(line["subgroup"]).items()))
    if not key or key not in shut:
        return line
    made = line | {name: "" for name in ("value", "low", "high", "method") if name in line}
    if "n" in line:  # of the metric: its positives, or what is predicted so
        made["n"] = sizes[key]
    if "reason" in line:
        made["reason"] = disclosure.WHY
    if "excluded" in line:
        made["excluded"] = None
    if "sentence" in line:
        made["sentence"] = disclosure.coarse(line["verdict"])
    return made
