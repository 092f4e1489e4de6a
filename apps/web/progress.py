"""A job as a page shows it while it runs: how often to ask again, how long it took, what is said aloud and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.http import HttpRequest

from apps.core.clock import now
from apps.core.models import Job

STARTED, ENDED = 1, 100
STEPS = (75, 50, 25)
QUICK_FOR = timedelta(minutes=1)  # every two seconds at first, every ten later


@dataclass(frozen=True)
class Progress:
    """`again`: seconds until the page asks again, 0 when the job ended. `told`: the last thing said aloud, as a
    number that the next question carries; `say` is filled only when something new is to be said."""

    job: Job
    again: int
    elapsed: str
    told: int
    say: str


def duration(span: timedelta) -> str:
    """`1 h 2 min 3 s`; leading parts that are nothing are left out."""
    seconds = max(0, int(span.total_seconds()))
    parts = [(seconds // 3600, "h"), (seconds % 3600 // 60, "min"), (seconds % 60, "s")]
    first = next((i for i, (amount, _) in enumerate(parts) if amount), 2)
    return " ".join(f"{amount} {unit}" for amount, unit in parts[first:])


def _reached(job: Job) -> int:
    if job.ended:
        return ENDED
    if job.state == Job.State.QUEUED:
        return 0
    return next((step for step in STEPS if job.percent >= step), STARTED)


def progress_of(request: HttpRequest, job: Job | None, name: str) -> Progress | None:
    """The progress of `job`; `name` is what is spoken of, e.g. "R-3". None without a job."""
    if job is None:
        return None
    reached = _reached(job)
    asked = request.GET.get("told", "")
    before = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 4 else reached
    moment = now()
    again = 0 if job.ended else 2 if moment - job.created_at < QUICK_FOR else 10
    elapsed = duration((job.finished_at or moment) - job.started_at) if job.started_at else ""
    say = _words(name, job, reached) if reached > before else ""
    return Progress(job, again, elapsed, reached, say)


def _words(name: str, job: Job, reached: int) -> str:
    if reached == ENDED:
        return f"{name} {'has ended' if job.state == Job.State.DONE else 'failed'}."
    return f"{name} has started." if reached == STARTED else f"{name}: {reached} %."


def wants_fragment(request: HttpRequest) -> bool:
    """Whether htmx asks for the part that changes, not for the page."""
    htmx: Any = getattr(request, "htmx", None)
    return bool(htmx) and not htmx.history_restore_request
