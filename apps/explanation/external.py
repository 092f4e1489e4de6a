"""Explanations that were made elsewhere: read, checked for shape, summed up. They are evidence, not computed here.

Three forms are read. Our own JSON: {"schema": "countersign.explanation-upload/1", "method", "library",
"feature_names": [p names], "values": [n lists of p numbers], "base_values"?, "sample_ids"?, "background_digest"?};
instead of `values` a list `weights` of n objects {feature: weight} (LIME's as_map by name). Alibi's
`Explanation.to_json()`: {"meta": {"name", "version"}, "data": {"shap_values": …, "feature_names"}}. CSV: a header with
the feature names, a row a case, and perhaps a column `sample_id`.
"""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.core.errors import BadInput

SCHEMA = "countersign.explanation-upload/1"
METHODS = ("shap", "lime", "alibi", "permutation", "other")
MAX_BYTES = 5 * 1024 * 1024
MAX_CASES = 5000
MOST = 1e100
Z95 = 1.959963984540054


@dataclass(frozen=True)
class Submitted:
    """values: (cases, features) in the order of `features`; NaN where a local method left a feature out."""

    features: tuple[str, ...]
    values: NDArray[np.float64]
    method: str
    library: str
    background: str


def read(data: bytes, name: str, known: list[str], *, method: str, library: str) -> Submitted:
    """A submitted file. `known`: features of the version; `method`, `library`: as entered, where the file says nothing.

    Raises BadInput with the sentence that says what to mend, beside the field `file`.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise _bad("The file is not UTF-8 text. Give JSON or CSV.") from None
    found = _csv(text) if name.lower().endswith(".csv") else _json(text)
    features, values = found.pop("features"), found.pop("values")
    if len(set(features)) != len(features):
        raise _bad("The file names a feature twice.")
    if unknown := [each for each in features if each not in known]:
        more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
        raise _bad(
            f"The version has no feature {', '.join(unknown[:5])}{more}. It has: {', '.join(known[:20])}."
        )
    if not len(values):
        raise _bad("The file has no cases.")
    if len(values) > MAX_CASES:
        raise _bad(f"The file has {len(values):,} cases; at most {MAX_CASES:,} are taken.")
    taken = Submitted(
        tuple(features),
        values,
        found.get("method") or method,
        found.get("library") or library,
        found.get("background", ""),
    )
    for name, said in (("library", taken.library), ("background_digest", taken.background)):
        if not said.isprintable():
            raise _bad(f"“{name}” holds characters that cannot be shown. Write it in printable characters.")
    return taken


def _bad(sentence: str) -> BadInput:
    """The refusal; whatever the file holds that cannot be shown or stored is written as an escape."""
    sentence = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in sentence)
    return BadInput("The explanation was not taken.", rule="explanation-upload", fields={"file": [sentence]})


def _json(text: str) -> dict[str, Any]:
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _bad(f"This is not JSON: {str(error)[:120]}.") from None
    if not isinstance(given, dict):
        raise _bad("Give one JSON object; docs/statistics.md shows its fields.")
    if isinstance(given.get("meta"), dict) and isinstance(given.get("data"), dict):
        return _alibi(given)
    if given.get("schema") != SCHEMA:
        raise _bad(f"“schema” must be “{SCHEMA}”, or the file one that Alibi Explain wrote.")
    names = _names(given.get("feature_names"), "feature_names")
    if "weights" in given:
        values = _weights(given["weights"], names)
    else:
        values = _matrix(given.get("values"), len(names), "values")
    method = str(given.get("method", ""))[:20]
    if method and method not in METHODS:
        raise _bad(f"“method” is one of: {', '.join(METHODS)}.")
    return {
        "features": names,
        "values": values,
        "method": method,
        "library": str(given.get("library", ""))[:80],
        "background": str(given.get("background_digest", ""))[:71],
    }


def _alibi(given: dict[str, Any]) -> dict[str, Any]:
    data, meta = given["data"], given["meta"]
    names = _names(data.get("feature_names"), "data.feature_names")
    found = data.get("shap_values", data.get("attributions"))
    where = "data.shap_values"
    several = isinstance(found, list) and found and isinstance(found[0], list) and found[0]
    if several and isinstance(found[0][0], list):  # one matrix a class
        values = _of_classes([_matrix(each, len(names), where) for each in found], where)
    else:
        values = _matrix(found, len(names), where)
    library = f"alibi {meta.get('version', '')} {meta.get('name', '')}".strip()
    return {"features": names, "values": values, "method": "alibi", "library": library[:80]}


def _of_classes(matrices: list[NDArray[np.float64]], where: str) -> NDArray[np.float64]:
    """Of two classes the matrix of the last, the positive one; of more the mean size over all of them."""
    if len({len(each) for each in matrices}) > 1:
        raise _bad(f"“{where}” has another number of cases for each class.")
    return matrices[-1] if len(matrices) < 3 else np.mean(np.abs(matrices), axis=0)


def _names(given: Any, where: str) -> list[str]:
    if (
        not isinstance(given, list)
        or not given
        or not all(isinstance(each, str) and 0 < len(each) <= 120 for each in given)
    ):
        raise _bad(f"“{where}” must list the features by name.")
    return list(given)


def _matrix(given: Any, width: int, where: str) -> NDArray[np.float64]:
    if not isinstance(given, list) or not all(isinstance(row, list) and len(row) == width for row in given):
        raise _bad(f"“{where}” must be a list of cases with {width} numbers each, one a feature.")
    return np.array([[_number(value, where) for value in row] for row in given]).reshape(-1, width)


def _weights(given: Any, names: list[str]) -> NDArray[np.float64]:
    if not isinstance(given, list) or not all(isinstance(row, dict) for row in given):
        raise _bad("“weights” must be a list of objects, feature to weight, one a case.")
    if odd := sorted({str(key) for row in given for key in row} - set(names)):
        raise _bad(f"“weights” names features that “feature_names” does not: {', '.join(odd[:5])}.")
    rows = [[_number(row[name], "weights") if name in row else math.nan for name in names] for row in given]
    return np.array(rows).reshape(-1, len(names))


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _bad(f"“{where}” holds {str(value)[:40]!r}, which is not a finite number.")
    return _within(value, f"“{where}” holds")


def _within(value: float, where: str) -> float:
    """A number of either form, within what can be summed and squared as a double."""
    if isinstance(value, float) and not math.isfinite(value):
        raise _bad(f"{where} {str(value)!r}, which is not a finite number.")
    if abs(value) > MOST:
        raise _bad(f"{where} a number beyond ±1e100, which is not taken.")
    return float(value)


def _csv(text: str) -> dict[str, Any]:
    try:
        rows = [row for row in csv.reader(io.StringIO(text)) if row]
    except csv.Error as error:
        raise _bad(f"This is not CSV: {str(error)[:120]}.") from None
    if len(rows) < 2:
        raise _bad("The CSV needs a header with the feature names and a row for each case.")
    header = [cell.strip() for cell in rows[0]]
    at = [i for i, name in enumerate(header) if name != "sample_id"]
    names = _names([header[i] for i in at], "header")
    values = []
    for line, row in enumerate(rows[1:], start=2):
        if len(row) != len(header):
            raise _bad(f"Line {line} has {len(row)} cells; the header has {len(header)}.")
        values.append([_cell(row[i], line, header[i]) for i in at])
    return {"features": names, "values": np.array(values).reshape(-1, len(names))}


def _cell(text: str, line: int, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise _bad(f"Line {line}, {name}: {text[:40]!r} is not a finite number.")
    return _within(value, f"Line {line}, {name}:")


def results_of(found: Submitted) -> dict[str, Any]:
    """What is told of a submitted explanation: each feature's mean absolute attribution with n and interval, ranked."""
    told: list[dict[str, Any]] = []
    for j, feature in enumerate(found.features):
        own = np.abs(found.values[:, j])
        own = own[~np.isnan(own)]
        n, mean = len(own), float(own.mean()) if len(own) else 0.0
        error = float(own.std(ddof=1)) / math.sqrt(n) if n > 1 else 0.0
        told.append(
            {
                "feature": feature,
                "value": mean,
                "low": mean - Z95 * error,
                "high": mean + Z95 * error,
                "n": n,
                "measure": "mean_attribution",
            }
        )
    told.sort(key=lambda each: -each["value"])
    for rank, each in enumerate(told, start=1):
        each["rank"] = rank
        each["sentence"] = (
            f"{each['feature']} is number {rank} of {len(told)}: as submitted it moves the output by "
            f"{each['value']:z.3f} on average (95 % interval {each['low']:z.3f} to {each['high']:z.3f}, "
            f"{each['n']:,} cases)."
        )
    return {"features": told, "n": {"explained": len(found.values), "features": len(told)}}
