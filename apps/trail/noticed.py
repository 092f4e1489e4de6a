"""Which records were read while pages show a moment past: noted as each is loaded, to be checked afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from django.db import models

if TYPE_CHECKING:
    from apps.trail.past import World

_world: ContextVar[World | None] = ContextVar("countersign_past", default=None)


def world() -> World | None:
    return _world.get()


@contextmanager
def into(here: World | None) -> Iterator[None]:
    token = _world.set(here)
    try:
        yield
    finally:
        _world.reset(token)


def notice(model: type[models.Model]) -> None:
    """From now on, records of `model` that are loaded while the clock stands are noted by their key."""
    plain = model.from_db.__func__  # type: ignore[attr-defined]  # a class method

    def from_db(cls: type[models.Model], db: Any, names: Any, values: Any) -> models.Model:
        made: models.Model = plain(cls, db, names, values)
        here = _world.get()
        if here is not None:
            here.seen.setdefault(model, set()).add(made.pk)
        return made

    model.from_db = classmethod(from_db)  # type: ignore[assignment,method-assign]
