"""Facts, holders and deeds read once for a whole page.

A page judges many acts on records of one version; inside `shared()` what they have in common is asked once. An act
reads once what lies between two of its statements that lock or write (`within_act`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from django.db import connection

_cache: ContextVar[dict[Hashable, Any] | None] = ContextVar("countersign_shared_facts", default=None)
# How many statements of acts locked or wrote so far.
_writes: ContextVar[int] = ContextVar("countersign_writes_of_acts", default=0)


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


@contextmanager
def afresh() -> Iterator[None]:
    """Inside `shared()` or an act: what is asked in here is read anew, and forgotten.

    What was written in here is known afterwards: then nothing from before it is.
    """
    outer, before = _cache.get(), _writes.get()
    token = _cache.set(None if outer is None else {})
    try:
        yield
    finally:
        _cache.reset(token)
        if outer is not None and _writes.get() != before:
            _cache.set({})


@contextmanager
def within_act() -> Iterator[None]:
    """For the body of an act: what is read under the same locks is read once.

    It begins with nothing, whatever the page around it knew, and forgets with every statement that locks or writes, so
    nothing known before a lock was held outlives it. Where it locked or wrote, the page around forgets as well.
    """
    outer, before = _cache.get(), _writes.get()
    token = _cache.set({})

    def watched(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not _only_reads(sql):
            _cache.set({})
            _writes.set(_writes.get() + 1)
        return execute(sql, params, many, context)

    try:
        with connection.execute_wrapper(watched):
            yield
    finally:
        _cache.reset(token)
        if outer is not None and _writes.get() != before:
            outer.clear()


def _only_reads(sql: str) -> bool:
    return sql.startswith(("SELECT", "(SELECT")) and not any(word in sql for word in (" FOR ", "advisory"))


def once(key: Hashable, compute: Callable[[], Any]) -> Any:
    """`compute()`, remembered by `key` inside `shared()`; computed each time outside it."""
    cache = _cache.get()
    if cache is None:
        return compute()
    if key not in cache:
        cache[key] = compute()
    return cache[key]


def gathered(
    name: str, keys: Collection[Hashable], load: Callable[[list[Any]], Mapping[Any, Any]]
) -> dict[Any, Any]:
    """`load(keys)` as key -> what it found (None for nothing); inside `shared()` each key is loaded once.

    Asked for one key or for a thousand, it is one query: a list of versions is primed by asking for all of them.
    """
    cache = _cache.get()
    known: dict[Any, Any] = {} if cache is None else cache.setdefault(("gathered", name), {})
    missing = [key for key in dict.fromkeys(keys) if key not in known]
    if missing:
        found = load(missing)
        known.update(dict.fromkeys(missing))
        known.update(found)  # what came along is known too
    return {key: known[key] for key in keys}


def came_along(name: str, found: Mapping[Any, Any]) -> None:
    """Note, inside `shared()`, what another query has brought along of what `gathered(name, …)` would ask for."""
    cache = _cache.get()
    if cache is not None:
        cache.setdefault(("gathered", name), {}).update(found)


def grouped(rows: Any, key: Callable[[Any], Hashable]) -> dict[Any, list[Any]]:
    """Rows by `key(row)`, in their order."""
    found: dict[Any, list[Any]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return found
