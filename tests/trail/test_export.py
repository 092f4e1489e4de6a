"""Extracts verify with the one-file verifier alone, and no altered extract does."""

from __future__ import annotations

import subprocess
import sys

import pytest

from apps.trail import export, offline, sealer
from apps.trail.models import Checkpoint, Entry


def run(folder):
    """The shipped file in a bare interpreter: no site packages, no environment."""
    command = [sys.executable, "-I", "-S", str(folder / "offline_verifier.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, env={}, timeout=60)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def scoped(story, desk):
    """More entries, of which every third act is in another scope."""
    for number in range(9):
        desk.rename(story.ben, f"Ben {number}", by=story.anna)
        desk.event(story.ben)
    sealer.seal()
    return story


@pytest.fixture
def whole(scoped, tmp_path):
    return export.write(tmp_path)


@pytest.fixture
def part(scoped, tmp_path):
    return export.write(tmp_path, ["organisation:0"], earlier=Checkpoint.objects.order_by("size").first())


def test_the_whole_log_verifies(whole):
    assert whole.entries == whole.size == Entry.objects.count()
    code, told = run(whole.folder)
    assert (code, f"{whole.size} entries" in told) == (0, True), told
    assert not (whole.folder / "cover.txt").exists()


def test_a_part_verifies_with_its_cover_and_growth(part):
    acts = Entry.objects.filter(scope="organisation:0").values_list("act_id", flat=True)
    assert part.entries == Entry.objects.filter(act_id__in=acts).exclude(act_id="").count() < part.size
    code, told = run(part.folder)
    assert code == 0, told
    assert "only grew" in told


def test_up_to_a_time(scoped, tmp_path):
    until = Entry.objects.all()[5].at
    extract = export.write(tmp_path, until=until)
    assert 0 < extract.entries < extract.size
    assert run(tmp_path)[0] == 0


FILES = [
    "entries.log",
    "index.txt",
    "cover.txt",
    "checkpoint.note",
    "earlier.note",
    "consistency.txt",
    "log.pub",
]


@pytest.mark.parametrize("name", FILES)
def test_no_changed_bit_in_any_file_is_accepted(part, name, capsys):
    """Some 400 single bits a file, spread over it, the last byte's among them."""
    path = part.folder / name
    raw = path.read_bytes()
    bits = range(8 * len(raw))
    step = max(1, len(bits) // 400) | 1
    for bit in sorted({*bits[::step], *bits[-8:]}):
        changed = bytearray(raw)
        changed[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(changed)
        assert offline.main([str(part.folder)]) != 0, (
            f"{name}: bit {bit % 8} of byte {bit // 8} of {len(raw)}"
        )
    path.write_bytes(raw)
    assert offline.main([str(part.folder)]) == 0


def test_a_removed_or_moved_entry_is_refused(part):
    path = part.folder / "entries.log"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    for altered in (lines[2:], lines[:-2], [*lines[2:4], *lines[:2], *lines[4:]], [*lines, *lines[-2:]]):
        path.write_text("".join(altered), encoding="utf-8")
        code, told = run(part.folder)
        assert code == 1, told
        assert "NOT VERIFIED" in told


def test_bad_input_is_told_apart(tmp_path):
    assert offline.main([]) == 2
    assert offline.main([str(tmp_path)]) == 2
