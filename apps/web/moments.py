"""Moments worth a look, for the page of a record: each signature, each gate, each version, and round ones."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.urls import Resolver404, resolve

from apps.access.actors import Actor
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
LOOKED_THROUGH = 100
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
    about = _about(actor, path)
    found: list[Moment] = []
    if about is not None:
        rows = visible(actor, Entry).filter(about.entries, kind=Kind.ACT, act__in=turning_points())
        for each in rows.order_by("-id")[:LOOKED_THROUGH]:
            ref = str(json.loads(each.body).get("subject", {}).get("ref", ""))
            if len(found) < SHOWN and about.tells(ref):
                found.append(Moment(each.at + AFTER, _told(each, ref)))
    began, now = first_entry(), real_now()
    return found + [Moment(now - ago, words) for words, ago in AGO if began is not None and now - ago > began]


def _told(entry: Entry, ref: str) -> str:
    facts: dict[str, Any] = json.loads(entry.body).get("facts", {})
    return f"{entry.actor_name} {told_act(entry.act, facts)}" + (f": {ref}" if ref else "")


@dataclass(frozen=True)
class About:
    """Entries about the record of a page. `slug`, `label`: of its entries those that name no other version."""

    entries: Q
    slug: str = ""
    label: str = ""

    def tells(self, ref: str) -> bool:
        """Records of a model that name no version (a plan, a deviation) may be of any; all are told."""
        versions = [word for word in ref.split() if self.slug and word.startswith(f"{self.slug}/")]
        return all(word == f"{self.slug}/{self.label}" for word in versions)


def _about(actor: Actor, path: str) -> About | None:
    """None where the page is of no model, dataset or person, or of one that is not to be seen."""
    try:
        match = resolve(path)
    except Resolver404:
        return None
    given, name = match.kwargs, match.url_name
    if name in ("version", "section"):
        rows = visible(actor, Version).filter(model__slug=given["slug"], label=given["label"])
        version = rows.select_related("model").first()
        return About(Q(scope=version.scope), given["slug"], given["label"]) if version else None
    if name in ("model", "model_people", "intended_use"):
        model = visible(actor, Model).filter(slug=given["slug"]).first()
        return About(Q(scope=model.scope)) if model else None
    if name in ("dataset", "dataset_version", "dataset_people"):
        dataset = visible(actor, Dataset).filter(slug=given["slug"]).first()
        return About(Q(scope=dataset.scope)) if dataset else None
    if name == "person":
        person = visible(actor, User).filter(username=given["username"]).first()
        return About(Q(subject_kind=User.subject_kind, subject_id=str(person.pk))) if person else None
    return None
