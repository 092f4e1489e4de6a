"""One text for one value, whatever the file format: SQL expressions for DuckDB.

Missing (NULL, NaN, empty text) is NULL. Numbers lose their spelling (`007`, `7.0`, `7` are `7`; decimals
become the shortest text of the double). `True`/`TRUE` become `true`. Midnight is dropped from a time stamp,
`T` becomes a space. Everything else stays as it is; `NA`, `None` and `?` are text, not missing.
"""

from __future__ import annotations

_DECIMAL = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
_STAMP = r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
# Numbers short enough that BIGINT or DOUBLE hold what the text says: 18 and 15 digits.
SHORT_INTEGER = "[+-]?[0-9]{1,18}"
SHORT_DECIMAL = r"[+-]?([0-9]{1,15}(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"
INTEGERS = frozenset(
    "TINYINT SMALLINT INTEGER BIGINT HUGEINT UTINYINT USMALLINT UINTEGER UBIGINT UHUGEINT".split()
)


def identifier(name: str) -> str:
    """A column name quoted for SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text quoted for SQL."""
    return "'" + text.replace("'", "''") + "'"


def _double(x: str) -> str:
    whole = f"{x} = trunc({x}) AND abs({x}) < 1e15"
    return f"CASE WHEN {whole} THEN CAST(TRY_CAST({x} AS BIGINT) AS VARCHAR) ELSE CAST({x} AS VARCHAR) END"


def _stamp(x: str) -> str:
    spaced = f"replace({x}, 'T', ' ')"
    trimmed = f"regexp_replace({spaced}, '(\\.[0-9]*?)0+$', '\\1')"
    return f"regexp_replace({trimmed}, '( 00:00:00)?\\.?$', '')"


def _text(c: str) -> str:
    number = f"TRY_CAST({c} AS DOUBLE)"
    return (
        f"CASE WHEN {c} = '' THEN NULL"
        f" WHEN regexp_full_match({c}, '[+-]?[0-9]{{1,36}}') THEN CAST(TRY_CAST({c} AS HUGEINT) AS VARCHAR)"
        f" WHEN regexp_full_match({c}, '[+-]?0+') THEN '0'"
        # Longer than any integer type: a double would make one value of many.
        f" WHEN regexp_full_match({c}, '[+-]?[0-9]+') THEN regexp_replace({c}, '^[+]?(-?)0*([0-9]+)$', '\\1\\2')"
        f" WHEN regexp_full_match({c}, '{_DECIMAL}') THEN coalesce({_double(number)}, {c})"
        f" WHEN lower({c}) IN ('true', 'false') THEN lower({c})"
        f" WHEN regexp_full_match({c}, '{_STAMP}') THEN {_stamp(c)}"
        f" ELSE {c} END"
    )


def text(name: str, kind: str) -> str:
    """SQL for the canonical text of column `name` of DuckDB type `kind`; NULL where missing."""
    c = identifier(name)
    if kind in INTEGERS or kind == "BOOLEAN":
        return f"CAST({c} AS VARCHAR)"
    if kind == "DOUBLE":
        return f"CASE WHEN isnan({c}) THEN NULL ELSE {_double(c)} END"
    if kind == "FLOAT":
        short = f"CAST(CAST({c} AS VARCHAR) AS DOUBLE)"
        return f"CASE WHEN isnan({c}) THEN NULL ELSE {_double(short)} END"
    if kind == "TIMESTAMP WITH TIME ZONE":
        return _stamp(f"CAST(make_timestamp(epoch_us({c})) AS VARCHAR)")
    if kind.startswith("TIMESTAMP"):
        return _stamp(f"CAST({c} AS VARCHAR)")
    if kind == "VARCHAR":
        return _text(c)
    return _text(f"CAST({c} AS VARCHAR)")


def number(name: str, kind: str) -> str:
    """SQL for the value as DOUBLE; NULL where missing or not a finite number."""
    c = identifier(name)
    if kind == "BOOLEAN":
        return f"CAST({c} AS INTEGER)::DOUBLE"
    if kind.startswith(("DATE", "TIME")):
        return "NULL::DOUBLE"
    value = f"TRY_CAST({c} AS DOUBLE)"
    if kind == "VARCHAR":
        value = f"CASE WHEN regexp_full_match({c}, '{_DECIMAL}') THEN {value} END"
    return f"CASE WHEN isfinite({value}) THEN {value} END"
