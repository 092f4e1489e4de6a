"""How many cases a proportion needs: for an interval of a wanted width, or to show a limit. See docs/statistics.md.

Sources: Wilson 1927 (the interval that is planned for); Fleiss, Levin and Paik 2003, *Statistical Methods for Rates and
Proportions*, section 2.2 (normal approximation of the number needed to show a limit); Chernick and Liu 2002, *The
American Statistician* 56:149 (exact power is a saw-tooth in n: the number is taken from which the power stays reached).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from apps.analysis import intervals
from apps.analysis.errors import InputError

SCHEMA = "countersign.samplesize/1"
MOST = 10_000_000
EXACT_TO = (
    20_000  # larger numbers rest on the normal approximation, where the saw-tooth is below a thousandth
)
POWER = 0.8
MAX_GROUPS = 60
DIRECTIONS = ("min", "max")


@dataclass(frozen=True)
class Need:
    """`n` cases; `reached`: what they give (half width, or power); `formula`: the number by the closed form alone."""

    n: int
    reached: float
    formula: int
    method: str

    def as_dict(self) -> dict[str, Any]:
        """The JSON form: the same names."""
        return {"n": self.n, "reached": self.reached, "formula": self.formula, "method": self.method}


def _share(value: float, name: str) -> float:
    if not 0 < value < 1:
        raise InputError(f"{name} lies between 0 and 1, not at {value:g}.")
    return value


def half_width(p: float, n: float, level: float = intervals.LEVEL) -> float:
    """Half the width of Wilson's interval for a share `p` seen in `n` cases."""
    low, high = intervals.wilson(p * n, n, level)
    return (high - low) / 2


def for_half_width(p: float, wanted: float, level: float = intervals.LEVEL) -> Need:
    """The least n whose Wilson interval around an expected share `p` (0 to 1) is `wanted` or less to either side.

    `formula` is the textbook number p(1 - p)z²/w² of the normal interval. Raises `InputError`.
    """
    if not 0 <= p <= 1:
        raise InputError(f"The expected share lies between 0 and 1, not at {p:g}.")
    if not 0 < wanted < 0.5:
        raise InputError(f"The wanted half width lies between 0 and 0.5, not at {wanted:g}.")
    z = intervals.z_value(level)
    formula = math.ceil(p * (1 - p) * z * z / wanted**2)
    low, high = 0, 1
    while half_width(p, high, level) > wanted:
        low, high = high, 2 * high
        if high > MOST:
            raise InputError(f"More than {MOST:,} cases would be needed for a half width of {wanted:g}.")
    while high - low > 1:  # the width falls steadily with n
        middle = (low + high) // 2
        low, high = (low, middle) if half_width(p, middle, level) <= wanted else (middle, high)
    return Need(high, half_width(p, high, level), formula, "wilson, half width")


def to_show(
    p: float, limit: float, power: float = POWER, *, direction: str = "min", level: float = intervals.LEVEL
) -> Need:
    """The least n from which on the near end of Wilson's interval keeps `limit` with at least this `power`.

    `p`: the share the model is expected to have; `direction` "min": the lower end must be at least the limit, "max":
    the upper end at most. The power is exact (binomial) up to 20,000 cases, by the closed form beyond. Raises
    `InputError`.
    """
    _share(p, "The expected share")
    _share(limit, "The limit")
    _share(power, "The power")
    if direction not in DIRECTIONS:
        raise InputError("The direction is min (at least) or max (at most).")
    if direction == "max":
        p, limit = 1 - p, 1 - limit
    if p <= limit:
        raise InputError(
            "The expected share keeps the limit by nothing: no number of cases can show it. Expect more than the limit "
            "where it is a minimum, less where it is a maximum."
        )
    normal = NormalDist()
    z_a, z_b = intervals.z_value(level), normal.inv_cdf(power)
    top = z_a * math.sqrt(limit * (1 - limit)) + z_b * math.sqrt(p * (1 - p))
    formula = max(1, math.ceil((top / (p - limit)) ** 2))
    if formula > MOST:
        raise InputError(f"More than {MOST:,} cases would be needed to tell {p:g} from {limit:g}.")
    if formula > EXACT_TO:
        return Need(formula, power, formula, "normal approximation")
    n = _last_below(p, limit, power, level, math.ceil(1.5 * formula) + 50) + 1
    return Need(n, exact_power(p, limit, n, level), formula, "exact binomial")


