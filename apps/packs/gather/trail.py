"""The trail of one version: its entries up to the as-of, its states over time, who read or took what."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db.models import Q

from apps.access.facts import facts_of
from apps.access.telling import decision_of, told_act
from apps.core.clock import iso
from apps.packs.gather.people import place_names
from apps.registry.models import Version
from apps.trail.models import Entry, Kind
from apps.trail.preimages import erased_by

# Acts by which somebody reads or takes out what is sensitive (PC33).
READ_OR_TAKEN = (
    "datasets.download_version",
    "datasets.read_test_profile",
    "datasets.upload_test_version",
    "registry.download_artefact",
    "validations.read_cases",
    "packs.download_pack",
    "trail.export",
)
TOLD = (Kind.ACT, Kind.EVENT, Kind.REFUSAL)


def condition_on(closure: Iterable[tuple[str, str]]) -> Q:
    """Entries about any record of a closure."""
    by_kind: dict[str, list[str]] = {}
    for kind, pk in closure:
        by_kind.setdefault(kind, []).append(pk)
    wanted = Q(pk__in=[])
    for kind, ids in by_kind.items():
        wanted |= Q(subject_kind=kind, subject_id__in=ids)
    return wanted


def scopes_of(version: Version) -> list[str]:
    """The model, and the data the version was made of and tested on, as entries write their scope."""
    found = {version.scope}
    found |= {d.dataset_version.scope for d in version.data.select_related("dataset_version")}
    found |= {p.test_data.scope for p in version.plans.select_related("test_data")}
    return sorted(found)


def changed_since(scopes: list[str], as_of: datetime, harmless: tuple[str, ...]) -> bool:
    """Whether an act after `as_of` changed a record in these scopes."""
    later = Entry.objects.filter(scope__in=scopes, kind=Kind.ACT, at__gt=as_of)
    for prefix in harmless:
        later = later.exclude(act__startswith=prefix)
    return later.exists()


def facts_in(entry: Entry) -> dict[str, Any]:
    """The facts an act gave to its entry."""
    facts: dict[str, Any] = json.loads(entry.body).get("facts", {})
    return facts


def _line(entry: Entry, erasures: Mapping[str, int]) -> dict[str, Any]:
    """One entry as the pack prints it; the whole entry with its proof is in the bundle.

    `erasures`: act of an erasure -> the number of its entry.
    """
    body = json.loads(entry.body)
    facts = body.get("facts", {})
    return {
        "entry": entry.pk,
        "at": iso(entry.at),
        "kind": str(entry.kind),
        "act": entry.act,
        "told": told_act(entry.act, facts),
        "decision": decision_of(facts),
        "who": entry.actor_name,
        "username": body.get("actor", {}).get("username", ""),
        "on_behalf": entry.on_behalf_name,
        "record": body.get("subject", {}).get("ref", ""),
        "reason": body.get("reason", ""),
        "refused": " ".join(str(facts.get(key, "")) for key in ("what", "fact")).strip()
        if entry.kind == Kind.REFUSAL
        else "",
        "rule": facts.get("rule", "") if entry.kind == Kind.REFUSAL else "",
        "signed": bool(facts.get("signatures")),
        "digest": entry.digest,
        "erased_by": erasures.get(erased_by(entry.body)),
    }


def lines(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """The entries as the pack prints them; one query more where words of any were erased."""
    found = list(entries)
    acts = {act for entry in found if (act := erased_by(entry.body))}
    rows = Entry.objects.filter(kind=Kind.ACT, act_id__in=acts).values_list("act_id", "pk") if acts else ()
    erasures = dict(rows)
    return [_line(entry, erasures) for entry in found]


def timeline(version: Version, as_of: datetime) -> list[dict[str, Any]]:
    """The states the version went through, from its history: who, when, under which act."""
    found: list[dict[str, Any]] = []
    rows = (
        version.history.filter(history_date__lte=as_of).select_related("history_user").order_by("history_id")
    )
    for row in rows:
        if not found or found[-1]["state"] != row.state:
            found.append(
                {
                    "state": row.state,
                    "word": row.get_state_display(),
                    "at": iso(row.history_date),
                    "who": row.history_user.printed_name if row.history_user else "",
                    "reason": row.history_change_reason or "",
                }
            )
    return found


def access_log(version: Version, as_of: datetime) -> list[dict[str, Any]]:
    """Reads, downloads and exports of the version's data, model file, per-case results and packs."""
    closure = facts_of(version).closures["lineage"] | {
        (p.test_data.subject_kind, str(p.test_data_id)) for p in version.plans.select_related("test_data")
    }
    closure |= {("packs.pack", str(pk)) for pk in version.packs.values_list("pk", flat=True)}
    return lines(
        Entry.objects.filter(
            condition_on(closure), kind=Kind.ACT, act__in=READ_OR_TAKEN, at__lte=as_of
        ).order_by("id")
    )


def extract(version: Version, scopes: list[str], as_of: datetime) -> dict[str, Any]:
    """Every act, event and refusal in the scopes up to `as_of`, oldest first."""
    places = place_names(version)
    rows = Entry.objects.filter(scope__in=scopes, kind__in=TOLD, at__lte=as_of).order_by("id")
    return {
        "scopes": scopes,
        "places": [places.get(each, each) for each in scopes],
        "entries": lines(rows.iterator(chunk_size=2000)),
    }
