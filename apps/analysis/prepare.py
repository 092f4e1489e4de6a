"""From a table to the columns of a binary classifier's results: checked, canonical, ready to count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from apps.analysis.canonical import identifier, literal
from apps.analysis.errors import InputError
from apps.analysis.readers import Table

MAX_ATTRIBUTES = 8
MAX_VALUES = 60


@dataclass(frozen=True)
class Prepared:
    """The table `prepared` of the table's connection, and what its columns mean.

    Columns: `g0`, `g1` … canonical text of the group attributes ("" where missing), `y` label and `p`
    prediction (1 positive, 0 negative, int8), and `s` score (double in 0..1) where there is one.
    """

    groups: tuple[str, ...]
    scored: bool
    positive: str
    negative: str | None
    rows: int


def prepare(
    table: Table,
    label: str,
    prediction: str | None,
    score: str | None = None,
    groups: Sequence[str] = (),
    positive: object = 1,
    threshold: float | None = None,
) -> Prepared:
    """Check the named columns and create the table `prepared`.

    Without a prediction column the prediction is `score >= threshold`. Raises `InputError` for: no rows,
    missing columns, missing or non-binary labels or predictions, scores that are missing, not numbers or
    outside 0..1, and group columns with more than 60 values.
    """
    if table.rows == 0:
        raise InputError("The table has a header but no rows.")
    groups = tuple(groups)
    if len(set(groups)) != len(groups):
        raise InputError("A group column is named twice.")
    if len(groups) > MAX_ATTRIBUTES:
        raise InputError(f"{len(groups)} group columns were named; at most {MAX_ATTRIBUTES} are compared.")
    if prediction is None and (score is None or threshold is None):
        raise InputError("Name a prediction column, or a score column and a threshold.")
    named = [label, *([prediction] if prediction else []), *([score] if score else []), *groups]
    columns = {name: table.column(name) for name in named}

    texts = {name: _texts(table, name, i) for i, name in enumerate(dict.fromkeys([*groups, label]))}
    values = _two_values(table, texts, label, "label")
    if prediction is not None:
        texts.setdefault(prediction, _texts(table, prediction, len(texts)))
        values = values | _two_values(table, texts, prediction, "prediction")
    yes = _positive(values, positive, label)
    if score is not None:
        _check_scores(table, score)
    for group in groups:
        _check_group(table, texts, group)

    parts = [f"coalesce({texts[name]}.t, '') AS g{i}" for i, name in enumerate(groups)]
    parts.append(f"CAST({texts[label]}.t = {literal(yes)} AS TINYINT) AS y")
    if prediction is not None:
        parts.append(f"CAST({texts[prediction]}.t = {literal(yes)} AS TINYINT) AS p")
    else:
        number = columns[cast(str, score)].number
        parts.append(f"CAST({number} >= {float(cast(float, threshold))!r}::DOUBLE AS TINYINT) AS p")
    if score is not None:
        parts.append(f"{columns[score].number} AS s")
    joins = " ".join(
        f"JOIN {alias} ON data.{identifier(name)} IS NOT DISTINCT FROM {alias}.raw"
        for name, alias in texts.items()
    )
    table.all(f"CREATE OR REPLACE TEMP TABLE prepared AS SELECT {', '.join(parts)} FROM data {joins}")
    others = sorted(values - {yes})
    return Prepared(groups, score is not None, yes, others[0] if others else None, table.rows)


def _texts(table: Table, name: str, i: int) -> str:
    """A table `raw`, `t`, `n` of the column's different values, their canonical text and counts; returns its name.

    Working out the text of each different value, not of each cell, is what makes a million rows quick.
    """
    column = identifier(name)
    table.all(
        f"CREATE OR REPLACE TEMP TABLE texts{i} AS SELECT {column} AS raw, {table.column(name).text} AS t, n"
        f" FROM (SELECT {column}, count(*) AS n FROM data GROUP BY {column})"
    )
    return f"texts{i}"


def _two_values(table: Table, texts: dict[str, str], name: str, role: str) -> set[str]:
    """The one or two canonical values of a label or prediction column."""
    missing = table.all(f"SELECT coalesce(sum(n), 0)::BIGINT FROM {texts[name]} WHERE t IS NULL")[0][0]
    if missing:
        raise InputError(f"The {role} column “{name}” is empty in {missing:,} of {table.rows:,} rows.")
    found = [row[0] for row in table.all(f"SELECT DISTINCT t FROM {texts[name]} LIMIT 3")]
    if len(found) > 2:
        raise InputError(f"The {role} column “{name}” is not binary: it has more than two values.")
    return set(found)


def _positive(values: set[str], positive: object, label: str) -> str:
    if len(values) > 2:
        raise InputError(
            f"Labels and predictions do not use the same two values: {', '.join(sorted(values))}."
        )
    wanted = str(positive).lower() if isinstance(positive, bool) else str(positive)
    try:
        if float(wanted).is_integer():
            wanted = str(int(float(wanted)))  # 1.0 is the value 1, as in the canonical text
    except (ValueError, OverflowError):
        wanted = wanted.strip()
    if wanted in values:
        return wanted
    if values <= {"true", "false"} and wanted in {"1", "True"}:
        return "true"
    if values == {"0"} and wanted == "1":
        return "1"  # no positive case at all: rates that need one say so themselves
    raise InputError(
        f"Neither “{label}” nor the predictions hold the positive value {wanted}; "
        f"they hold {', '.join(sorted(values))}."
    )


def _check_scores(table: Table, score: str) -> None:
    number = table.column(score).number
    bad, outside = table.all(
        f"SELECT count(*) FILTER (v IS NULL), count(*) FILTER (v < 0 OR v > 1) FROM (SELECT {number} AS v FROM data)"
    )[0]
    if bad:
        raise InputError(
            f"The score column “{score}” is missing or not a number in {bad:,} of {table.rows:,} rows."
        )
    if outside:
        raise InputError(f"The score column “{score}” lies outside 0 to 1 in {outside:,} rows.")


def _check_group(table: Table, texts: dict[str, str], group: str) -> None:
    found = table.all(f"SELECT count(DISTINCT coalesce(t, '')) FROM {texts[group]}")[0][0]
    if found > MAX_VALUES:
        raise InputError(
            f"The group column “{group}” has {found:,} values; at most {MAX_VALUES} groups are compared. "
            "Put it into bands first."
        )
