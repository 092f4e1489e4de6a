"""The Celery application. The database row is the truth about a job; the broker only carries word of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from celery import Celery
from celery.signals import beat_init, worker_process_init, worker_ready

from apps.analysis import limits
from portal import env
from portal.processes import die_with_parent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings.demo")
# Every process of the portal comes by here: workers, web, commands.
limits.use(env.integer("ANALYSIS_MEMORY_MB", limits.MEMORY_MB))

app = Celery("countersign")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@worker_process_init.connect(weak=False)
def _pool_process_dies_with_worker(**_: Any) -> None:
    """A killed worker leaves no pool process behind that goes on computing beside its successor."""
    die_with_parent()


@worker_ready.connect(weak=False)
@beat_init.connect(weak=False)
def _tell_supervisor(**_: Any) -> None:
    """COUNTERSIGN_READY_FILE is how the supervisor (or a container's health check) sees that the part answers."""
    if name := os.environ.get("COUNTERSIGN_READY_FILE"):
        Path(name).touch()
