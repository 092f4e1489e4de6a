"""The register of reads: who read which data, when, why and under which access, from the trail."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.db.models import CharField, Q, QuerySet
from django.db.models.functions import Cast

from apps.access import gate
from apps.access.actors import Actor
from apps.access.policy import policy
from apps.core import registries
from apps.core.clock import iso, now
from apps.datasets.grants import ReadGrant, Unmarking
from apps.datasets.models import Dataset, DatasetVersion
from apps.datasets.queries import READS, READS_CASES
from apps.trail.models import Entry, Kind
from apps.trail.queries import by_person as entries_by_person

KINDS = [(act, policy(act).label or policy(act).sentence) for act in (*READS, READS_CASES)]


def grants(actor: Actor) -> QuerySet[ReadGrant]:
    """Requests and grants the reader may see, newest first."""
    rows = gate.visible(actor, ReadGrant).select_related("dataset", "person", "decided_by", "ended_by")
    return rows.order_by("-pk")


def unmarking_of(actor: Actor, dataset: Dataset) -> tuple[Unmarking, list[Any]] | None:
    """The open request that this dataset be no longer sensitive, with its verdicts for the reader."""
    rows = gate.visible(actor, Unmarking).filter(dataset=dataset, state=Unmarking.State.REQUESTED)
    found = rows.select_related("dataset", "requested_by").first()
    return (found, gate.offers(actor, found)) if found else None


def grants_on(actor: Actor, dataset: Dataset) -> list[ReadGrant]:
    """The newest requests and grants on this dataset that the reader may see."""
    return list(grants(actor).filter(dataset=dataset)[:10])


def _on(versions: QuerySet[DatasetVersion]) -> Q:
    """Reads of these versions, and of per-case results of runs on them."""
    ids = versions.order_by().annotate(pk_text=Cast("pk", CharField())).values("pk_text")
    runs: set[str] = set()
    for give in registries.closure["datasets.versions:runs"]:
        runs |= {pk for _kind, pk in give(versions.order_by().values("pk"))}
    return Q(act__in=READS, subject_kind=DatasetVersion.subject_kind, subject_id__in=ids) | Q(
        act=READS_CASES, subject_kind="validations.run", subject_id__in=runs
    )


def reads(actor: Actor, moment: datetime | None = None) -> QuerySet[Entry]:
    """Reads of data the person may see, and their own, entered until `moment` (now), newest first."""
    seen = _on(gate.visible(actor, DatasetVersion)) | Q(
        act__in=[*READS, READS_CASES], actor_uuid=str(actor.user.uuid)
    )
    rows = Entry.objects.filter(seen, kind=Kind.ACT, at__lte=moment or now())
    return rows.order_by("-id")


def of_dataset(rows: QuerySet[Entry], slug: str) -> QuerySet[Entry]:
    return rows.filter(_on(DatasetVersion.objects.filter(dataset__slug__iexact=slug.strip())))


def by_person(rows: QuerySet[Entry], name: str) -> QuerySet[Entry]:
    """Who has this username, or had this in the name."""
    return entries_by_person(rows, name)


def under(actor: Actor, grant: ReadGrant) -> list[Entry]:
    """Reads by the grant's person of its dataset that name it, newest first."""
    rows = of_dataset(reads(actor), grant.dataset.slug).filter(actor_uuid=str(grant.person.uuid))
    return [each for each in rows if under_of(each).startswith(f"{grant.ref}: ")][:100]


def _body(entry: Entry) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(entry.body)
    return found


def data_of(entry: Entry) -> str:
    """The version that was read: of per-case results, the test set they are of."""
    body = _body(entry)
    return str(body["facts"]["test_data"] if entry.act == READS_CASES else body["subject"]["ref"])


def sentence_of(entry: Entry) -> str:
    return policy(entry.act).sentence


def why_of(entry: Entry) -> str:
    return str(_body(entry)["reason"])


def under_of(entry: Entry) -> str:
    """`RA-3: the justification`; empty where the data were not sensitive."""
    return "; ".join(_body(entry)["facts"].get("under", []))


def as_data(entries: list[Entry]) -> list[dict[str, Any]]:
    return [
        {
            "entry": each.pk,
            "at": iso(each.at),
            "who": each.actor_name,
            "who_uuid": each.actor_uuid,
            "data": data_of(each),
            "act": each.act,
            "why": why_of(each),
            "under": under_of(each),
        }
        for each in entries
    ]
