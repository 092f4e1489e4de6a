"""The trail in an outside log store: real receivers, records numbered without a gap, at least once."""

from __future__ import annotations

import json
import re
import shutil
import socket
import socketserver
import ssl
import subprocess
import threading
import time
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.db import connection

from apps.core.clock import now
from apps.trail import destinations, sealer, sending, streams, verifier
from apps.trail.chain import told_outside
from apps.trail.models import Destination, Entry, Leaf
from tests.trail.children import until
from tests.trail.test_sealer import events

LINE = re.compile(
    r'<(\d+)>1 (\S+) (\S+) countersign - (\S+) \[trail@32473((?: [a-z_]+="(?:[^"\\\]]|\\["\\\]])*")+)\] (.*)'
)


class Collector:
    """An OTLP/HTTP endpoint; `answers` are given first: (status, headers, body)."""

    def __init__(self):
        self.records, self.headers, self.answers = [], [], []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                collector.headers.append(dict(self.headers) | {"path": self.path})
                status, headers, answer = collector.answers.pop(0) if collector.answers else (200, {}, b"{}")
                if status == 200:
                    for resource in body["resourceLogs"]:
                        for scope in resource["scopeLogs"]:
                            collector.records += scope["logRecords"]
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *_):
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"otlp+http://127.0.0.1:{self.server.server_address[1]}"

    def indexes(self):
        return [int(facts(one)["trail.index"]) for one in self.records]


def facts(record):
    return {one["key"]: next(iter(one["value"].values())) for one in record["attributes"]}


@pytest.fixture
def collector():
    made = Collector()
    yield made
    made.server.shutdown()
    made.server.server_close()


class Receiver:
    """A syslog receiver over TCP with counted octets; `stop_after`: hangs up after so many messages."""

    def __init__(self, context=None, port=0):
        self.messages, self.stop_after = [], None
        receiver = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self):
                there = context.wrap_socket(self.request, server_side=True) if context else self.request
                with there, there.makefile("rb") as file:
                    while count := self.number(file):
                        receiver.messages.append(file.read(count).decode())
                        if receiver.stop_after is not None and len(receiver.messages) >= receiver.stop_after:
                            there.shutdown(socket.SHUT_RDWR)
                            return

            @staticmethod
            def number(file):
                digits = b""
                while (one := file.read(1)).isdigit():
                    digits += one
                return int(digits or 0)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

            def handle_error(self, *_):
                """A broken connection is what some tests are about."""

        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver():
    made = Receiver()
    yield made
    made.stop()


def told(message):
    """(severity, facts, sentence) of one message, which must be well formed."""
    found = LINE.fullmatch(message)
    assert found, message
    pairs = re.findall(r' ([a-z_]+)="((?:[^"\\\]]|\\["\\\]])*)"', found[5])
    return int(found[1]) % 8, {key: re.sub(r"\\(.)", r"\1", value) for key, value in pairs}, found[6]


def place(settings, address):
    settings.TRAIL_STREAMS = [address]
    [made] = destinations.configured()
    return made


def all_sent(made):
    while destinations.step(made, at_once=True):
        continue
    made.close()
    return Destination.objects.get(name=made.name)


def test_otlp_gets_every_leaf_once_numbered_and_with_its_hash(story, collector, settings):
    settings.TRAIL_STREAM_TOKEN = "let-me-in"
    made = place(settings, collector.address)
    row = all_sent(made)
    size = Leaf.objects.count()
    assert collector.indexes() == list(range(size))
    assert row.position == size
    leaves = dict(Leaf.objects.values_list("index", "hash"))
    assert all(
        facts(one)["trail.hash"] == leaves[int(facts(one)["trail.index"])] for one in collector.records
    )
    assert collector.headers[0]["path"] == "/v1/logs"
    assert collector.headers[0]["Authorization"] == "Bearer let-me-in"
    first = Entry.objects.get(pk=Leaf.objects.get(index=0).entry_id)
    assert abs(int(collector.records[0]["timeUnixNano"]) / 1e9 - first.at.timestamp()) < 0.001
    text = json.dumps(collector.records)
    assert "Anna Berg" in text, "who did it"
    assert "anna@example.org" not in text, "bodies stay here: what is in them may have to be erased"
    assert verifier.verify().findings == []


