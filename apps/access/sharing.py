"""Facts, holders and deeds read once for a whole page.

A page judges many acts on records of one version; inside `shared()` what they have in common is asked once.
Acts never use it: they read afresh, under their locks.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_cache: ContextVar[dict[Hashable, Any] | None] = ContextVar("countersign_shared_facts", default=None)


@contextmanager
def shared() -> Iterator[None]:
    if _cache.get() is not None:
        yield
        return
    token = _cache.set({})
    try:
        yield
    finally:
        _cache.reset(token)


def once(key: Hashable, compute: Callable[[], Any]) -> Any:
    """`compute()`, remembered by `key` inside `shared()`; computed each time outside it."""
    cache = _cache.get()
    if cache is None:
        return compute()
    if key not in cache:
        cache[key] = compute()
    return cache[key]
