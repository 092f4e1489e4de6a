"""A computation that a person stops: a run, or a report of bias, explanation or probes.

Each act keeps its own lock, permission and words for its states.
"""

from __future__ import annotations

from typing import Any

from apps.access.acting import Act
from apps.core import jobs
from apps.core.clock import now
from apps.core.errors import WrongState
from apps.core.models import Job


def refuse_unless_under_way(record: Any, *, under_way: str, fact: str, rule: str) -> None:
    """Only what is queued or computing can be stopped. under_way: the state of both; fact: how it stands instead."""
    if record.state != under_way:
        raise WrongState(
            f"{record.ref} is not cancelled.", fact=fact, rule=rule, who=["nobody: it has ended"]
        )


def stop(act: Act, record: Any, *, job: Job | None, cancelled: str) -> None:
    """End the job and the record in the state `cancelled`: it keeps its number and the act's reason."""
    if job is not None:
        jobs.cancel(job, act.reason)
    act.write(record, state=cancelled, finished_at=now(), failure=act.reason)
