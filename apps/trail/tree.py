"""The log's tree as stored: leaves, and every complete subtree of 256 and 65,536 leaves, so a proof reads few rows."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import connection

from apps.trail import merkle
from apps.trail.models import Leaf, Node

# Subtrees are stored at every eighth level.
STRIDE = 8


def _levels(size: int) -> range:
    """The stored levels of a tree of `size` leaves."""
    return range(0, size.bit_length(), STRIDE)


class StoredTree:
    """`node(level, index)` over the tables, reading blocks of 256 hashes and remembering them."""

    def __init__(self) -> None:
        self._blocks: dict[tuple[int, int], dict[int, bytes]] = {}

    def _block(self, level: int, block: int) -> dict[int, bytes]:
        known = self._blocks.get((level, block))
        if known is None:
            low, high = block << STRIDE, (block + 1) << STRIDE
            if level == 0:
                rows: Iterable[tuple[int, str]] = Leaf.objects.filter(
                    index__gte=low, index__lt=high
                ).values_list("index", "hash")
            else:
                stored = Node.objects.filter(level=level, index__gte=low, index__lt=high)
                rows = stored.values_list("index", "hash")
            known = self._blocks[level, block] = {index: bytes.fromhex(text) for index, text in rows}
        return known

    def load_for(self, index: int, size: int) -> None:
        """Read at once what a proof of leaf `index` in the tree of `size` leaves needs."""
        wanted = {(level, place >> level >> STRIDE) for place in (index, size) for level in _levels(size)}
        asked, parameters = [], []
        for level, block in sorted(wanted):
            if (level, block) not in self._blocks:
                self._blocks[level, block] = {}
                # Quoted as the ORM quotes them: only so can it be answered as of a moment (apps.trail.past).
                table = '"trail_node" WHERE level = %s AND' if level else '"trail_leaf" WHERE 0 = %s AND'
                asked.append(f'SELECT %s, "index", hash FROM {table} "index" >= %s AND "index" < %s')
                parameters += [level, level, block << STRIDE, (block + 1) << STRIDE]
        if asked:
            with connection.cursor() as cursor:
                cursor.execute(" UNION ALL ".join(asked), parameters)
                for level, place, text in cursor.fetchall():
                    self._blocks[level, place >> STRIDE][place] = bytes.fromhex(text)

    def node(self, level: int, index: int) -> bytes:
        """Hash of the complete subtree; KeyError when a stored hash is missing."""
        base = level - level % STRIDE
        count = 1 << (level - base)
        low = index * count
        block = self._block(base, low >> STRIDE)
        hashes = [block[place] for place in range(low, low + count)]
        while len(hashes) > 1:
            hashes = [merkle.node_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes), 2)]
        return hashes[0]
