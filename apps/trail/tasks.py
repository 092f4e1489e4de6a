"""Celery entry points of the trail."""

from celery import shared_task

from apps.trail import sealer


@shared_task(name="trail.seal", ignore_result=True)
def seal() -> int:
    """Seal what is pending; another sealer at work is left to it."""
    return sealer.seal(wait=False)
