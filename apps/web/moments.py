"""Moments worth a look, for the page of a record: each signature, each gate, each version, and round ones."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.urls import Resolver404, resolve

from apps.access.actors import Actor
from apps.access.facts import facts_of
from apps.access.gate import visible
from apps.access.policy import TABLE
from apps.access.telling import told_act
from apps.accounts.models import User
from apps.core.clock import real_now
from apps.datasets.models import Dataset
from apps.registry.models import Model, Version
from apps.trail.instants import Instant, first_entry
from apps.trail.models import Entry, Kind

# Of many the newest.
SHOWN = 12
TURNS = frozenset(
    {
        *(
            "registry.register_model",
            "registry.register_version",
            "registry.freeze",
            "registry.write_intended_use",
        ),
        *("approvals.open_gate", "approvals.suspend", "datasets.register_dataset", "datasets.upload_version"),
        *("datasets.upload_test_version", "access.approve_assignment", "access.end_assignment"),
    }
)
# An entry's time is cut to milliseconds on SQLite: just after it, its act is whole.
AFTER = timedelta(milliseconds=1)
AGO = (
    ("a week ago", timedelta(days=7)),
    ("one month ago", timedelta(days=30)),
    ("a year ago", timedelta(days=365)),
)


@dataclass(frozen=True)
class Moment:
    """`text` goes into the address; `at` and `told` are for people."""

    at: datetime
    told: str

    @property
    def text(self) -> str:
        return Instant(self.at).text


def turning_points() -> list[str]:
    """Acts after which a record stands differently: signatures, gates, versions, duties."""
    return sorted(TURNS | {row.act for row in TABLE.values() if row.signs})


def moments_of(actor: Actor, path: str) -> list[Moment]:
    """For the page at `path`, newest first, then the round ones; of what `actor` may see."""
    condition = _about(actor, path)
    found = []
    if condition is not None:
        rows = visible(actor, Entry).filter(condition, kind=Kind.ACT, act__in=turning_points())
        found = [Moment(each.at + AFTER, _told(each)) for each in rows.order_by("-id")[:SHOWN]]
    began, now = first_entry(), real_now()
    return found + [Moment(now - ago, words) for words, ago in AGO if began is not None and now - ago > began]


def _told(entry: Entry) -> str:
    body: dict[str, Any] = json.loads(entry.body)
    ref = body.get("subject", {}).get("ref", "")
    return f"{entry.actor_name} {told_act(entry.act, body.get('facts', {}))}" + (f": {ref}" if ref else "")


def _about(actor: Actor, path: str) -> Q | None:
    """Entries about the record whose page this is; None where the page is of none of these."""
    try:
        match = resolve(path)
    except Resolver404:
        return None
    given = match.kwargs
    if match.url_name in ("version", "section"):
        rows = visible(actor, Version).select_related("model", "intended_use")
        version = rows.filter(model__slug=given["slug"], label=given["label"]).first()
        return _of_version(version) if version else None
    if match.url_name in ("model", "model_people", "intended_use"):
        return _of_scope(visible(actor, Model).filter(slug=given["slug"]).first())
    if match.url_name in ("dataset", "dataset_version", "dataset_people"):
        return _of_scope(visible(actor, Dataset).filter(slug=given["slug"]).first())
    if match.url_name == "person":
        person = visible(actor, User).filter(username=given["username"]).first()
        return Q(subject_kind=User.subject_kind, subject_id=str(person.pk)) if person else None
    return None


def _of_scope(place: Any) -> Q | None:
    return Q(scope=place.scope) if place else None


def _of_version(version: Version) -> Q:
    use = version.intended_use
    records = facts_of(version).closures["version"] | {(use.subject_kind, str(use.pk))}
    by_kind: dict[str, list[str]] = {}
    for kind, pk in records:
        by_kind.setdefault(kind, []).append(pk)
    condition = Q(pk__in=[])
    for kind, ids in by_kind.items():
        condition |= Q(subject_kind=kind, subject_id__in=ids)
    return condition
