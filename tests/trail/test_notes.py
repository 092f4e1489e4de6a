"""Signed notes: the published example, strictness to the bit, and the offline verifier's own Ed25519."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.trail import notes, offline

# The example of golang.org/x/mod/sumdb/note, whose format C2SP signed-note is: key, text, signature.
EXAMPLE_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
EXAMPLE_TEXT = (
    "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
)
EXAMPLE_NOTE = (
    EXAMPLE_TEXT
    + "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def made(size=5):
    key = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    text = notes.verifier_text("countersign-test", key.public_key())
    state = notes.Checkpoint("countersign-test", size, b"r" * 32)
    return notes.sign(state.text(), "countersign-test", key), text


def test_published_example_opens():
    assert notes.open_note(EXAMPLE_NOTE, notes.Verifier.parse(EXAMPLE_KEY)) == EXAMPLE_TEXT


def test_a_checkpoint_opens_in_portal_and_offline():
    note, key = made()
    opened = notes.open_checkpoint(note, notes.Verifier.parse(key))
    assert (opened.size, opened.root) == (5, b"r" * 32)
    assert offline.open_checkpoint(note, offline.read_key(key)) == (5, b"r" * 32)


def test_no_single_bit_change_of_a_checkpoint_is_accepted():
    note, key = made()
    raw, verifier, tried = note.encode(), notes.Verifier.parse(key), 0
    for place in range(len(raw)):
        for bit in range(8):
            changed = bytearray(raw)
            changed[place] ^= 1 << bit
            try:
                text = changed.decode()
            except UnicodeDecodeError:
                continue
            tried += 1
            with pytest.raises(notes.BadNote):
                notes.open_checkpoint(text, verifier)
    assert tried > 1000


@pytest.mark.parametrize("size", ["05", "+5", "５", "5 ", "", "-1"])
def test_a_size_has_one_form(size):
    key = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    verifier = notes.verifier_text("countersign-test", key.public_key())
    text = f"countersign-test\n{size}\n{base64.b64encode(b'r' * 32).decode()}\n"
    note = notes.sign(text, "countersign-test", key)
    with pytest.raises(notes.BadNote):
        notes.open_checkpoint(note, notes.Verifier.parse(verifier))


@settings(max_examples=15, deadline=None)
@given(st.binary(min_size=32, max_size=32), st.binary(max_size=60), st.integers(0, 511))
def test_offline_ed25519_agrees_with_cryptography(seed, message, bit):
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    signature = key.sign(message)
    assert offline.ed25519_holds(public, message, signature)
    assert not offline.ed25519_holds(public, message + b"x", signature)
    changed = (int.from_bytes(signature, "big") ^ (1 << bit)).to_bytes(64, "big")
    assert not offline.ed25519_holds(public, message, changed)


def test_offline_ed25519_published_vector():
    """RFC 8032, section 7.1, test 3."""
    public = bytes.fromhex("fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025")
    signature = bytes.fromhex(
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    )
    assert offline.ed25519_holds(public, bytes.fromhex("af82"), signature)
    assert not offline.ed25519_holds(public, bytes.fromhex("af83"), signature)
