#!/usr/bin/env python3
"""Offline verifier of an exported trail: `python3 offline_verifier.py FOLDER [EARLIER]`, or of the receipt of one
signature: `python3 offline_verifier.py RECEIPT.json [LOG.PUB]`. Standard library only.

FOLDER is an extract (made by apps/trail/export.py) or the whole log in tiles (apps/trail/tiles.py). An extract holds:
  entries.log      two lines an entry: `<body digest> <head JSON>` and `<salt> <body JSON>`, in leaf order
  cover.txt        `<first leaf> <number of leaves> <hash>`: hashes of the subtrees that are not in the extract
  index.txt        leaf index of each entry, one a line; absent when the extract is the whole log
  checkpoint.note  the signed state of the log (C2SP signed note, Ed25519)
  earlier.note, consistency.txt   an older checkpoint and the proof that it is a prefix (optional)
  log.pub          the log's public key; compare it with one you have from elsewhere
The whole log (C2SP tlog-tiles; NNN numbers bundles of 256, .p/W the last one of W):
  checkpoint, log.pub   as above
  tile/entries/NNN      the heads, each behind its length in two bytes
  bodies/NNN            the bodies, one a line
  tile/L/NNN            the hashes of level 8 L
Both may hold what others said of a checkpoint of this log:
  cosigned.note, cosigned.txt, witnesses.txt    a checkpoint cosigned by witnesses, proof, the witnesses' keys
  stamped.note, stamped.txt, stamped.tsr, stamped.pem   one with its time stamp (RFC 3161) and certificates; checked
                        where the package rfc3161-client is present
EARLIER is a checkpoint of this log that you have from elsewhere: the whole log must begin with it.
RECEIPT.json is what a signer takes away; LOG.PUB the log's public key that you have from elsewhere. What was signed, by
whom, when and in which meaning must stand in the statement, its digest in the act's entry, and the entry in the log.
Every entry must lie in the tree whose root the checkpoint signs. A body may differ from the one its head names where
words of it were erased: then an act of erasure in the same folder must name the entry and both digests.
Exit code 0 verified, 1 not, 2 bad input.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

sha256 = hashlib.sha256


class Bad(Exception):
    """What does not verify, in words."""


# Ed25519 verification (RFC 8032, section 5.1.7), affine arithmetic kept simple: one signature takes milliseconds.
P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)


def _add(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    x, y, z, t = a
    u, v, w, s = b
    e = (y - x) * (v - u) % P
    f = (y + x) * (v + u) % P
    g = 2 * t * s * D % P
    h = 2 * z * w % P
    i, j, k, m = f - e, h - g, h + g, f + e
    return i * j % P, k * m % P, j * k % P, i * m % P


def _times(number: int, point: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    result = (0, 1, 1, 0)
    while number:
        if number & 1:
            result = _add(result, point)
        point = _add(point, point)
        number >>= 1
    return result


def _decode(raw: bytes) -> tuple[int, int, int, int]:
    y = int.from_bytes(raw, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= P:
        raise Bad("a point of the signature is not canonical")
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P or (x == 0 and sign):
        raise Bad("a point of the signature is not on the curve")
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def _base_point() -> tuple[int, int, int, int]:
    y = 4 * pow(5, P - 2, P) % P
    return _decode(y.to_bytes(32, "little"))


def ed25519_holds(public: bytes, message: bytes, signature: bytes) -> bool:
    """True when `signature` (64 bytes) over `message` is by the key `public` (32 bytes)."""
    try:
        key, point = _decode(public), _decode(signature[:32])
    except Bad:
        return False
    scalar = int.from_bytes(signature[32:], "little")
    if len(signature) != 64 or scalar >= L:
        return False
    hashed = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % L
    left, right = _times(scalar, _base_point()), _add(point, _times(hashed, key))
    same_x = (left[0] * right[2] - right[0] * left[2]) % P == 0
    return same_x and (left[1] * right[2] - right[1] * left[2]) % P == 0


# Signed notes.


def strict_base64(text: str) -> bytes:
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Bad("not base64: " + repr(text)) from error
    if base64.b64encode(raw).decode() != text:
        raise Bad("not canonical base64: " + repr(text))
    return raw


def read_key(text: str) -> tuple[str, bytes, bytes]:
    """(name, key id, public key) of a verifier key."""
    name, _, rest = text.rstrip("\n").partition("+")
    key_hash, _, encoded = rest.partition("+")
    raw = strict_base64(encoded)
    if len(raw) != 33 or raw[0] != 1:
        raise Bad("log.pub is not an Ed25519 verifier key")
    if sha256(name.encode() + b"\n" + raw).hexdigest()[:8] != key_hash:
        raise Bad("log.pub: the key's hash does not match the key")
    return name, bytes.fromhex(key_hash), raw[1:]


def open_checkpoint(note: str, key: tuple[str, bytes, bytes]) -> tuple[int, bytes]:
    """(size, root) of a checkpoint whose signature holds."""
    name, key_id, public = key
    text, separator, signatures = note.rpartition("\n\n")
    text += "\n"
    lines = signatures.split("\n")
    if not separator or len(lines) != 2 or lines[1] or not lines[0].startswith("— " + name + " "):
        raise Bad("the checkpoint does not carry one signature of the log " + name)
    raw = strict_base64(lines[0][len(name) + 3 :])
    if raw[:4] != key_id or not ed25519_holds(public, text.encode(), raw[4:]):
        raise Bad("the checkpoint's signature does not hold")
    parts = text.split("\n")
    if len(parts) != 4 or parts[0] != name or not parts[1].isdigit() or str(int(parts[1])) != parts[1]:
        raise Bad("the checkpoint's text is not in its form")
    root = strict_base64(parts[2])
    if len(root) != 32:
        raise Bad("the checkpoint's root is not 32 bytes")
    return int(parts[1]), root


# The tree.


class Tree:
    """Hashes pushed left to right, leaf by leaf or a complete subtree at once."""

    def __init__(self) -> None:
        self.size = 0
        self.hashes: list[bytes] = []

    def push(self, value: bytes, count: int = 1) -> None:
        if self.size % count or count & (count - 1):
            raise Bad("cover.txt: a subtree does not lie where a subtree lies")
        ones = self.size // count
        self.hashes.append(value)
        while ones & 1:
            right = self.hashes.pop()
            self.hashes[-1] = sha256(b"\x01" + self.hashes[-1] + right).digest()
            ones >>= 1
        self.size += count

    def root(self) -> bytes:
        if not self.hashes:
            return sha256(b"").digest()
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = sha256(b"\x01" + left + root).digest()
        return root


def consistency_holds(old: int, new: int, proof: list[bytes], old_root: bytes, new_root: bytes) -> bool:
    """RFC 9162, section 2.1.4.2."""
    if not 1 <= old <= new:
        return False
    if old == new:
        return not proof and old_root == new_root
    hashes = ([old_root] if old & (old - 1) == 0 else []) + list(proof)
    if not hashes:
        return False
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    first = second = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            first = sha256(b"\x01" + sibling + first).digest()
            second = sha256(b"\x01" + sibling + second).digest()
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            second = sha256(b"\x01" + second + sibling).digest()
        place, last = place >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


def inclusion_holds(index: int, size: int, leaf: bytes, proof: list[bytes], root: bytes) -> bool:
    """RFC 9162, section 2.1.3.2."""
    if not 0 <= index < size:
        return False
    place, last, value = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if place & 1 or place == last:
            value = sha256(b"\x01" + sibling + value).digest()
            while place and not place & 1:
                place, last = place >> 1, last >> 1
        else:
            value = sha256(b"\x01" + value + sibling).digest()
        place, last = place >> 1, last >> 1
    return last == 0 and value == root


def strict_lines(
    folder: str, name: str, read_line: Callable[[str], Any], write_line: Callable[[Any], str]
) -> list[Any]:
    """The lines of a file, each in its one spelling, or Bad; an absent file is no lines."""
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        return []
    with open(path, "rb") as file:
        raw = file.read()
    try:
        lines = [read_line(line) for line in raw.decode("ascii").split("\n")[:-1]]
    except (ValueError, IndexError) as error:
        raise Bad(name + " is not in its form") from error
    if "".join(write_line(line) + "\n" for line in lines).encode() != raw:
        raise Bad(name + " is not in its form")
    return lines


def read_cover(folder: str) -> dict[int, tuple[int, bytes]]:
    """first leaf -> (number of leaves, hash)."""

    def read_line(line: str) -> tuple[int, int, bytes]:
        first, count, value = line.split(" ")
        return int(first), int(count), bytes.fromhex(value)

    lines = strict_lines(folder, "cover.txt", read_line, lambda line: f"{line[0]} {line[1]} {line[2].hex()}")
    if len({first for first, _, _ in lines}) != len(lines):
        raise Bad("cover.txt tells of a leaf twice")
    return {first: (count, value) for first, count, value in lines}


def read_places(folder: str) -> Iterator[int] | None:
    """Leaf indexes of the entries, or None for the whole log."""
    if not os.path.exists(os.path.join(folder, "index.txt")):
        return None
    return iter(strict_lines(folder, "index.txt", int, str))


# An entry whose body is not the one its head names: what to call it, head, body.
Changed = list[tuple[str, bytes, bytes]]
ERASES = "access.approve_erasure"


def refuse_unless_erased(changed: Changed, entries: Iterator[tuple[bytes, bytes]]) -> None:
    """Words of these bodies were erased, and the newest act of erasure among `entries` that names each says so."""
    said: dict[int, tuple[str, str, str]] = {}
    for head, body in entries:
        if ERASES.encode() not in head or sha256(body).hexdigest().encode() != head[:64]:
            continue
        try:
            act = json.loads(head[65:])
            if (act["kind"], act["act"]) == ("act", ERASES):
                for number, was, now in json.loads(body[body.index(b" ") :])["facts"]["erased"]:
                    said[number] = (act["act_id"], was, now)
        except (ValueError, KeyError, TypeError) as error:
            raise Bad("an act of erasure cannot be read: " + told(head)) from error
    for name, head, body in changed:
        try:
            by, was, now = said[json.loads(head[65:])["id"]]
        except (ValueError, KeyError, TypeError) as error:
            raise Bad(f"{name}: the body is not the one the head names: {told(head)}") from error
        begins = body.partition(b" ")[2].startswith(f'{{"erased":"{by}"'.encode())
        if not begins or was.encode() != head[:64] or now != sha256(body).hexdigest():
            raise Bad(f"{name}: the body is not the one the act of erasure left: {told(head)}")


def told_of_erased(count: int) -> list[str]:
    return [f"Of {count} of them words were erased, by acts that are in the log."] if count else []


def fold_entries(folder: str, tree: Tree) -> tuple[int, int]:
    """Push every entry and the cover between them; the number of entries, and of those with words erased."""
    cover, places = read_cover(folder), read_places(folder)
    count = 0
    changed: Changed = []
    with open(os.path.join(folder, "entries.log"), "rb") as file:
        push, hashed = tree.push, sha256
        while True:
            head = file.readline()
            if not head:
                break
            body = file.readline()
            count += 1
            if body[-1:] != b"\n":
                raise Bad("entries.log is cut")
            if head[:64] != hashed(body[:-1]).hexdigest().encode():
                changed.append((f"entry {count}", head[:-1], body[:-1]))
            if places is not None:
                place = next(places, None)
                while tree.size != place and tree.size in cover:
                    pushed, value = cover.pop(tree.size)
                    push(value, pushed)
                if tree.size != place:
                    raise Bad(f"entry {count}: index.txt and cover.txt leave a hole at leaf {tree.size}")
            push(hashed(b"\x00" + head[:-1]).digest())
    while tree.size in cover:
        pushed, value = cover.pop(tree.size)
        tree.push(value, pushed)
    if cover or (places is not None and next(places, None) is not None):
        raise Bad("index.txt or cover.txt tells of leaves that are not used")
    if changed:
        refuse_unless_erased(changed, read_entries(folder))
    return count, len(changed)


def read_entries(folder: str) -> Iterator[tuple[bytes, bytes]]:
    """Head and body of each entry of an extract."""
    with open(os.path.join(folder, "entries.log"), "rb") as file:
        while head := file.readline():
            yield head[:-1], file.readline()[:-1]


def told(head: bytes) -> str:
    try:
        facts = json.loads(head[65:])
        return f"{facts['kind']} {facts['act'] or facts['table_name']} of {facts['at']}"
    except (ValueError, KeyError, TypeError):
        return "unreadable head"


def read(folder: str, name: str) -> str:
    with open(os.path.join(folder, name), encoding="utf-8", newline="") as file:
        return file.read()


# The whole log in tiles.

TILE = 256
# Size -> roots that the log must have had there, each with who says so.
Marks = dict[int, list[tuple[bytes, str]]]


def tile_path(folder: str, kind: str, number: int, width: int) -> str:
    """Path of a bundle or tile; of the whole one where the partial one is gone because the log grew on."""
    parts = [f"{number % 1000:03}"]
    while number >= 1000:
        number //= 1000
        parts.insert(0, f"x{number % 1000:03}")
    path = os.path.join(folder, kind, *parts)
    if width == TILE:
        return path
    partial = os.path.join(path + ".p", str(width))
    return path if not os.path.exists(partial) and os.path.exists(path) else partial


def read_tile(folder: str, kind: str, number: int, width: int) -> bytes:
    with open(tile_path(folder, kind, number, width), "rb", buffering=0) as file:
        return file.read()


def read_bundle(folder: str, number: int, width: int) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """The heads, bodies and leaf hashes of one bundle."""
    raw = read_tile(folder, "tile/entries", number, width)
    bodies = read_tile(folder, "bodies", number, width).split(b"\n")
    heads: list[bytes] = []
    hashes: list[bytes] = []
    keep, take, hashed, leaf = heads.append, hashes.append, sha256, b"\x00"
    place = 0
    try:
        for _ in range(width):
            end = place + 2 + (raw[place] << 8 | raw[place + 1])
            head = raw[place + 2 : end]
            keep(head)
            take(hashed(leaf + head).digest())
            place = end
    except IndexError:
        place = len(raw) + 1
    if place > len(raw) or len(bodies) <= width:
        raise Bad(f"the bundle {number} is cut")
    whole = width == TILE or tile_path(folder, "tile/entries", number, width) != tile_path(
        folder, "tile/entries", number, TILE
    )
    if whole and (place != len(raw) or len(bodies) != width + 1 or bodies[width]):
        raise Bad(f"the bundle {number} holds more than its {width} entries")
    return heads, bodies[:width], hashes


class Levels:
    """The hashes of each level, tile by tile, compared with the tiles in the folder."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.rows: list[list[bytes]] = []
        self.counts: list[int] = []

    def push(self, hashes: list[bytes], level: int = 0) -> bytes:
        """A whole tile of one level; returns the hash above it."""
        self.compare(level, hashes)
        self.counts[level] += 1
        hashed, node, below = sha256, b"\x01", hashes
        while len(below) > 1:
            pairs = iter(below)
            below = [hashed(node + left + right).digest() for left, right in zip(pairs, pairs, strict=True)]
        above = below[0]
        self.row(level + 1).append(above)
        if len(self.rows[level + 1]) == TILE:
            full, self.rows[level + 1] = self.rows[level + 1], []
            self.push(full, level + 1)
        return above

    def row(self, level: int) -> list[bytes]:
        while len(self.rows) <= level:
            self.rows.append([])
            self.counts.append(0)
        return self.rows[level]

    def compare(self, level: int, hashes: list[bytes]) -> None:
        self.row(level)
        number = self.counts[level]
        there = read_tile(self.folder, f"tile/{level}", number, len(hashes))
        right = there[: 32 * len(hashes)] == b"".join(hashes)
        if not right or len(there) not in (32 * len(hashes), 32 * TILE):
            raise Bad(f"tile {number} of level {level} does not hold the hashes of the entries")

    def end(self, last: list[bytes]) -> None:
        for level, row in enumerate([last, *self.rows[1:]]):
            if row:
                self.compare(level, row)


