"""Processes forked from the test, with database connections of their own, that may be killed or limited."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from django.db import connections


class Child:
    """`work` in a forked process. It ends with it: code 0, or 1 when it raised (the text is in `said`)."""

    def __init__(self, work: Callable[[], object], said: Path) -> None:
        connections.close_all()  # a connection shared by two processes belongs to neither
        self.said = said
        self.pid = os.fork()
        if self.pid == 0:
            code = 1
            try:
                work()
                code = 0
            except BaseException as error:
                said.write_text(f"{type(error).__name__}: {error}", encoding="utf-8")
            finally:
                os._exit(code)

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def wait(self) -> int:
        """Its exit code."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def text(self) -> str:
        return self.said.read_text(encoding="utf-8") if self.said.exists() else ""


def until(condition: Callable[[], bool], seconds: float = 60, told: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s. {told()}"
        time.sleep(0.02)
