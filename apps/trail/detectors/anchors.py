"""What others said of our checkpoints: witnesses are asked, cosignatures and time stamps checked."""

from __future__ import annotations

import base64
from typing import Any

from apps.core.clock import iso
from apps.trail import cosignatures, destinations, stamps, witnesses
from apps.trail.anchor_models import Cosignature, Stamp
from apps.trail.findings import Finding, Session
from apps.trail.models import Checkpoint
from apps.trail.notes import BadNote
from apps.trail.outside import Contradicted, Unreachable


def ask() -> tuple[int, list[Finding]]:
    """Send the newest checkpoint to every witness: (how many answered, what they contradict). Before the snapshot.

    A witness that does not answer is a finding only after TRAIL_SILENT_HOURS (`run`).
    """
    answered, found = 0, list[Finding]()
    newest = Checkpoint.objects.order_by("-size").first()
    for place in destinations.configured():
        destinations.row_of(place)  # from now on it may not be silent for long
    for witness in witnesses.configured():
        try:
            if newest is None:
                continue
            witnesses.submit(witness, newest.size)
            answered += 1
        except Contradicted as error:
            answered += 1
            found.append(Finding("witness", "trail_checkpoint", "", "", str(error)))
        except Unreachable as error:
            destinations.log.warning("%s", error)
    return answered, found


def run(session: Session, asked: tuple[int, list[Finding]]) -> None:
    answered, found = asked
    session.count("witnesses asked", answered)
    session.result.findings += found
    notes = _Notes(session)
    _cosignatures(session, notes)
    _stamps(session, notes)
    told = {finding.detail for finding in found}
    for row, fault in destinations.faults():
        if fault not in told:
            session.report(row.kind, "trail_destination", row.pk, "", fault)


class _Notes:
    """Notes of checkpoints by size, one at a time."""

    def __init__(self, session: Session) -> None:
        self.rows = Checkpoint.objects.using(session.alias)

    def at(self, size: int) -> Checkpoint | None:
        return self.rows.filter(size=size).first()


def _since(model: Any, session: Session) -> Any:
    return model.objects.using(session.alias).filter(size__gte=session.since).order_by("pk").iterator()


def _cosignatures(session: Session, notes: _Notes) -> None:
    known = {each.name: each.key for each in witnesses.configured()}
    for row in _since(Cosignature, session):
        key, checkpoint = known.get(row.witness), notes.at(row.size)
        session.count("cosignatures")
        if checkpoint is None:
            session.report(
                "witness", "trail_cosignature", row.pk, "size", f"no checkpoint of {row.size} entries"
            )
        elif key is not None:
            try:
                cosignatures.open_line(row.line, cosignatures.text_of(checkpoint.note), key)
            except BadNote as error:
                session.report("witness", "trail_cosignature", row.pk, "line", str(error))


def _stamps(session: Session, notes: _Notes) -> None:
    known = {each.name: each for each in stamps.configured()}
    for row in _since(Stamp, session):
        authority, checkpoint = known.get(row.authority), notes.at(row.size)
        session.count("time stamps")
        if checkpoint is None:
            session.report("stamp", "trail_stamp", row.pk, "size", f"no checkpoint of {row.size} entries")
            continue
        if authority is None:
            continue  # another authority's, from before: its certificates are no longer configured
        try:
            at = stamps.check(base64.b64decode(row.token), checkpoint.note.encode(), authority.pem())
        except ValueError as error:
            session.report("stamp", "trail_stamp", row.pk, "token", f"the time stamp does not hold: {error}")
            continue
        if at != row.at:
            session.report("stamp", "trail_stamp", row.pk, "at", f"differs from the stamp ({iso(at)})")
        if at < checkpoint.created_at - stamps.TOLERANCE:
            session.report(
                "clock",
                "trail_checkpoint",
                row.size,
                "created_at",
                f"the authority stamped it at {iso(at)}, before it was sealed: the database's clock was ahead",
            )
