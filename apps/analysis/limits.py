"""How much memory one analysis may use: set once for a process by whoever starts it (`ANALYSIS_MEMORY_MB`).

The engine gets a quarter, above which it spills to disk. What must be held row by row (scores, weights, entities) is
estimated before it is fetched, so that an analysis too large is one sentence and not a killed worker. One analysis uses
one thread unless told.
"""

from __future__ import annotations

from apps.analysis.errors import InputError

MEMORY_MB = 4096
# Peak bytes a row measured by tests/benchmarks/bench_scale.py, rounded up; more with each attribute.
_ROW, _ATTRIBUTE = 160, 40

_memory_mb = MEMORY_MB


def use(memory_mb: int) -> None:
    """Set the limit of this process, in MiB."""
    global _memory_mb
    _memory_mb = max(256, memory_mb)


def engine_mb() -> int:
    """What the embedded engine may use, in MiB."""
    return _memory_mb // 4


def check_rows(rows: int, attributes: int) -> None:
    """Refuse to hold so many rows with so many group columns in memory: `InputError` with what would help."""
    needed = rows * (_ROW + _ATTRIBUTE * attributes) // (1 << 20)
    if needed > _memory_mb:
        raise InputError(
            f"Exact figures of scores, weights or entities hold {rows:,} rows in memory, about {needed:,} MB; "
            f"an analysis may use {_memory_mb:,} MB. Leave these columns out (rates come from counts), or raise "
            "ANALYSIS_MEMORY_MB."
        )
