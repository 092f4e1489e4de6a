"""The HTTP witness (C2SP tlog-witness): its answers, and what a forked or restored database meets."""

from __future__ import annotations

import base64
import http.client
import subprocess
import sys
import threading
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection

from apps.core.clock import now
from apps.trail import (
    cosignatures,
    destinations,
    merkle,
    notes,
    outside,
    sealer,
    verifier,
    witness,
    witness_server,
    witnesses,
)
from apps.trail.identity import keys
from apps.trail.models import Checkpoint, Cosignature, Destination, Leaf, Node
from apps.trail.testing import without_triggers
from tests.trail.children import until

# ---------------------------------------------------------------- the witness alone


class Log:
    """A log of our own: leaves, a key, checkpoints and proofs made by the book."""

    def __init__(self, name="example.org/log"):
        self.name, self.key = name, Ed25519PrivateKey.generate()
        self.verifier = notes.Verifier.parse(notes.verifier_text(name, self.key.public_key()))
        self.leaves = []

    def grow(self, count, salt=b""):
        self.leaves += [merkle.leaf_hash(salt + bytes([number])) for number in range(count)]
        return self

    def node(self, level, index):
        hashes = self.leaves[index << level : (index + 1) << level]
        while len(hashes) > 1:
            hashes = [merkle.node_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes), 2)]
        return hashes[0]

    def note(self):
        tree = merkle.Range()
        for leaf in self.leaves:
            tree.push(leaf)
        return notes.sign(notes.Checkpoint(self.name, tree.size, tree.root()).text(), self.name, self.key)

    def request(self, old, proof=None):
        size = len(self.leaves)
        if proof is None:
            proof = merkle.consistency_proof(old, size, self.node) if 0 < old < size else []
        lines = "".join(base64.b64encode(step).decode() + "\n" for step in proof)
        return f"old {old}\n{lines}\n{self.note()}".encode()


@pytest.fixture
def log():
    return Log().grow(5)


class Running:
    """The witness's own server in a thread, on a port of the system's choice."""

    def __init__(self, state, logs, name="witness.example/w1"):
        self.witness = witness_server.Witness(state, name, logs)
        self.server = witness_server.Server(("127.0.0.1", 0), self.witness)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def send(self, body, path="/add-checkpoint", method="POST", headers=None):
        there = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        there.request(method, path, body=body, headers=headers or {})
        answer = there.getresponse()
        told = answer.status, answer.read().decode(), answer.headers.get("Content-Type")
        there.close()
        return told

    @property
    def setting(self):
        return f"http://127.0.0.1:{self.port} {self.witness.public.text()}"


@pytest.fixture
def running(tmp_path):
    started = []

    def start(logs, folder="state"):
        started.append(Running(tmp_path / folder, logs))
        return started[-1]

    yield start
    for each in started:
        each.stop()


def test_it_cosigns_growth_and_remembers_over_a_restart(log, running):
    first = running([log.verifier])
    status, line, _ = first.send(log.request(0))
    assert status == 200
    key = first.witness.public
    seconds = cosignatures.open_line(line, cosignatures.text_of(log.note()), key)
    assert abs(seconds - now().timestamp()) < 60
    assert first.send(log.grow(4, b"x").request(5))[0] == 200
    second = running([log.verifier])
    assert second.witness.public == key
    assert second.send(log.grow(1, b"y").request(5)) == (409, "9\n", "text/x.tlog.size")
    assert second.send(log.request(9))[0] == 200
    status, held, _ = second.send(None, "/checkpoint/example.org%2Flog", "GET")
    assert status == 200
    assert held.startswith(log.note())


def test_it_refuses_a_fork_a_rollback_and_what_it_cannot_read(log, running):
    there = running([log.verifier])
    assert there.send(log.request(0))[0] == 200
    fork = Log()
    fork.key, fork.verifier = log.key, log.verifier
    assert there.send(fork.grow(5, b"z").request(5)) == (409, "5\n", "text/x.tlog.size"), (
        "same size, other root"
    )
    fork.grow(3, b"z")
    assert there.send(fork.request(5))[0] == 422, "it did not grow from what was cosigned"
    assert there.send(fork.request(5, proof=[b"\0" * 32]))[0] == 422
    fork.leaves = fork.leaves[:3]
    assert there.send(fork.request(3))[0] == 409, "older than what was cosigned"
    assert there.send(fork.request(5, proof=[]))[0] == 400, "the old size is beyond the checkpoint"
    stranger = Log("example.org/other").grow(2)
    assert there.send(stranger.request(0))[0] == 404
    thief = Log().grow(7)
    assert there.send(thief.request(5))[0] == 403, "the right name, another key"
    assert there.witness.last(log.name)["size"] == 5


