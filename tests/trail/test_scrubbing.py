"""No secret is printed: not by what a place outside sends back, not by an address, not by a setting that is refused."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.core.exceptions import ImproperlyConfigured

from apps.access import health
from apps.trail import destinations, stamps, streams, witnesses
from apps.trail.anchor_models import Destination
from apps.trail.outside import Unreachable, post, scrubbed

TOKEN, PASSWORD, KEY = "tok-4f1c9a77e2", "hunter2-secret", "dd-93ab77"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"got Authorization: Bearer {TOKEN}, refused", "got Authorization: Bearer [hidden], refused"),
        (f"https://me:{PASSWORD}@host/v1 is away", "https://host/v1 is away"),
        (f"https://me:a@b{PASSWORD}@host:8/v1", "https://host:8/v1"),
        (f"otlp+https://host/v1?api-key={KEY}&x=1 answers 403", "otlp+https://host/v1?… answers 403"),
        (f'{{"api_key": "{KEY}", "why": "no"}}', '{"api_key": "[hidden]", "why": "no"}'),
        (f"password={PASSWORD}&user=me", "password=[hidden]&user=me"),
        (f"Set-Cookie: {KEY}; Path=/", "Set-Cookie: [hidden]; Path=/"),
        (f"X-Access-Token: {TOKEN}", "X-Access-Token: [hidden]"),
        (f"authorization: Basic {KEY}", "authorization: Basic [hidden]"),
        (f"echo {TOKEN} echo", "echo [hidden] echo"),
        ("the witness w.example/x answers 500: busy", "the witness w.example/x answers 500: busy"),
        ("answers without its cosignature: no line", "answers without its cosignature: no line"),
    ],
)
def test_what_looks_like_a_secret_is_hidden_and_the_rest_stays(settings, text, told):
    settings.TRAIL_STREAM_TOKEN = TOKEN
    assert scrubbed(text) == told


class Echo:
    """Sends back, with `status`, every header and the address that it got, in the words of the one who asks."""

    def __init__(self):
        self.status, self.wrap = 500, "%s"
        echo = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                self.rfile.read(int(self.headers["Content-Length"]))
                said = "; ".join([*(f"{k}: {v}" for k, v in self.headers.items()), f"path={self.path}"])
                body = (echo.wrap % said).encode()
                self.send_response(echo.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.host = f"127.0.0.1:{self.server.server_address[1]}"


@pytest.fixture
def echo():
    made = Echo()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_the_echo_does_echo(echo):
    """Or the tests below could not fail."""
    answer = post(
        f"http://{echo.host}/?api-key={KEY}", b"{}", "text/plain", {"Authorization": f"Bearer {TOKEN}"}
    )
    assert TOKEN.encode() in answer.body
    assert KEY.encode() in answer.body


def test_a_log_store_that_sends_the_token_back_does_not_get_it_printed(story, echo, settings, caplog):
    settings.TRAIL_STREAM_TOKEN = TOKEN
    settings.TRAIL_STREAMS = [f"otlp+http://{echo.host}/v1/logs?api-key={KEY}"]
    echo.status, echo.wrap = 200, '{"partialSuccess": {"rejectedLogRecords": "3", "errorMessage": "%s"}}'
    (made,) = destinations.configured()
    assert not destinations.step(made)
    row = Destination.objects.get(kind="stream")
    assert "rejects 3 of the records" in row.error
    assert "Bearer [hidden]" in row.error, "it did send the header back"
    points = [each for each in health.points() if each.key.startswith("outside")]
    told = repr((row.error, row.name, points, destinations.faults(), caplog.text))
    assert TOKEN not in told
    assert KEY not in told
    assert [each.state for each in points] == [health.FAULT]


def test_what_an_earlier_release_kept_is_scrubbed_as_well(story, settings):
    settings.TRAIL_STREAMS = ["otlp+http://127.0.0.1:9"]
    (made,) = destinations.configured()
    row = destinations.row_of(made)
    Destination.objects.filter(pk=row.pk).update(
        error=f"https://me:{PASSWORD}@host does not answer", failures=3, contradicted=False
    )
    assert PASSWORD not in repr(health.points())
    Destination.objects.filter(pk=row.pk).update(contradicted=True)
    assert PASSWORD not in repr(destinations.faults())


@pytest.mark.parametrize(
    ("setting", "value", "read"),
    [
        ("TRAIL_STREAMS", [f"otlp+https://me:{PASSWORD}@host"], streams.configured),
        ("TRAIL_STREAMS", [f"gopher://me:{PASSWORD}@host"], streams.configured),
        ("TRAIL_STREAMS", [f"gopher://host?token={PASSWORD}"], streams.configured),
        ("TRAIL_WITNESSES", [f"https://me:{PASSWORD}@host w.example+00000000+AAAA"], witnesses.configured),
        ("TRAIL_TIMESTAMP_URL", f"https://me:{PASSWORD}@host", stamps.configured),
    ],
)
def test_an_address_with_a_password_is_refused_without_repeating_it(db, settings, setting, value, read):
    setattr(settings, setting, value)
    with pytest.raises(ImproperlyConfigured) as caught:
        read()
    assert PASSWORD not in str(caught.value)
    assert PASSWORD not in repr(health.points())


def test_an_answer_that_is_not_http_is_one_more_failure(echo):
    """Its first line, which may hold anything, was an error that nobody expected."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as there:
        port = there.getsockname()[1]

        def answer():
            taken, _ = there.accept()
            with taken:
                taken.recv(65536)
                taken.sendall(f"password={PASSWORD}\r\n\r\n".encode())

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(Unreachable) as caught:
            post(f"http://127.0.0.1:{port}/", b"{}", "text/plain")
    assert PASSWORD not in str(caught.value)
