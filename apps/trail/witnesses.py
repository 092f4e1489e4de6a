"""Witnesses over HTTP (C2SP tlog-witness): each gets our checkpoints with the proof that the log only grew.

What a witness cosigned cannot be taken back: a database that forks or goes back gets 409 or 422 from it for ever.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from apps.trail import cosignatures
from apps.trail.anchor_models import Cosignature, Destination
from apps.trail.merkle import consistency_proof
from apps.trail.models import Checkpoint
from apps.trail.notes import BadNote
from apps.trail.outside import Answer, Contradicted, Unreachable, has_password, post, scrubbed
from apps.trail.tree import StoredTree

KIND = "witness"
# A checkpoint is sent early when this many entries came since the last one.
MANY = 1000


@dataclass(frozen=True)
class WitnessAt:
    """A configured witness: where it listens, and the key its cosignatures are checked with."""

    url: str
    key: cosignatures.Witness
    kind: str = KIND

    @property
    def name(self) -> str:
        return self.key.name

    @property
    def period(self) -> timedelta:
        return timedelta(seconds=settings.TRAIL_WITNESS_SECONDS)

    def due(self, row: Destination, newest: Checkpoint, now: datetime) -> bool:
        fresh = newest.size - row.position
        return fresh > 0 and (row.done_at is None or fresh >= MANY or now >= row.done_at + self.period)

    def send(self, row: Destination, newest: Checkpoint) -> int:
        return submit(self, row.position)


def configured() -> list[WitnessAt]:
    """TRAIL_WITNESSES: `URL KEY` for each, with commas between; ImproperlyConfigured when one cannot be read."""
    found = []
    for text in settings.TRAIL_WITNESSES:
        url, _, key = text.partition(" ")
        try:
            if not url.startswith(("http://", "https://")):
                raise BadNote("the address begins with http:// or https://")
            if has_password(url):
                raise BadNote("the address names no user and no password")
            found.append(WitnessAt(url.rstrip("/"), cosignatures.Witness.parse(key)))
        except BadNote as error:
            raise ImproperlyConfigured(f"TRAIL_WITNESSES, {scrubbed(text)!r}: {error}.") from error
    if len({each.name for each in found}) != len(found):
        raise ImproperlyConfigured("TRAIL_WITNESSES names a witness twice.")
    return found


def _newest() -> Checkpoint:
    newest = Checkpoint.objects.order_by("-size").first()
    assert newest is not None, "asked when something is sealed"
    return newest


def submit(witness: WitnessAt, old: int) -> int:
    """Send the newest checkpoint; returns the size it cosigned. Contradicted, Unreachable.

    `old`: the size it cosigned last, as far as we know; its own word (409) is taken instead.
    """
    for _ in range(3):  # another process may send a checkpoint in between
        newest = _newest()
        if old > newest.size:
            raise Contradicted(_went_back(witness, old, newest.size))
        answer = post(f"{witness.url}/add-checkpoint", _request(old, newest), "text/plain; charset=utf-8")
        if answer.status == 200:
            _keep(witness, newest, answer)
            return newest.size
        if answer.status == 409:
            held = _size(answer)
            if held == old:
                raise Contradicted(
                    f"the witness {witness.name} cosigned another root at {held} entries: a fork of this log"
                )
            if held > _newest().size:
                raise Contradicted(_went_back(witness, held, _newest().size))
            old = held
            continue
        if answer.status == 422:
            raise Contradicted(
                f"the witness {witness.name} does not find its checkpoint of {old} entries in this log: a fork"
            )
        raise Unreachable(
            f"the witness {witness.name} answers {answer.status}: {answer.body[:200].decode(errors='replace')}"
        )
    raise Unreachable(f"the witness {witness.name} moved on three times while it was asked")


def _went_back(witness: WitnessAt, held: int, have: int) -> str:
    return (
        f"the witness {witness.name} cosigned {held} entries, the database has {have}: "
        "the tail was cut or an older backup restored"
    )


def _request(old: int, newest: Checkpoint) -> bytes:
    try:
        proof = consistency_proof(old, newest.size, StoredTree().node) if 0 < old < newest.size else []
    except KeyError as error:
        raise Contradicted(f"leaves that the proof from {old} entries on needs are missing") from error
    lines = "".join(f"{base64.b64encode(step).decode()}\n" for step in proof)
    return f"old {old}\n{lines}\n{newest.note}".encode()


def _size(answer: Answer) -> int:
    text = answer.body[:40].decode("ascii", "replace").strip()
    if not text.isascii() or not text.isdigit():
        raise Unreachable("the witness answers 409 without its size")
    return int(text)


def _keep(witness: WitnessAt, checkpoint: Checkpoint, answer: Answer) -> None:
    try:
        text = cosignatures.text_of(checkpoint.note)
        line, seconds = cosignatures.find(answer.body.decode("utf-8"), text, witness.key)
    except ValueError as error:
        raise Unreachable(f"the witness {witness.name} answers without its cosignature: {error}") from error
    Cosignature.objects.get_or_create(
        size=checkpoint.size,
        witness=witness.name,
        defaults={"line": line, "at": datetime.fromtimestamp(seconds, UTC)},
    )
