"""gunicorn's configuration: one process of threads, so that a synchronous download streams."""

from typing import Any

from portal.processes import die_with_parent

wsgi_app = "portal.wsgi:application"
worker_class = "gthread"
workers = 1
threads = 8
timeout = 120
graceful_timeout = 2
worker_tmp_dir = "/dev/shm"  # a slow disk must not look like a dead worker


def post_fork(_server: Any, _worker: Any) -> None:
    die_with_parent()