LINE = b"A" * 43 + b"=\n"
MALFORMED = [
    b"",
    b"old 0",
    b"old 00\n\nx",
    b"old -1\n\nx",
    b"old 5\n!!\n\nx",
    b"old 5\nAAAA\n\nx",
    b"\xff\n\n",
]
MALFORMED += [b"new 5\n\nx", b"old 5\n" + 64 * LINE + b"\nx", b"old " + b"9" * 5000 + b"\n\nx"]


@pytest.mark.parametrize("body", MALFORMED)
def test_malformed_requests_are_400(log, running, body):
    assert running([log.verifier]).send(body)[0] == 400


def test_sizes_and_paths_have_limits(log, running):
    there = running([log.verifier])
    assert there.send(b"x" * 70_000)[0] == 413
    assert there.send(b"x", "/other")[0] == 404
    assert there.send(None, "/checkpoint/none", "GET")[0] == 404
    huge = f"old 0\n\n{log.name}\n{'9' * 5000}\nAAAA\n\n— {log.name} AAAA\n".encode()
    assert there.send(huge)[0] == 403
    assert there.witness.last(log.name) is None


def test_what_it_cannot_keep_it_does_not_cosign(log, running, monkeypatch):
    there = running([log.verifier])

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(witness_server, "_replace", full)
        status, text, _ = there.send(log.request(0))
        assert (status, "No space left" in text) == (500, True)
    assert there.witness.last(log.name) is None
    assert there.send(log.request(0))[0] == 200


def test_many_at_once_leave_one_answer(log, running):
    there = running([log.verifier])
    assert there.send(log.request(0))[0] == 200
    bodies = [log.grow(1, bytes([number])).request(5) for number in range(8)]
    statuses = []
    threads = [threading.Thread(target=lambda b=body: statuses.append(there.send(b)[0])) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, *[409] * 7]


def test_the_one_file_runs_without_the_portal(log, tmp_path):
    file, public = tmp_path / "witness.pyz", tmp_path / "log.pub"
    call_command("witness", "write", str(file))
    public.write_text(notes.verifier_text(log.name, log.key.public_key()) + "\n")
    options = ["--listen", "127.0.0.1:0", "--state", str(tmp_path / "there"), "--name", "w/1"]
    with (tmp_path / "said").open("w+b") as said:
        process = subprocess.Popen(
            [sys.executable, "-I", str(file), *options, "--log", str(public)],
            cwd=tmp_path,
            stdout=said,
            stderr=said,
        )
        try:
            text = (tmp_path / "said").read_text
            until(lambda: "listening on" in text() and text().endswith("\n"), told=text)
            port = int(text().rpartition(":")[2])
            there = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            there.request("POST", "/add-checkpoint", body=log.request(0))
            assert there.getresponse().status == 200
            there.close()
            process.terminate()
            assert process.wait(10) == 0
        finally:
            process.kill()
            process.wait()
    refused = subprocess.run(
        [sys.executable, "-I", str(file), *options, "--log", str(tmp_path / "none")],
        capture_output=True,
        timeout=30,
    )
    assert refused.returncode == 2
    assert b"cannot start" in refused.stderr


# ---------------------------------------------------------------- the portal's side


@pytest.fixture
def witnessed(story, running, settings):
    """The story, cosigned by a witness of its own."""
    there = running([keys().public()])
    settings.TRAIL_WITNESSES = [there.setting]
    [place] = destinations.configured()
    assert destinations.step(place)
    return there, place


def more(desk, story):
    desk.rename(story.ben, f"Ben {Leaf.objects.count()}", by=story.anna)
    sealer.seal()
    witness.catch_up(keys().origin)


def test_checkpoints_are_cosigned_kept_and_verified(witnessed, story, desk):
    there, place = witnessed
    newest = Checkpoint.objects.order_by("-size").first()
    row = Cosignature.objects.get()
    assert (row.size, row.witness) == (newest.size, "witness.example/w1")
    assert there.witness.last(keys().origin)["root"] == newest.root
    assert not destinations.step(place), "nothing new"
    more(desk, story)
    assert not destinations.step(place), "not before its period is over"
    assert destinations.step(place, at_once=True)
    result = verifier.verify()
    assert result.findings == []
    assert result.checked["witnesses asked"] == 1
    assert result.checked["cosignatures"] == 2


def test_a_witness_that_moved_on_is_followed(witnessed, story, desk):
    _, place = witnessed
    more(desk, story)
    Destination.objects.update(position=1)
    assert destinations.step(place, at_once=True)
    assert Destination.objects.get().position == Checkpoint.objects.order_by("-size").first().size


