"""A few child processes that lay out chapters, watched from one thread each.

Not multiprocessing: a Celery pool process may not have its children, and a fork or spawn would carry the
parent's environment, with its secrets, into the process that reads people's text.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from apps.core import seccomp, walls

from .native import LOADER
from .types import Limits, RenderFailed

CHILD = Path(__file__).with_name("child.py")


def child_environment(scratch: Path, fontconfig: Path) -> dict[str, str]:
    """All a child is told: where programs, fonts and its scratch folder are. No secrets, no proxies."""
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    return {
        **kept,
        "LC_ALL": "C.UTF-8",
        "HOME": str(scratch),
        "TMPDIR": str(scratch),
        "XDG_CACHE_HOME": str(scratch / "cache"),
        "FONTCONFIG_FILE": str(fontconfig),
        "SOURCE_DATE_EPOCH": "0",
    }


class ChildProcess:
    """One layout process; `ask` raises RenderFailed when it dies, takes too long or refuses."""

    def __init__(self, scratch: Path, fontconfig: Path, limits: Limits) -> None:
        self.limits = limits
        self.asked = 0
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-I",
                "-B",
                str(CHILD),
                str(limits.memory_bytes),
                str(LOADER),
                str(os.getpid()),
                walls.__file__,
                seccomp.__file__,
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=scratch,
            env=child_environment(scratch, fontconfig),
            close_fds=True,
            start_new_session=True,
        )

    def ask(self, request: dict[str, Any], title: str, cancelled: threading.Event) -> dict[str, Any]:
        assert self.process.stdin
        assert self.process.stdout
        self.asked += 1
        chapter = request["id"]
        line = json.dumps({**request, "cpu_seconds": self.limits.cpu_seconds}) + "\n"
        try:
            self.process.stdin.write(line.encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            raise RenderFailed(f"{title} could not be laid out: {self._death()}", chapter=chapter) from None
        deadline = time.monotonic() + self.limits.wall_seconds
        while not select.select([self.process.stdout], [], [], 0.2)[0]:
            if cancelled.is_set():
                raise RenderFailed("The pack was given up because another chapter failed.", chapter=chapter)
            if time.monotonic() > deadline:
                raise RenderFailed(
                    f"{title} was not laid out within {self.limits.wall_seconds} seconds.", chapter=chapter
                )
        answer = self.process.stdout.readline()
        if not answer:
            raise RenderFailed(f"{title} could not be laid out: {self._death()}", chapter=chapter)
        reply: dict[str, Any] = json.loads(answer)
        if "error" in reply:
            raise RenderFailed(f"{title} could not be laid out. {reply['error']}", chapter=chapter)
        return reply

    def _death(self) -> str:
        try:
            code = self.process.wait(timeout=2)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return "its process stopped answering."
        if code == -24:  # SIGXCPU
            return f"it used more than {self.limits.cpu_seconds} seconds of processor time."
        return f"its process ended with status {code}."

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                try:
                    stream.close()
                except BrokenPipeError:
                    continue  # a request still buffered for a dead child has no reader


Request = tuple[dict[str, Any], str]


class LayoutPool:
    """At most `limits.children` layout processes, kept for the rounds of one pack. Use as a context manager.

    Each child belongs to one thread that lives as long as the pool: the kernel ends a child when the thread
    that made it ends, so none outlives a killed worker.
    """

    def __init__(self, scratch: Path, fontconfig: Path, limits: Limits) -> None:
        self.scratch, self.fontconfig, self.limits = scratch, fontconfig, limits
        self.queue: SimpleQueue[Request | None] = SimpleQueue()
        self.events: SimpleQueue[tuple[str, str, dict[str, Any] | BaseException]] = SimpleQueue()
        self.cancelled = threading.Event()
        self.threads: list[threading.Thread] = []

    def __enter__(self) -> LayoutPool:
        return self

    def __exit__(self, *_problem: object) -> None:
        self.cancelled.set()
        for _thread in self.threads:
            self.queue.put(None)
        for thread in self.threads:
            thread.join()

    def run(
        self, requests: list[Request], finished: Callable[[str], None] | None = None
    ) -> dict[str, dict[str, Any]]:
        """Lay out (request, title) pairs; answers by chapter id. The first failure is raised.

        `finished(title)` is called in the calling thread after each chapter.
        """
        for item in sorted(requests, key=lambda pair: -pair[0]["size"]):  # the longest first keeps all busy
            self.queue.put(item)
        while len(self.threads) < min(self.limits.children, len(requests)):
            self.threads.append(threading.Thread(target=self._serve, name=f"pdf-{len(self.threads)}"))
            self.threads[-1].start()
        answers: dict[str, dict[str, Any]] = {}
        while len(answers) < len(requests):
            chapter, title, answer = self.events.get()
            if isinstance(answer, BaseException):
                self.cancelled.set()
                raise answer
            answers[chapter] = answer
            if finished is not None:
                finished(title)
        return answers

    def _serve(self) -> None:
        child: ChildProcess | None = None
        try:
            while (item := self.queue.get()) is not None and not self.cancelled.is_set():
                request, title = item
                if child is not None and child.asked >= self.limits.chapters_per_child:
                    child.close()
                    child = None
                try:
                    child = child or ChildProcess(self.scratch, self.fontconfig, self.limits)
                    self.events.put((request["id"], title, child.ask(request, title, self.cancelled)))
                except Exception as problem:  # raised in the thread that waits for the answer
                    self.events.put((request["id"], title, problem))
        finally:
            if child is not None:
                child.close()
