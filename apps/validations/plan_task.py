"""What a plan says of its task: classes, target, positive value, threshold, and of cases that cannot be judged. Pure.

Each function takes what was entered and gives (stored fields, [(field, what is wrong and how to mend it)]), as in
`plan_parts`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from apps.analysis.classes import MAX_CLASSES
from apps.validations.amounts import decimal_text
from apps.validations.catalogue import why_not
from apps.validations.plan_parts import Problems
from apps.validations.states import EXCLUSION_WORDS, TASK_WORDS, Exclusion, Task

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)")
TEXT = 120


def task_of(given: Any) -> Task | None:
    """The task that was named; two classes where nothing was, None where there is no such task."""
    text = str(given or "").strip() or Task.BINARY.value
    return Task(text) if text in {t.value for t in Task} else None


def checked_task(
    *,
    task: Any,
    classes: Sequence[Any],
    target_unit: Any,
    positive_value: Any,
    threshold: Any,
    interface: Mapping[str, Any],
) -> tuple[dict[str, Any], Problems]:
    """The task with what belongs to it and nothing else; held against the outputs of the model."""
    problems: Problems = []
    chosen = task_of(task)
    if chosen is None:
        return {}, [("task", f"Choose one of {', '.join(TASK_WORDS)}.")]
    names = [str(name).strip() for name in classes if str(name).strip()]
    unit, positive, limit = (str(v or "").strip() for v in (target_unit, positive_value, threshold))
    if len(positive) > TEXT:
        problems.append(("positive_value", f"At most {TEXT} characters."))
    if chosen == Task.BINARY:
        if not positive:
            problems.append(("positive_value", "Enter the value of the label that counts as positive."))
        if decimal_text(limit) is None or len(limit) > 24:
            problems.append(
                ("threshold", "Enter a number, for example 0.5: scores at or above it count as positive.")
            )
    elif limit:
        problems.append(("threshold", "Only a plan about two classes has a threshold: leave it empty."))
    if chosen == Task.MULTICLASS:
        problems += [("classes", message) for message in _wrong_classes(names)]
        if not positive:
            problems.append(
                (
                    "positive_value",
                    "Name the class that groups are compared on: the bias report holds it against the rest.",
                )
            )
        elif positive not in names:
            problems.append(("positive_value", f"“{positive}” is none of the classes."))
    elif names:
        problems.append(("classes", "Only a plan about several classes names them: leave them empty."))
    if chosen == Task.REGRESSION:
        if not unit or len(unit) > 40:
            problems.append(
                ("target_unit", "Say the unit of the number, such as mg/L or days, in at most 40 characters.")
            )
        if positive:
            problems.append(("positive_value", "A regression has no positive value: leave it empty."))
    elif unit:
        problems.append(("target_unit", "Only a regression has a unit: leave it empty."))
    if not problems and (why := why_not(chosen, names, interface)):
        problems.append(("task", why))
    fields = {
        "task": chosen.value,
        "classes": names,
        "target_unit": unit,
        "positive_value": positive,
        "threshold": limit,
    }
    return fields, problems


def _wrong_classes(names: Sequence[str]) -> list[str]:
    wrong = []
    if not 3 <= len(names) <= MAX_CLASSES:
        wrong.append(
            f"Name 3 to {MAX_CLASSES} classes, in the order of the model's scores. Two classes are a task of their own."
        )
    if len(set(names)) != len(names):
        wrong.append("A class is named twice.")
    for name in names:
        if len(name) > TEXT:
            wrong.append(f"A class has a name of at most {TEXT} characters.")
        elif (written := canonical(name)) != name:
            wrong.append(f"Write the class “{name}” as {written}: in data files numbers lose their spelling.")
    return wrong


def canonical(name: str) -> str:
    """How the portal reads this cell of a data file (`analysis.canonical`): 01 and 1.0 are 1, TRUE is true."""
    if name.lower() in ("true", "false"):
        return name.lower()
    if _NUMBER.fullmatch(name) and name.isascii():
        value = float(name)
        if value == int(value) and abs(value) < 1e15:
            return str(int(value))
        return repr(value)
    return name


def checked_exclusion(rule: Any, max_share: Any) -> tuple[dict[str, Any], Problems]:
    """What a case that cannot be judged does, and up to which share cases may be excluded."""
    chosen = str(rule or "").strip() or Exclusion.FAIL.value
    share = str(max_share if max_share is not None else "").strip()
    if chosen not in {e.value for e in Exclusion}:
        return {}, [("exclusion", f"Choose one of {', '.join(EXCLUSION_WORDS)}.")]
    problems: Problems = []
    if chosen == Exclusion.FAIL:
        if share:
            problems.append(
                ("max_excluded", "Where such a case fails the run nothing is excluded: leave it empty.")
            )
    elif decimal_text(share) is None or len(share) > 24 or not 0 <= float(share) < 1:
        problems.append(
            (
                "max_excluded",
                "Enter the greatest share of cases that may be excluded, from 0 to below 1: 0.01 is 1 %.",
            )
        )
    return {"exclusion": chosen, "max_excluded": share}, problems
