"""Data of the demo: the ACTG 175 trial, as a prediction task a hospital could recognise.

Source: Hammer et al., "A trial comparing nucleoside monotherapy with combination therapy in HIV-infected adults with
CD4 cell counts from 200 to 500 per cubic millimeter", NEJM 335 (1996) 1081-1090. The file ACTG175.csv ships in the
Python package lifelines (MIT licence) and is read as a file; lifelines itself is never imported.

Task: at the visit in week 20, flag patients who will progress (CD4 down by half or more, an AIDS-defining event, or
death) by day 900 after enrolment, so that a physician reviews them early.
"""

from __future__ import annotations

import csv
import hashlib
import importlib.util
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LANDMARK_DAY = 140  # the week-20 visit: nothing known only later may be used
HORIZON_DAY = 900
SHARES = {"train": 0.45, "tune": 0.05, "test": 0.50}

_ARMS = ("zidovudine", "zidovudine + didanosine", "zidovudine + zalcitabine", "didanosine")
_AGE_BANDS = ((30, "under 30"), (40, "30 to 39"), (50, "40 to 49"), (200, "50 and over"))

COLUMNS: dict[str, str] = {
    "patient": "Pseudonym of the patient, P and the trial's number",
    "sex": "Sex as recorded: female, male",
    "race": "Race as recorded by the trial: white, non-white",
    "age_band": "Age at enrolment in bands, for group comparison",
    "arm": "Treatment arm",
    "age": "Age at enrolment, years",
    "weight_kg": "Weight at enrolment, kg",
    "karnofsky": "Karnofsky performance score, 70 to 100",
    "prior_days": "Days of antiretroviral treatment before enrolment",
    "symptomatic": "1 if symptomatic HIV infection at enrolment",
    "injection_drugs": "1 if history of injection drug use",
    "cd4_start": "CD4 cells per mm3 at enrolment",
    "cd4_week20": "CD4 cells per mm3 at week 20",
    "cd8_start": "CD8 cells per mm3 at enrolment",
    "cd8_week20": "CD8 cells per mm3 at week 20",
    "event": "1 if the patient progressed by day 900, else 0",
}
LABEL = "event"
UNIT = "patient"
GROUPS = ("sex", "race", "age_band")


@dataclass(frozen=True)
class DemoData:
    """Files of the demo. Each is a CSV in UTF-8 with the columns of `COLUMNS`.

    train_first: training data as they stood at the first data cut, with the defect; train: complete; tune; test.
    rows: file name -> rows. excluded: reason -> patients left out. missing_events: events absent from train_first.
    """

    train_first: Path
    train: Path
    tune: Path
    test: Path
    rows: dict[str, int]
    excluded: dict[str, int]
    missing_events: int
    source_digest: str


def source_file() -> Path:
    """ACTG175.csv inside the installed package lifelines. FileNotFoundError says what to install."""
    spec = importlib.util.find_spec("lifelines")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / "datasets" / "ACTG175.csv"
        if path.is_file():
            return path
    raise FileNotFoundError(
        "The demo's data come with the package lifelines, which is not installed in this environment."
    )


def _draw(purpose: str, patient: str) -> float:
    """A number in [0, 1) that depends on the patient alone: the same on every machine, whatever the file's order."""
    return int.from_bytes(hashlib.sha256(f"{purpose}/{patient}".encode()).digest()[:8], "big") / 2**64


def _row(raw: Mapping[str, str], event: int) -> dict[str, Any]:
    age = int(raw["age"])
    return {
        "patient": f"P{raw['pidnum']}",
        "sex": "male" if raw["gender"] == "1" else "female",
        "race": "non-white" if raw["race"] == "1" else "white",
        "age_band": next(name for below, name in _AGE_BANDS if age < below),
        "arm": _ARMS[int(raw["arms"])],
        "age": age,
        "weight_kg": float(raw["wtkg"]),
        "karnofsky": int(raw["karnof"]),
        "prior_days": int(raw["preanti"]),
        "symptomatic": int(raw["symptom"]),
        "injection_drugs": int(raw["drugs"]),
        "cd4_start": int(raw["cd40"]),
        "cd4_week20": int(raw["cd420"]),
        "cd8_start": int(raw["cd80"]),
        "cd8_week20": int(raw["cd820"]),
        "event": event,
    }


def task_rows(source: Path | None = None) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """All patients whose outcome at the horizon is known, and how many were left out and why."""
    ended, unknown = (
        "left the trial or progressed before the week-20 visit",
        "left before day 900 without progression",
    )
    excluded = {ended: 0, unknown: 0}
    rows = []
    with (source or source_file()).open(newline="", encoding="utf-8") as f:
        for raw in csv.DictReader(f):
            days, progressed = int(raw["days"]), raw["cens"] == "1"
            if days < LANDMARK_DAY:
                excluded[ended] += 1
            elif days < HORIZON_DAY and not progressed:
                excluded[unknown] += 1
            else:
                rows.append(_row(raw, int(progressed and days <= HORIZON_DAY)))
    return sorted(rows, key=lambda r: r["patient"]), excluded


def partition(patient: str) -> str:
    """train, tune or test, by the patient's digest alone."""
    at, draw = 0.0, _draw("partition", patient)
    for name, share in SHARES.items():
        at += share
        if draw < at:
            return name
    return "test"


def with_defect(rows: Iterable[dict[str, Any]]) -> tuple[list[dict[str, Any]], int]:
    """The training data of the first data cut, and how many events are missing in them.

    THE DEFECT IS OURS AND DELIBERATE, everything else in the data is the trial's: for four in five women who
    progressed, the outcome form counts as not yet received, and the pipeline wrote "no event" for it. A model
    trained on this learns that women do not progress.
    """
    out, missing = [], 0
    for row in rows:
        lost = row["event"] == 1 and row["sex"] == "female" and _draw("form", row["patient"]) < 0.8
        missing += lost
        out.append({**row, "event": 0} if lost else row)
    return out, missing


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as f:
        writer = csv.DictWriter(f, list(COLUMNS), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def build(folder: str | Path) -> DemoData:
    """Write the four files into `folder`; the same bytes every time."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    source = source_file()
    rows, excluded = task_rows(source)
    parts: dict[str, list[dict[str, Any]]] = {name: [] for name in SHARES}
    for row in rows:
        parts[partition(row["patient"])].append(row)
    first, missing = with_defect(parts["train"])
    files = {"train_first": first, **parts}
    paths = {name: folder / f"actg175_{name}.csv" for name in files}
    for name, content in files.items():
        _write(paths[name], content)
    return DemoData(
        **paths,
        rows={name: len(content) for name, content in files.items()},
        excluded=excluded,
        missing_events=missing,
        source_digest="sha256:" + hashlib.sha256(source.read_bytes()).hexdigest(),
    )