def read_bundles(folder: str, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Head and body of each entry of the whole log."""
    for number in range((size + TILE - 1) // TILE):
        heads, bodies, _ = read_bundle(folder, number, min(TILE, size - number * TILE))
        yield from zip(heads, bodies, strict=True)


def fold_tiles(folder: str, size: int, marks: Marks) -> tuple[Tree, int]:
    """Recompute the tree from the entries; every tile must hold its hashes, every mark its root. The tree, and the
    number of entries with words erased."""
    changed: Changed = []
    tree, levels, hashed = Tree(), Levels(folder), sha256
    hashes: list[bytes] = []
    for number in range((size + TILE - 1) // TILE):
        start, width = tree.size, min(TILE, size - tree.size)
        heads, bodies, hashes = read_bundle(folder, number, width)
        own = b"".join([hashed(body).digest() for body in bodies])
        if own.hex().encode() != b"".join([head[:64] for head in heads]):
            for place, (head, body) in enumerate(zip(heads, bodies, strict=True)):
                if hashed(body).hexdigest().encode() != head[:64]:
                    changed.append((f"leaf {start + place}", head, body))
        if width == TILE:
            above = levels.push(hashes)
        if width == TILE and not any(start < at < start + TILE for at in marks):
            tree.push(above, TILE)
            check_marks(marks, tree)
        else:
            for value in hashes:
                tree.push(value)
                check_marks(marks, tree)
    levels.end(hashes if size % TILE else [])
    if changed:
        refuse_unless_erased(changed, read_bundles(folder, size))
    return tree, len(changed)


def check_marks(marks: Marks, tree: Tree) -> None:
    for wanted, who in marks.get(tree.size, ()):
        if wanted != tree.root():
            raise Bad(f"the log of {tree.size} entries is not the one of {who}")


# What others said of the log.


def open_cosigned(note: str, key: tuple[str, bytes, bytes], keys: str) -> tuple[int, bytes, str]:
    """(size, root, who) of a checkpoint with the lines of witnesses behind the log's own."""
    text, _, lines = note.rpartition("\n\n")
    own, *others = lines.split("\n")[:-1] if lines.endswith("\n") else [""]
    size, root = open_checkpoint(f"{text}\n\n{own}\n", key)
    known = {}
    for line in keys.splitlines():
        name, _, rest = line.partition("+")
        key_hash, _, encoded = rest.partition("+")
        raw = strict_base64(encoded)
        if len(raw) != 33 or raw[0] != 4 or sha256(name.encode() + b"\n" + raw).hexdigest()[:8] != key_hash:
            raise Bad("witnesses.txt holds what is no witness's key")
        known[name] = (bytes.fromhex(key_hash), raw[1:])
    who = []
    for line in others:
        dash, _, rest = line.partition(" ")
        name, _, encoded = rest.partition(" ")
        raw = strict_base64(encoded)
        if dash != "—" or name not in known or len(raw) != 76 or raw[:4] != known[name][0]:
            raise Bad("a cosignature is of a witness that witnesses.txt does not know")
        seconds = int.from_bytes(raw[4:12], "big")
        message = f"cosignature/v1\ntime {seconds}\n{text}\n".encode()
        if not ed25519_holds(known[name][1], message, raw[12:]):
            raise Bad(f"the cosignature of {name} does not hold")
        who.append(f"{name} at {when(seconds)}")
    if not who:
        raise Bad("cosigned.note carries no cosignature")
    return size, root, ", ".join(who)


def when(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError) as error:
        raise Bad(f"a time that is none: {seconds}") from error


def stamp_seconds(token: bytes, message: bytes, pem: bytes, nonce: int | None = None) -> float:
    """Seconds since 1970 at which an authority of the certificates `pem` stamped `message`; Bad, ImportError.

    Where `pem` holds certificates of time-stamping authorities themselves, one of those must have stamped.
    """
    import rfc3161_client
    from cryptography import x509

    try:
        response = rfc3161_client.decode_timestamp_response(token)
        certificates = x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise Bad(f"the time stamp cannot be read: {error}") from error
    roots = [each for each in certificates if each.issuer == each.subject]
    between = [each for each in certificates if each.issuer != each.subject]
    faults = set()
    named: list[Any] = [each for each in certificates if _stamps(each)] or [None]
    for own in named:
        builder = rfc3161_client.VerifierBuilder(
            roots=roots, intermediates=between, tsa_certificate=own, nonce=nonce
        )
        try:
            algorithm = response.tst_info.message_imprint.hash_algorithm.dotted_string
            if algorithm != "2.16.840.1.101.3.4.2.1":
                raise Bad(f"the time stamp's hash is not SHA-256 but {algorithm}")
            builder.build().verify(response, sha256(message).digest())
        except (rfc3161_client.VerificationError, ValueError) as error:
            faults.add(str(error))
        else:
            return response.tst_info.gen_time.timestamp()
    raise Bad("the time stamp does not hold: " + "; ".join(sorted(faults)))


def _stamps(certificate: Any) -> bool:
    """Whether it is the certificate of a time-stamping authority."""
    from cryptography import x509

    try:
        purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return x509.oid.ExtendedKeyUsageOID.TIME_STAMPING in purposes


def read_anchors(
    folder: str, key: tuple[str, bytes, bytes]
) -> tuple[list[tuple[str, int, bytes]], list[str]]:
    """[(file, size, root)] that the log must have had, and sentences of who says so."""
    found, told_of = [], []
    if os.path.exists(os.path.join(folder, "cosigned.note")):
        keys = read(folder, "witnesses.txt")
        size, root, who = open_cosigned(read(folder, "cosigned.note"), key, keys)
        found.append(("cosigned", size, root))
        told_of.append(f"Its first {size} entries were cosigned by {who}.")
    if os.path.exists(os.path.join(folder, "stamped.note")):
        note = read(folder, "stamped.note")
        size, root = open_checkpoint(note, key)
        found.append(("stamped", size, root))
        token, pem = (read_bytes(folder, name) for name in ("stamped.tsr", "stamped.pem"))
        try:
            seconds = stamp_seconds(token, note.encode(), pem)
            told_of.append(f"Its first {size} entries were stamped at {when(seconds)}.")
        except ImportError:
            told_of.append(
                f"The time stamp over its first {size} entries was NOT checked: the package rfc3161-client is missing."
            )
    return found, told_of


def read_bytes(folder: str, name: str) -> bytes:
    with open(os.path.join(folder, name), "rb") as file:
        return file.read()


def verify(folder: str, earlier: str = "") -> str:
    """Verify the folder; returns sentences, raises Bad. `earlier`: text of a checkpoint the reader has."""
    key = read_key(read(folder, "log.pub"))
    if os.path.exists(os.path.join(folder, "checkpoint")):
        return verify_tiles(folder, key, earlier)
    if earlier:
        raise Bad("an extract is not compared with an earlier checkpoint of yours: have it made with one")
    return verify_extract(folder, key)


def verify_tiles(folder: str, key: tuple[str, bytes, bytes], earlier: str) -> str:
    size, root = open_checkpoint(read(folder, "checkpoint"), key)
    anchors, sentences = read_anchors(folder, key)
    marks: Marks = {}
    if earlier:
        old_size, old_root = open_checkpoint(earlier, key)
        anchors.append(("your earlier checkpoint", old_size, old_root))
        sentences.append(f"It begins with the {old_size} entries of the earlier checkpoint.")
    for who, at, value in anchors:
        if not 1 <= at <= size:
            raise Bad(f"{who} tells of {at} entries, the checkpoint of {size}")
        marks.setdefault(at, []).append((value, who))
    tree, erased = fold_tiles(folder, size, marks)
    if tree.root() != root:
        raise Bad("the entries do not give the signed root: one was edited, removed, added or moved")
    return " ".join(
        [
            f"Verified: the whole log {key[0]}, {size} entries, unchanged and in order.",
            *told_of_erased(erased),
            *sentences,
        ]
    )


def verify_extract(folder: str, key: tuple[str, bytes, bytes]) -> str:
    size, root = open_checkpoint(read(folder, "checkpoint.note"), key)
    tree = Tree()
    count, erased = fold_entries(folder, tree)
    if tree.size != size:
        raise Bad(f"the extract tells of {tree.size} leaves, the checkpoint signs {size}")
    if tree.root() != root:
        raise Bad("the entries do not give the signed root: one was edited, removed, added or moved")
    sentence = f"Verified: {count} entries lie unchanged and in order in the log {key[0]} of {size} entries."
    sentence = " ".join([sentence, *told_of_erased(erased)])
    if os.path.exists(os.path.join(folder, "earlier.note")):
        old_size, old_root = open_checkpoint(read(folder, "earlier.note"), key)
        proof = strict_lines(folder, "consistency.txt", bytes.fromhex, bytes.hex)
        if not consistency_holds(old_size, size, proof, old_root, root):
            raise Bad(f"the earlier checkpoint of {old_size} entries is not a prefix of this log")
        sentence += f" It only grew since it had {old_size} entries."
    anchors, sentences = read_anchors(folder, key)
    for name, at, value in anchors:
        proof = strict_lines(folder, f"{name}.txt", bytes.fromhex, bytes.hex)
        if not consistency_holds(at, size, proof, value, root):
            raise Bad(f"{name}.note of {at} entries is not a prefix of this log")
    return " ".join([sentence, *sentences])


# The receipt of one signature.

SIGNATURES = "trail_signature"
# What is printed under the same names as in the statement.
SAID = ("uuid", "meaning", "meaning_text", "decision", "reason", "content_digest", "factors", "signed_at")


def verify_receipt(text: str, public: str = "") -> str:
    """Verify a receipt; returns a sentence, raises Bad. `public`: the log's key that the reader has.

    Everything in the file follows from five texts and a proof, so the file is made again from them and compared.
    """
    try:
        given = json.loads(text)
        proof = given["receipt"]
        head, body, index, statement = proof["head"], proof["body"], proof["index"], given["statement"]
        path = [bytes.fromhex(step) for step in proof["proof"]]
        facts, act, said = json.loads(head[65:]), json.loads(body.partition(" ")[2]), json.loads(statement)
        key = read_key(proof["verifier"])
        size, root = open_checkpoint(proof["checkpoint"], key)
        digest = "sha256:" + sha256(statement.encode()).hexdigest()
        rows = [row[2] for row in act["rows"] if row[0] == SIGNATURES]
        signer, record = said["signer"], said["subject"]
        printed = {name: said[name] for name in SAID} | {
            "printed_name": signer["name"],
            "username": signer["username"],
            "duties": "; ".join(signer["duties"]),
            "record": record["ref"],
            "record_version": record["version"],
            "statement_digest": digest,
        }
        made = {
            "signature": printed,
            "statement": statement,
            "entry": facts["id"],
            "receipt": {
                "head": head,
                "body": body,
                "index": index,
                "size": size,
                "proof": [step.hex() for step in path],
                "checkpoint": proof["checkpoint"],
                "verifier": proof["verifier"],
            },
        }
        again = json.dumps(made, ensure_ascii=False, indent=2, sort_keys=True)
        written = (facts["kind"], facts["act_id"], key[0]) == ("act", said["act_id"], said["log"])
        whole = sha256(body.encode()).hexdigest() == head[:64]
        leaf = sha256(b"\x00" + head.encode()).digest()
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError) as error:
        raise Bad("the receipt is not in its form") from error
    if public and public.strip() != proof["verifier"]:
        raise Bad("the receipt is of another log than the key you gave")
    if again != text or type(index) is not int:
        raise Bad("the receipt says of the signature what its statement does not")
    if not whole:
        raise Bad("the body is not the one the head names")
    if not written or digest not in rows:
        raise Bad("the entry is not the one of the act that wrote this statement")
    if not inclusion_holds(index, size, leaf, path, root):
        raise Bad("the entry does not lie in the log that the checkpoint signs")
    compared = (
        "the key you gave" if public else "a key in the receipt itself: compare it with one from elsewhere"
    )
    return (
        f"Verified: {signer['name']} ({signer['username']}) signed {record['ref']} at {said['signed_at']}: "
        f"{said['meaning_text']} ({said['decision']}; content {said['content_digest']}). "
        f"Leaf {index} of the log {key[0]} of {size} entries, under {compared}."
    )


def main(arguments: list[str]) -> int:
    if not 1 <= len(arguments) <= 2 or not os.path.exists(arguments[0]):
        print("usage: python3 offline_verifier.py FOLDER [EARLIER] | RECEIPT.json [LOG.PUB]", file=sys.stderr)
        return 2
    try:
        other = read("", arguments[1]) if arguments[1:] else ""
        whole = os.path.isdir(arguments[0])
        print(verify(arguments[0], other) if whole else verify_receipt(read("", arguments[0]), other))
    except Bad as error:
        print(f"NOT VERIFIED: {error}.")
        return 1
    except (OSError, ValueError) as error:
        print(f"The extract cannot be read: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
