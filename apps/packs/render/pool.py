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
from queue import Empty, SimpleQueue
from typing import Any

from .native import BOOTSTRAP
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
            [sys.executable, "-I", "-B", str(CHILD), str(limits.memory_bytes), str(BOOTSTRAP)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=scratch,
            env=child_environment(scratch, fontconfig),
            close_fds=True,
            start_new_session=True,
        )

    def ask(self, request: dict[str, Any], title: str, cancelled: threading.Event) -> dict[str, Any]:
        assert self.process.stdin and self.process.stdout
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
        self.process.kill()
        code = self.process.wait()
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


def lay_out_all(
    requests: list[tuple[dict[str, Any], str]],
    *,
    scratch: Path,
    fontconfig: Path,
    limits: Limits,
    finished: Callable[[str], None] | None = None,
) -> dict[str, dict[str, Any]]:
    """Lay out (request, title) pairs in at most `limits.children` processes; answers by chapter id.

    The first failure stops the others and is raised. `finished(title)` is called in the calling thread.
    """
    queue: SimpleQueue[tuple[dict[str, Any], str]] = SimpleQueue()
    for item in sorted(requests, key=lambda pair: -pair[0]["size"]):  # the longest first keeps both busy
        queue.put(item)
    answers: dict[str, dict[str, Any]] = {}
    events: SimpleQueue[str | BaseException | None] = SimpleQueue()
    cancelled = threading.Event()

    def serve() -> None:
        child: ChildProcess | None = None
        try:
            while not cancelled.is_set():
                try:
                    request, title = queue.get_nowait()
                except Empty:
                    break
                if child is not None and child.asked >= limits.chapters_per_child:
                    child.close()
                    child = None
                child = child or ChildProcess(scratch, fontconfig, limits)
                answers[request["id"]] = child.ask(request, title, cancelled)
                events.put(title)
        except BaseException as problem:  # handed to the caller's thread, which raises it
            events.put(problem)
        finally:
            if child is not None:
                child.close()
            events.put(None)

    threads = [
        threading.Thread(target=serve, name=f"pdf-{n}") for n in range(min(limits.children, len(requests)))
    ]
    for thread in threads:
        thread.start()
    running, failure = len(threads), None
    while running:
        event = events.get()
        if event is None:
            running -= 1
        elif isinstance(event, BaseException):
            failure = failure or event
            cancelled.set()
        elif finished is not None and failure is None:
            finished(event)
    for thread in threads:
        thread.join()
    if failure is not None:
        raise failure
    return answers
