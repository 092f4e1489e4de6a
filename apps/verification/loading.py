"""What hangs on a version and on its model here, read once for a whole page (`apps.access.sharing`), whoever looks.

Requirements, risks, evidence and links come by one query, whatever there is: the release page asks for them with
everything else it shows. They are records for judging, with what checks and closures ask of them and no more.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from django.db.models import CharField, F, QuerySet, Value
from django.db.models.functions import JSONObject
from django.utils.dateparse import parse_datetime

from apps.access.sharing import gathered, grouped
from apps.accounts.models import User
from apps.registry.facts import kin_of
from apps.registry.models import IntendedUse, Model
from apps.validations.stored import read_results
from apps.verification.models import Claim, Evidence, Link, Requirement, Risk


@dataclass
class Dossier:
    """requirements, risks: every revision, by number and revision; evidence: newest first; links: not taken away."""

    requirements: list[Requirement] = field(default_factory=list)
    risks: list[Risk] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)


_OF_REQUIREMENT = (
    "number", "revision", "text", "source", "risks", "clauses", "state", "written_at", "decided_at", "withdrawn_at",
    "approved_digest",
)  # fmt: skip
_OF_RISK = ("number", "revision", "hazard", "written_at")
_OF_EVIDENCE = ("number", "kind", "title", "file_digest", "results_digest", "summary")
_OF_LINK = ("requirement_id", "target", "pattern", "reason")
_USE = {"use": F("intended_use_id"), "use_number": F("intended_use__number"), "slug": F("model__slug")}


def _rows(rows: QuerySet[Any], what: str, of: str, names: Collection[str], **more: F) -> QuerySet[Any]:
    """(what, version, key, the named columns as JSON): one shape for all, so that one query reads them."""
    columns = {name: F(name) for name in names} | more
    told = rows.order_by().annotate(
        what=Value(what, output_field=CharField()), of=F(of), data=JSONObject(**columns)
    )
    return told.values_list("what", "of", "pk", "data")


def _moment(text: str | None) -> datetime | None:
    found = parse_datetime(text) if text else None
    return found.replace(tzinfo=UTC) if found is not None and found.tzinfo is None else found


def _plain(data: Any) -> dict[str, Any]:
    """Columns as Python values: SQLite gives JSON columns as text inside the JSON, and times without their zone."""
    told: dict[str, Any] = json.loads(data) if isinstance(data, str) else dict(data)
    for name in ("risks", "clauses", "summary"):
        if isinstance(told.get(name), str):
            told[name] = json.loads(told[name])
    for name in ("written_at", "decided_at", "withdrawn_at"):
        if name in told:
            told[name] = _moment(told[name])
    return told


def _used(told: dict[str, Any]) -> dict[str, Any]:
    """The intended use and model behind a requirement or risk, as far as they were read."""
    model = Model(pk=told.pop("model_pk"), slug=told.pop("slug"))
    use = IntendedUse(pk=told.pop("use"), number=told.pop("use_number"), model=model)
    return {"model": model, "intended_use": use}


def _put(into: Dossier, what: str, pk: int, told: dict[str, Any]) -> None:
    if what == "requirement":
        writer = User(username=told.pop("writer"))
        into.requirements.append(Requirement(pk=pk, **_used(told), **told, written_by=writer))
    elif what == "risk":
        into.risks.append(Risk(pk=pk, **_used(told), **told))
    elif what == "evidence":
        into.evidence.append(Evidence(pk=pk, **told))
    else:
        into.links.append(Link(pk=pk, **told))


def dossiers_of(version_ids: Collection[int]) -> dict[int, Dossier]:
    """Version id -> its dossier. One query; what belongs to the model is read once for all of its versions."""
    first = {pk: min(kin.family) for pk, kin in kin_of(version_ids).items()}

    def load(ids: list[int]) -> dict[int, Dossier]:
        heads = {first[pk] for pk in ids if pk in first}
        model = {"model__versions__in": heads}
        parts = (
            _rows(Requirement.objects.filter(**model), "requirement", "model__versions", _OF_REQUIREMENT,
                  writer=F("written_by__username"), model_pk=F("model_id"), **_USE),
            _rows(Risk.objects.filter(**model), "risk", "model__versions", _OF_RISK, model_pk=F("model_id"), **_USE),
            _rows(Evidence.objects.filter(version_id__in=ids), "evidence", "version_id", _OF_EVIDENCE),
            _rows(Link.objects.filter(version_id__in=ids, ended_at=None), "link", "version_id", _OF_LINK),
        )  # fmt: skip
        shared: dict[int, Dossier] = {head: Dossier() for head in heads}
        own: dict[int, Dossier] = {pk: Dossier() for pk in ids}
        for what, of, pk, data in parts[0].union(*parts[1:], all=True):
            into = shared if what in ("requirement", "risk") else own
            _put(into[of], what, pk, _plain(data))
        for found in shared.values():
            found.requirements.sort(key=lambda row: (row.number, row.revision))
            found.risks.sort(key=lambda row: (row.number, row.revision))
        for pk, found in own.items():
            found.evidence.sort(key=lambda row: -row.number)
            found.links.sort(key=lambda row: row.pk)
            if pk in first:
                found.requirements, found.risks = shared[first[pk]].requirements, shared[first[pk]].risks
        return own

    found = gathered("verification dossier", version_ids, load)
    return {pk: found[pk] or Dossier() for pk in version_ids}


def claims_of_versions(version_ids: Collection[int]) -> dict[int, list[Claim]]:
    """Version id -> its claims, newest first."""

    def load(ids: list[int]) -> dict[int, list[Claim]]:
        rows = Claim.objects.filter(version_id__in=ids).select_related("submitted_by")
        return grouped(rows, lambda row: row.version_id)

    return {pk: found or [] for pk, found in gathered("claims", version_ids, load).items()}


@lru_cache(maxsize=64)
def _read(digest: str) -> dict[str, Any]:
    return read_results(digest)


def details_of(evidence: Evidence) -> list[dict[str, Any]]:
    """What was read out of the file, entry by entry; compared with its digest when this process read it first."""
    found: list[dict[str, Any]] = _read(evidence.results_digest)["details"]
    return found
