"""A real Celery worker in its own process, on the test's own database and broker: the fixture `real_worker`.

Needs committed rows: `@pytest.mark.django_db(transaction=True)`. With REDIS_URL the test process has a key prefix
of its own there (portal.settings.test); without it an embedded broker starts once for each test process.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

ROOT = Path(__file__).resolve().parents[1]


def database_url(database: dict[str, Any]) -> str:
    """The URL of the database this test process uses now (the test database, not the configured one)."""
    if database["ENGINE"].endswith("sqlite3"):
        return f"sqlite:///{database['NAME']}"
    user = quote(database["USER"], safe="")
    password = f":{quote(database['PASSWORD'], safe='')}" if database["PASSWORD"] else ""
    return f"postgres://{user}{password}@{database['HOST']}:{database['PORT'] or 5432}/{database['NAME']}"


class Worker:
    """One `celery worker`, with two pool processes."""

    def __init__(self, environment: dict[str, str], folder: Path, *options: str) -> None:
        self.ready = folder / f"ready-{time.monotonic_ns()}"
        self.log = folder / "worker.log"
        self.command = [sys.executable, "-m", "celery", "-A", "portal", "worker", "--loglevel", "INFO"]
        self.command += ["--without-gossip", "--without-mingle", "--concurrency", "2", *options]
        self.environment = {
            **environment,
            "COUNTERSIGN_READY_FILE": str(self.ready),
            "REMAP_SIGTERM": "SIGQUIT",
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, patience: float = 60) -> Worker:
        from portal.processes import die_with_parent

        self.ready.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        deadline = time.monotonic() + patience
        while not self.ready.exists():
            assert self.process.poll() is None, f"the worker did not start:\n{self.said()}"
            assert time.monotonic() < deadline, f"the worker does not answer:\n{self.said()}"
            time.sleep(0.05)
        return self

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-6000:]

    def pool(self) -> list[int]:
        """Process ids of the pool."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def kill(self) -> None:
        """kill -9 of the head; the kernel takes the pool along."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@pytest.fixture(scope="session")
def broker_url() -> Iterator[str]:
    """REDIS_URL if set, else an embedded broker of this test process."""
    if url := os.environ.get("REDIS_URL"):
        yield url
        _forget(url)
        return
    from kombu import pools

    from portal import broker
    from portal.celery import app
    from portal.processes import die_with_parent

    folder = Path(tempfile.mkdtemp(prefix="cs-broker-"))
    path = folder / broker.SOCKET_NAME
    server = subprocess.Popen(
        broker.command(folder, path),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
        preexec_fn=die_with_parent,
    )
    try:
        deadline = time.monotonic() + 20
        while not broker.answers(path):
            assert server.poll() is None, "the embedded broker did not start"
            assert time.monotonic() < deadline, "the embedded broker does not answer"
            time.sleep(0.02)
        # Nothing was sent before (there was no broker), so no pooled connection leads elsewhere.
        app.conf.broker_url = app.conf.broker_read_url = app.conf.broker_write_url = broker.url(path)
        yield broker.url(path)
        pools.reset()
    finally:
        server.terminate()
        server.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


def _forget(url: str) -> None:
    """Remove what this test process left on a shared Redis."""
    import redis
    from django.conf import settings

    with redis.Redis.from_url(url) as client:
        for key in client.scan_iter(match=settings.CELERY_BROKER_TRANSPORT_OPTIONS["global_keyprefix"] + "*"):
            client.delete(key)


@pytest.fixture
def broker_in_use(broker_url: str, settings: Any) -> Iterator[str]:
    """The test process sends its jobs to the broker, as the web server does; the queues start and end empty."""
    from portal.celery import app

    settings.CELERY_BROKER_URL = broker_url
    app.control.purge()
    yield broker_url
    app.control.purge()


@pytest.fixture
def real_worker(
    transactional_db: None, broker_in_use: str, tmp_path: Path
) -> Iterator[Callable[..., Worker]]:
    """`real_worker(*options)` starts a worker and returns it; all are stopped at the end."""
    from django.db import connection

    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "portal.settings.test",
        "DATABASE_URL": database_url(connection.settings_dict),
        "REDIS_URL": broker_in_use,
    }
    started: list[Worker] = []

    def start(*options: str, **variables: str) -> Worker:
        worker = Worker({**environment, **variables}, tmp_path, *options)
        started.append(worker)
        return worker.start()

    yield start
    for worker in started:
        worker.stop()
