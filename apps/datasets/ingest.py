"""From an uploaded CSV or Parquet file to one canonical Parquet file, or to a sentence that says what is wrong.

The work is done in a process of its own with limits on memory, time and output, by DuckDB without access to anything
but the two files. Types are decided by the whole column, never by a sample: integer, number, boolean, text, date,
timestamp. An empty CSV cell is empty; "None", "NA" and "null" are text, because only the people who made the data
know what they meant. "007" is text, because a number would lose its zeros.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


class IngestError(Exception):
    """The file cannot become a dataset version. `str(error)` is a sentence for the page and the API."""


@dataclass(frozen=True)
class IngestLimits:
    """max_bytes of the upload; max_unpacked: bytes of a Parquet file's columns once unpacked; cpu_s, wall_s seconds;
    memory_mb MiB of address space."""

    max_bytes: int = 2 * 1024**3
    max_unpacked: int = 8 * 1024**3
    max_rows: int = 50_000_000
    max_columns: int = 2_000
    cpu_s: int = 600
    wall_s: int = 900
    memory_mb: int = 4096


@dataclass(frozen=True)
class Ingested:
    """parquet_path: the canonical file; file_format: "csv" or "parquet"; columns: [{"name", "type"}] in the file's
    order; rows; warnings: sentences."""

    parquet_path: Path
    file_format: str
    columns: list[dict[str, str]]
    rows: int
    warnings: list[str]


DEFAULT = IngestLimits()
_FOREIGN = (
    (
        b"PK\x03\x04",
        "This is a zip archive or an Excel workbook. Save the sheet as “CSV UTF-8” and upload that.",
    ),
    (b"\xd0\xcf\x11\xe0", "This is an old Excel workbook. Save the sheet as “CSV UTF-8” and upload that."),
    (b"\xff\xfe", "This is UTF-16 text (Excel’s “Unicode text”). Save it as “CSV UTF-8” and upload that."),
    (b"\xfe\xff", "This is UTF-16 text (Excel’s “Unicode text”). Save it as “CSV UTF-8” and upload that."),
    (b"\x1f\x8b", "This is a gzip archive. Unpack it and upload the CSV or Parquet file inside."),
    (b"%PDF", "This is a PDF document, not data. Upload CSV or Parquet."),
    (b"\x89PNG", "This is a picture, not data. Upload CSV or Parquet."),
    (b"\x89HDF", "This is an HDF5 file. Save the table as Parquet or CSV and upload that."),
    (b"ARROW1", "This is an Arrow (Feather) file. Save it as Parquet and upload that."),
    (b"SQLite format", "This is a SQLite database. Export the table as CSV or Parquet and upload that."),
    (b"<", "This is a web page or XML, not data. Upload CSV or Parquet."),
    (b'{"', "This is JSON. Save the table as CSV or Parquet and upload that."),
    (b"[{", "This is JSON. Save the table as CSV or Parquet and upload that."),
)


def ingest(
    source_path: str | Path,
    filename: str,
    *,
    limits: IngestLimits = DEFAULT,
    out_dir: str | Path | None = None,
) -> Ingested:
    """Check an uploaded file and write it as canonical Parquet. filename: as uploaded, used in sentences only.

    out_dir: where `data.parquet` is written; None makes a temporary folder, which the caller removes.
    Raises `IngestError`. Nothing is left behind after an error, except the caller's own folder.
    """
    source = Path(source_path)
    file_format = detect_format(source, filename, limits)
    folder = Path(out_dir) if out_dir is not None else Path(tempfile.mkdtemp(prefix="cs-ingest-"))
    target = folder / "data.parquet"
    try:
        said = _run_child(source, target, file_format, limits)
    except BaseException:
        target.unlink(missing_ok=True)
        if out_dir is None:
            folder.rmdir()
        raise
    return Ingested(target, file_format, said["columns"], said["rows"], said["warnings"])


def detect_format(source: Path, filename: str, limits: IngestLimits = DEFAULT) -> str:
    """`"csv"` or `"parquet"`, by content. Raises `IngestError` for anything else, an empty file or too large a one."""
    size = source.stat().st_size
    if size == 0:
        raise IngestError(f"{filename} is empty.")
    if size > limits.max_bytes:
        raise IngestError(
            f"{filename} has {size / 1024**2:,.0f} MB; at most {limits.max_bytes / 1024**2:,.0f} MB are accepted."
        )
    with source.open("rb") as f:
        head = f.read(16)
        f.seek(max(0, size - 4))
        tail = f.read(4)
    if head.startswith(b"PAR1"):
        if size < 12 or tail != b"PAR1":
            raise IngestError(
                f"{filename} is a Parquet file that is cut off: its end is missing. Upload it again."
            )
        return "parquet"
    for magic, sentence in _FOREIGN:
        if head.startswith(magic):
            raise IngestError(f"{filename}: {sentence}")
    return "csv"


def _run_child(source: Path, target: Path, file_format: str, limits: IngestLimits) -> dict[str, Any]:
    task = {"source": str(source.resolve()), "target": str(target.resolve()), "format": file_format}
    script = Path(__file__).with_name("ingest_worker.py")
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(script)],
            input=json.dumps({**task, "limits": asdict(limits)}).encode(),
            capture_output=True,
            timeout=limits.wall_s,
            cwd=target.parent,
            env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/nonexistent"},
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise IngestError(
            f"Reading the file took longer than {limits.wall_s} seconds and was ended."
        ) from error
    try:
        said: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        raise IngestError(_death(done.returncode, limits)) from error
    if "error" in said:
        raise IngestError(str(said["error"]))
    return said


def _death(code: int, limits: IngestLimits) -> str:
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return f"Reading the file used more than {limits.cpu_s} seconds of processor time and was ended."
    if code == -signal.SIGXFSZ:
        return "The file unpacks to more than is accepted, and reading it was ended."
    return (
        f"Reading the file needed more than the {limits.memory_mb:,} MB it is given, or broke; it was ended."
    )


def restrict(limits: IngestLimits) -> None:
    """Limits of the reading process, set by itself before it opens the file."""
    memory = limits.memory_mb * 1024**2
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu_s, limits.cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.max_unpacked, limits.max_unpacked))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
