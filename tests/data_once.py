"""What is read out of a dataset's file is worked out once for each file in a process of tests, a chart drawn once.

Reading starts a child process and profiles every column: a third of a second, and hundreds of tests upload the same
two trials. The first upload is read by the portal itself; the same bytes then bring the same table, profile and
digests. `tests/datasets` and workers with processes of their own read every time. Hundreds of bias reports draw the
same charts, a tenth of a second each: the same marks bring the same drawing; `tests/analysis/test_charts.py` draws.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from apps.analysis import charts
from apps.analysis.rows import Digests
from apps.datasets import profiling
from apps.datasets.ingest import Ingested, IngestLimits

_read: dict[tuple[str, str, IngestLimits], tuple[Ingested, bytes]] = {}
_described: dict[str, tuple[dict[str, Any], Digests]] = {}
_ingest, _describe = profiling.ingest, profiling.describe
_drawn: dict[tuple[str, str], charts.Drawing] = {}
_DRAWS = {name: getattr(charts, name) for name in ("forest", "calibration")}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def ingest(source: Path, filename: str, *, limits: IngestLimits, out_dir: str) -> Ingested:
    """`apps.datasets.ingest.ingest`; what it refuses is refused anew each time."""
    key = (_digest(source), filename, limits)
    if key not in _read:
        found = _ingest(source, filename, limits=limits, out_dir=out_dir)
        _read[key] = (found, found.parquet_path.read_bytes())
        return found
    found, table = _read[key]
    path = Path(out_dir) / found.parquet_path.name
    path.write_bytes(table)
    return replace(copy.deepcopy(found), parquet_path=path)


def describe(source: Path) -> tuple[dict[str, Any], Digests]:
    """`apps.analysis.profile.describe`."""
    key = _digest(source)
    if key not in _described:
        _described[key] = _describe(source)
    profile, digests = _described[key]
    return copy.deepcopy(profile), digests.copy()


def _once(name: str) -> Callable[..., charts.Drawing]:
    def drawing(*args: Any, **kwargs: Any) -> charts.Drawing:
        key = (name, repr((args, kwargs)))
        if key not in _drawn:
            _drawn[key] = _DRAWS[name](*args, **kwargs)
        return copy.deepcopy(_drawn[key])

    return drawing


def remember(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(profiling, "ingest", ingest)
    patch.setattr(profiling, "describe", describe)
    for name in _DRAWS:
        patch.setattr(charts, name, _once(name))


def draw_every_time(patch: pytest.MonkeyPatch) -> None:
    for name, draw in _DRAWS.items():
        patch.setattr(charts, name, draw)


def read_every_time(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(profiling, "ingest", _ingest)
    patch.setattr(profiling, "describe", _describe)
