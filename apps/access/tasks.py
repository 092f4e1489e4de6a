"""Celery entry points of access."""

from celery import shared_task

from apps.access import nightly


@shared_task(name="access.verify_trail", ignore_result=True)
def verify_trail() -> int:
    """The verification of every night; returns the number of findings."""
    return len(nightly.verify())