def rolled_back():
    """The owner restores a consistent older state, the witness copy with it."""
    sizes = list(Checkpoint.objects.order_by("size").values_list("size", flat=True))
    with without_triggers(), connection.cursor() as cursor:
        entries = Leaf.objects.filter(index__gte=sizes[-2]).values_list("entry_id", flat=True)
        entries = list(entries)
        Leaf.objects.filter(index__gte=sizes[-2]).delete()
        Checkpoint.objects.filter(size__gt=sizes[-2]).delete()
        Cosignature.objects.filter(size__gt=sizes[-2]).delete()
        cursor.execute(f"DELETE FROM trail_entry WHERE id IN ({','.join(map(str, entries))})")
        Node.objects.all().delete()
    copy = witness.path(keys().origin)
    copy.write_bytes(b"".join(copy.read_bytes().splitlines(keepends=True)[:-1]))


def contradictions():
    return [one.detail for one in verifier.verify().findings if one.detector == "witness"]


def test_a_restored_backup_is_found_by_the_witness_alone(witnessed):
    rolled_back()
    [detail] = contradictions()
    assert "an older backup restored" in detail


def test_a_restored_backup_that_carries_on_is_a_fork(witnessed, story):
    _, place = witnessed
    held = Checkpoint.objects.order_by("-size").first().size
    rolled_back()
    from tests.trail.test_sealer import events

    events(held)
    sealer.seal()
    witness.catch_up(keys().origin)
    assert not destinations.step(place, at_once=True)
    row = Destination.objects.get()
    assert row.contradicted
    assert "a fork" in row.error
    assert any("a fork" in detail for detail in contradictions())
    assert [fault for _, fault in destinations.faults()] == [row.error]


def test_a_silent_witness_is_a_finding_after_its_hours(witnessed, story, desk, settings):
    there, place = witnessed
    there.stop()
    more(desk, story)
    assert not destinations.step(place, at_once=True)
    row = Destination.objects.get()
    assert (row.failures, "does not answer" in row.error) == (1, True)
    assert row.next_at > now()
    assert verifier.verify().findings == [], "one failure is no alarm"
    Destination.objects.update(done_at=now() - timedelta(hours=settings.TRAIL_SILENT_HOURS + 1))
    [finding] = verifier.verify().findings
    assert (finding.detector, finding.table) == ("witness", "trail_destination")
    assert "has taken nothing since" in finding.detail


def test_pauses_double_up_to_their_limit(witnessed, story, desk):
    there, place = witnessed
    there.stop()
    more(desk, story)
    pauses = []
    for _ in range(10):
        destinations.step(place, at_once=True)
        pauses.append(round((Destination.objects.get().next_at - now()).total_seconds()))
    assert pauses[:3] == [2, 4, 8]
    assert pauses[-1] == 300
    assert not destinations.step(place), "not before the pause is over"


def test_an_edited_cosignature_is_a_finding(witnessed):
    with without_triggers():
        line = Cosignature.objects.get().line
        Cosignature.objects.update(line=line.replace("A", "B", 1) if "A" in line else line[:-3] + "AA\n")
    assert [one.table for one in verifier.verify().findings] == ["trail_cosignature"]


def test_an_answer_of_another_key_is_not_taken(story, running, settings, tmp_path):
    there = running([keys().public()])
    stranger = witness_server.Witness(tmp_path / "stranger", "witness.example/w1", [])
    settings.TRAIL_WITNESSES = [f"http://127.0.0.1:{there.port} {stranger.public.text()}"]
    [place] = destinations.configured()
    assert not destinations.step(place)
    assert "without its cosignature" in Destination.objects.get().error
    assert not Cosignature.objects.exists()


@pytest.mark.parametrize("text", ["http://x", "ftp://x a+b+c", "http://x name+00000000+BAAA", "x"])
def test_a_setting_that_cannot_be_read_is_said(story, settings, text):
    settings.TRAIL_WITNESSES = [text]
    with pytest.raises(ImproperlyConfigured, match="TRAIL_WITNESSES"):
        witnesses.configured()
    assert any(one.table == "settings" for one in verifier.verify().findings)


def test_an_answer_too_large_or_elsewhere_is_refused(monkeypatch):
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(302 if self.path == "/away" else 200)
            self.send_header("Location", "http://127.0.0.1:1/")
            self.end_headers()
            self.wfile.write(b"x" * (outside.LIMIT + 10))

        def log_message(self, *_):
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        base = f"http://127.0.0.1:{server.server_address[1]}"
        with pytest.raises(outside.Unreachable, match="larger"):
            outside.post(f"{base}/", b"", "text/plain")
        with pytest.raises(outside.Unreachable, match="larger"):
            outside.post(f"{base}/away", b"", "text/plain")
    finally:
        server.shutdown()
        server.server_close()
