"""From a reference as people write it ("R-3", "lotx/1.0.0", "@mchen") to the record, if they may see it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.models import Model, QuerySet

from apps.access.actors import Actor
from apps.access.gate import visible

# prefix -> (model, field of the number)
NUMBERED = {
    "R": ("validations.Run", "number"),
    "VP": ("validations.Plan", "number"),
    "B": ("fairness.Report", "number"),
    "XR": ("explanation.Report", "number"),
    "RP": ("robustness.ProbePlan", "number"),
    "PR": ("robustness.ProbeReport", "number"),
    "VE": ("verification.Evidence", "number"),
    "CL": ("verification.Claim", "number"),
    "DEV": ("quality.Deviation", "number"),
    "TR": ("quality.TrailReview", "number"),
    "P": ("packs.Pack", "number"),
    "A": ("access.Assignment", "pk"),
    "SR": ("access.RulesChange", "pk"),
}
# What is revised: prefix -> model with number and revision. Without a revision its newest one is meant.
REVISED = {"RK": "verification.Risk", "REQ": "verification.Requirement"}
SYNTAX = (
    ("R-3", "a validation run"),
    ("VP-2", "a validation plan"),
    ("B-1", "a bias report"),
    ("XR-1", "an explanation"),
    ("RP-1", "limits of probes"),
    ("PR-1", "a probe report"),
    ("REQ-2", "a requirement, its newest revision"),
    ("RK-2/v1", "one revision of a risk or requirement"),
    ("VE-1", "verification evidence"),
    ("CL-1", "figures computed elsewhere"),
    ("DEV-1", "a deviation"),
    ("TR-1", "a review of an audit trail"),
    ("P-1", "an inspection pack"),
    ("A-12", "an assignment of a duty"),
    ("SR-1", "a change of the separation rules"),
    ("lotx", "a model or dataset, by its short name"),
    ("lotx/1.0.0", "a model version"),
    ("trial/v2", "a dataset version"),
    ("IU-lotx/v1", "an intended use"),
    ("@mchen", "a person"),
    ("sha256:…", "a version or dataset version, by the digest of its file"),
)
_NUMBER = re.compile(r"([A-Za-z]{1,3})-(\d{1,18})")
_REVISION = re.compile(r"(RK|REQ)-(\d{1,9})(?:/v(\d{1,9}))?", re.IGNORECASE)
_KIND = re.compile(r"([a-z]+\.[a-z_]+):(\d{1,18})")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_PART = re.compile(r"(?:(IU)-)?([-\w]{1,60})/(.{1,40})", re.IGNORECASE)


@dataclass(frozen=True)
class _Asked:
    label: str
    lookup: dict[str, Any]
    select: tuple[str, ...] = ()
    newest: bool = False  # of its revisions


def resolve(actor: Actor, text: str) -> list[Model]:
    """The visible records `text` names exactly; usually one or none, several for a name two kinds share."""
    found: list[Model] = []
    for asked in _asked(text.strip()):
        rows: QuerySet[Any] = visible(actor, apps.get_model(asked.label))
        rows = rows.filter(**asked.lookup).select_related(*asked.select)
        found += list(rows.order_by("-revision")[:1] if asked.newest else rows[:20])
    return found


def _asked(text: str) -> list[_Asked]:
    if not text or len(text) > 120 or "\x00" in text:
        return []
    if match := _NUMBER.fullmatch(text):
        label, field = NUMBERED.get(match[1].upper(), ("", ""))
        if label:
            return [_Asked(label, {field: int(match[2])})]
    if match := _REVISION.fullmatch(text):
        lookup = {"number": int(match[2])} | ({"revision": int(match[3])} if match[3] else {})
        # A short name may look like it: "rk-1/v2" is also the second version of a dataset of that name.
        others = _parts(None, f"{match[1]}-{match[2]}", f"v{match[3]}") if match[3] else []
        return [_Asked(REVISED[match[1].upper()], lookup, ("model",), newest=True), *others]
    if match := _KIND.fullmatch(text):
        # What has no reference is shown within another record and has no page of its own.
        labels = {
            getattr(m, "subject_kind", ""): m._meta.label for m in apps.get_models() if hasattr(m, "ref")
        }
        return [_Asked(labels[match[1]], {"pk": int(match[2])})] if match[1] in labels else []
    if _DIGEST.fullmatch(text):
        return [
            _Asked("registry.Version", {"artefact_digest": text}, ("model",)),
            _Asked("datasets.DatasetVersion", {"file_digest": text}, ("dataset",)),
        ]
    if text.startswith("@"):
        return [_Asked("accounts.User", {"username__iexact": text[1:]})]
    if match := _PART.fullmatch(text):
        return _parts(match[1], match[2], match[3])
    return [
        _Asked("registry.Model", {"slug__iexact": text}),
        _Asked("datasets.Dataset", {"slug__iexact": text}),
    ]


def _parts(prefix: str | None, slug: str, rest: str) -> list[_Asked]:
    number = rest[1:] if rest[:1].lower() == "v" and rest[1:].isascii() and rest[1:].isdigit() else ""
    counted = {"number": int(number[:9])} if number else {}
    if prefix and counted:
        return [_Asked("registry.IntendedUse", {"model__slug__iexact": slug, **counted}, ("model",))]
    asked = [_Asked("registry.Version", {"model__slug__iexact": slug, "label__iexact": rest}, ("model",))]
    if counted:
        asked.append(
            _Asked("datasets.DatasetVersion", {"dataset__slug__iexact": slug, **counted}, ("dataset",))
        )
    return asked
