"""Proofs of what this thread has just sealed, without a journey to the database.

Who appends a leaf holds all that its proof needs: the compact range before it, and what was pushed upon it. A signer's
receipt is asked for right after the seal, and each journey to a busy database waits for its turn.
"""

from __future__ import annotations

from contextvars import ContextVar

from apps.trail.merkle import Range, inclusion_proof

# Acts kept: those of one ceremony over several records, whose receipts are asked for at its end.
KEPT = 20
# Index of the leaf, its audit path, size and note of the checkpoint.
Proof = tuple[int, list[bytes], int, str]


class Placed:
    """The entries of one batch with their leaves, and the nodes of the tree above them. `tree`: as it was before."""

    def __init__(self, tree: Range | None = None) -> None:
        self.places: dict[int, int] = {}  # entry -> index of its leaf
        self.size = tree.size if tree else 0
        self.note = ""
        self._nodes: dict[tuple[int, int], bytes] = {}
        left = 0
        for node in tree.hashes if tree else ():
            level = (self.size - left).bit_length() - 1
            self._nodes[level, left >> level] = node
            left += 1 << level

    def push(self, tree: Range, entry_id: int, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Append a leaf to `tree`; returns the complete subtrees this closed."""
        self.places[entry_id] = tree.size
        self._nodes[0, tree.size] = leaf
        closed = tree.push(leaf)
        self._nodes.update({(level, index): node for level, index, node in closed})
        self.size = tree.size
        return closed

    def proof(self, entry_id: int) -> Proof:
        index = self.places[entry_id]
        path = inclusion_proof(index, self.size, lambda level, place: self._nodes[level, place])
        return index, path, self.size, self.note


_kept: ContextVar[dict[str, Placed] | None] = ContextVar("countersign_just_sealed", default=None)


def remember(act_id: str, placed: Placed) -> None:
    """Keep what an act's seal placed. After its commit: before, it could still be taken back."""
    kept = dict(_kept.get() or {})
    while len(kept) >= KEPT:
        del kept[next(iter(kept))]
    _kept.set(kept | {act_id: placed})


def taken(act_id: str, entry_id: int) -> Proof | None:
    """The proof of an entry that this thread has just sealed, given once: who asks later is told of the log of then."""
    kept = dict(_kept.get() or {})
    placed = kept.pop(act_id, None)
    if placed is None or entry_id not in placed.places:
        return None
    _kept.set(kept)
    return placed.proof(entry_id)
