"""Celery entry points of access."""

from celery import shared_task

from apps.access import lapsing, nightly, reminding


@shared_task(name="access.verify_trail", ignore_result=True)
def verify_trail() -> int:
    """The verification of every night; returns the number of findings."""
    return len(nightly.verify())


@shared_task(name="access.watch_trail", ignore_result=True)
def watch_trail() -> int:
    """Alarm of a sealer that stands still and of places outside that are silent; returns how many."""
    return len(nightly.watch())


@shared_task(name="access.lapse_reviews", ignore_result=True)
def lapse_reviews() -> int:
    """What access reviews did not confirm by their due date ends; returns the number of sheets."""
    return lapsing.lapse_reviews()


@shared_task(name="access.remind", ignore_result=True)
def remind() -> int:
    """Mail people what lapses or is due; returns how many were told."""
    return reminding.remind_all()
