"""Reads of service accounts, trusts and tokens for pages and API, through the gate."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.models import Max, OuterRef, Prefetch, QuerySet, Subquery

from apps.access import reach
from apps.access.actors import Actor
from apps.access.gate import visible
from apps.access.models import Assignment
from apps.access.policy import TABLE
from apps.accounts.models import ApiToken, TokenUse
from apps.accounts.services import CiTrust, ServiceAccount
from apps.core.clock import now


def services(actor: Actor) -> QuerySet[ServiceAccount]:
    """Service accounts the reader may see, with the last use of any of their tokens and their owner's duties."""
    uses = TokenUse.objects.filter(token__narrowed__service=OuterRef("pk")).order_by("-last_used_at")
    return (
        visible(actor, ServiceAccount)
        .select_related("owner", "requester", "approver", "ended_by")
        .prefetch_related(Prefetch("owner__assignments", Assignment.objects.active(), to_attr="held_now"))
        .annotate(
            last_used_at=Subquery(uses.values("last_used_at")[:1]),
            last_address=Subquery(uses.values("last_address")[:1]),
        )
    )


def tokens_of(actor: Actor, service: ServiceAccount) -> QuerySet[ApiToken]:
    """Tokens of a service that the reader may see, newest first."""
    rows = visible(actor, ApiToken).filter(narrowed__service=service)
    return rows.select_related("owner", "use", "narrowed__service__owner", "narrowed__trust").order_by("-pk")


def trusts_of(actor: Actor, service: ServiceAccount) -> QuerySet[CiTrust]:
    rows = (
        visible(actor, CiTrust)
        .filter(service=service)
        .select_related("requester", "approver", "ended_by", "service__owner")
    )
    return rows.annotate(last_used_at=Max("token_scopes__token__created_at")).order_by("-pk")


def is_live(token: ApiToken) -> bool:
    return token.ended_at is None and token.expires_at > now()


def places_named(actor: Actor, lines: str) -> tuple[list[reach.Place], list[str]]:
    """(objects, lines that name none the reader sees) of `models/lotx`, `datasets/trial` or `organisation` a line."""
    wanted = list(dict.fromkeys(line.strip() for line in lines.splitlines() if line.strip()))
    found: dict[str, reach.Place] = {"organisation": reach.ORGANISATION}
    for kind, label in reach.LABELS.items():
        folder = f"{label.rpartition('.')[2].lower()}s/"
        slugs = [line.removeprefix(folder) for line in wanted if line.startswith(folder)]
        rows = visible(actor, apps.get_model(label)).filter(slug__in=slugs)
        found |= {f"{folder}{slug}": (kind, pk) for pk, slug in rows.values_list("pk", "slug")}
    return [found[line] for line in wanted if line in found], [line for line in wanted if line not in found]


def act_choices(names: Iterable[str]) -> list[tuple[str, str]]:
    """(act, "Freeze (version)") in the order of the policy table."""
    wanted = set(names)
    return [
        (row.act, row.label if row.subject == "*" else f"{row.label} ({_kind(row.subject)})")
        for row in TABLE.values()
        if row.act in wanted
    ]


def _kind(subject: str) -> str:
    return subject.rpartition(".")[2].replace("_", " ")


@dataclass(frozen=True)
class Told:
    """How acts and objects of a scope read."""

    acts: tuple[str, ...]
    objects: tuple[str, ...]


def scopes_told(rows: Iterable[tuple[Any, Iterable[str], Iterable[Any]]]) -> dict[Any, Told]:
    """Key -> words for (key, acts, objects); the names of all objects in one query a kind."""
    given = [(key, list(acts), [(kind, pk) for kind, pk in places]) for key, acts, places in rows]
    names = reach.names_of({place for _key, _acts, places in given for place in places})
    return {
        key: Told(tuple(reach.acts_told(acts)), tuple(sorted(names[place] for place in places)))
        for key, acts, places in given
    }


def tokens_told(tokens: Iterable[ApiToken]) -> dict[int, Told]:
    """What each token reaches, its service's scope within; empty: all that its owner may do by token."""
    found = [(token.pk, reach.reach_of(token)) for token in tokens]
    return scopes_told((pk, reached.acts or (), reached.objects or ()) for pk, reached in found)
