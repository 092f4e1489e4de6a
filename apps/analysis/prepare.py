"""From a table to the cells of a binary classifier's results: checked, canonical, counted in one pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from apps.analysis import cells as counting
from apps.analysis import checks, limits
from apps.analysis.canonical import literal
from apps.analysis.cells import Cell
from apps.analysis.errors import InputError
from apps.analysis.readers import Column, Table

MAX_ATTRIBUTES = 8
MAX_VALUES = checks.MAX_VALUES


@dataclass(frozen=True)
class Prepared:
    """The cells of a table and what its columns mean.

    `cells`: sorted, canonical. `notes`: sentences on what was found and not changed. After `table_of_rows` the
    connection holds the table `prepared`: `g0`, `g1` … canonical text of the group attributes ("" where missing),
    `y` label and `p` prediction (1 positive, 0 negative, int8), `s` score, `w` weight, `e` entity, where there are.
    """

    groups: tuple[str, ...]
    scored: bool
    positive: str
    negative: str | None
    rows: int
    cells: list[Cell]
    notes: list[str]
    columns: dict[str, str]  # role -> column
    threshold: float | None
    weight_scale: float | None = None


def prepare(
    table: Table,
    label: str,
    prediction: str | None,
    score: str | None = None,
    groups: Sequence[str] = (),
    positive: object = 1,
    threshold: float | None = None,
    *,
    weight: str | None = None,
    entity: str | None = None,
) -> Prepared:
    """Check the named columns and count the cells.

    Without a prediction column the prediction is `score >= threshold`. Raises `InputError` for: no rows,
    missing columns, missing or non-binary labels or predictions, scores that are missing, not numbers or
    outside 0..1, predictions that contradict score and threshold, weights that are not positive numbers, entities
    without a key, and group columns with more than 60 values.
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
    if threshold is not None and not 0 <= threshold <= 1:
        raise InputError(f"A threshold lies between 0 and 1, not at {threshold:g}.")
    checks.one_role_each({"label": label, "prediction": prediction, "score": score, "weight": weight})
    columns = {f"g{i}": name for i, name in enumerate(groups)} | {"y": label}
    columns |= {r: n for r, n in (("p", prediction), ("s", score), ("w", weight), ("e", entity)) if n}
    for name in columns.values():
        table.column(name)
    for group in groups:
        checks.few_values(table, group)
    checks.two_values_at_most(table, label, "label")
    if prediction:
        checks.two_values_at_most(table, prediction, "prediction")
    scale = checks.weights(table, weight) if weight else None
    if entity:
        checks.entities(table, entity)

    raw = counting.raw_cells(
        table.chosen({role: name for role, name in columns.items() if role != "e"}, numbers=("s", "w")),
        [f"g{i}" for i in range(len(groups))],
        scored=score is not None,
        threshold=threshold,
        predicted=prediction is not None,
        weight_scale=scale,
    )
    table.con.register("raw", raw)
    keys = [role for role in columns if role[0] in "gyp"]
    kinds = {row[0]: str(row[1]) for row in table.con.execute("DESCRIBE raw").fetchall()}
    for role in keys:
        text = Column(role, kinds[role]).text
        table.all(
            f"CREATE OR REPLACE TEMP TABLE map_{role} AS SELECT {role} AS raw, {text} AS t, n"
            f" FROM (SELECT {role}, sum(_n)::BIGINT AS n FROM raw GROUP BY {role})"
        )
    values = checks.two_values(table, "y", label, "label")
    notes = checks.one_class(values, label, table.rows)
    if prediction is not None:
        values = values | checks.two_values(table, "p", prediction, "prediction")
    yes = checks.positive_value(values, positive, label)
    for i, group in enumerate(groups):
        notes += checks.group_values(table, f"g{i}", group)
    if score is not None:
        checks.scores(table, score)
        if prediction is not None and threshold is not None:
            checks.contradictions(table, yes, prediction, score, threshold)
    cells = _canonical(table, len(groups), yes, score is not None, prediction is not None, scale is not None)
    if entity:
        notes += checks.entity_notes(table, entity)
    others = sorted(values - {yes})
    return Prepared(
        groups, score is not None, yes, others[0] if others else None, table.rows, cells, notes, columns,
        threshold, scale,
    )  # fmt: skip


