"""`python3 manage.py demo`: everything on one machine, with real parts, stopped by ctrl-C."""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import os
import shutil
import socket
import subprocess
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from portal import broker
from portal.demo.people import PASSWORD
from portal.processes import die_with_parent
from portal.supervisor import DemoFailed, Part, Supervisor, python

PORTS_TRIED = 50
LOCK_PATIENCE = 5.0


class Command(BaseCommand):
    help = (
        "Starts broker, worker, beat and web, seeds the demonstration data once, prints address and people."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=8000, help="first port to try (default 8000)")
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")

    def handle(self, *_args: Any, port: int, host: str, **_options: Any) -> None:
        if not settings.DEMO:
            raise CommandError(
                "The demo runs with demo settings only (DJANGO_SETTINGS_MODULE=portal.settings.demo)."
            )
        data: Path = settings.COUNTERSIGN_DATA
        with _lock(data) as lock, _listener(host, port) as listener:
            address = f"http://{_shown(host)}:{listener.getsockname()[1]}/"
            _write_lock(lock, address)
            demo = _Demo(data, lock, listener, self._say)
            try:
                demo.run(address)
            except DemoFailed as failure:
                raise CommandError(str(failure)) from failure
            finally:
                demo.close()

    def _say(self, sentence: str) -> None:
        self.stdout.write(sentence)
        self.stdout.flush()


class _Demo:
    def __init__(self, data: Path, lock: IO[str], listener: socket.socket, say: Any) -> None:
        self.data, self.lock, self.listener, self.say = data, lock, listener, say
        self.logs = data / "logs"
        self.run_folder = data / "run"
        for folder in (self.logs, self.run_folder):
            folder.mkdir(parents=True, exist_ok=True)
        self.environment = {**os.environ, "COUNTERSIGN_BOOTSTRAP": "off", "PYTHONUNBUFFERED": "1"}
        self.environment.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings.demo")
        self.environment["COUNTERSIGN_DATA"] = str(data)
        if extra := _own_names(listener):
            self.environment["ALLOWED_HOSTS"] = ",".join([*extra, os.environ.get("ALLOWED_HOSTS", "")])
        self.temporary: Path | None = None
        self.supervisor = Supervisor(say)

    def run(self, address: str) -> None:
        self.supervisor.install_signals()
        began = time.monotonic()
        if not os.environ.get("REDIS_URL"):
            self._start_broker()
        self._command("migrate", "--no-input", "--verbosity", "0")
        self._command("collectstatic", "--no-input", "--verbosity", "0")
        self._seed_once()
        if self.supervisor.stopping:
            return
        self.supervisor.start(
            self._celery(
                "worker", "worker", "--queues", "work,analysis", "--concurrency", "2", "--hostname", "work@%h"
            ),
            self._celery(
                "housekeeper", "worker", "--queues", "house", "--pool", "solo", "--hostname", "house@%h"
            ),
            self._celery("beat", "beat", "--scheduler", "celery.beat:Scheduler"),
            self._manage("sealer", "seal_trail", "--watch"),
            *self._sender(),
            self._web(),
        )
        if self.supervisor.stopping:
            return
        self._print_welcome(address, time.monotonic() - began)
        self.supervisor.watch()
        self.say("\nStopping.")

    def close(self) -> None:
        self.supervisor.stop()
        if self.temporary:
            shutil.rmtree(self.temporary, ignore_errors=True)

    def _part(self, name: str, command: list[str], **options: Any) -> Part:
        return Part(
            name=name,
            command=command,
            log=self.logs / f"{name}.log",
            # Every child holds the data folder's lock, so a second start waits for the last of them.
            keep_open=(self.lock.fileno(), *options.pop("keep_open", ())),
            **{"environment": self.environment, **options},
        )

    def _start_broker(self) -> None:
        folder, is_temporary = broker.socket_folder(self.data)
        self.temporary = folder if is_temporary else None
        path = folder / broker.SOCKET_NAME
        path.unlink(missing_ok=True)
        self.supervisor.start(
            self._part(
                "broker",
                broker.command(self.data, path),
                answers=lambda: broker.answers(path),
                parent_death_signal=15,  # it writes its file out on SIGTERM
            )
        )
        self.environment["REDIS_URL"] = broker.url(path)

    def _celery(self, name: str, kind: str, *options: str) -> Part:
        ready = self.run_folder / f"{name}.ready"
        ready.unlink(missing_ok=True)
        quiet = ["--without-gossip", "--without-mingle"] if kind == "worker" else ["--pidfile="]
        return self._part(
            name,
            python("-m", "celery", "-A", "portal", kind, "--loglevel", "INFO", *quiet, *options),
            answers=ready.exists,
            environment={
                **self.environment,
                "COUNTERSIGN_READY_FILE": str(ready),
                "REMAP_SIGTERM": "SIGQUIT",
            },
        )

    def _manage(self, name: str, *command: str) -> Part:
        """A management command that runs until it is stopped and touches its ready file."""
        ready = self.run_folder / f"{name}.ready"
        ready.unlink(missing_ok=True)
        return self._part(
            name,
            python(str(settings.BASE_DIR / "manage.py"), *command),
            answers=ready.exists,
            environment={**self.environment, "COUNTERSIGN_READY_FILE": str(ready)},
        )

    def _sender(self) -> list[Part]:
        """Only where there is somebody to tell."""
        outside = settings.TRAIL_WITNESSES or settings.TRAIL_TIMESTAMP_URL or settings.TRAIL_STREAMS
        outside = outside or settings.SIGNATURE_MAIL
        return [self._manage("sender", "send_trail", "--watch")] if outside else []

    def _web(self) -> Part:
        host, port = self.listener.getsockname()[:2]
        descriptor = self.listener.fileno()
        return self._part(
            "web",
            # The parent holds the listening socket: no port is lost between two starts, and callers only wait.
            python("-m", "gunicorn", "--config", "python:portal.gunicorn", "--bind", f"fd://{descriptor}"),
            answers=lambda: _http_answers(host, port),
            keep_open=(descriptor,),
        )

    def _command(self, *arguments: str) -> None:
        """A management command in a process of its own, its output passed through, ended with the demo."""
        process = subprocess.Popen(
            python(str(settings.BASE_DIR / "manage.py"), *arguments),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=(self.lock.fileno(),),
            preexec_fn=die_with_parent,
        )
        while process.poll() is None:
            if self.supervisor.stopping:
                process.kill()
                process.wait()
                return
            time.sleep(0.05)
        if process.returncode:
            raise DemoFailed(
                f"manage.py {arguments[0]} ended with exit code {process.returncode}; see above."
            )

    def _seed_once(self) -> None:
        """A mark beside the data names the database it was seeded into; seeding is idempotent, the mark saves time."""
        database = settings.DATABASES["default"]
        identity = f"{database['ENGINE']} {database.get('HOST')} {database.get('PORT')} {database['NAME']}"
        mark = self.data / f"seeded-{hashlib.sha256(identity.encode()).hexdigest()[:12]}"
        if mark.exists() or self.supervisor.stopping:
            return
        self.say("First start: preparing the demonstration data (a minute or two).")
        self._command("seed_demo")
        if not self.supervisor.stopping:
            mark.touch()

    def _print_welcome(self, address: str, seconds: float) -> None:
        from portal.demo.people import PEOPLE

        self.say(f"\nCountersign runs at {address}   (ready after {seconds:.1f} s; data in {self.data})\n")
        widths: dict[str, int] = {}
        for column in ("printed_name", "username", "title"):
            widths[column] = max(len(getattr(person, column)) for person in PEOPLE)
        for person in PEOPLE:
            cells = (f"{getattr(person, column):<{width}}" for column, width in widths.items())
            self.say(f"  {'  '.join(cells)}  {person.does}")
        self.say(f"\nBe one of them by the yellow frame, or sign in with the password “{PASSWORD}”.")
        self.say("ctrl-C stops everything; the data stays.")


