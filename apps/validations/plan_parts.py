"""Parts of a plan beside its criteria: the replaced process, the band of undecided scores, units and weights. Pure.

Each function takes what was entered and gives (stored fields, [(field, what is wrong and how to mend it)]).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.analysis.metrics import canonical_name
from apps.analysis.verdicts import label_of
from apps.validations.amounts import decimal_text, whole_number
from apps.validations.catalogue import BOUNDS, LESS, METRICS, MORE, PER_CLASS, UNDECIDED
from apps.validations.states import Task

MAX_BASELINES = 50
Problems = list[tuple[str, str]]


def checked_band(
    from_: Any, to: Any, threshold: str | None, metrics: set[str], task: Task = Task.BINARY
) -> tuple[dict, Problems]:
    """A score from `from_` up to below `to` is undecided. `metrics`: those of the criteria.

    A band needs a criterion on the undecided rate, and that criterion needs a band: a model that leaves every hard case
    to somebody else would else look better than it is (Annex 22 draft 9.2).
    """
    start, end = str(from_ or "").strip(), str(to or "").strip()
    problems: Problems = []
    if not start and not end:
        if UNDECIDED in metrics:
            problems.append(
                (
                    "undecided_from",
                    "A criterion on the undecided rate needs the scores that count as undecided.",
                )
            )
        return {"undecided_from": "", "undecided_to": ""}, problems
    if task != Task.BINARY:
        name = "undecided_from" if start else "undecided_to"
        return {}, [(name, "Only a plan about two classes has a band of undecided scores: leave both empty.")]
    low, high = decimal_text(start), decimal_text(end)
    for name, found in (("undecided_from", low), ("undecided_to", high)):
        if found is None or len(found) > 24 or not 0 <= float(found) <= 1:
            problems.append((name, "Both ends of the band are numbers from 0 to 1, or both are left empty."))
    if problems or low is None or high is None:
        return {}, problems
    if float(low) >= float(high):
        problems.append(("undecided_to", "The band ends above where it begins."))
    elif threshold is not None and not float(low) <= float(threshold) <= float(high):
        problems.append(
            (
                "undecided_from",
                f"The band lies around the threshold {threshold}: from at most it, to at least it.",
            )
        )
    if UNDECIDED not in metrics:
        problems.append(
            (
                "criteria",
                "Scores in a band count as undecided: add a criterion that limits the undecided rate "
                "(Annex 22 draft 9.2).",
            )
        )
    return {"undecided_from": low, "undecided_to": high}, problems


def checked_columns(
    unit: Any, weight: Any, *, columns: frozenset[str], label: str, groups: Sequence[str]
) -> tuple[dict, Problems]:
    """The columns that name the unit of a row and its weight; either may be left empty."""
    problems: Problems = []
    names = {"unit_column": str(unit or "").strip(), "weight_column": str(weight or "").strip()}
    for field, name in names.items():
        if name and name not in columns:
            known = ", ".join(sorted(columns)[:12])
            problems.append((field, f"The test data have no column “{name}”. They have {known}."))
        elif name and (name == label or name in groups):
            problems.append((field, f"“{name}” is the label or makes groups already."))
    if names["unit_column"] and names["unit_column"] == names["weight_column"]:
        problems.append(("weight_column", "A column names the unit or the weight, not both."))
    return names, problems


def checked_baselines(
    given: Sequence[Mapping[str, Any]],
    no_predecessor: Any,
    *,
    subgroups: Any,
    tier: str,
    band: bool,
    task: Task = Task.BINARY,
    classes: Sequence[str] = (),
) -> tuple[dict, Problems]:
    """How good the replaced process is, or why there is none (Annex 22 draft 4.3).

    `subgroups`: a function that takes what was entered and gives (stored form, what is wrong). One of both is needed
    at medium and high tier, never both.
    """
    problems: Problems = []
    why = str(no_predecessor or "").strip()
    rows = []
    for number, one in enumerate(given[:MAX_BASELINES], start=1):
        found, message = _baseline(one, number, subgroups, band, task, classes)
        if message:
            problems.append(("baselines", f"Baseline {number}: {message}"))
        else:
            rows.append(found)
    if len(given) > MAX_BASELINES:
        problems.append(("baselines", f"At most {MAX_BASELINES} baselines."))
    if len({row["id"] for row in rows}) != len(rows):
        problems.append(("baselines", "Two baselines have the same identifier."))
    if len(why) > 5000:
        problems.append(("no_predecessor", "At most 5,000 characters."))
    if why and given:
        problems.append(
            (
                "no_predecessor",
                "Where a process is replaced leave this empty; where none is, name no baseline.",
            )
        )
    if not why and not given and tier != "low":
        problems.append(
            (
                "baselines",
                f"At {tier} tier the plan says how good the process is that the model replaces (value and source), or "
                "why there is none (Annex 22 draft 4.3).",
            )
        )
    return {"baselines": rows, "no_predecessor": why}, problems


def checked_class(
    one: Mapping[str, Any], metric: str, task: Task, classes: Sequence[str]
) -> tuple[dict[str, str], str]:
    """({"class": name} where the metric is of one of several classes, else {}, what is wrong with it)."""
    name = str(one.get("class") or "").strip()
    if task == Task.MULTICLASS and metric in PER_CLASS:
        if name not in classes:
            return (
                {},
                f"{label_of(metric)} is of one class against the rest: name one of {', '.join(classes[:12])}.",
            )
        return {"class": name}, ""
    if name:
        return {}, f"{label_of(metric)} is not of a single class: leave the class empty."
    return {}, ""


def _baseline(
    one: Mapping[str, Any], number: int, subgroups: Any, band: bool, task: Task, classes: Sequence[str]
) -> tuple[dict[str, Any], str]:
    metric = canonical_name(str(one.get("metric", "")).strip())
    if metric not in MORE | LESS:
        named = label_of(metric) if metric else one.get("metric", "")
        return {}, f"“{named}” is not better when it is more or less: choose another metric."
    if metric not in METRICS[task]:
        return {}, f"“{label_of(metric)}” is no metric of this task."
    of_class, wrong = checked_class(one, metric, task, classes)
    if wrong:
        return {}, wrong
    if metric == UNDECIDED and not band:
        return {}, "the undecided rate needs the scores that count as undecided."
    value = decimal_text(one.get("value"))
    if value is None or len(value) > 24:
        return {}, "its value must be a number, for example 0.8."
    lowest, highest = BOUNDS.get(metric, (0.0, 1.0))
    if not lowest <= float(value) <= highest:
        return {}, "its value lies outside what the metric can be."
    given_n = str(one.get("n") if one.get("n") is not None else "").strip()
    n = whole_number(given_n) if given_n else None
    if given_n and n is None:
        return {}, "its n is the whole number of cases it rests on, or left empty where it is not known."
    source = str(one.get("source") or "").strip()
    if not source or len(source) > 500:
        return {}, "say where the value comes from (a report, a study, a record), in at most 500 characters."
    rule = str(one.get("rule") or "point")
    if rule not in ("point", "lower", "upper"):
        return {}, "the rule on the interval is point, lower or upper."
    subgroup, wrong = subgroups(one.get("subgroup"))
    if wrong:
        return {}, wrong
    return {
        "id": str(one.get("id") or f"P{number}").strip()[:40],
        "metric": metric,
        **of_class,
        "subgroup": subgroup,
        "value": value,
        "n": n,
        "source": source,
        "direction": "min" if metric in MORE else "max",
        "rule": rule,
    }, ""
