"""What a probe plan must say before anybody may sign it. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.analysis import intervals
from apps.analysis.probes import PRIVACY, PROBES, RULES
from apps.analysis.probes.shifted import FAR_PART
from apps.core.errors import BadInput, WrongState
from apps.robustness.states import PrivateTraining

MAX_LIMITS = 40
DECIDED = ("released", "rejected", "suspended")  # states of a version: apps.registry.states
# What is probed at least, by risk tier (gate G4: basic robustness; full robustness and parity; privacy as well).
BASIC = ("noise_5", "missing_each")
FULL = (
    *BASIC,
    "unseen_category",
    "out_of_range",
    "far_rows",
    "units",
    "group_shift",
    "adversarial",
    "repeatability",
    "parity",
)
REQUIRED = {"low": BASIC, "medium": FULL, "high": (*FULL, "membership", "inversion")}
# name -> (label, least, greatest, decimal places matter)
BOUNDS: dict[str, tuple[str, float, float, bool]] = {
    "seed": ("Seed of the random numbers", 0, 2**31 - 1, False),
    "rows": ("Rows asked at most", 100, 100_000, False),
    "shift": ("Part of the cases replaced by one group", 0.05, 1, True),
    "epsilon": ("Bound of the search, in standard deviations", 0.001, 10, True),
    "budget": ("Questions the search may ask a case", 1, 1_000, False),
    "cases": ("Cases the search tries", 10, 2_000, False),
}
DEFAULTS = {"seed": "1", "rows": "5000", "shift": "0.5", "epsilon": "0.1", "budget": "50", "cases": "200"}


@dataclass(frozen=True)
class PlanInput:
    """A probe plan as it was entered. bounds and limits as in `models.ProbePlan`, ids optional, numbers or text.

    private_training: whether the model was trained with differential privacy; private_epsilon: if so, with which.
    """

    bounds: Mapping[str, Any]
    limits: Sequence[Mapping[str, Any]]
    rationale: str
    private_training: str
    private_epsilon: str = ""


@dataclass(frozen=True)
class PlanFacts:
    """tier of the intended use; texts: whether the model takes a text column (None: not known)."""

    tier: str
    texts: bool | None = None


def refuse_decided(ref: str, state: str, what: str) -> None:
    """Probes and the files for them belong before the decision on a version."""
    if state in DECIDED:
        raise WrongState(
            f"{what} {ref} any more.",
            fact=f"{ref} is {state}: what was decided on stays as it was.",
            rule="decided",
            who=["a developer, on a new version; what is found later is a deviation"],
        )


def required(facts: PlanFacts) -> list[str]:
    """The probes that a plan of this tier sets a limit for."""
    names = REQUIRED.get(facts.tier, REQUIRED["high"])
    return [name for name in names if name != "unseen_category" or facts.texts is not False]


def checked_plan(given: PlanInput, facts: PlanFacts) -> dict[str, Any]:
    """The fields of a plan in their stored form; BadInput naming every field that cannot stand and how to mend it."""
    problems: dict[str, list[str]] = {}
    bounds = {}
    for name, (label, least, greatest, fractions) in BOUNDS.items():
        text = _decimal(given.bounds.get(name, DEFAULTS[name]))
        if (
            text is None
            or not least <= float(text) <= greatest
            or not (fractions or float(text).is_integer())
        ):
            kind = "number" if fractions else "whole number"
            problems.setdefault("bounds", []).append(
                f"{label}: enter a {kind} from {least:,g} to {greatest:,g}."
            )
        else:
            bounds[name] = text if fractions else str(int(float(text)))
    odd = sorted(set(given.bounds) - set(BOUNDS))
    if odd:
        problems.setdefault("bounds", []).append(f"There is no bound “{odd[0]}”.")
    limits = []
    for number, one in enumerate(given.limits[:MAX_LIMITS], start=1):
        found, message = _limit(one, number, {**DEFAULTS, **bounds})
        if message:
            problems.setdefault("limits", []).append(f"Limit {number}: {message}")
        else:
            limits.append(found)
    if len(given.limits) > MAX_LIMITS:
        problems.setdefault("limits", []).append(f"At most {MAX_LIMITS} limits.")
    if len({line["id"] for line in limits}) != len(limits):
        problems.setdefault("limits", []).append("Two limits have the same identifier.")
    if len({line["probe"] for line in limits}) != len(limits):
        problems.setdefault("limits", []).append("A probe has two limits: one decides.")
    absent = [name for name in required(facts) if name not in {line["probe"] for line in limits}]
    if absent and "limits" not in problems:
        words = ", ".join(PROBES[name].label.lower() for name in absent)
        problems["limits"] = [f"At {facts.tier} tier each of these needs a limit too: {words}."]
    private, epsilon = _private(given, {line["probe"] for line in limits}, problems)
    if not given.rationale.strip():
        problems["rationale"] = ["Say why these limits and bounds fit the use."]
    if problems:
        raise BadInput("The probe plan was not written.", rule="plan", fields=problems)
    return {
        "bounds": bounds,
        "limits": limits,
        "rationale": given.rationale.strip(),
        "private_training": private,
        "private_epsilon": epsilon,
    }


def _private(given: PlanInput, limited: Collection[str], problems: dict[str, list[str]]) -> tuple[str, str]:
    """(whether differential privacy was used, its epsilon) in their stored form."""
    used, epsilon = str(given.private_training), str(given.private_epsilon).strip()
    if used not in set(PrivateTraining):
        problems["private_training"] = ["Say whether the model was trained with differential privacy."]
    elif used == PrivateTraining.NOT_USED:
        if epsilon:
            problems["private_epsilon"] = ["Leave it empty where differential privacy was not used."]
        elif "epsilon" in limited:
            label = PROBES["epsilon"].label
            problems.setdefault("limits", []).append(
                f"“{label}” takes a limit only where differential privacy was used in training."
            )
    else:
        text = _decimal(epsilon)
        if text is None or not float(text) > 0:
            problems["private_epsilon"] = ["Enter the epsilon of the training, a number above 0."]
        if "epsilon" not in limited:
            label = PROBES["epsilon"].label
            problems.setdefault("limits", []).append(
                f"Differential privacy was used: set a limit on “{label}” too."
            )
    return used, epsilon


def attainable(name: str, rule: str, bounds: Mapping[str, str]) -> tuple[float, str]:
    """(the greatest number that is held against a limit, in words what it is); infinite where there is none.

    Judged on its lower end, a share of all n cases is Wilson's lower end of n of n.
    """
    if name == "epsilon":
        return math.inf, "epsilon"
    if name == "group_shift":
        return float(bounds["shift"]), "the fall, where so great a part of the cases is replaced,"
    if rule != "near" or name in ("membership", "inversion", "parity"):
        return PROBES[name].highest, "it"
    rows = int(bounds["rows"])
    n = {"adversarial": min(rows, int(bounds["cases"])), "far_rows": max(1, round(FAR_PART * rows))}.get(
        name, rows
    )
    return intervals.wilson(n, n)[0], f"the lower end of its interval over {n:,} cases"


def _limit(one: Mapping[str, Any], number: int, bounds: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    """(stored form, "") or ({}, what is wrong with it)."""
    name = str(one.get("probe", "")).strip()
    if name not in PROBES:
        return {}, f"there is no probe “{name}”. Choose one of {', '.join(PROBES)}."
    probe = PROBES[name]
    rule = str(one.get("rule") or "near")
    if rule not in RULES:
        return {}, "the rule on the interval is point, near or far."
    limit = _decimal(one.get("limit"))
    if limit is None or not 0 <= float(limit) <= probe.highest:
        return {}, f"the limit of “{probe.label}” ({probe.measure}) is a number from 0 to {probe.highest:,g}."
    top, over = attainable(name, rule, bounds)
    if float(limit) >= top:
        return {}, (
            f"a limit of {limit} on “{probe.label}” ({probe.measure}) can never be breached: {over} is at most "
            f"{top:.4g}. Give a number from 0 to below that: the greatest you would accept."
        )
    min_n = _whole(one.get("min_n", 30))
    if min_n is None:
        return {}, "the minimum n is a whole number of at least 1."
    letter = "V" if probe.family == PRIVACY else "R"
    return {
        "id": str(one.get("id") or f"{letter}{number}").strip()[:40],
        "probe": name,
        "limit": limit,
        "rule": rule,
        "min_n": min_n,
    }, ""


def _decimal(given: Any) -> str | None:
    """The plain decimal text of a finite number, or None."""
    if isinstance(given, bool) or given is None:
        return None
    text = str(given).strip()
    try:
        number = float(text)
    except ValueError:
        return None
    fits = math.isfinite(number) and "_" not in text and text.isascii() and len(text) <= 24
    return text if fits else None


def _whole(given: Any) -> int | None:
    text = _decimal(given)
    if text is None or not float(text).is_integer():
        return None
    number = int(float(text))
    return number if 1 <= number <= 10**9 else None
