"""What a probe plan must say before anybody may sign it. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.analysis.probes import PRIVACY, PROBES, RULES, VERSION, changes_since, top_of_share
from apps.analysis.probes.disturbed import UNITS
from apps.analysis.probes.shifted import FAR_PART
from apps.core.errors import BadInput, WrongState
from apps.robustness.states import PrivateTraining
from apps.validations.states import Task

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
    "flips": ("0/1 columns the search may flip in a case", 0, 20, False),
    "budget": ("Questions the search may ask a case", 1, 1_000, False),
    "cases": ("Cases the search tries", 10, 2_000, False),
}
DEFAULTS = {
    "seed": "1",
    "rows": "5000",
    "shift": "0.5",
    "epsilon": "0.1",
    "flips": "0",
    "budget": "50",
    "cases": "200",
}
# Of a predicted number alone, in its unit; they follow from the use and have no usual value.
OF_NUMBERS: dict[str, tuple[str, float, float, bool]] = {
    "tolerance": ("A predicted number counts as moved beyond", 0, 1e12, True),
    "error": ("A predicted number counts as wrong beyond an error of", 0, 1e12, True),
}
MAX_REASON = 2000
# Whoever asks for more than the least says how many cases may go without an answer, or why any may.
ANSWERS_ASKED = ("medium", "high")


@dataclass(frozen=True)
class PlanInput:
    """A probe plan as it was entered. bounds and limits as in `models.ProbePlan`, ids optional, numbers or text.

    private_training: whether the model was trained with differential privacy; private_epsilon: if so, with which.
    no_answer: why a case may go without an answer where a value is missing, if no limit says how many may.
    """

    bounds: Mapping[str, Any]
    limits: Sequence[Mapping[str, Any]]
    rationale: str
    private_training: str
    private_epsilon: str = ""
    no_answer: str = ""


@dataclass(frozen=True)
class PlanFacts:
    """tier of the intended use; texts: whether the model takes a text column (None: not known); columns: how many it
    takes (0: not known); task and unit of the validation plan."""

    tier: str
    texts: bool | None = None
    columns: int = 0
    task: str = Task.BINARY
    unit: str = ""


def bounds_of(task: str) -> dict[str, tuple[str, float, float, bool]]:
    """The bounds that a plan of this task states, as `BOUNDS`."""
    return {**OF_NUMBERS, **BOUNDS} if task == Task.REGRESSION else BOUNDS


def outdated(ref: str, catalogue: int) -> str:
    """Why no probe is made under limits of an earlier catalogue; empty under today's."""
    if catalogue == VERSION:
        return ""
    return (
        f"{ref} was locked under version {catalogue} of the probe catalogue; probes are made under version {VERSION}: "
        f"{changes_since(catalogue)}."
    )


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
    asked = bounds_of(facts.task)
    for name, (label, least, greatest, fractions) in asked.items():
        text = _decimal(given.bounds.get(name, DEFAULTS.get(name)))
        if (
            text is None
            or not least <= float(text) <= greatest
            or not (fractions or float(text).is_integer())
        ):
            kind = "number" if fractions else "whole number"
            unit = f", in {facts.unit}" if name in OF_NUMBERS and facts.unit else ""
            problems.setdefault("bounds", []).append(
                f"{label}: enter a {kind} from {least:,g} to {greatest:,g}{unit}."
            )
        else:
            bounds[name] = text if fractions else str(int(float(text)))
    odd = sorted(name for name in set(given.bounds) - set(asked) if str(given.bounds[name]).strip())
    if odd and odd[0] in OF_NUMBERS:
        problems.setdefault("bounds", []).append(
            f"{OF_NUMBERS[odd[0]][0]}: leave it empty, the model predicts no number."
        )
    elif odd:
        problems.setdefault("bounds", []).append(f"There is no bound “{odd[0]}”.")
    limits = []
    for number, one in enumerate(given.limits[:MAX_LIMITS], start=1):
        found, message = _limit(one, number, {**DEFAULTS, **bounds}, facts)
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
    no_answer = _no_answer(given, facts, {line["probe"] for line in limits}, problems)
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
        "no_answer": no_answer,
        "catalogue": VERSION,
    }


def _no_answer(
    given: PlanInput, facts: PlanFacts, limited: Collection[str], problems: dict[str, list[str]]
) -> str:
    """Why cases may go without an answer. “One value missing” counts other decisions only: a model that stops
    answering passes it, so that a plan of more than low tier says whether it may."""
    said, label = given.no_answer.strip(), PROBES["missing_unanswered"].label
    if len(said) > MAX_REASON:
        problems["no_answer"] = [f"At most {MAX_REASON:,} characters."]
    elif said and "missing_unanswered" in limited:
        problems["no_answer"] = [f"“{label}” has a limit, which says how many may: leave this empty."]
    elif not said and "missing_unanswered" not in limited and facts.tier in ANSWERS_ASKED:
        problems["no_answer"] = [
            f"Set a limit on “{label}”, or say why a case may go without an answer where a value is missing."
        ]
    return said


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


def comparisons_of(name: str, facts: PlanFacts) -> int:
    """How many columns or ways a probe takes together, as far as the version's columns tell; 1 where they do not."""
    if name in ("missing_each", "missing_unanswered"):
        return max(1, facts.columns)
    if facts.texts is False and name in ("out_of_range", "units"):
        return max(1, facts.columns) * (2 if name == "out_of_range" else len(UNITS))
    return 1


def attainable(name: str, rule: str, bounds: Mapping[str, str], comparisons: int = 1) -> tuple[float, str]:
    """(the greatest number that is held against a limit, in words what it is); infinite where there is none.

    Judged on its lower end, a share of all n cases is Wilson's lower end of n of n, at the level that holds for all
    `comparisons` together: the interval that judges it.
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
    together = f", {comparisons:,} looked at together," if comparisons > 1 else ""
    return top_of_share(n, comparisons), f"the lower end of its interval over {n:,} cases{together}"


def _limit(
    one: Mapping[str, Any], number: int, bounds: Mapping[str, str], facts: PlanFacts
) -> tuple[dict[str, Any], str]:
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
    top, over = attainable(name, rule, bounds, comparisons_of(name, facts))
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
