"""What a person holds besides duties, sessions and tokens, and how it ends with them.

Each kind of record registers itself here: services they own, inspections and sign-on in this app, read access to
sensitive data and seats on boards in the apps above. The leaver's page lists it, the leaver's act ends it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Q

from apps.access.actors import Actor
from apps.access.gate import visible
from apps.access.models import Inspection
from apps.accounts.factors import SignOnLink
from apps.accounts.models import User
from apps.accounts.services import Granted, ServiceAccount
from apps.core.clock import now


@dataclass(frozen=True)
class Thing:
    """One record that ends. `told`: what it is, for who may see it."""

    record: Any
    told: str
    until: datetime | None = None

    @property
    def ref(self) -> str:
        return str(self.record.ref)


@dataclass(frozen=True)
class Leftover:
    """One kind of record: its word, what of it a person holds or asked for, and the end of one inside an act."""

    word: str
    held: Callable[[User], list[Thing]]
    end: Callable[[Any, Any, str], None]


LEFT: dict[str, Leftover] = {}  # kind of the record -> how leavers deal with it


@dataclass(frozen=True)
class Told:
    """What of one kind ends: what the reader may see, and how many more."""

    word: str
    shown: tuple[Thing, ...]
    hidden: int

    @property
    def count(self) -> int:
        return len(self.shown) + self.hidden


def held_by(person: User) -> list[tuple[Leftover, list[Thing]]]:
    """Everything registered that the person holds, kinds without anything left out."""
    found = [(each, each.held(person)) for each in LEFT.values()]
    return [(each, things) for each, things in found if things]


def seen(actor: Actor, rows: Iterable[Any]) -> tuple[list[Any], int]:
    """(the records of one model that the reader may see, how many they may not)."""
    known = list(rows)
    if not known:
        return [], 0
    mine = set(
        visible(actor, type(known[0])).filter(pk__in=[row.pk for row in known]).values_list("pk", flat=True)
    )
    shown = [row for row in known if row.pk in mine]
    return shown, len(known) - len(shown)


def told_to(actor: Actor, person: User) -> list[Told]:
    """For page and API: nobody learns the names of records they may not see from somebody's leaving."""
    found = []
    for each, things in held_by(person):
        rows, hidden = seen(actor, [thing.record for thing in things])
        keys = {row.pk for row in rows}
        found.append(Told(each.word, tuple(t for t in things if t.record.pk in keys), hidden))
    return found


# ---------------------------------------------------------------- of this app and the one below


def _services(person: User) -> list[Thing]:
    state = Granted.State
    rows = ServiceAccount.objects.filter(
        owner=person, state__in=[state.REQUESTED, state.APPROVED, state.SUSPENDED]
    ).annotate(
        live_tokens=Count("token_scopes", filter=Q(token_scopes__token__ended_at=None), distinct=True),
        open_trusts=Count(
            "trusts", filter=Q(trusts__state__in=[state.REQUESTED, state.APPROVED]), distinct=True
        ),
    )
    return [
        Thing(
            row,
            f"{row.name}, with {row.live_tokens} access token{'' if row.live_tokens == 1 else 's'} and "
            f"{row.open_trusts} CI trust{'' if row.open_trusts == 1 else 's'}",
            row.ends_at,
        )
        for row in rows
    ]


def _end_service(act: Any, service: ServiceAccount, reason: str) -> None:
    """It stops with whoever answers for it; another one with another owner takes its place (docs/decisions/0007)."""
    from apps.access.acts.services import end_now, locked  # which imports the acts

    end_now(act, locked(act, service.pk), reason)


def _inspections(person: User) -> list[Thing]:
    state = Inspection.State
    rows = Inspection.objects.filter(person=person, state__in=[state.REQUESTED, state.APPROVED])
    return [
        Thing(row, f"{row.ref} for {row.authority}", row.ends_at) for row in rows.exclude(ends_at__lte=now())
    ]


def _end_inspection(act: Any, inspection: Inspection, _reason: str) -> None:
    """Its assignments end with every duty of the person."""
    row = act.lock(Inspection.objects.all(), pk=inspection.pk)
    asked = row.state == Inspection.State.REQUESTED
    act.end(row, state=Inspection.State.REFUSED if asked else Inspection.State.ENDED)


def _links(person: User) -> list[Thing]:
    rows = SignOnLink.objects.filter(person=person).exclude(state=SignOnLink.State.ENDED)
    return [Thing(row, f"{row.ref}, account {row.subject} of {row.issuer}") for row in rows]


def _end_link(act: Any, link: SignOnLink, _reason: str) -> None:
    act.end(act.lock(SignOnLink.objects.all(), pk=link.pk), state=SignOnLink.State.ENDED)


LEFT[ServiceAccount.subject_kind] = Leftover("Service accounts owned", _services, _end_service)
LEFT[Inspection.subject_kind] = Leftover("Inspections", _inspections, _end_inspection)
LEFT[SignOnLink.subject_kind] = Leftover("Single sign-on", _links, _end_link)