def _http_answers(host: str, port: int) -> bool:
    connection = http.client.HTTPConnection(
        "127.0.0.1" if host in ("0.0.0.0", "::") else host, port, timeout=2
    )
    try:
        connection.request("GET", "/", headers={"Host": "localhost"})
        return connection.getresponse().status < 500
    except OSError:
        return False
    finally:
        connection.close()


def _lock(data: Path) -> IO[str]:
    data.mkdir(parents=True, exist_ok=True)
    lock = (data / "demo.lock").open("a+", encoding="utf-8")
    deadline = time.monotonic() + LOCK_PATIENCE
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return lock
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(0.1)
                continue
            lock.seek(0)
            running = lock.read().strip() or "another process"
            lock.close()
            raise CommandError(
                f"A demo already runs on {data} ({running}). Use that one, stop it with ctrl-C, "
                "or set COUNTERSIGN_DATA to another folder."
            ) from None


def _write_lock(lock: IO[str], address: str) -> None:
    lock.seek(0)
    lock.truncate()
    lock.write(f"process {os.getpid()}, {address}\n")
    lock.flush()


def _listener(host: str, first: int) -> socket.socket:
    """A listening socket on the first free port from `first` on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in range(first, min(first + PORTS_TRIED, 65536)):
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(64)
        except PermissionError as error:
            listener.close()
            raise CommandError(
                f"Port {port} may not be opened by this user. Choose --port above 1023."
            ) from error
        except OSError as error:
            listener.close()
            if error.errno in (98, 48):  # in use (Linux, macOS)
                continue
            raise CommandError(f"{host} cannot be listened on: {error.strerror}.") from error
        if port != first:
            print(f"Port {first} is taken; using {port}.", file=sys.stderr)
        return listener
    raise CommandError(
        f"No free port between {first} and {first + PORTS_TRIED - 1}. Choose another with --port."
    )


def _own_names(listener: socket.socket) -> list[str]:
    """The names this machine answers to beyond the loopback, when it was asked to listen there."""
    host = listener.getsockname()[0]
    if host in ("127.0.0.1", "::1"):
        return []
    return [socket.gethostname()] if host in ("0.0.0.0", "::") else [f"[{host}]" if ":" in host else host]


def _shown(host: str) -> str:
    if host in ("0.0.0.0", "::"):
        return "localhost"
    return f"[{host}]" if ":" in host else host
