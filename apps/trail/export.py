"""An extract of the trail that can be checked without portal, database or network (offline.py is shipped in it).

The extract holds all entries of some scopes up to a time, and for everything between them the hashes of the
subtrees left out (a cover): with them the signed root can be recomputed, so each entry is proved included, and in
its place. The whole log needs no cover.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from django.db.models import Q, QuerySet

from apps.trail import anchored, erased, offline, sealer
from apps.trail.identity import keys
from apps.trail.merkle import consistency_proof, node_hash
from apps.trail.models import Checkpoint, Entry, Kind, Leaf
from apps.trail.preimages import head_line, sealed_digest
from apps.trail.tree import StoredTree
from apps.trail.writer import head_of

ENTRIES_AT_A_TIME = 2000


class NothingSealed(LookupError):
    """The log holds no sealed entry to extract."""


@dataclass(frozen=True)
class Extract:
    """What was written: `entries` of the log's `size`, and the checkpoint's note."""

    folder: Path
    entries: int
    size: int
    note: str


def select(scopes: Collection[str] | None, until: datetime | None = None) -> Iterator[int]:
    """Entry ids, in id order, of acts, events and refusals in `scopes` (None: all) and of the rows they wrote."""
    chosen = Entry.objects.all()
    if scopes is not None:
        lines = Q(scope__in=scopes) & ~Q(kind=Kind.ROW)
        acts = Entry.objects.filter(lines).exclude(act_id="").values("act_id")
        chosen = chosen.filter(lines | Q(kind=Kind.ROW, act_id__in=acts))
    if until is not None:
        chosen = chosen.filter(at__lte=until)
    if scopes is not None or until is not None:
        chosen |= Entry.objects.filter(pk__in=_vouching(chosen))
    return chosen.order_by("id").values_list("id", flat=True).iterator(chunk_size=10_000)


def _vouching(chosen: QuerySet[Entry]) -> list[int]:
    """The entries of the acts that erased words of any of these: without them the bodies prove nothing."""
    acts = Entry.objects.filter(kind=Kind.ACT, act=erased.ERASES).order_by("id")
    found = []
    for pk, body in acts.values_list("id", "body"):
        numbers = [number for number, _, _ in erased.erased_in(body)]
        if chosen.filter(pk__in=numbers).exists():
            found.append(pk)
    return found


def write(
    folder: Path,
    scopes: Collection[str] | None = None,
    *,
    until: datetime | None = None,
    earlier: Checkpoint | None = None,
) -> Extract:
    """Write the extract into the empty `folder`. `earlier`: also prove that the log only grew since then.

    Seals what is pending first, so that everything selected has its place. Begins anew where words were erased
    meanwhile: the body would be in the extract, and not the act that vouches for it.
    """
    while True:
        newest = erased.newest()
        made = _write(folder, scopes, until, earlier)
        if erased.newest() == newest:
            return made


def _write(
    folder: Path, scopes: Collection[str] | None, until: datetime | None, earlier: Checkpoint | None
) -> Extract:
    sealer.seal()
    last = Checkpoint.objects.order_by("-size").first()
    if last is None:
        raise NothingSealed("The trail has no sealed entries yet.")
    wanted = _places(select(scopes, until), last.size)
    whole = len(wanted) == last.size
    with (folder / "entries.log").open("w", encoding="utf-8", newline="\n") as file:
        for head, body in _lines(wanted):
            file.write(f"{head}\n{body}\n")
    if not whole:
        (folder / "index.txt").write_text("".join(f"{place}\n" for place in wanted), encoding="ascii")
        with (folder / "cover.txt").open("w", encoding="ascii") as file:
            for first, count, value in _cover(set(wanted), last.size):
                file.write(f"{first} {count} {value.hex()}\n")
    (folder / "checkpoint.note").write_text(last.note, encoding="utf-8")
    (folder / "log.pub").write_text(keys().verifier + "\n", encoding="ascii")
    shutil.copyfile(Path(offline.__file__), folder / "offline_verifier.py")
    anchored.write(folder, last)
    if earlier is not None:
        proof = consistency_proof(earlier.size, last.size, StoredTree().node)
        (folder / "earlier.note").write_text(earlier.note, encoding="utf-8")
        (folder / "consistency.txt").write_text(
            "".join(f"{step.hex()}\n" for step in proof), encoding="ascii"
        )
    return Extract(folder, len(wanted), last.size, last.note)


def _places(entry_ids: Iterable[int], size: int) -> list[int]:
    """Leaf indexes of the entries, ascending, below `size`."""
    places: list[int] = []
    for batch in _batches(entry_ids):
        places += Leaf.objects.filter(entry_id__in=batch, index__lt=size).values_list("index", flat=True)
    return sorted(places)


def _lines(places: Iterable[int]) -> Iterator[tuple[str, str]]:
    """The two lines of each entry, in leaf order."""
    for batch in _batches(places):
        leaves = dict(Leaf.objects.filter(index__in=batch).values_list("entry_id", "index"))
        entries = Entry.objects.filter(pk__in=list(leaves))
        for entry in sorted(entries, key=lambda one: leaves[one.pk]):
            digest = sealed_digest(entry.salt, entry.body, entry.digest)
            yield head_line(digest, head_of(entry)), f"{entry.salt} {entry.body}"


def _batches(numbers: Iterable[int]) -> Iterator[list[int]]:
    batch: list[int] = []
    for number in numbers:
        batch.append(number)
        if len(batch) == ENTRIES_AT_A_TIME:
            yield batch
            batch = []
    if batch:
        yield batch


def _cover(wanted: set[int], size: int) -> Iterator[tuple[int, int, bytes]]:
    """(first leaf, leaves, hash) of the largest aligned subtrees that hold nothing wanted, left to right."""
    hashes = Leaf.objects.filter(index__lt=size).order_by("index").values_list("index", "hash")
    pieces: list[tuple[int, int, bytes]] = []
    for place, text in hashes.iterator(chunk_size=10_000):
        if place in wanted:
            yield from pieces
            pieces = []
            continue
        pieces.append((place, 1, bytes.fromhex(text)))
        while len(pieces) > 1 and pieces[-2][1] == pieces[-1][1] and pieces[-2][0] % (2 * pieces[-1][1]) == 0:
            _, count, right = pieces.pop()
            first, _, left = pieces.pop()
            pieces.append((first, 2 * count, node_hash(left, right)))
    yield from pieces