def _canonical(
    table: Table, groups: int, yes: str, scored: bool, predicted: bool, weighted: bool
) -> list[Cell]:
    """The raw cells summed again by canonical values; integers, so nothing changes."""
    parts = [f"coalesce(map_g{i}.t, '') AS k{i}" for i in range(groups)]
    parts.append(f"CAST(map_y.t = {literal(yes)} AS TINYINT) AS ky")
    parts.append(f"CAST(map_p.t = {literal(yes)} AS TINYINT) AS kp" if predicted else "_t AS kp")
    parts.append("_bin AS kb" if scored else f"{counting.NO_SCORE} AS kb")
    sums = ["_n"]
    if scored:
        picked = "CASE WHEN map_y.t = {0} THEN _%s1 ELSE _%s0 END"
        sums += ["_score", picked % ("e", "e"), picked % ("f", "f")]
    else:
        sums += ["0", "0", "0"]
    sums.append("_weight" if weighted else "0")
    parts += [f"sum({s.format(literal(yes))})::BIGINT" for s in sums]
    roles = [f"g{i}" for i in range(groups)] + ["y"] + (["p"] if predicted else [])
    joins = " ".join(f"JOIN map_{r} ON raw.{r} IS NOT DISTINCT FROM map_{r}.raw" for r in roles)
    found = table.all(f"SELECT {', '.join(parts)} FROM raw {joins} GROUP BY ALL")
    return counting.sort_cells(
        Cell(tuple(row[:groups]), *(int(figure) for figure in row[groups:])) for row in found
    )


def table_of_rows(table: Table, prepared: Prepared, *, numbered: bool = False) -> list[str]:
    """Create the table `prepared` (see `Prepared`) for what cells cannot give; returns its columns.

    `numbered`: with the column `row_`, the place in the file.
    """
    columns = prepared.columns
    limits.check_rows(table.rows, len(prepared.groups))
    table.materialise(columns.values())
    parts, joins = [], []
    for role, name in columns.items():
        column = table.column(name)
        quoted = f'data."{name.replace(chr(34), chr(34) * 2)}"'
        if role[0] in "gyp":
            joins.append(f"JOIN map_{role} ON {quoted} IS NOT DISTINCT FROM map_{role}.raw")
            text = f"map_{role}.t"
            same = f"CAST({text} = {literal(prepared.positive)} AS TINYINT)"
            parts.append((f"coalesce({text}, '')" if role[0] == "g" else same) + f" AS {role}")
        elif role == "e":
            parts.append("entity.i AS e")
            joins.append(f"JOIN entity ON {quoted} IS NOT DISTINCT FROM entity.raw")
        else:
            parts.append(f"{column.number} AS {role}")
    if "p" not in columns:
        number = table.column(columns["s"]).number
        parts.append(f"CAST({number} >= {float(prepared.threshold or 0)!r}::DOUBLE AS TINYINT) AS p")
    source = "data"
    if numbered:
        source = "(SELECT *, row_number() OVER () AS row_ FROM data) AS data"
        parts.append("data.row_")
    table.all(
        f"CREATE OR REPLACE TEMP TABLE prepared AS SELECT {', '.join(parts)} FROM {source} {' '.join(joins)}"
    )
    return [*columns, *(["p"] if "p" not in columns else [])]


def arrow_rows(table: Table, prepared: Prepared) -> Any:
    """The rows as a pyarrow table; see `Prepared`."""
    names = table_of_rows(table, prepared)
    return table.arrow(f"SELECT {', '.join(names)} FROM prepared")
