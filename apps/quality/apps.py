from importlib import import_module, util

from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured


class QualityConfig(AppConfig):
    name = "apps.quality"
    label = "quality"

    def ready(self) -> None:
        # What this app answers by name: facts, checks, acts, jobs.
        for shelf in (
            "facts",
            "review_facts",
            "content",
            "review_content",
            "checks",
            "acts",
            "review_acts",
            "work",
        ):
            if util.find_spec(f"{self.name}.{shelf}"):
                import_module(f"{self.name}.{shelf}")
        _check_hours()


def _check_hours() -> None:
    """A value of the environment that cannot be used ends the start, and is named."""
    from apps.quality.review_queries import working_hours

    try:
        working_hours()
    except (ValueError, KeyError, OSError) as error:
        raise ImproperlyConfigured(
            "ORGANISATION_TIME_ZONE, ORGANISATION_DAYS, ORGANISATION_HOURS, ORGANISATION_HOLIDAYS and "
            "ORGANISATION_CLOSED must be like Europe/Zurich, Mon-Fri, 06:00-20:00, CH-ZH (or empty) and "
            f"2026-12-24,2026-12-31 (or empty): {error}"
        ) from error