def test_it_goes_on_where_it_was(story, desk, collector, settings, monkeypatch):
    monkeypatch.setattr(streams, "AT_A_TIME", 3)
    made = place(settings, collector.address)
    assert destinations.step(made)
    assert collector.indexes() == [0, 1, 2]
    all_sent(made)
    before = len(collector.records)
    assert not destinations.step(made)
    desk.rename(story.ben, "Ben Streamed", by=story.anna)
    sealer.seal()
    all_sent(made)
    assert collector.indexes() == list(range(before + 2))


def test_otlp_failures_lose_nothing(story, collector, settings):
    made = place(settings, collector.address)
    partial = json.dumps({"partialSuccess": {"rejectedLogRecords": "2", "errorMessage": "too old"}}).encode()
    collector.answers = [
        (503, {"Retry-After": "90"}, b""),
        (400, {}, b"no"),
        (200, {}, b"not json"),
        (200, {}, partial),
    ]
    errors = []
    for _ in range(4):
        assert not destinations.step(made, at_once=True)
        row = Destination.objects.get()
        errors.append(row.error)
        assert row.position == 0
        if len(errors) == 1:
            assert row.next_at - now() > timedelta(seconds=80), "it waits as long as it was asked to"
    assert ["503" in errors[0], "400" in errors[1], "not OTLP" in errors[2], "too old" in errors[3]] == [
        True
    ] * 4
    all_sent(made)
    assert set(collector.indexes()) == set(range(Leaf.objects.count()))
    assert Destination.objects.get().error == ""


def test_a_store_that_is_away_is_a_finding_after_its_hours(story, settings):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    made = place(settings, f"syslog+tcp://127.0.0.1:{port}")
    assert not destinations.step(made)
    assert verifier.verify().findings == []
    Destination.objects.update(known_since=now() - timedelta(hours=settings.TRAIL_SILENT_HOURS + 1))
    [finding] = verifier.verify().findings
    assert (finding.detector, "has taken nothing since" in finding.detail) == ("stream", True)


def test_syslog_over_tcp_is_well_formed_and_whole(story, receiver, settings):
    row = all_sent(place(settings, f"syslog+tcp://127.0.0.1:{receiver.port}"))
    size = Leaf.objects.count()
    until(lambda: len(receiver.messages) == size)
    assert row.position == size
    heads = [told(message) for message in receiver.messages]
    assert [int(one["index"]) for _, one, _ in heads] == list(range(size))
    leaves = dict(Leaf.objects.values_list("index", "hash"))
    assert all(one["hash"] == leaves[int(one["index"])] for _, one, _ in heads)
    assert any("approvals.sign" in sentence for _, _, sentence in heads)


def test_hostile_text_stays_inside_its_field(story, desk, receiver, settings):
    desk.rename(story.anna, 'Eve"] [x\\ ü\n<1>1 forged', by=story.anna)
    desk.rename(story.ben, "Ben Hostile", by=story.anna)
    sealer.seal()
    size = Leaf.objects.count()
    all_sent(place(settings, f"syslog+tcp://127.0.0.1:{receiver.port}"))
    until(lambda: len(receiver.messages) == size)
    _, last, _ = told(receiver.messages[-1])
    assert last["actor_name"] == 'Eve"] [x\\ ü <1>1 forged'
    assert all("\n" not in message for message in receiver.messages)


def test_refusals_are_warnings(story, receiver, settings):
    from django.db import transaction

    from apps.trail.writer import record

    with transaction.atomic():
        record(kind="refusal", act="access.sign_in", body={"why": "wrong password"})
    sealer.seal()
    all_sent(place(settings, f"syslog+tcp://127.0.0.1:{receiver.port}"))
    until(lambda: len(receiver.messages) == Leaf.objects.count())
    assert [told(receiver.messages[-1])[0], told(receiver.messages[0])[0]] == [4, 6]


def test_a_receiver_that_hangs_up_gets_everything_at_least_once(story, settings, monkeypatch):
    monkeypatch.setattr(streams, "AT_A_TIME", 4)
    events(20)
    sealer.seal()
    size = Leaf.objects.count()
    first = Receiver()
    first.stop_after = 6
    made = place(settings, f"syslog+tcp://127.0.0.1:{first.port}")
    while destinations.step(made, at_once=True):
        time.sleep(0.05)
    fault = Destination.objects.get().error
    assert any(words in fault for words in ("hung up", "Broken", "not acknowledged")), fault
    first.stop()
    second = Receiver(port=first.port)
    try:
        all_sent(made)
        until(lambda: len(second.messages) > 0 and told(second.messages[-1])[1]["index"] == str(size - 1))
        seen = [int(told(message)[1]["index"]) for message in first.messages[:6] + second.messages]
        assert set(seen) == set(range(size))
    finally:
        second.stop()


