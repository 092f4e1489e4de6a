"""What must be true of the columns before anything is computed: each fault is one sentence with column and count."""

from __future__ import annotations

from apps.analysis import cells as counting
from apps.analysis.canonical import identifier, literal
from apps.analysis.errors import InputError
from apps.analysis.readers import Table

MAX_VALUES = 60
_LOOK = 20_000  # rows looked at before the whole column is read
NOT_KNOWN = ("?", "-", "na", "n/a", "nan", "null", "none", "missing", "unknown", "")


def one_role_each(roles: dict[str, str | None]) -> None:
    """Refuse a column that is named for two of label, prediction, score and weight."""
    seen: dict[str, str] = {}
    for role, name in roles.items():
        if name is not None and name in seen:
            raise InputError(
                f"“{name}” is named as {seen[name]} and as {role}; name another column for one of them."
            )
        if name is not None:
            seen[name] = role


def few_values(table: Table, group: str) -> None:
    """Refuse a group column with too many values before it is counted, by a look at the first rows."""
    if table.frame is not None:
        return  # it is counted by its own engine; `group_values` says it afterwards
    text = table.column(group).text
    first = table.all(f"SELECT count(DISTINCT t) FROM (SELECT {text} AS t FROM data LIMIT {_LOOK})")[0][0]
    if first > MAX_VALUES:
        found = table.all(f"SELECT count(DISTINCT coalesce({text}, '')) FROM data")[0][0]
        raise _too_many(group, found)


def two_values_at_most(table: Table, name: str, role: str) -> None:
    """Refuse a label or prediction with three values or more, again before counting."""
    if table.frame is not None:
        return
    text = table.column(name).text
    first = table.all(f"SELECT count(DISTINCT t) FROM (SELECT {text} AS t FROM data LIMIT {_LOOK})")[0][0]
    if first > 2:
        found = table.all(f"SELECT {text} AS t, count(*) FROM data GROUP BY t ORDER BY count(*) DESC, t")
        raise _not_binary(name, role, [(t, n) for t, n in found if t is not None])


def _too_many(group: str, found: int) -> InputError:
    return InputError(
        f"The group column “{group}” has {found:,} values; at most {MAX_VALUES} groups are compared. "
        "Put it into bands first."
    )


def _not_binary(name: str, role: str, found: list[tuple[str, int]]) -> InputError:
    shown = ", ".join(f"“{value}” in {n:,} rows" for value, n in found[:4])
    more = f" and {len(found) - 4:,} more" if len(found) > 4 else ""
    words = [f"“{value}”" for value, _ in found if value.strip().casefold() in NOT_KNOWN][:4]
    taken = f" {' and '.join(words)}: taken as values, not as missing." if words else ""
    return InputError(
        f"The {role} column “{name}” is not binary: it has {len(found):,} values where two are expected "
        f"({shown}{more}).{taken}"
    )


def two_values(table: Table, key: str, name: str, role: str) -> set[str]:
    """The one or two canonical values of a label or prediction column."""
    missing = table.all(f"SELECT coalesce(sum(n), 0)::BIGINT FROM map_{key} WHERE t IS NULL")[0][0]
    if missing:
        raise InputError(f"The {role} column “{name}” is empty in {missing:,} of {table.rows:,} rows.")
    found = table.all(f"SELECT t, sum(n)::BIGINT FROM map_{key} GROUP BY t ORDER BY 2 DESC, t")
    if len(found) > 2:
        raise _not_binary(name, role, [(t, n) for t, n in found])
    return {row[0] for row in found}


def one_class(values: set[str], name: str, rows: int) -> list[str]:
    """Say that every label is the same: half of the metrics then have no value."""
    if len(values) > 1:
        return []
    where = "the only row" if rows == 1 else f"all {rows:,} rows"
    return [f"“{name}” is {next(iter(values))} in {where}: metrics that need the other class have no value."]


def positive_value(values: set[str], positive: object, label: str) -> str:
    """The canonical positive value among the values of label and prediction."""
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


def group_values(table: Table, key: str, group: str) -> list[str]:
    """Refuse too many values; say which stand for not known, and which differ only in letter case or blanks."""
    found = table.all(f"SELECT coalesce(t, '') AS v, sum(n)::BIGINT FROM map_{key} GROUP BY v ORDER BY v")
    if len(found) > MAX_VALUES:
        raise _too_many(group, len(found))
    notes = []
    alike: dict[str, list[str]] = {}
    for value, n in found:
        alike.setdefault(" ".join(value.split()).casefold(), []).append(value)
        if value == "":
            notes.append(f"“{group}” is empty in {n:,} rows: they are the group (missing).")
        elif value.strip().casefold() in NOT_KNOWN:
            notes.append(f"“{group}” holds “{value}” in {n:,} rows: taken as a value, not as missing.")
    alone = [value or "(missing)" for value, n in found if n == 1]
    if alone:
        names = ", ".join(f"“{value}”" for value in alone[:4])
        more = f" and {len(alone) - 4:,} more" if len(alone) > 4 else ""
        notes.append(
            f"“{group}” has {len(alone):,} groups of one row ({names}{more}): no interval of a mean, no verdict."
            if len(alone) > 1
            else f"“{group}” has a group of one row ({names}): no interval of a mean, no verdict."
        )
    for values in alike.values():
        if len(values) > 1:
            names = ", ".join(f"“{value}”" for value in values)
            notes.append(
                f"“{group}” holds {names}: they differ only in letter case or blanks and are counted apart."
            )
    return notes


