"""The methods of intervals, as pages and packs name them."""

from __future__ import annotations

METHODS = {
    "wilson": "Wilson",
    "wilson, transformed": "Wilson, transformed",
    "wilson on the smaller class": "Wilson, on the smaller class",
    "delong, logit": "DeLong on the logit scale",
    "mover": "MOVER (variance estimates recovered)",
    "delta, Fisher z": "delta method on Fisher's z",
    "normal": "normal approximation",
    "olkin-finn": "Olkin and Finn's large-sample error",
    "jackknife, logit": "jackknife over the rows, on the logit scale",
    "jackknife, Fisher z": "jackknife over the rows, on Fisher's z",
    "none": "no interval",
}


def method_words(method: str) -> str:
    """`DeLong on the logit scale` of `delong, logit`; a bootstrap names its replicates."""
    if method.startswith("count bootstrap"):
        return f"bootstrap of counts, {method.rpartition(' ')[2]} replicates"
    return METHODS.get(method, method)