def test_syslog_over_udp(story, settings):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as there:
        there.bind(("127.0.0.1", 0))
        there.settimeout(5)
        all_sent(place(settings, f"syslog+udp://127.0.0.1:{there.getsockname()[1]}"))
        size = Leaf.objects.count()
        heads = [told(there.recv(65536).decode())[1] for _ in range(size)]
    assert [int(one["index"]) for one in heads] == list(range(size))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the program openssl")
def test_syslog_over_tls_believes_only_its_authority(story, settings, tmp_path):
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    key = ["-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run(["openssl", "req", "-x509", *key, *subject], cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    there = Receiver(context)
    try:
        made = place(settings, f"syslog+tls://localhost:{there.port}")
        assert not destinations.step(made)
        assert "certificate" in Destination.objects.get().error.lower()
        assert there.messages == []
        settings.TRAIL_CA_FILE = str(tmp_path / "cert.pem")
        all_sent(made)
        until(lambda: len(there.messages) == Leaf.objects.count())
    finally:
        there.stop()


@pytest.mark.parametrize("text", ["http://x", "syslog+udp://", "otlp+http://h:99999", "syslog+tcp://[", "x"])
def test_an_address_that_cannot_be_used_is_said(settings, text):
    settings.TRAIL_STREAMS = [text]
    with pytest.raises(ImproperlyConfigured, match="TRAIL_STREAMS"):
        streams.configured()


def test_the_sender_tells_every_place_and_a_slow_one_holds_up_no_other(committed, collector, settings):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(1)  # takes the connection and never answers
        settings.TRAIL_STREAMS = [f"otlp+http://127.0.0.1:{deaf.getsockname()[1]}", collector.address]
        stop, said = threading.Event(), []

        def watch():
            sending.watch(stop, said.append)
            connection.close()

        sender = threading.Thread(target=watch)
        sender.start()
        try:
            until(lambda: len(collector.records) >= Leaf.objects.count(), 30)
            events(3)
            until(lambda: len(set(collector.indexes())) == Leaf.objects.count(), 30)
        finally:
            stop.set()
            sender.join(30)
    assert said == ["Telling 2 places outside."]
    assert sorted(set(collector.indexes())) == list(range(Leaf.objects.count()))


def test_the_command_sends_once_and_tells_the_state(story, collector, settings, capsys):
    settings.TRAIL_STREAMS = [collector.address]
    call_command("send_trail")
    size = Leaf.objects.count()
    assert f"stream {collector.address}: has {size} entries" in capsys.readouterr().out
    collector.answers = [(500, {}, b"")]
    events(1)
    sealer.seal()
    with pytest.raises(SystemExit) as stop:
        call_command("send_trail")
    assert stop.value.code == 1
    call_command("send_trail", "--state")
    told_state = capsys.readouterr().out
    assert f"{size} entries, last told" in told_state
    assert "1 failed since" in told_state


def test_the_state_of_each_place_is_told_with_its_gap(story, collector, settings):
    """What the page of the trail shows: last number sent, what is missing there, and since when it fails."""
    sealer.seal()
    size = Leaf.objects.count()
    assert told_outside(size) == ([], ""), "nothing configured, nothing asked"
    settings.TRAIL_STREAMS = [collector.address]
    (place,) = destinations.configured()
    (fresh,), fault = told_outside(size)
    assert (fresh.last, fresh.behind, fresh.at, fresh.well, fault) == (None, size, None, True, "")
    assert destinations.step(place)
    (well,), _ = told_outside(size + 3)
    assert (well.last, well.behind, well.well, well.failing_since) == (size - 1, 3, True, None)
    events(2)
    sealer.seal()
    collector.answers.append((500, {}, b""))
    assert not destinations.step(place)
    (ill,), _ = told_outside(size + 2)
    assert (ill.last, ill.behind, ill.well, ill.failures) == (size - 1, 2, False, 1)
    assert ill.failing_since == well.at
    assert "500" in ill.error
    settings.TRAIL_STREAMS = ["pigeon://roof"]
    assert told_outside(size)[0] == []
    assert "TRAIL_STREAMS" in told_outside(size)[1]
