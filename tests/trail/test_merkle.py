"""The tree against published vectors and against an independent plain recursion."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.trail import merkle, offline

# The eight leaves and the roots of Certificate Transparency's reference tests (google/certificate-transparency,
# merkle_tree_test; the same in transparency-dev/merkle, testonly).
LEAVES = [bytes.fromhex(text) for text in (
    "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
)]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def plain_root(hashes):
    """RFC 6962, section 2.1, word for word."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    k = 1
    while k * 2 < len(hashes):
        k *= 2
    return sha256(b"\x01" + plain_root(hashes[:k]) + plain_root(hashes[k:])).digest()


def node_over(hashes):
    return lambda level, index: plain_root(hashes[index << level : (index + 1) << level])


def some(count):
    return [merkle.leaf_hash(bytes([number % 256, number // 256])) for number in range(count)]


def test_published_roots():
    tree = merkle.Range()
    assert tree.root().hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    for leaf, root in zip(LEAVES, ROOTS, strict=True):
        tree.push(merkle.leaf_hash(leaf))
        assert tree.root().hex() == root


def test_published_inclusion_and_consistency_paths():
    """The paths printed in RFC 6962, section 2.1.3, for the tree of seven leaves, by the names used there."""
    d = [merkle.leaf_hash(leaf) for leaf in LEAVES[:7]]
    a, b, c, d_, e, f, j = d
    g, h, i = merkle.node_hash(a, b), merkle.node_hash(c, d_), merkle.node_hash(e, f)
    k, l_ = merkle.node_hash(g, h), merkle.node_hash(i, j)
    node = node_over(d)
    assert merkle.inclusion_proof(0, 7, node) == [b, h, l_]
    assert merkle.inclusion_proof(3, 7, node) == [c, g, l_]
    assert merkle.inclusion_proof(4, 7, node) == [f, j, k]
    assert merkle.inclusion_proof(6, 7, node) == [i, k]
    assert merkle.consistency_proof(3, 7, node) == [c, d_, g, l_]
    assert merkle.consistency_proof(4, 7, node) == [l_]
    assert merkle.consistency_proof(6, 7, node) == [i, j, k]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_every_honest_proof_verifies_and_no_altered_one(data):
    size = data.draw(st.integers(1, 70))
    index = data.draw(st.integers(0, size - 1))
    hashes = some(size)
    root, node = plain_root(hashes), node_over(hashes)
    proof = merkle.inclusion_proof(index, size, node)
    merkle.verify_inclusion(hashes[index], index, size, proof, root)
    altered = list(proof)
    kind = data.draw(st.sampled_from(["leaf", "index", "drop", "add", "bit"]))
    leaf, place = hashes[index], index
    if kind == "leaf" or (not proof and kind in ("drop", "bit")):
        leaf = sha256(b"other").digest()
    elif kind == "index":
        place = data.draw(st.integers(0, size).filter(lambda other: other != index))
    elif kind == "drop":
        del altered[data.draw(st.integers(0, len(proof) - 1))]
    elif kind == "add":
        altered.insert(data.draw(st.integers(0, len(proof))), sha256(b"more").digest())
    else:
        step, bit = data.draw(st.integers(0, len(proof) - 1)), data.draw(st.integers(0, 255))
        altered[step] = (int.from_bytes(proof[step], "big") ^ (1 << bit)).to_bytes(32, "big")
    with pytest.raises(merkle.BadProof):
        merkle.verify_inclusion(leaf, place, size, altered, root)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 60), st.integers(0, 60), st.data())
def test_consistency_proofs_hold_for_the_prefix_only(old, more, data):
    new = old + more
    hashes = some(new)
    proof = merkle.consistency_proof(old, new, node_over(hashes))
    old_root, new_root = plain_root(hashes[:old]), plain_root(hashes)
    merkle.verify_consistency(old, new, proof, old_root, new_root)
    assert offline.consistency_holds(old, new, proof, old_root, new_root)
    changed = list(hashes)
    changed[data.draw(st.integers(0, old - 1))] = sha256(b"rewritten").digest()
    other = plain_root(changed)
    with pytest.raises(merkle.BadProof):
        merkle.verify_consistency(old, new, proof, old_root, other)
    forged = merkle.consistency_proof(old, new, node_over(changed))
    with pytest.raises(merkle.BadProof):
        merkle.verify_consistency(old, new, forged, old_root, other)
    assert not offline.consistency_holds(old, new, forged, old_root, other)


def test_nothing_is_consistent_with_an_empty_tree():
    with pytest.raises(merkle.BadProof):
        merkle.verify_consistency(0, 3, [], merkle.EMPTY_ROOT, plain_root(some(3)))


@given(st.integers(0, 300))
@settings(max_examples=60, deadline=None)
def test_compact_range_equals_plain_recursion_and_tells_its_subtrees(size):
    hashes = some(size)
    tree, closed = merkle.Range(), []
    for each in hashes:
        closed += tree.push(each)
    assert tree.root() == plain_root(hashes)
    assert merkle.Range(size, tree.hashes).root() == tree.root()
    for level, index, value in closed:
        assert value == plain_root(hashes[index << level : (index + 1) << level])
