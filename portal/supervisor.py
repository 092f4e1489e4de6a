"""One parent process that starts the demo's parts, waits for each to answer, and starts again what dies.

No part outlives the parent: the kernel signals every child when its parent dies, and the children hold the
lock on the data folder, so a second start waits for the last of them.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from portal.processes import die_with_parent

DEATHS_ALLOWED = 5
WITHIN_SECONDS = 60.0
LOG_LIMIT = 5 * 1024 * 1024


class DemoFailed(Exception):
    """The demo cannot go on; the text is the sentence for the person at the terminal."""


@dataclass
class Part:
    """One child process: how it is started, how one sees that it answers, how it is asked to end."""

    name: str
    command: list[str]
    answers: Callable[[], bool]
    environment: Mapping[str, str]
    log: Path
    patience: float = 60.0
    keep_open: tuple[int, ...] = ()
    parent_death_signal: int = signal.SIGKILL
    process: subprocess.Popen[bytes] | None = None
    deaths: list[float] = field(default_factory=list)

    def start(self) -> None:
        if self.log.exists() and self.log.stat().st_size > LOG_LIMIT:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=self.keep_open,
                start_new_session=True,  # ctrl-C reaches the parent alone, which ends the parts in order
                preexec_fn=lambda: die_with_parent(self.parent_death_signal),
            )

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def wait(self, wanted: Callable[[], bool]) -> None:
        """Block until the part answers; DemoFailed with its last words when it dies or never does."""
        deadline = time.monotonic() + self.patience
        while wanted() and not self.answers():
            if not self.alive:
                raise DemoFailed(
                    f"The {self.name} stopped while starting. Its last words:\n{self.last_words()}"
                )
            if time.monotonic() > deadline:
                raise DemoFailed(
                    f"The {self.name} did not answer in {self.patience:.0f} s:\n{self.last_words()}"
                )
            time.sleep(0.05)

    def last_words(self, lines: int = 12) -> str:
        text = self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""
        return "\n".join("  " + line for line in text.splitlines()[-lines:])

    def signal(self, number: int) -> None:
        """To the whole group, so that a pool process is not left over."""
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return  # the whole group has ended already: nothing to signal


class Supervisor:
    """Starts parts in order, watches them, ends them in the opposite order. Use from the main thread."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.parts: list[Part] = []
        self.say = say
        self.stopping = False

    def install_signals(self) -> None:
        # A shell ignores SIGINT for what it starts in the background, so set it whatever was inherited.
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._asked_to_stop)

    def _asked_to_stop(self, _number: int, _frame: object) -> None:
        self.stopping = True

    def start(self, *parts: Part) -> None:
        """Start the parts side by side and wait until each answers."""
        for part in parts:
            self.parts.append(part)
            part.start()
        for part in parts:
            part.wait(lambda: not self.stopping)

    def watch(self) -> None:
        """Restart what dies until asked to stop; DemoFailed when one part dies too often."""
        while not self.stopping:
            for part in self.parts:
                if not part.alive and not self.stopping:
                    self._restart(part)
            time.sleep(0.1)

    def _restart(self, part: Part) -> None:
        moment = time.monotonic()
        part.deaths = [death for death in part.deaths if moment - death < WITHIN_SECONDS] + [moment]
        code = part.process.returncode if part.process else None
        if len(part.deaths) > DEATHS_ALLOWED:
            raise DemoFailed(
                f"The {part.name} died {len(part.deaths)} times within a minute, so the demo stops. "
                f"Its last words (all of them in {part.log}):\n{part.last_words()}"
            )
        self.say(f"The {part.name} ended ({_ending(code)}); starting it again.")
        part.signal(signal.SIGKILL)
        part.start()

    def stop(self, patience: float = 2.5) -> None:
        """End every part: asked first, in the order opposite to the start, then killed."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        deadline = time.monotonic() + patience
        # The first part is what the others lean on (the broker), so it goes last.
        _end(self.parts[1:], deadline)
        _end(self.parts[:1], deadline + 1)
        self.parts.clear()


def _end(parts: list[Part], deadline: float) -> None:
    for part in reversed(parts):
        if part.process and part.alive:
            part.process.terminate()  # its head alone; the head ends its own children
    while any(part.alive for part in parts) and time.monotonic() < deadline:
        time.sleep(0.02)
    for part in parts:
        part.signal(signal.SIGKILL)
    for part in parts:
        if part.process:
            part.process.wait()


def _ending(code: int | None) -> str:
    if code is None:
        return "no process"
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


def python(*arguments: str) -> list[str]:
    return [sys.executable, *arguments]
