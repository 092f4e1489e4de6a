"""The state of the log for people: how far it is sealed, what was verified last, and what its witnesses hold."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.core.exceptions import ImproperlyConfigured
from django.db import models

from apps.trail import destinations, witness
from apps.trail.anchor_models import Cosignature, Destination, Stamp
from apps.trail.models import Checkpoint, Log, Pending
from apps.trail.outside import scrubbed
from apps.trail.queries import Verification, last_verification


@dataclass(frozen=True)
class Word:
    """What somebody outside the database said of the log: who, how far, when, and whether it is this log."""

    who: str
    size: int
    at: datetime | None
    agrees: bool


@dataclass(frozen=True)
class ChainState:
    """`waiting`: entries not sealed yet. `words`: the witness copy first, then witnesses and time stamps."""

    origin: str
    size: int
    root: str
    sealed_at: datetime | None
    waiting: int
    verified: Verification | None
    words: tuple[Word, ...]


@dataclass(frozen=True)
class Told:
    """How far one place outside was told. `last`: number of the last leaf it has, None before the first.

    `behind`: sealed entries it has not. `failing_since`: the last time it took something, where it fails now.
    """

    kind: str
    name: str
    last: int | None
    behind: int
    at: datetime | None
    failing_since: datetime | None
    failures: int
    error: str
    contradicts: bool

    @property
    def well(self) -> bool:
        return not self.failures and not self.contradicts


def told_outside(size: int) -> tuple[list[Told], str]:
    """Every configured place, and why the settings cannot be read, or ""; no query where none is configured."""
    try:
        places = destinations.configured()
    except ImproperlyConfigured as error:
        return [], str(error)
    rows = {(row.kind, row.name): row for row in Destination.objects.all()} if places else {}
    found = []
    for place in places:
        row = rows.get((place.kind, place.name)) or Destination(kind=place.kind, name=place.name)
        found.append(
            Told(
                kind=place.kind,
                name=place.name,
                last=row.position - 1 if row.position else None,
                behind=max(0, size - row.position),
                at=row.done_at,
                failing_since=(row.done_at or row.known_since) if row.failures else None,
                failures=row.failures,
                error=scrubbed(row.error),  # what an earlier release kept
                contradicts=row.contradicted,
            )
        )
    return found, ""


def chain_state() -> ChainState:
    """Read anew at each call: seven small queries and the end of the witness copy."""
    log = Log.objects.order_by("pk").last()
    newest = Checkpoint.objects.order_by("-size").first()
    return ChainState(
        origin=log.origin if log else "",
        size=newest.size if newest else 0,
        root=newest.root if newest else "",
        sealed_at=newest.created_at if newest else None,
        waiting=Pending.objects.count(),
        verified=last_verification(),
        words=tuple(_words(log.origin, newest)) if log else (),
    )


def _words(origin: str, newest: Checkpoint | None) -> list[Word]:
    found = []
    copy = witness.last(origin)
    if copy is not None:
        same = newest is not None and newest.size == copy["size"]
        row = newest if same else Checkpoint.objects.filter(size=copy["size"]).first()
        agrees = row is not None and row.root == copy["root"]
        found.append(
            Word("Witness copy beside the keys", copy["size"], row.created_at if row else None, agrees)
        )
    told = [(f"Witness {name}", size, at) for name, (size, at) in _newest(Cosignature, "witness").items()]
    told += [(f"Time stamp by {name}", size, at) for name, (size, at) in _newest(Stamp, "authority").items()]
    known = set(
        Checkpoint.objects.filter(size__in=[size for _, size, _ in told]).values_list("size", flat=True)
    )
    return found + [Word(who, size, at, size in known) for who, size, at in told]


def _newest(model: type[models.Model], by: str) -> dict[str, tuple[int, datetime]]:
    """Name of each place -> how far it went last, and when."""
    rows = model._default_manager.values(by).annotate(far=models.Max("size"), last=models.Max("at"))
    return {row[by]: (row["far"], row["last"]) for row in rows.order_by(by)}
