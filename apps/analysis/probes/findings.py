"""What a probe found, and how a limit is held against it."""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.analysis import intervals
from apps.analysis.errors import InputError
from apps.analysis.probes.catalogue import PROBES

RULES = ("point", "near", "far")


class Verdict(enum.StrEnum):
    WITHIN = "within"
    BREACHED = "breached"
    UNDECIDED = "undecided"


@dataclass(frozen=True)
class Finding:
    """One number of a probe: smaller is better.

    where: the column, group or way that it is about, or "". n: cases it rests on. count: of those, how many (None
    where the value is no share). level: of the interval. value None: `reason` says why. more: further figures.
    """

    probe: str
    where: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    sentence: str
    count: int | None = None
    method: str = ""
    level: float = intervals.LEVEL
    reason: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The JSON form: the same names."""
        return {**{name: getattr(self, name) for name in self.__dataclass_fields__}, "more": dict(self.more)}


def percent(value: float) -> str:
    return f"{100 * value:z.1f} %"


def share(
    probe: str, where: str, count: int, n: int, words: str, *, comparisons: int = 1, **more: Any
) -> Finding:
    """A proportion with Wilson's interval; simultaneous (Bonferroni) where `comparisons` of them are taken together.

    `words` follow the share in the sentence: "{share} of {n} cases {words}."
    """
    if n == 0:
        return nothing(probe, where, "no case to judge")
    level = intervals.simultaneous(intervals.LEVEL, comparisons)
    low, high = intervals.wilson(count, n, level)
    value = count / n
    sentence = f"{percent(value)} ({percent(low)} to {percent(high)}) of {n:,} cases {words}."
    method = "wilson" if comparisons == 1 else f"wilson, simultaneous over {comparisons}"
    return Finding(probe, where, value, low, high, n, sentence, count, method, level, more=more)


def nothing(probe: str, where: str, reason: str, n: int = 0) -> Finding:
    """A probe that gave no number, and why."""
    return Finding(probe, where, None, None, None, n, f"No number: {reason}.", reason=reason)


def worst(findings: Iterable[Finding], probe: str) -> Finding | None:
    """The finding of a probe with the greatest value, of those on most cases the first."""
    of = [f for f in findings if f.probe == probe]
    valued = [f for f in of if f.value is not None]
    if valued:
        return max(valued, key=lambda f: (f.value, f.high if f.high is not None else -math.inf, f.n))
    return of[0] if of else None


def decisive(findings: Iterable[Finding], probe: str, limit: float, rule: str, min_n: int) -> Finding | None:
    """The finding of a probe that decides a limit: one that breaches it, else one that leaves it open, else the worst.

    A column or group of few cases may have a smaller value and yet be the one that is not shown to keep the limit.
    """
    of = [f for f in findings if f.probe == probe]
    valued = [f for f in of if f.value is not None]
    for verdict in (Verdict.BREACHED, Verdict.UNDECIDED):
        if open_ones := [f for f in valued if judge(f, limit, rule, min_n)[0] == verdict]:
            return worst(open_ones, probe)
    return worst(of, probe)


def top_of_share(n: int, comparisons: int = 1) -> float:
    """The greatest lower end that the interval of a share of `n` cases can have (`share`): that of all of them."""
    return intervals.wilson(n, n, intervals.simultaneous(intervals.LEVEL, comparisons))[0]


def out_of_reach(found: Finding, limit: float, rule: str) -> str:
    """Why no share of so many cases could breach the limit, by the interval that judges it; "" where one could."""
    if rule != "near" or found.count is None or found.n == 0:
        return ""
    top = intervals.wilson(found.n, found.n, found.level)[0]
    if limit < top:
        return ""
    return (
        f"judged by the lower end of its interval ({found.method}), over {found.n:,} cases at most {top:.4g}"
    )


def judge(found: Finding | None, limit: float, rule: str, min_n: int) -> tuple[Verdict, str]:
    """(verdict, sentence) of "at most `limit`". InputError for a rule that is none.

    point: the value alone decides. near: breached only when even the lower end of the interval lies above the limit,
    within when the value does not. far: within only when even the upper end keeps the limit. What has no value, or
    rests on fewer than `min_n` cases, is undecided; a number without an interval is judged on its value.
    """
    if rule not in RULES:
        raise InputError(f"A limit's rule is point, near or far, not “{rule}”.")
    if found is None:
        return Verdict.UNDECIDED, "Too little data to tell: the probe was not made."
    label = PROBES[found.probe].label
    at = f" ({found.where})" if found.where else ""
    if found.value is None:
        return Verdict.UNDECIDED, f"Too little data to tell: {label}{at}: {found.reason}."
    if found.n < min_n:
        return (
            Verdict.UNDECIDED,
            f"Too little data to tell: {label}{at} rests on {found.n:,} cases, at least {min_n:,} are needed.",
        )
    low = found.value if rule == "point" or found.low is None else found.low
    high = found.value if rule != "far" or found.high is None else found.high
    verdict = Verdict.BREACHED if low > limit else Verdict.UNDECIDED if high > limit else Verdict.WITHIN
    words = {
        Verdict.BREACHED: "Limit breached",
        Verdict.WITHIN: "Within the limit",
        Verdict.UNDECIDED: "Too little data to tell",
    }
    return verdict, f"{words[verdict]}, at most {limit:g}: {label}{at}. {found.sentence}"
