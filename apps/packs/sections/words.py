"""Stored words of rules, methods and claims as a reader of the pack meets them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apps.analysis.verdicts import label_of
from apps.validations.catalogue import unit_of

SIGNS = {"min": "≥", "max": "≤"}
KIND_SIGNS = {"difference": "≤", "ratio": "≥"}
RULES = {
    "point": "the value itself",
    "lower": "lower end of the interval",
    "upper": "upper end of the interval",
    "near": "end of the interval nearest to equality",
    "far": "end of the interval farthest from equality",
}
END_WORDS = {
    "point": "the value",
    "lower": "the lower end",
    "upper": "the upper end",
    "near": "the nearest end",
    "far": "the farthest end",
}
PARTITIONS = {"train": "training", "tune": "tuning", "test": "test"}


def metric_words(one: dict[str, Any]) -> str:
    """The plain name of the metric of a criterion, baseline or result, with the class it is of."""
    name = label_of(one["metric"])
    return f"Class {one['class']}: {name}" if one.get("class") else name


def limit_words(one: dict[str, Any], limit: Any, target_unit: str) -> str:
    """Sign, limit and, where the metric has one, the unit of the target."""
    unit = unit_of(one["metric"], target_unit)
    return f"{SIGNS.get(one['direction'], '')} {limit} {unit}".strip()


def rule_words(rule: str) -> str:
    return RULES.get(rule, rule)


def value_words(value: Any) -> str:
    """A declared value for reading: lists with commas, a claim with its n, truth values as words."""
    if isinstance(value, dict):
        rest = {key: each for key, each in value.items() if key not in ("value", "n")}
        said = [value_words(value["value"])] if "value" in value else []
        said += [f"n = {value['n']}"] if "n" in value else []
        said += [f"{key.replace('_', ' ')} {value_words(each)}" for key, each in sorted(rest.items())]
        return ", ".join(said) or "–"
    if isinstance(value, list):
        return ", ".join(value_words(each) for each in value) or "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "–" if value is None or value == "" else str(value)


def level_words(level: str) -> str:
    """`95 %` of "0.95", `98.33 %` of "0.98333"."""
    return f"{float(level) * 100:.4g} %" if level else "–"


def listed(names: Iterable[str]) -> str:
    """`Ada, Ben and Eve`."""
    found = list(names)
    return " and ".join([", ".join(found[:-1]), found[-1]]) if len(found) > 1 else "".join(found)
