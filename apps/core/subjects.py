"""What every record that an act can be about tells of itself."""

from __future__ import annotations

from functools import cache
from typing import Any, Protocol

from django.apps import apps
from django.db import models


class Subject(Protocol):
    """A domain record, or the organisation: its kind ("registry.version"), key, and the reference people write."""

    @property
    def subject_kind(self) -> str: ...

    @property
    def pk(self) -> Any: ...

    @property
    def ref(self) -> str: ...


@cache
def models_by_kind() -> dict[str, type[models.Model]]:
    """Subject kind -> the Django model of the records of that kind. Fixed once the apps are loaded."""
    return {
        kind: model
        for model in apps.get_models()
        if isinstance(kind := getattr(model, "subject_kind", None), str)
    }


def model_of(kind: str) -> type[models.Model]:
    """The Django model of a subject kind; LookupError for a kind that no model has."""
    try:
        return models_by_kind()[kind]
    except KeyError:
        raise LookupError(f"no model has the subject kind {kind!r}") from None