def scores(table: Table, score: str) -> None:
    """Refuse scores that are missing, not numbers, NaN, infinite or outside 0..1, with the count of each."""
    if not table.all(f"SELECT coalesce(sum(_n), 0) FROM raw WHERE _bin = {counting.BAD_SCORE}")[0][0]:
        return
    table.materialise([score])
    column = table.column(score)
    raw, number = identifier(score), column.number
    rest = "text" if column.type == "VARCHAR" else f"of type {column.type.lower()}"
    kinds = dict(
        table.all(
            f"SELECT CASE WHEN {raw} IS NULL OR {raw}::VARCHAR = '' THEN 'missing'"
            f" WHEN lower({raw}::VARCHAR) IN ('nan', '-nan') THEN 'NaN'"
            f" WHEN regexp_matches(lower({raw}::VARCHAR), '^[+-]?inf(inity)?$') THEN 'infinite'"
            f" ELSE {literal(rest)} END AS k, count(*) FROM data WHERE ({number}) IS NULL GROUP BY k"
        )
    )
    outside = table.all(f"SELECT count(*) FROM data WHERE ({number}) < 0 OR ({number}) > 1")[0][0]
    if kinds:
        each = ", ".join(f"{kinds[k]:,} {k}" for k in ("missing", "NaN", "infinite", rest) if k in kinds)
        raise InputError(
            f"The score column “{score}” is missing or not a number in {sum(kinds.values()):,} of {table.rows:,} rows "
            f"({each})."
        )
    raise InputError(f"The score column “{score}” lies outside 0 to 1 in {outside:,} rows.")


def contradictions(table: Table, yes: str, prediction: str, score: str, threshold: float) -> None:
    """Refuse predictions that are not `score >= threshold`."""
    found = table.all(
        "SELECT coalesce(sum(_n), 0)::BIGINT FROM raw JOIN map_p ON raw.p IS NOT DISTINCT FROM map_p.raw"
        f" WHERE (map_p.t = {literal(yes)}) <> (_t = 1)"
    )[0][0]
    if found:
        raise InputError(
            f"The prediction column “{prediction}” contradicts “{score}” and the threshold {threshold:g} "
            f"in {found:,} of {table.rows:,} rows."
        )


def weights(table: Table, weight: str) -> float:
    """Refuse weights that are not positive finite numbers; returns their fixed-point scale."""
    table.materialise([weight])
    number = table.column(weight).number
    bad, low, high = table.all(
        "SELECT count(*) FILTER (v IS NULL), count(*) FILTER (v <= 0), max(v)"
        f" FROM (SELECT {number} AS v FROM data)"
    )[0]
    if bad:
        raise InputError(
            f"The weight column “{weight}” is missing or not a finite number in {bad:,} of {table.rows:,} rows."
        )
    if low:
        raise InputError(
            f"The weight column “{weight}” is zero or negative in {low:,} of {table.rows:,} rows."
        )
    if high > 2.0**40:
        raise InputError(f"The weight column “{weight}” holds {high:g}; weights up to 2^40 are read.")
    scale = counting.weight_scale(table.rows, float(high))
    # Less than one step of the fixed point would count as no case at all in the cells.
    small = table.all(
        f"SELECT count(*), min(v) FROM (SELECT {number} AS v FROM data) WHERE v < {1 / scale!r}"
    )[0]
    if small[0]:
        raise InputError(
            f"The weight column “{weight}” is too small in {small[0]:,} of {table.rows:,} rows (least {small[1]:g}); "
            f"beside its greatest, {high:g}, weights from {1 / scale:g} up are counted. "
            "Multiply all weights by one number."
        )
    return scale


def entities(table: Table, entity: str) -> None:
    """The table `entity`: each key (`raw`) and its number `i` in order of its text; refuses rows without a key."""
    table.materialise([entity])
    name, text = identifier(entity), table.column(entity).text
    missing = table.all(f"SELECT count(*) FROM data WHERE {text} IS NULL")[0][0]
    if missing:
        raise InputError(f"The entity column “{entity}” is empty in {missing:,} of {table.rows:,} rows.")
    table.all(
        "CREATE OR REPLACE TEMP TABLE entity AS SELECT raw, dense_rank() OVER (ORDER BY t) - 1 AS i FROM"
        f" (SELECT DISTINCT {name} AS raw, {text} AS t FROM data)"
    )


def entity_notes(table: Table, entity: str) -> list[str]:
    """How many entities there are and whether they repeat."""
    found = table.all("SELECT count(DISTINCT i) FROM entity")[0][0]
    if found == table.rows:
        return [f"“{entity}” does not repeat: {found:,} entities with one row each."]
    many = "1 entity" if found == 1 else f"{found:,} entities"
    return [f"“{entity}” repeats: {table.rows:,} rows of {many}; intervals are by entity."]
