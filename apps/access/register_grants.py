"""The access register beside duties: services, access tokens and read access that were in force at any moment past.

Rebuilt like the duties (`register`): of each record the newest history row at or before the moment. An app above
registers what it gives access by.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, Q, QuerySet, Subquery

from apps.access import reach
from apps.access.actors import Actor
from apps.access.gate import visible
from apps.access.register import newest_at, people_at
from apps.access.sharing import once
from apps.accounts.models import ApiToken, User
from apps.accounts.services import ServiceAccount, TokenScope
from apps.core.clock import iso
from apps.trail.standing import is_ours


@dataclass(frozen=True)
class OtherAccess:
    """One kind: its words, its record, who holds it, what was in force, and how one row reads.

    at: history rows in force at a moment, of all people. told: what it is and reaches. since, until: names of columns.
    """

    name: str
    word: str
    model: Any
    person: str
    at: Callable[[QuerySet[Any], datetime], QuerySet[Any]]
    told: Callable[[Any], str]
    since: str
    until: str


OTHER: dict[str, OtherAccess] = {}


def in_force_at(actor: Actor, kind: OtherAccess, moment: datetime) -> QuerySet[Any]:
    """History rows of `kind` in force at `moment`, of records the reader may see, of accounts that were active then."""
    key = f"{kind.person}_id"
    person = (
        User.history.model.objects.filter(id=OuterRef(key), history_date__lte=moment)
        .order_by("-history_id")
        .values
    )
    rows = kind.at(newest_at(kind.model, moment), moment)
    return rows.filter(
        **{f"{key}__in": people_at(moment).values("id")}, id__in=visible(actor, kind.model).values("pk")
    ).annotate(name_then=Subquery(person("printed_name")[:1]), username_then=Subquery(person("username")[:1]))


def as_data(kind: OtherAccess, row: Any) -> dict[str, Any]:
    until = getattr(row, kind.until)
    return {
        "kind": kind.name,
        "record": kind.model.subject_kind,
        "id": row.id,
        "username": row.username_then,
        "printed_name": row.name_then,
        "access": kind.told(row),
        "since": iso(getattr(row, kind.since)),
        "until": iso(until) if until else None,
        "history_row": row.history_id,
        "intact": is_ours(row),
    }


def reached(acts: Any, places: Any) -> str:
    """`Freeze, Register version; on model lotx`; empty: all that its owner may do by it."""
    said = [", ".join(reach.acts_told(acts))] if acts else []
    if places:
        names = once(("register places",), _every_place)
        said.append("on " + ", ".join(sorted(names.get((k, pk), f"{k} no. {pk}") for k, pk in places)))
    return "; ".join(said)


def _every_place() -> dict[reach.Place, str]:
    """Words of every model and dataset, asked once for a whole page."""
    found = {reach.ORGANISATION: "the organisation"}
    for kind, label in reach.LABELS.items():
        word = label.rpartition(".")[2].lower()
        rows = reach.model_named(label)._default_manager.values_list("pk", "slug")
        found |= {(kind, pk): f"{word} {slug}" for pk, slug in rows}
    return found


def _every_scope() -> dict[int, TokenScope]:
    return {scope.token_id: scope for scope in TokenScope.objects.select_related("service")}


def _services(rows: QuerySet[Any], moment: datetime) -> QuerySet[Any]:
    return rows.filter(state=ServiceAccount.State.APPROVED, starts_at__lte=moment, ends_at__gt=moment)


def _tokens(rows: QuerySet[Any], moment: datetime) -> QuerySet[Any]:
    return rows.filter(
        Q(ended_at=None) | Q(ended_at__gt=moment), created_at__lte=moment, expires_at__gt=moment
    )


def _token_told(row: Any) -> str:
    scope = once(("register scopes",), _every_scope).get(row.id)
    whose = f" of service {scope.service.name}" if scope and scope.service else ""
    what = reached(scope.acts, scope.objects_reached) if scope else ""
    return f"{row.name} (cs_{row.prefix}_…){whose}: {what or 'all that its owner may do by token'}"


OTHER["services"] = OtherAccess(
    "services",
    "Service accounts",
    ServiceAccount,
    "owner",
    _services,
    lambda row: f"{row.name}: {reached(row.acts, row.objects_reached)}",
    "starts_at",
    "ends_at",
)
OTHER["tokens"] = OtherAccess(
    "tokens", "Access tokens", ApiToken, "owner", _tokens, _token_told, "created_at", "expires_at"
)
