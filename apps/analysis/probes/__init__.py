"""Robustness and privacy probes of a black box: how its answers change, and what they give away.

Everything here is asked of a function that scores a table (`frames.Ask`); nothing knows where the model runs.

>>> from apps.analysis.probes import Cases, Frame, Settings, run_probes
"""

from apps.analysis.probes.catalogue import PRIVACY, PROBES, ROBUSTNESS, Probe
from apps.analysis.probes.findings import RULES, Finding, Verdict, judge, worst
from apps.analysis.probes.frames import Answers, Ask, Cases, Frame
from apps.analysis.probes.running import Settings, run_probes

__all__ = [
    "PRIVACY",
    "PROBES",
    "ROBUSTNESS",
    "RULES",
    "Answers",
    "Ask",
    "Cases",
    "Finding",
    "Frame",
    "Probe",
    "Settings",
    "Verdict",
    "judge",
    "run_probes",
    "worst",
]
