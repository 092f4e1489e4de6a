"""Robustness and privacy probes of a black box: how its answers change, and what they give away.

Everything here is asked of a function that scores a table (`frames.Ask`); nothing knows where the model runs.

>>> from apps.analysis.probes import Cases, Frame, Settings, run_probes
"""

from apps.analysis.probes.catalogue import PRIVACY, PROBES, ROBUSTNESS, VERSION, Probe, changes_since
from apps.analysis.probes.deciding import Deciding
from apps.analysis.probes.findings import (
    RULES,
    Finding,
    Verdict,
    decisive,
    judge,
    out_of_reach,
    top_of_share,
    worst,
)
from apps.analysis.probes.frames import Answers, Ask, Cases, Frame
from apps.analysis.probes.running import Settings, run_probes

__all__ = [
    "PRIVACY",
    "PROBES",
    "ROBUSTNESS",
    "RULES",
    "VERSION",
    "Answers",
    "Ask",
    "Cases",
    "Deciding",
    "Finding",
    "Frame",
    "Probe",
    "Settings",
    "Verdict",
    "changes_since",
    "decisive",
    "judge",
    "out_of_reach",
    "run_probes",
    "top_of_share",
    "worst",
]
