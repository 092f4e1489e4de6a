"""What a limit between groups can show with the cases there are: from which value a breach, up to which the limit kept.

Each pair's interval is at the level that makes all pairs hold together, so it is wide where pairs are many or cases are
few. The reach of a pair is taken from its interval as it is (for a ratio on the log scale); it moves a little with the
value, so the numbers are "about".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any


def attainable(
    kind: str, rule: str, limit: float, measured: Sequence[dict[str, Any]], level: float, *, bounded: bool
) -> dict[str, Any] | None:
    """{"level", "comparisons", "breach_from", "kept_up_to"} over the judged pairs; None where no interval decides.

    `measured`: {"value", "low", "high"} of each judged pair. `breach_from`: the difference (ratio) from which (below
    which) every pair would show a breach; None where none could. `kept_up_to`: up to which (down to which) every pair
    would show the limit kept, None where not even equal groups would; "" under rule "near", which asks for no such
    showing. `bounded`: a difference cannot be beyond 1.
    """
    if rule == "point":
        return None
    with_ends = [
        m for m in measured if m["value"] is not None and m["low"] is not None and m["high"] is not None
    ]
    if not with_ends:
        return None
    parts = [_of_difference(m, limit) if kind == "difference" else _of_ratio(m, limit) for m in with_ends]
    if kind == "difference":
        breach, kept = max(p[0] for p in parts), min(p[1] for p in parts)
        breach_from = breach if not bounded or breach <= 1 else None
        kept_up_to = kept if kept >= 0 else None
    else:
        breach, kept = min(p[0] for p in parts), max(p[1] for p in parts)
        breach_from = breach if breach > 0 else None
        kept_up_to = kept if kept <= 1 else None
    return {
        "level": level,
        "comparisons": len(measured),
        "breach_from": breach_from,
        "kept_up_to": kept_up_to if rule == "far" else "",
    }


def _of_difference(measured: dict[str, Any], limit: float) -> tuple[float, float]:
    value, low, high = (float(measured[name]) for name in ("value", "low", "high"))
    return limit + max(0.0, value - low), limit - max(0.0, high - value)


def _of_ratio(measured: dict[str, Any], limit: float) -> tuple[float, float]:
    value, low, high = (float(measured[name]) for name in ("value", "low", "high"))
    if value <= 0:
        return 0.0, math.inf
    return (limit * value / high if math.isfinite(high) else 0.0), (
        limit * value / low if low > 0 else math.inf
    )


def words(found: dict[str, Any] | None, kind: str, unit: str = "") -> str:
    """One sentence, beginning with a space; empty where nothing is to be told."""
    if found is None:
        return ""
    tail = f" {unit}" if unit else ""
    side = "from about {:.3f}{} on" if kind == "difference" else "below about {:.3f}{}"
    if found["breach_from"] is None:
        told = f"no {kind} could show a breach"
    else:
        told = "a breach shows " + side.format(found["breach_from"], tail)
    if found["kept_up_to"] is None:
        told += ", and not even equal groups would show the limit kept"
    elif found["kept_up_to"] != "":
        end = "up to about {:.3f}{}" if kind == "difference" else "down to about {:.3f}{}"
        told += ", the limit kept " + end.format(found["kept_up_to"], tail)
    many = found["comparisons"]
    together = f", which holds for all {many} comparisons together" if many > 1 else ""
    return f" With these cases {told} (interval at {100 * found['level']:.4g} %{together})."
