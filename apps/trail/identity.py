"""Which log this database is: its random origin, kept in one row, and the keys that belong to it."""

from __future__ import annotations

from django.db import DEFAULT_DB_ALIAS

from apps.trail import keys as key_files
from apps.trail.models import Entry, Log

_known: dict[str, key_files.Keys] = {}


def forget() -> None:
    """Drop what this process remembers; called when the schema was migrated or the tables were emptied."""
    _known.clear()
    key_files.load.cache_clear()


def establish() -> Log:
    """The log's row, made with its keys when the database is new.

    A row without its keys is followed by a new one while the trail is empty; later it is an error (KeyMissing).
    """
    log = Log.objects.order_by("pk").last()
    if log is None or (not key_files.exist(log.origin) and not Entry.objects.exists()):
        made = key_files.create(key_files.new_origin())
        log = Log.objects.create(origin=made.origin, verifier=made.verifier)
    return log


def keys() -> key_files.Keys:
    """Keys of this database's log, remembered for the life of the process."""
    known = _known.get(DEFAULT_DB_ALIAS)
    if known is None:
        known = _known[DEFAULT_DB_ALIAS] = key_files.load(establish().origin)
    return known
