"""What others said of this log, as files beside an export: the newest cosigned and the newest stamped checkpoint."""

from __future__ import annotations

import base64
from pathlib import Path

from apps.trail import cosignatures, stamps, witnesses
from apps.trail.anchor_models import Cosignature, Stamp
from apps.trail.merkle import consistency_proof
from apps.trail.models import Checkpoint
from apps.trail.tree import StoredTree


def write(folder: Path, last: Checkpoint) -> None:
    """Write cosigned.* and stamped.* for checkpoints up to `last`, with their proofs; nothing where there is nothing.

    Only witnesses and authorities that are configured now: a reader needs their keys.
    """
    known = {each.name: each.key for each in witnesses.configured()}
    said = Cosignature.objects.filter(size__lte=last.size, witness__in=known).order_by("-size").first()
    if said is not None:
        checkpoint = Checkpoint.objects.get(size=said.size)
        rows = list(Cosignature.objects.filter(size=said.size, witness__in=known).order_by("witness"))
        lines = "".join(row.line for row in rows)
        used: list[cosignatures.Witness] = [known[row.witness] for row in rows]
        _put(folder, "cosigned.note", checkpoint.note + lines)
        _put(folder, "witnesses.txt", "".join(f"{key.text()}\n" for key in used))
        _prove(folder, "cosigned.txt", checkpoint, last)
    authorities = {each.name: each for each in stamps.configured()}
    stamp = Stamp.objects.filter(size__lte=last.size, authority__in=authorities).order_by("-size").first()
    if stamp is not None:
        checkpoint = Checkpoint.objects.get(size=stamp.size)
        _put(folder, "stamped.note", checkpoint.note)
        (folder / "stamped.tsr").write_bytes(base64.b64decode(stamp.token))
        (folder / "stamped.pem").write_bytes(authorities[stamp.authority].pem())
        _prove(folder, "stamped.txt", checkpoint, last)


def _put(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, encoding="utf-8", newline="\n")


def _prove(folder: Path, name: str, earlier: Checkpoint, last: Checkpoint) -> None:
    """The proof that `earlier` is a prefix of `last`; no lines when they are the same."""
    proof = consistency_proof(earlier.size, last.size, StoredTree().node)
    _put(folder, name, "".join(f"{step.hex()}\n" for step in proof))
