"""Composition only: the portal knows every app, no app knows the portal."""

from portal.celery import app as celery_app

__all__ = ["celery_app"]
