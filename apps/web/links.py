"""Where a record is shown: one table from subject kind to URL, and from a record's ref to its record."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from django.urls import NoReverseMatch, reverse
from django.utils.html import conditional_escape, format_html

from apps.core.subjects import model_of

_URLS: dict[str, Callable[[Any], tuple[str, list]]] = {
    "registry.model": lambda m: ("web:model", [m.slug]),
    "registry.version": lambda v: ("web:version", [v.model.slug, v.label]),
    "registry.intended_use": lambda u: ("web:intended_use", [u.model.slug, u.number]),
    "datasets.dataset": lambda d: ("web:dataset", [d.slug]),
    "datasets.version": lambda v: ("web:dataset_version", [v.dataset.slug, v.number]),
    "validations.plan": lambda p: ("web:plan", [p.number]),
    "validations.run": lambda r: ("web:run", [r.number]),
    "robustness.plan": lambda p: ("web:probe_plan", [p.number]),
    "robustness.report": lambda r: ("web:probe_report", [r.number]),
    "robustness.evidence": lambda e: ("web:section", [e.version.model.slug, e.version.label, "robustness"]),
    "explanation.report": lambda r: ("web:explanation", [r.number]),
    "fairness.report": lambda r: ("web:bias_report", [r.number]),
    "verification.requirement": lambda r: ("web:requirement", [r.number, r.revision]),
    "verification.risk": lambda r: ("web:risk", [r.number, r.revision]),
    "verification.evidence": lambda e: ("web:verification_evidence", [e.number]),
    "verification.claim": lambda c: ("web:claim", [c.number]),
    "quality.deviation": lambda d: ("web:deviation", [d.number]),
    "quality.trail_review": lambda r: ("web:trail_review", [r.number]),
    "quality.trail_finding": lambda f: ("web:trail_review", [f.review.number]),
    "approvals.gate": lambda g: ("web:version", [g.version.model.slug, g.version.label]),
    "approvals.slot": lambda s: ("web:version", [s.gate.version.model.slug, s.gate.version.label]),
    "packs.pack": lambda p: ("web:pack", [p.number]),
    "approvals.board": lambda b: ("web:board", [b.pk]),
    "approvals.board_change": lambda c: ("web:board", [c.board_id]),
    "approvals.board_member": lambda m: ("web:board", [m.board_id]),
    "approvals.meeting": lambda m: ("web:meeting", [m.number]),
    "access.ask": lambda a: ("web:ask", [a.pk]),
    "access.waiver": lambda w: ("web:waiver", [w.pk]),
    "access.rules_change": lambda c: ("web:rules_change", [c.pk]),
    "access.separation_rules": lambda r: ("web:rules_version", [r.version]),
    "accounts.correction": lambda r: ("web:correction", [r.pk]),
    "accounts.reset": lambda r: ("web:reset", [r.pk]),
    "access.review": lambda r: ("web:review", [r.pk]),
    "access.review_sheet": lambda s: ("web:review_sheet", [s.pk]),
    "access.erasure": lambda r: ("web:erasure", [r.pk]),
    "access.inspection": lambda i: ("web:inspection", [i.pk]),
    "datasets.read_grant": lambda g: ("web:read_grant", [g.pk]),
    "datasets.unmarking": lambda u: ("web:dataset", [u.dataset.slug]),
    "accounts.user": lambda u: ("web:person", [u.username]),
}


def url_of(subject: Any) -> str:
    """The page of a record; empty for kinds that have none."""
    give = _URLS.get(getattr(subject, "subject_kind", ""))
    if give is None:
        return ""
    name, args = give(subject)
    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return ""


def subject_of(kind: str, pk: int | str):
    """The record, or None."""
    return model_of(kind)._default_manager.filter(pk=pk).first()


# What a reference in a text names, by its letters: the page, which takes the number (and the revision).
_PAGES = {
    "RK": "web:risk",
    "REQ": "web:requirement",
    "VE": "web:verification_evidence",
    "CL": "web:claim",
    "R": "web:run",
    "B": "web:bias_report",
    "PR": "web:probe_report",
    "XR": "web:explanation",
    "DEV": "web:deviation",
}
_REF = re.compile(r"([A-Z]+)-(\d+)(?:/v(\d+))?")


def link_of_ref(ref: str) -> str:
    """A reference of the table above as a link to its record's page; any other text as it is, escaped."""
    found = _REF.fullmatch(ref)
    name = _PAGES.get(found[1]) if found else None
    if found is None or name is None:
        return conditional_escape(ref)
    try:
        url = reverse(name, args=[each for each in found.groups()[1:] if each])
    except NoReverseMatch:  # a requirement or risk named without its revision
        return conditional_escape(ref)
    return format_html('<a href="{}">{}</a>', url, ref)


def sign_url(act: str, pk: int) -> str:
    return reverse("web:sign", args=[act, pk])
