"""The whole log as files (C2SP tlog-tiles), written as it grows: bundles of 256 entries, hash tiles, the checkpoint.

    checkpoint  log.pub  offline_verifier.py  tile/entries/NNN  bodies/NNN  tile/L/NNN  [what others said of it]

A leaf is an entry's head (preimages.py), so `tile/` is what any reader of tlog-tiles knows; `bodies/` holds the body
lines beside it. Whole bundles never change, except where words of a body were erased: an export into the same folder
writes only what is new or changed, and one that was cut off is carried on. The checkpoint is written last, so the
folder verifies at every moment.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from django.db import connection

from apps.trail import anchored, erased, offline, sealer
from apps.trail.export import NothingSealed
from apps.trail.identity import keys
from apps.trail.merkle import Range
from apps.trail.models import Checkpoint, Entry, Kind, Leaf
from apps.trail.preimages import HEAD, head_line, sealed_digest, stamp
from apps.trail.tree import STRIDE

TILE = 1 << STRIDE
BUNDLES_AT_A_TIME = 16
Progress = Callable[[int, int], None]


class WrongFolder(ValueError):
    """The folder holds another log, or what this log cannot have written."""


@dataclass(frozen=True)
class Tiles:
    """What an export left: the log's `size`, and how many bundles were written anew."""

    folder: Path
    size: int
    written: int


def write(folder: Path, progress: Progress | None = None) -> Tiles:
    """Bring `folder` up to the newest checkpoint; `progress(leaves done, size)`.

    NothingSealed, WrongFolder, OSError. Begins anew where words were erased meanwhile: their act would not be there.
    """
    while True:
        newest = erased.newest()
        made = _write(folder, progress)
        if erased.newest() == newest:
            return made


def _write(folder: Path, progress: Progress | None) -> Tiles:
    sealer.seal()
    last = Checkpoint.objects.order_by("-size").first()
    if last is None:
        raise NothingSealed("The trail has no sealed entries yet.")
    _claim(folder)
    out = _Folder(folder, last.size)
    whole = last.size // TILE
    number = 0
    changed = _changed()
    while number < whole:
        known = None if number in changed else out.known(number)
        if known is not None:
            out.push(known)
            number += 1
        else:
            missing = min(BUNDLES_AT_A_TIME, whole - number)
            for hashes in out.bundles(number, missing):
                out.push(hashes)
            number += missing
        if progress:
            progress(number * TILE, last.size)
    if last.size % TILE:
        for hashes in out.bundles(whole, 1):
            out.push(hashes)
    if out.end() != last.root:
        raise WrongFolder(
            f"What lies in {folder} and the database does not give the signed root. Run verify_trail; if it finds "
            "nothing, export into an empty folder."
        )
    anchored.write(folder, last)
    shutil.copyfile(Path(offline.__file__), folder / "offline_verifier.py")
    os.sync()  # before the checkpoint promises what lies there
    _put(folder / "checkpoint", last.note.encode())
    _remove_partials(folder, last.size)
    return Tiles(folder, last.size, out.written)


def _changed() -> set[int]:
    """Numbers of the bundles with bodies of which words were erased: those are written anew."""
    acts = Entry.objects.filter(kind=Kind.ACT, act=erased.ERASES).values_list("body", flat=True)
    numbers = [number for body in acts for number, _, _ in erased.erased_in(body)]
    return {
        index // TILE for index in Leaf.objects.filter(entry_id__in=numbers).values_list("index", flat=True)
    }


def _claim(folder: Path) -> None:
    """The folder is empty, or holds this log."""
    own = keys().verifier + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / "log.pub"
    if place.exists():
        if place.read_text(encoding="ascii") != own:
            raise WrongFolder(f"{folder} holds another log.")
    elif any(folder.iterdir()):
        raise WrongFolder(f"{folder} is not empty and holds no log.")
    else:
        _put(place, own.encode())


def _put(place: Path, content: bytes) -> None:
    """The whole file or none."""
    place.parent.mkdir(parents=True, exist_ok=True)
    new = place.with_name(place.name + ".new")
    new.write_bytes(content)
    os.replace(new, place)


