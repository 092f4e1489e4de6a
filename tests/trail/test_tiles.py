"""The whole log as tiles: verifies in a bare interpreter, grows in place, survives kills; nothing altered passes."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
import tracemalloc

import pytest
from django.core.management import CommandError, call_command

from apps.trail import destinations, export, merkle, notes, offline, sealer, tiles, witness, witness_server
from apps.trail.identity import keys
from apps.trail.models import Checkpoint, Entry, Leaf
from apps.trail.testing import without_triggers
from tests.trail.authority import Authority, Serving
from tests.trail.children import Child
from tests.trail.test_sealer import events
from tests.trail.test_witness_http import Running


def run(folder, *more, bare=True):
    """The shipped file: in a bare interpreter without site packages, or with what is installed."""
    command = [
        sys.executable,
        *(["-I", "-S"] if bare else []),
        str(folder / "offline_verifier.py"),
        str(folder),
        *more,
    ]
    done = subprocess.run(command, capture_output=True, text=True, env={}, timeout=120)
    return done.returncode, done.stdout + done.stderr


def grow(count):
    events(count)
    sealer.seal()
    witness.catch_up(keys().origin)


@pytest.fixture
def folder(story, tmp_path):
    grow(900)
    place = tmp_path / "tiles"
    tiles.write(place)
    return place


def test_the_folder_verifies_and_has_the_layout_of_tlog_tiles(folder):
    size = Leaf.objects.count()
    code, told = run(folder)
    assert (code, f"{size} entries, unchanged" in told) == (0, True), told
    rest = size % 256
    for kind in ("tile/0", "tile/entries", "bodies"):
        names = sorted(
            path.relative_to(folder / kind).as_posix()
            for path in (folder / kind).rglob("*")
            if path.is_file()
        )
        assert names == ["000", "001", "002", f"003.p/{rest}"]
    assert (folder / "tile/1/000.p/3").stat().st_size == 3 * 32
    raw = (folder / "tile/0/000").read_bytes()
    leaves = [raw[start : start + 32] for start in range(0, len(raw), 32)]
    bundle = (folder / "tile/entries/000").read_bytes()
    length = int.from_bytes(bundle[:2], "big")
    assert merkle.leaf_hash(bundle[2 : 2 + length]) == leaves[0], "an entry is what the leaf is the hash of"
    assert (
        notes.open_checkpoint((folder / "checkpoint").read_text(encoding="utf-8"), keys().public()).size
        == size
    )


def test_it_grows_in_place_and_writes_only_what_is_new(folder):
    whole = {
        name: (folder / name).stat().st_mtime_ns for name in ("tile/0/000", "tile/entries/001", "bodies/002")
    }
    earlier = (folder / "checkpoint").read_bytes()
    grow(300)
    made = tiles.write(folder)
    assert made.written == 2
    assert {name: (folder / name).stat().st_mtime_ns for name in whole} == whole
    assert run(folder)[0] == 0
    assert not list(folder.rglob("003.p")), "partial bundles go when the whole one is there"
    held = folder.parent / "held.note"
    held.write_bytes(earlier)
    code, told = run(folder, str(held))
    assert code == 0, told
    assert "begins with the" in told
    assert tiles.write(folder).written == 1, "nothing new: only the part that is not whole"


def test_sizes_at_the_edges_of_tiles(story, tmp_path):
    start = Leaf.objects.count()
    for size in (255, 256, 257, 511, 512):
        grow(size - Leaf.objects.count())
        tiles.write(tmp_path / "tiles")
        code, told = run(tmp_path / "tiles")
        assert (code, f"{size} entries" in told) == (0, True), told
    assert start < 255


def test_names_beyond_a_thousand_bundles():
    assert offline.tile_path("f", "tile/0", 1234067, 256) == "f/tile/0/x001/x234/067"
    assert offline.tile_path("f", "bodies", 1000, 7) == "f/bodies/x001/000.p/7"


def test_a_log_that_does_not_begin_with_the_earlier_checkpoint_is_refused(folder, tmp_path):
    forked = notes.sign(
        notes.Checkpoint(keys().origin, 300, b"\7" * 32).text(), keys().origin, keys().signing
    )
    (tmp_path / "held.note").write_text(forked, encoding="utf-8")
    code, told = run(folder, str(tmp_path / "held.note"))
    assert (code, "300 entries is not the one of your earlier checkpoint" in told) == (1, True), told


def test_no_changed_bit_is_accepted(folder, capsys):
    """Some bits of every file, the last ones of each among them."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "offline_verifier.py"]
    chance = random.Random(5)
    for path in files:
        raw = path.read_bytes()
        for bit in {*chance.sample(range(8 * len(raw)), 6), 8 * len(raw) - 1, 8 * len(raw) - 8}:
            changed = bytearray(raw)
            changed[bit // 8] ^= 1 << (bit % 8)
            path.write_bytes(changed)
            assert offline.main([str(folder)]) != 0, (
                f"{path.name}: bit {bit % 8} of byte {bit // 8} of {len(raw)}"
            )
        # A key is the same with and without its last newline.
        for altered in (b"",) if path.name == "log.pub" else (raw[:-1], raw + b"\n", b""):
            path.write_bytes(altered)
            assert offline.main([str(folder)]) != 0, f"{path}: {len(altered)} of {len(raw)} bytes"
        path.write_bytes(raw)
    assert offline.main([str(folder)]) == 0
    capsys.readouterr()


def test_a_missing_or_exchanged_bundle_is_refused(folder):
    for kind in ("tile/entries", "bodies", "tile/0"):
        first, second = folder / kind / "000", folder / kind / "001"
        a, b = first.read_bytes(), second.read_bytes()
        first.write_bytes(b)
        second.write_bytes(a)
        assert run(folder)[0] == 1
        first.write_bytes(a)
        second.unlink()
        assert run(folder)[0] == 2
        second.write_bytes(b)
    assert run(folder)[0] == 0


def test_kills_leave_a_folder_that_verifies_and_is_carried_on(committed, tmp_path, monkeypatch):
    monkeypatch.setattr(tiles, "BUNDLES_AT_A_TIME", 1)
    place = tmp_path / "tiles"
    chance = random.Random(7)
    tiles.write(place)
    for number in range(8):
        grow(600)
        child = Child(lambda: tiles.write(place), tmp_path / f"said-{number}")
        time.sleep(chance.uniform(0, 0.15))
        child.kill()
        code, told = run(place)
        assert code == 0, told
    tiles.write(place)
    assert run(place)[0] == 0
    assert not list(place.rglob("*.new"))


def test_what_is_not_this_log_is_refused(folder, tmp_path, story):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("mine")
    with pytest.raises(CommandError, match="not empty") as told:
        call_command("export_trail", str(tmp_path / "full"))
    assert told.value.returncode == 2
    shutil.copytree(folder, tmp_path / "other")
    (tmp_path / "other" / "log.pub").write_text("another+00000000+AAAA\n")
    with pytest.raises(tiles.WrongFolder, match="another log"):
        tiles.write(tmp_path / "other")
    with without_triggers():
        Entry.objects.filter(pk=Leaf.objects.get(index=5).entry_id).delete()
    with pytest.raises(tiles.WrongFolder, match="leaves 0 to"):
        tiles.write(tmp_path / "new")


def test_altered_tiles_are_not_built_upon(folder):
    place = folder / "tile/0/001"
    raw = bytearray(place.read_bytes())
    raw[7] ^= 1
    place.write_bytes(raw)
    with pytest.raises(tiles.WrongFolder, match="signed root"):
        tiles.write(folder)


def test_memory_does_not_grow_with_the_log(story, tmp_path):
    def peak(place):
        tracemalloc.start()
        tiles.write(place)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    grow(4500)
    small = peak(tmp_path / "small")
    grow(9000)
    assert peak(tmp_path / "large") < 1.3 * small + 1_000_000


# ---------------------------------------------------------------- what others said, in the folder


@pytest.fixture
def anchored(story, settings, tmp_path):
    """A log with a witness and, where openssl is present, a time-stamping authority."""
    there = Running(tmp_path / "witness", [keys().public()])
    settings.TRAIL_WITNESSES = [there.setting]
    stop = [there.stop]
    if shutil.which("openssl"):
        authority = Authority(tmp_path / "tsa")
        served = Serving(authority.stamp)
        settings.TRAIL_TIMESTAMP_URL, settings.TRAIL_TIMESTAMP_CERTIFICATES = served.url, str(authority.pem)
        stop.append(served.stop)
    for place in destinations.configured():
        assert destinations.step(place)
    grow(400)
    yield there
    for each in stop:
        each()


def test_the_whole_log_shows_what_others_said(anchored, tmp_path):
    place = tmp_path / "tiles"
    tiles.write(place)
    code, told = run(place)
    assert (code, "were cosigned by witness.example/w1 at" in told) == (0, True), told
    if shutil.which("openssl"):
        assert "was NOT checked: the package rfc3161-client is missing" in told
        code, told = run(place, bare=False)
        assert (code, "were stamped at" in told) == (0, True), told


def test_an_extract_shows_what_others_said(anchored, tmp_path, capsys):
    place = tmp_path / "extract"
    place.mkdir()
    export.write(place, ["organisation:0"])
    code, told = run(place)
    assert (code, "were cosigned by witness.example/w1 at" in told) == (0, True), told
    if shutil.which("openssl"):
        assert offline.main([str(place)]) == 0
        assert "were stamped at" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["tiles", "extract"])