def exact_power(p: float, limit: float, n: int, level: float = intervals.LEVEL) -> float:
    """The chance that the lower end of Wilson's interval is at least `limit` where the true share is `p`."""
    return float(_powers(p, limit, [n], level)[0])


def _powers(p: float, limit: float, sizes: Any, level: float) -> Any:
    """`exact_power` for many n at once. Shape: like `sizes`."""
    import numpy as np
    from scipy.special import betainc

    n = np.asarray(sizes, dtype=np.float64)
    z = intervals.z_value(level)
    # Wilson's lower end reaches the limit where (k - n·limit)/√(n·limit(1 - limit)) reaches z.
    least = np.ceil(n * limit + z * np.sqrt(n * limit * (1 - limit)) - 1e-9)
    k = np.clip(least, 1, n)
    found = np.where(least <= n, betainc(k, n - k + 1, p), 0.0)  # P(X >= k) of a binomial
    return np.where(least <= 0, 1.0, found)


def _last_below(p: float, limit: float, power: float, level: float, highest: int) -> int:
    """The largest n up to `highest` whose power is not reached; 0 when it is reached from the first case on."""
    import numpy as np

    sizes = np.arange(1, highest + 1)
    below = np.flatnonzero(_powers(p, limit, sizes, level) < power)
    return int(sizes[below[-1]]) if len(below) else 0


def drawn(counted: int, share: float) -> int:
    """Cases to draw so that `counted` of them are expected to count, where a `share` of all does (the positives)."""
    if not 0 < share <= 1:
        raise InputError(f"The share of cases that count lies above 0 and at most at 1, not at {share:g}.")
    return math.ceil(counted / share)


def per_subgroup(need: Need, shares: Mapping[str, float]) -> dict[str, Any]:
    """What each group and the whole table must hold so that every group has `need.n` cases.

    `shares`: group -> its share of all cases, each above 0 and at most 1. Returns `groups` {name: {share, n, of_all}}
    and `total`, the size of a table drawn by these shares in which the scarcest group has enough. A share that is
    drawn at random falls short half of the time: stratify, or plan more. Raises `InputError`.
    """
    groups: dict[str, Any] = {}
    for name, share in shares.items():
        if not 0 < share <= 1:
            raise InputError(f"The share of “{name}” lies above 0 and at most at 1, not at {share:g}.")
        groups[name] = {"share": share, "n": need.n, "of_all": math.ceil(need.n / share)}
    if sum(shares.values()) > 1 + 1e-9:
        raise InputError(
            f"The shares of the groups add up to {sum(shares.values()):g}, which is more than 1."
        )
    return {"groups": groups, "total": max([need.n, *(one["of_all"] for one in groups.values())])}


def shares_of(typed: str) -> dict[str, float]:
    """{group: share} of lines such as `female = 0.4`; InputError naming the line that is no such thing."""
    found: dict[str, float] = {}
    lines = [line.strip() for line in typed.replace(",", "\n").splitlines() if line.strip()]
    for line in lines[: MAX_GROUPS + 1]:
        name, mark, share = line.rpartition("=")
        try:
            value = float(share.strip().removesuffix("%")) / (100 if share.strip().endswith("%") else 1)
        except ValueError:
            value = 0.0
        if not mark or not name.strip() or not 0 < value <= 1 or name.strip() in found:
            raise InputError(
                f"“{line[:80]}”: write each group once as name = share, for example female = 0.4."
            )
        found[name.strip()[:120]] = value
    if len(lines) > MAX_GROUPS:
        raise InputError(f"At most {MAX_GROUPS} groups.")
    return found
