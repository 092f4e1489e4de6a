"""From the uploaded bytes of a version to its canonical table, column profile and row digests."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.analysis.errors import InputError
from apps.analysis.jsonform import to_json
from apps.analysis.profile import describe
from apps.analysis.rows import pack
from apps.core import blobs
from apps.core.blobs import BlobDamaged
from apps.datasets.ingest import IngestError, ingest
from apps.datasets.models import DatasetVersion
from apps.datasets.receiving import limits

STEPS = 3
LEFT_BEHIND_AFTER = 6 * 3600  # seconds; reading a file is ended after a quarter of an hour


class Unreadable(Exception):
    """The bytes cannot become a dataset version; `str(error)` is one sentence for the page, the API and the record."""

    for_people = True


def compute(version: DatasetVersion, report: Callable[[int, int, str], None]) -> dict[str, Any]:
    """Fields of the finished version and `warnings` (sentences). Everything stays in the version's own area.

    The working folder lies in the data folder: test data are never written to another disk.
    """
    work = Path(settings.COUNTERSIGN_DATA) / "work"
    work.mkdir(parents=True, exist_ok=True, mode=0o700)
    _clear_left_behind(work)
    try:
        report(0, STEPS, f"Reading {version.file_name}")
        source = blobs.checked_path(version.file_digest, area=version.area)
        with tempfile.TemporaryDirectory(dir=work) as folder:
            found = ingest(source, version.file_name, limits=limits(), out_dir=folder)
            _refuse_unknown_unit(version.entity_column, found.columns)
            report(1, STEPS, f"Profiling {found.rows} rows of {len(found.columns)} columns")
            profile, digests = describe(found.parquet_path)
            report(2, STEPS, "Storing")
            with found.parquet_path.open("rb") as table:
                table_digest = blobs.put(table, area=version.area).digest
    except BlobDamaged as error:
        raise Unreadable(
            "The stored bytes of the upload are missing or no longer match their digest."
        ) from error
    except (IngestError, InputError) as error:
        raise Unreadable(str(error)) from error
    profile["warnings"] = found.warnings
    fields = {
        "file_format": found.file_format,
        "table_digest": table_digest,
        "row_digests": blobs.put(pack(digests), area=version.area).digest,
        "profile_digest": blobs.put(to_json(profile).encode(), area=version.area).digest,
        "row_count": found.rows,
        "columns": found.columns,
    }
    report(STEPS, STEPS, "Profiled")
    return {"fields": fields, "warnings": found.warnings}


def _clear_left_behind(work: Path) -> None:
    """Remove what a killed worker left: its folder holds a copy of data, test data too."""
    for folder in work.iterdir():
        try:
            old = time.time() - folder.stat().st_mtime > LEFT_BEHIND_AFTER
        except FileNotFoundError:  # another worker has just ended with it
            continue
        if old:
            shutil.rmtree(folder, ignore_errors=True)


def _refuse_unknown_unit(unit: str, columns: list[dict[str, str]]) -> None:
    names = [column["name"] for column in columns]
    if unit and unit not in names:
        raise Unreadable(
            f"The column “{unit}” was named as the physical unit, and the file has no such column. "
            f"It has {', '.join(names[:12])}{'' if len(names) <= 12 else ' and more'}. Upload it again."
        )


def stored_profile(version: DatasetVersion) -> dict[str, Any]:
    """The profile as computed (`analysis.profile` and `warnings`), compared with its digest."""
    found: dict[str, Any] = json.loads(blobs.read(version.profile_digest, area=version.area))
    return found