def test_what_others_did_not_say_is_refused(anchored, tmp_path, kind, capsys):
    place = tmp_path / kind
    place.mkdir()
    tiles.write(place) if kind == "tiles" else export.write(place, ["organisation:0"])
    stranger = witness_server.Witness(tmp_path / "stranger", "witness.example/w1", [])
    changes = {"witnesses.txt": stranger.public.text() + "\n"}
    size = Checkpoint.objects.order_by("size").first().size
    forked = notes.sign(
        notes.Checkpoint(keys().origin, size, b"\7" * 32).text(), keys().origin, keys().signing
    )
    changes["cosigned.note"] = forked
    if shutil.which("openssl"):
        changes |= {"stamped.note": forked, "stamped.tsr": "x", "stamped.pem": "x"}
        other = Authority(tmp_path / "other", "Other")
        changes["stamped.pem"] = other.pem.read_text()
    for name, text in changes.items():
        raw = (place / name).read_bytes()
        (place / name).write_text(text, encoding="utf-8")
        assert offline.main([str(place)]) == 1, name
        (place / name).write_bytes(raw)
    assert offline.main([str(place)]) == 0
    capsys.readouterr()


def test_the_export_by_command_is_entered_before_it_begins(story, tmp_path, monkeypatch, capsys):
    """By whom on this machine: no account of the portal stands behind a command."""
    monkeypatch.setenv("LOGNAME", "olga")
    before = Entry.objects.count()
    call_command("export_trail", str(tmp_path / "log"))
    entry = Entry.objects.get(act="trail.export")
    assert (entry.kind, entry.actor_name, entry.scope) == (
        "event",
        "Operating-system user olga",
        "organisation:0",
    )
    facts = json.loads(entry.body)["facts"]
    assert facts == {
        "filter": {},
        "count": before,
        "form": "tiles",
        "folder": str(tmp_path / "log"),
        "operator": "olga",
    }
    assert f"{before + 1} entries in" in capsys.readouterr().out, "its own entry is in the export"
    assert run(tmp_path / "log")[0] == 0
