"""Merkle trees of RFC 6962 (RFC 9162, section 2.1): roots, inclusion and consistency proofs, and their verification.

Hashes are 32 bytes. Functions that make proofs take `node(level, index)`: the hash of the complete subtree over
leaves [index * 2^level, (index + 1) * 2^level); where the leaves are kept is the caller's matter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256

Node = Callable[[int, int], bytes]
EMPTY_ROOT = sha256(b"").digest()


class BadProof(ValueError):
    """The proof does not show what it claims."""


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 ‖ data)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right)."""
    return sha256(b"\x01" + left + right).digest()


class Range:
    """A compact range from leaf 0: enough of a tree to append to it and to tell its root."""

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self.size = size
        self.hashes = list(hashes)
        if len(self.hashes) != size.bit_count():
            raise ValueError(f"a compact range of {size} leaves has {size.bit_count()} hashes")

    def push(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Append one leaf hash; returns the complete subtrees this closed, as (level, index, hash)."""
        closed = []
        self.hashes.append(leaf)
        level, ones = 0, self.size
        while ones & 1:
            right = self.hashes.pop()
            self.hashes[-1] = node_hash(self.hashes[-1], right)
            level += 1
            ones >>= 1
            closed.append((level, self.size >> level, self.hashes[-1]))
        self.size += 1
        return closed

    def root(self) -> bytes:
        if not self.hashes:
            return EMPTY_ROOT
        root = self.hashes[-1]
        for left in reversed(self.hashes[:-1]):
            root = node_hash(left, root)
        return root


def _split(count: int) -> int:
    """The largest power of two below `count` (2 or more)."""
    return 1 << ((count - 1).bit_length() - 1)


def subtree_root(low: int, high: int, node: Node) -> bytes:
    """Merkle tree hash of leaves [low, high), a range the proofs' recursion splits off."""
    count = high - low
    if count == 0:
        return EMPTY_ROOT
    if count & (count - 1) == 0:
        return node(count.bit_length() - 1, low // count)
    middle = low + _split(count)
    return node_hash(subtree_root(low, middle, node), subtree_root(middle, high, node))


def inclusion_proof(index: int, size: int, node: Node) -> list[bytes]:
    """Audit path of leaf `index` in the tree of `size` leaves, from the leaf up."""
    if not 0 <= index < size:
        raise ValueError(f"leaf {index} is not in a tree of {size} leaves")

    def path(low: int, high: int) -> list[bytes]:
        if high - low == 1:
            return []
        middle = low + _split(high - low)
        if index < middle:
            return [*path(low, middle), subtree_root(middle, high, node)]
        return [*path(middle, high), subtree_root(low, middle, node)]

    return path(0, size)


def consistency_proof(old: int, new: int, node: Node) -> list[bytes]:
    """Proof that the tree of `old` leaves is a prefix of the tree of `new` leaves (1 <= old <= new)."""
    if not 1 <= old <= new:
        raise ValueError(f"no consistency proof from {old} to {new} leaves")

    def part(low: int, high: int, whole: bool) -> list[bytes]:
        if old == high:
            return [] if whole else [subtree_root(low, high, node)]
        middle = low + _split(high - low)
        if old <= middle:
            return [*part(low, middle, whole), subtree_root(middle, high, node)]
        return [*part(middle, high, False), subtree_root(low, middle, node)]

    return part(0, new, True)


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """RFC 9162, 2.1.3.2; raises BadProof."""
    if not 0 <= index < size:
        raise BadProof("the leaf lies outside the tree")
    place, last, current = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise BadProof("the proof is too long")
        if place & 1 or place == last:
            current = node_hash(sibling, current)
            while place and not place & 1:
                place >>= 1
                last >>= 1
        else:
            current = node_hash(current, sibling)
        place >>= 1
        last >>= 1
    if last != 0:
        raise BadProof("the proof is too short")
    if current != root:
        raise BadProof("the root does not match")


def verify_consistency(old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes) -> None:
    """RFC 9162, 2.1.4.2; raises BadProof. Sizes from 1 (nothing is consistent with an empty tree by proof)."""
    if not 1 <= old <= new:
        raise BadProof("the sizes are not in order")
    if old == new:
        if proof or old_root != new_root:
            raise BadProof("equal sizes need equal roots and no proof")
        return
    hashes = list(proof)
    if old & (old - 1) == 0:
        hashes.insert(0, old_root)
    if not hashes:
        raise BadProof("the proof is empty")
    place, last = old - 1, new - 1
    while place & 1:
        place >>= 1
        last >>= 1
    first = second = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise BadProof("the proof is too long")
        if place & 1 or place == last:
            first = node_hash(sibling, first)
            second = node_hash(sibling, second)
            while place and not place & 1:
                place >>= 1
                last >>= 1
        else:
            second = node_hash(second, sibling)
        place >>= 1
        last >>= 1
    if last != 0:
        raise BadProof("the proof is too short")
    if first != old_root or second != new_root:
        raise BadProof("a root does not match")