class _Folder:
    """The files of one export under way, and the tree over them."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder, self.size = folder, size
        self.tree = Range()
        self.rows: list[list[bytes]] = [[]]
        self.counts = [0]
        self.written = 0

    def place(self, kind: str, number: int, width: int) -> Path:
        path = Path(offline.tile_path(str(self.folder), kind, number, TILE))
        return path if width == TILE else path.with_name(path.name + ".p") / str(width)

    def known(self, number: int) -> list[bytes] | None:
        """The leaf hashes of a whole bundle that lies there with everything that belongs to it."""
        try:
            raw = self.place("tile/0", number, TILE).read_bytes()
            there = all(self.place(kind, number, TILE).stat().st_size for kind in ("tile/entries", "bodies"))
        except FileNotFoundError:
            return None
        if len(raw) != 32 * TILE or not there:
            return None
        return [raw[start : start + 32] for start in range(0, len(raw), 32)]

    def bundles(self, first: int, count: int) -> Iterator[list[bytes]]:
        """Write the bundles [first, first + count) from the database; the leaf hashes of each."""
        low, high = first * TILE, min((first + count) * TILE, self.size)
        heads: list[bytes] = []
        bodies: list[bytes] = []
        hashes: list[bytes] = []
        for index, text, head, body in _lines(low, high):
            raw = head.encode()
            heads.append(len(raw).to_bytes(2, "big") + raw)
            bodies.append(body.encode() + b"\n")
            hashes.append(bytes.fromhex(text))
            if len(hashes) == TILE or index == high - 1:
                number = index // TILE
                _put(self.place("tile/entries", number, len(hashes)), b"".join(heads))
                _put(self.place("bodies", number, len(hashes)), b"".join(bodies))
                self.written += 1
                yield hashes
                heads, bodies, hashes = [], [], []

    def push(self, hashes: list[bytes]) -> None:
        for value in hashes:
            for level, _, node in self.tree.push(value):
                if level % STRIDE == 0:
                    self._row(level // STRIDE).append(node)
        self._tile(0, hashes)
        for level in range(1, len(self.rows)):
            if len(self.rows[level]) == TILE:
                self._tile(level, self.rows[level])
                self.rows[level] = []

    def _row(self, level: int) -> list[bytes]:
        while len(self.rows) <= level:
            self.rows.append([])
            self.counts.append(0)
        return self.rows[level]

    def _tile(self, level: int, hashes: list[bytes]) -> None:
        place = self.place(f"tile/{level}", self.counts[level], len(hashes))
        content = b"".join(hashes)
        if not place.exists() or place.read_bytes() != content:
            _put(place, content)
        self.counts[level] += len(hashes) == TILE

    def end(self) -> str:
        """Write the partial tiles of the upper levels; the root, hex."""
        for level in range(1, len(self.rows)):
            if self.rows[level]:
                self._tile(level, self.rows[level])
        return self.tree.root().hex()


def _lines(low: int, high: int) -> Iterator[tuple[int, str, str, str]]:
    """(leaf, leaf hash, head line, body line) of leaves [low, high), each of which must be there."""
    columns = ", ".join(f'e."{name}"' for name in HEAD)
    with connection.cursor() as cursor:
        cursor.execute(
            f'SELECT l."index", l.hash, e.salt, e.body, e.digest, {columns} FROM trail_leaf l '
            'JOIN trail_entry e ON e.id = l.entry_id WHERE l."index" >= %s AND l."index" < %s ORDER BY l."index"',
            [low, high],
        )
        rows = cursor.fetchall()
    if len(rows) != high - low:
        raise WrongFolder(f"Entries of the leaves {low} to {high - 1} are missing. Run verify_trail.")
    for index, text, salt, body, digest, *head in rows:
        values = dict(zip(HEAD, head, strict=True))
        values["at"] = stamp(values["at"])
        yield index, text, head_line(sealed_digest(salt, body, digest), values), f"{salt} {body}"


def _remove_partials(folder: Path, size: int) -> None:
    """Partial bundles and tiles of earlier exports, once the checkpoint no longer needs them."""
    for partial in [*folder.glob("tile/**/*.p"), *folder.glob("bodies/**/*.p")]:
        level = (
            partial.relative_to(folder).parts[1] if partial.relative_to(folder).parts[0] == "tile" else "0"
        )
        below = size >> (STRIDE * int(level)) if level.isdigit() else size
        for each in partial.iterdir():
            if each.name != str(below % TILE) or partial.with_suffix("").exists():
                each.unlink()
        if not any(partial.iterdir()):
            partial.rmdir()
