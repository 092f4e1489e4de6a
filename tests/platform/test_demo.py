"""The demo as a person runs it: its own processes, ctrl-C, kill -9, a second start, a second demo."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from portal import broker

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 240.0  # the first start trains a model
ENDS_WITHIN = 8.0  # four alone; other tests run beside it


class Demo:
    def __init__(self, data: Path, *arguments: str) -> None:
        data.mkdir(parents=True, exist_ok=True)
        self.data = data
        self.output = data.parent / f"output-{time.monotonic_ns()}"
        dropped = ("DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE", "COUNTERSIGN_TEST_DATA")
        environment = {k: v for k, v in os.environ.items() if k not in dropped}
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "demo", *arguments],
                cwd=ROOT,
                env={**environment, "COUNTERSIGN_DATA": str(data), "COUNTERSIGN_BOOTSTRAP": "off"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def text(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")

    def wait_for(self, pattern: str, patience: float = PATIENCE) -> re.Match[str]:
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if match := re.search(pattern, self.text):
                return match
            assert self.process.poll() is None, self.text
            time.sleep(0.1)
        raise AssertionError(f"{pattern} did not come:\n{self.text}")

    def port(self) -> int:
        return int(self.wait_for(r"runs at http://127\.0\.0\.1:(\d+)/").group(1))

    def children(self) -> dict[int, str]:
        """Every live descendant: process id to command line."""
        parents, commands = {}, {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                stat = (folder / "stat").read_text()
                command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue  # it ended while we looked
            state, parent = stat.rpartition(")")[2].split()[:2]
            if state != "Z":
                parents[int(folder.name)], commands[int(folder.name)] = int(parent), command
        found = {self.process.pid}
        while more := {pid for pid, parent in parents.items() if parent in found} - found:
            found |= more
        return {pid: commands[pid] for pid in found - {self.process.pid}}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(pids: list[int] | dict[int, str], within: float) -> bool:
    deadline = time.monotonic() + within
    while any(alive(pid) for pid in pids):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def get(port: int, path: str = "/") -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


@contextmanager
def running(data: Path, *arguments: str) -> Iterator[Demo]:
    demo = Demo(data, *arguments)
    try:
        yield demo
    finally:
        if demo.process.poll() is None:
            demo.process.send_signal(signal.SIGINT)
            try:
                demo.process.wait(20)
            except subprocess.TimeoutExpired:
                demo.process.kill()
                demo.process.wait()


@pytest.mark.demo
@pytest.mark.long
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_the_life_of_a_demo(tmp_path: Path):
    data = tmp_path / "dáta folder"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        first_port = taken.getsockname()[1]
        with running(data, "--port", str(first_port)) as demo:
            port = demo.port()
            assert first_port < port < first_port + 50
            assert f"Port {first_port} is taken; using {port}." in demo.text
            assert get(port) < 400

            # A second one on the same folder gets a sentence.
            with running(data) as second:
                assert second.process.wait(30) == 1
                assert f"A demo already runs on {data}" in second.text

            # What dies is started again.
            web = [pid for pid, command in demo.children().items() if "gunicorn" in command]
            worker = [pid for pid, command in demo.children().items() if "--queues work" in command]
            assert web
            assert len(worker) >= 3  # its head and two pool processes
            for pid in (min(web), min(worker)):
                os.kill(pid, signal.SIGKILL)
            demo.wait_for("The web ended .*; starting it again", 10)
            demo.wait_for("The worker ended .*; starting it again", 10)
            assert get(port) < 400  # the socket is the parent's: a caller waits, nobody is refused
            assert gone(worker, 3)

            # ctrl-C ends everything.
            family = demo.children()
            began = time.monotonic()
            demo.process.send_signal(signal.SIGINT)
            assert demo.process.wait(10) == 0
            assert time.monotonic() - began < ENDS_WITHIN
            assert gone(family, 0.5)

        # The second start finds the data and does not seed again; kill -9 of the parent takes everything along.
        with running(data, "--port", str(port)) as demo:
            assert demo.port() == port
            assert "First start" not in demo.text
            family = demo.children()
            assert len(family) >= 7
            demo.process.kill()
            demo.process.wait()
            assert gone(family, 2.0), {pid: command for pid, command in family.items() if alive(pid)}

        # And after that it starts as if nothing had happened.
        with running(data, "--port", str(port)) as demo:
            assert get(demo.port()) < 400


def test_a_long_path_gets_a_short_socket(tmp_path: Path):
    short, temporary = broker.socket_folder(tmp_path / "x")
    assert (short, temporary) == (tmp_path / "x" / "run", False)
    long, temporary = broker.socket_folder(tmp_path / ("é" * 60))
    assert temporary
    assert len(os.fsencode(long / broker.SOCKET_NAME)) <= broker.SOCKET_PATH_LIMIT
    long.rmdir()


def test_the_demo_refuses_settings_that_are_not_the_demos():
    result = subprocess.run(
        [sys.executable, "manage.py", "demo"],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "portal.settings.test", "COUNTERSIGN_BOOTSTRAP": "off"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 1
    assert "demo settings only" in result.stderr
