"""Stored bytes: once, whole or not at all, and found out when damaged."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.core import blobs, uploads
from apps.core.errors import BadInput, Conflict


@pytest.fixture
def store(settings, tmp_path) -> Path:
    settings.COUNTERSIGN_DATA = tmp_path
    return tmp_path


def files_in(store: Path) -> list[str]:
    return sorted(p.name for p in store.rglob("*") if p.is_file())


def test_bytes_files_and_uploads_are_stored_alike(store):
    data = b"a,b\n1,2\n" * 1000
    name = hashlib.sha256(data).hexdigest()
    for source in (data, io.BytesIO(data), SimpleUploadedFile("x.csv", data)):
        assert blobs.put(source) == blobs.Blob(f"sha256:{name}", len(data))
    assert files_in(store) == [name], "the same bytes are one file"
    assert blobs.read(f"sha256:{name}") == data
    assert (store / "files" / name[:2] / name).stat().st_mode & 0o222 == 0, "nobody writes to it again"


def test_empty_bytes_are_bytes(store):
    assert blobs.read(blobs.put(b"").digest) == b""


def test_areas_are_apart(store):
    made = blobs.put(b"secret", area="vault")
    assert blobs.exists(made.digest, area="vault")
    assert not blobs.exists(made.digest)
    with pytest.raises(blobs.BlobDamaged):
        blobs.read(made.digest)
    with pytest.raises(ValueError, match="unknown area"):
        blobs.put(b"x", area="../vault")


def test_more_than_the_limit_leaves_nothing(store):
    with pytest.raises(BadInput) as caught:
        blobs.put(io.BytesIO(b"x" * 11), limit=10)
    assert (caught.value.status, caught.value.rule) == (413, "upload-limit")
    assert files_in(store) == []
    assert blobs.put(b"x" * 10, limit=10).size == 10


def test_a_source_that_breaks_off_leaves_nothing(store):
    class Broken(io.RawIOBase):
        asked = 0

        def read(self, _size=-1):
            self.asked += 1
            if self.asked > 2:
                raise ConnectionResetError
            return b"x" * 100

    with pytest.raises(ConnectionResetError):
        blobs.put(Broken())
    assert files_in(store) == []


@pytest.mark.parametrize("damage", [b"", b"other bytes", None])
def test_damaged_bytes_are_found(store, damage):
    made = blobs.put(b"the evidence")
    place = blobs.path(made.digest)
    place.chmod(0o600)
    place.unlink() if damage is None else place.write_bytes(damage)
    assert not blobs.verify(made.digest)
    with pytest.raises(blobs.BlobDamaged, match=made.digest) as caught:
        blobs.checked_path(made.digest)
    told = blobs.damaged(caught.value)
    assert isinstance(told, Conflict)
    assert (told.rule, bool(told.who)) == ("content-address", True)


@pytest.mark.parametrize(
    "digest",
    [
        "",
        "sha256:",
        "sha256:../../etc/passwd",
        "sha256:" + "../" * 21 + "a",
        "sha256:" + "A" * 64,
        "sha256:" + "g" * 64,
        "sha256:" + "a" * 63,
        "sha256:" + "a" * 65,
        "md5:" + "a" * 64,
        "a" * 64,
        "sha256:" + "a" * 63 + "\n",
        "sha256:" + "a" * 63 + "\x00",
        "sha256:" + "٣" * 64,
    ],
)
def test_only_a_digest_names_a_file(store, digest):
    for ask in (blobs.path, blobs.exists, blobs.read, blobs.verify, blobs.open_blob):
        with pytest.raises(ValueError, match="not a digest"):
            ask(digest)


def test_a_full_disk_is_an_error_and_leaves_nothing_half_written(store):
    """The limit on file size stands for the disk: the kernel refuses the write in the middle of the bytes."""
    code = """
        import io, os, resource, signal, sys
        from pathlib import Path
        import django
        django.setup()
        from django.conf import settings
        from apps.core import blobs
        settings.COUNTERSIGN_DATA = Path(sys.argv[1])
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))
        try:
            blobs.put(io.BytesIO(os.urandom(8_000_000)))
        except OSError as error:
            print("refused", error.errno)
        print(blobs.put(b"small").size)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), str(store)],
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "portal.settings.test"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.split() == ["refused", "27", "5"]  # EFBIG, then room for a small file
    assert files_in(store) == [hashlib.sha256(b"small").hexdigest()]


def test_many_at_once_store_one_file(store):
    data, found = os.urandom(300_000), []
    threads = [threading.Thread(target=lambda: found.append(blobs.put(data))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 1
    assert len(found) == 6
    assert len(files_in(store)) == 1
    assert blobs.read(found[0].digest) == data


@pytest.mark.parametrize(
    ("size", "said"),
    [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 * 1024**3, "5.0 GiB"), (2**43, "8192.0 GiB")],
)
def test_sizes_in_words(size, said):
    assert blobs.human_size(size) == said


# Uploads named again by a sealed text


def test_a_sealed_upload_opens_for_its_sender_only(store):
    sent = uploads.of(blobs.put(b"rows"), "C:\\data\\..\\rows.csv")
    assert sent.name == "rows.csv"
    text = uploads.sealed(7, sent)
    assert uploads.opened(7, text) == sent
    assert uploads.opened(8, text) is None
    assert uploads.opened(7, text[:-1] + ("A" if text[-1] != "A" else "B")) is None
    assert uploads.opened(7, "") is None


def test_a_sealed_upload_is_good_for_a_day(store, monkeypatch):
    sent = uploads.of(blobs.put(b"rows"), "rows.csv")
    text = uploads.sealed(7, sent)
    monkeypatch.setattr(uploads, "GOOD_FOR", -1)
    assert uploads.opened(7, text) is None
