"""What a validation plan must say before anybody may sign it. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apps.analysis import disparities
from apps.analysis.disparities import ALL_DISPARITIES, DISPARITIES, REAL_DISPARITIES, UNBOUNDED
from apps.analysis.metrics import canonical_name
from apps.analysis.verdicts import DIRECTIONS
from apps.analysis.verdicts import RULES as ENDS
from apps.core.errors import BadInput
from apps.validations.amounts import decimal_text, whole_number
from apps.validations.catalogue import BOUNDS, EXCLUDED, METRICS, NOT_TELLING, TELLING
from apps.validations.plan_parts import checked_band, checked_baselines, checked_class, checked_columns
from apps.validations.plan_task import checked_exclusion, checked_task, task_of
from apps.validations.states import Task

ALL = "all"
RESERVED = "case_"  # the portal's own columns in per-case results
MAX_GROUP_COLUMNS = 8
MAX_CRITERIA = 100


@dataclass(frozen=True)
class PlanInput:
    """A plan as it was entered. Criteria and limits as in `models.Plan`, ids optional, limits text or numbers."""

    label_column: str
    positive_value: str
    threshold: str
    group_columns: Sequence[str]
    criteria: Sequence[Mapping[str, Any]]
    bias_limits: Sequence[Mapping[str, Any]]
    rationale: str
    baselines: Sequence[Mapping[str, Any]] = ()
    no_predecessor: str = ""
    unit_column: str = ""
    weight_column: str = ""
    undecided_from: str = ""
    undecided_to: str = ""
    task: str = ""
    classes: Sequence[str] = ()
    target_unit: str = ""
    exclusion: str = ""
    max_excluded: str = ""


@dataclass(frozen=True)
class PlanFacts:
    """columns: of the test version; tier and affects_people: of the intended use; interface: of the model."""

    columns: frozenset[str]
    tier: str
    affects_people: bool
    interface: Mapping[str, Any] = field(default_factory=dict)


def checked_plan(given: PlanInput, facts: PlanFacts) -> dict[str, Any]:
    """The fields of a plan in their stored form; BadInput naming every field that cannot stand and how to mend it."""
    problems: dict[str, list[str]] = {}

    def wrong(name: str, message: str) -> None:
        problems.setdefault(name, []).append(message)

    known = ", ".join(sorted(facts.columns)[:12])
    label = given.label_column.strip()
    if label not in facts.columns:
        wrong("label_column", f"The test data have no column “{label}”. They have {known}.")
    about, found_wrong = checked_task(
        task=given.task,
        classes=given.classes,
        target_unit=given.target_unit,
        positive_value=given.positive_value,
        threshold=given.threshold,
        interface=facts.interface,
    )
    for name, message in found_wrong:
        wrong(name, message)
    task, classes = task_of(given.task) or Task.BINARY, about.get("classes", [])
    groups = [str(name).strip() for name in given.group_columns if str(name).strip()]
    for name in groups:
        if name not in facts.columns:
            wrong("group_columns", f"The test data have no column “{name}”. They have {known}.")
        elif name.startswith(RESERVED):
            wrong("group_columns", f"“{name}”: names that begin with {RESERVED} are the portal's own.")
        elif name == label:
            wrong("group_columns", f"“{name}” is the label and cannot make groups.")
    if not groups:
        wrong(
            "group_columns",
            "Name at least one column that makes groups, such as sex, age band, site or line: "
            "results are reported for each (Annex 22 draft 4.2).",
        )
    if len(set(groups)) != len(groups):
        wrong("group_columns", "A column is named twice.")
    if len(groups) > MAX_GROUP_COLUMNS:
        wrong("group_columns", f"At most {MAX_GROUP_COLUMNS} columns make groups.")
    if not given.rationale.strip():
        wrong("rationale", "Say why these data, limits and sample sizes suffice (Annex 22 draft 5.2).")

    criteria = []
    for number, one in enumerate(given.criteria[:MAX_CRITERIA], start=1):
        found, message = _criterion(one, number, groups, task, classes)
        if message:
            wrong("criteria", f"Criterion {number}: {message}")
        else:
            criteria.append(found)
    limits = []
    for number, one in enumerate(given.bias_limits[:MAX_CRITERIA], start=1):
        found, message = _limit(one, number, groups, task)
        if message:
            wrong("bias_limits", f"Limit {number}: {message}")
        else:
            limits.append(found)
    if not given.criteria:
        wrong("criteria", "A plan needs at least one acceptance criterion.")
    elif (
        "criteria" not in problems
        and facts.tier != "low"
        and not {c["metric"] for c in criteria} & TELLING[task]
    ):
        wrong("criteria", f"At {facts.tier} tier {NOT_TELLING[task]} (Annex 22 draft 4.1).")
    if not given.bias_limits and facts.affects_people:
        wrong(
            "bias_limits",
            "The intended use affects people: set at least one limit on a difference between groups.",
        )
    for name, rows in (("criteria", criteria), ("bias_limits", limits)):
        if len({row["id"] for row in rows}) != len(rows):
            wrong(name, "Two lines have the same identifier.")
    if max(len(given.criteria), len(given.bias_limits)) > MAX_CRITERIA:
        wrong("criteria", f"At most {MAX_CRITERIA} criteria and {MAX_CRITERIA} limits.")
    parts = _parts(given, facts, label, groups, {row["metric"] for row in criteria}, task, classes)
    more: dict[str, Any] = {}
    for fields, found_wrong in parts:
        more |= fields
        for name, message in found_wrong:
            if name != "criteria" or "criteria" not in problems:
                wrong(name, message)
    if {row["id"] for row in criteria} & {row["id"] for row in more.get("baselines", ())}:
        wrong("baselines", "A baseline has the identifier of a criterion.")
    if EXCLUDED in {row["id"] for row in (*criteria, *more.get("baselines", ()))}:
        wrong("criteria", f"“{EXCLUDED}” is the portal's own identifier: choose another.")
    if problems:
        raise BadInput("The plan was not written.", rule="plan", fields=problems)
    return {
        "label_column": label,
        **about,
        "group_columns": groups,
        "criteria": criteria,
        "bias_limits": limits,
        "rationale": given.rationale.strip(),
        **more,
    }


def _parts(
    given: PlanInput,
    facts: PlanFacts,
    label: str,
    groups: Sequence[str],
    metrics: set[str],
    task: Task,
    classes: Sequence[str],
) -> list[tuple[dict[str, Any], list[tuple[str, str]]]]:
    """(fields, problems) of each part of `plan_parts`."""
    return [
        checked_band(given.undecided_from, given.undecided_to, decimal_text(given.threshold), metrics, task),
        checked_exclusion(given.exclusion, given.max_excluded),
        checked_columns(
            given.unit_column, given.weight_column, columns=facts.columns, label=label, groups=groups
        ),
        checked_baselines(
            given.baselines,
            given.no_predecessor,
            subgroups=lambda entered: _subgroup(entered, groups),
            tier=facts.tier,
            band=bool(str(given.undecided_from).strip()),
            task=task,
            classes=classes,
        ),
    ]


def _subgroup(entered: Any, groups: Sequence[str]) -> tuple[str, str]:
    """("all" or "column=value", "") or ("", what is wrong with it)."""
    subgroup = str(entered or ALL).strip()
    if subgroup == ALL:
        return ALL, ""
    column, mark, value = subgroup.partition("=")
    if not mark or not column.strip() or not value.strip() or len(subgroup) > 160:
        return "", "the subgroup is “all” or “column=value”, for example sex=female."
    if column.strip() not in groups:
        return "", f"the subgroup's column “{column.strip()}” is not among the group columns."
    return f"{column.strip()}={value.strip()}", ""


def _criterion(
    one: Mapping[str, Any], number: int, groups: Sequence[str], task: Task, classes: Sequence[str]
) -> tuple[dict[str, Any], str]:
    """(stored form, "") or ({}, what is wrong with it)."""
    metric = canonical_name(str(one.get("metric", "")).strip())
    known = METRICS[task]
    if metric not in known:
        elsewhere = any(metric in names for names in METRICS.values())
        what = "is no metric of this task" if elsewhere else ""
        named = (
            f"“{one.get('metric', '')}” {what}" if what else f"there is no metric “{one.get('metric', '')}”"
        )
        return {}, f"{named}. Choose one of {', '.join(sorted(known))}."
    of_class, message = checked_class(one, metric, task, classes)
    if message:
        return {}, message
    limit = decimal_text(one.get("limit"))
    low, high = BOUNDS.get(metric, (0.0, 1.0))
    if limit is None or len(limit) > 24:
        return {}, "the limit must be a number, for example 0.8."
    if not low <= float(limit) <= high:
        return (
            {},
            f"the limit of {known[metric]} lies between {low:g} and {high:g}.",
        )
    direction, rule = str(one.get("direction", "min")), str(one.get("rule", "point"))
    if direction not in DIRECTIONS:
        return {}, "the direction is min (at least) or max (at most)."
    if rule not in ENDS:
        return {}, "the rule on the interval is point, lower or upper."
    min_n = whole_number(one.get("min_n", 1))
    if min_n is None:
        return {}, "the minimum n is a whole number of at least 1."
    subgroup, message = _subgroup(one.get("subgroup"), groups)
    if message:
        return {}, message
    name = str(one.get("id") or f"C{number}").strip()[:40]
    return {
        "id": name,
        "metric": metric,
        **of_class,
        "subgroup": subgroup,
        "direction": direction,
        "limit": limit,
        "rule": rule,
        "min_n": min_n,
    }, ""


def disparity_name(metric: str, kind: str = "") -> str | None:
    """The disparity a limit names: by its own name, an alias, or as a metric with its kind; None when there is none."""
    name = disparities.ALIASES.get(metric, metric)
    if name in ALL_DISPARITIES:
        return name
    wanted = (kind or "difference", (canonical_name(metric),))
    return next((each for each, (k, of, _) in ALL_DISPARITIES.items() if (k, of) == wanted), None)


def _limit(
    one: Mapping[str, Any], number: int, groups: Sequence[str], task: Task
) -> tuple[dict[str, Any], str]:
    """(stored form, "") or ({}, what is wrong with it)."""
    name = disparity_name(str(one.get("metric", "")).strip(), str(one.get("kind") or "").strip())
    known = REAL_DISPARITIES if task == Task.REGRESSION else DISPARITIES
    if name is None or name not in known:
        what = "there is no disparity" if name is None else "this task has no disparity"
        return {}, f"{what} “{one.get('metric', '')}”. Choose one of {', '.join(known)}."
    limit = decimal_text(one.get("limit"))
    highest = math.inf if name in UNBOUNDED else 1
    if limit is None or len(limit) > 24 or not 0 <= float(limit) <= highest:
        reach = "of at least 0" if name in UNBOUNDED else "between 0 and 1"
        return {}, f"the limit must be a number {reach}."
    rule = str(one.get("rule") or "near")
    if rule not in disparities.RULES:
        return {}, "the rule on the interval is point, near or far."
    column = str(one.get("column", "")).strip()
    if column not in groups:
        return {}, f"its column “{column}” is not among the group columns."
    min_n = whole_number(one.get("min_n", 30))
    if min_n is None:
        return {}, "the minimum n is a whole number of at least 1."
    return {
        "id": str(one.get("id") or f"F{number}").strip()[:40],
        "metric": name,
        "kind": known[name][0],
        "column": column,
        "limit": limit,
        "rule": rule,
        "min_n": min_n,
    }, ""


def subgroup_values(subgroup: str) -> dict[str, str]:
    """{} for all cases, {column: value} for "column=value"."""
    if subgroup == ALL:
        return {}
    column, _, value = subgroup.partition("=")
    return {column: value}
