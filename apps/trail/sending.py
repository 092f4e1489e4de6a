"""The process that tells the trail outside: one thread for each place, so that a slow one holds up no other."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from django.db import DatabaseError, connection

from apps.trail import destinations, sealing, streams

log = logging.getLogger("countersign.trail")
INTERVAL = 0.5
PAUSE = 5.0
# Seconds given to a place under way when the process is stopped.
PATIENCE = 3.0


def once(say: Callable[[str], None]) -> int:
    """Send what waits to every place, pauses and periods aside; returns how many places could not be told."""
    failed = 0
    for place in destinations.configured():
        while destinations.step(place, at_once=True):
            continue
        close(place)
        row = destinations.row_of(place)
        failed += bool(row.error)
        say(f"{place.kind} {place.name}: {row.error or f'has {row.position} entries'}")
    return failed


def watch(stop: threading.Event, say: Callable[[str], None]) -> None:
    """Send until `stop` is set; a second process stands by."""
    places = destinations.configured()
    place = sealing.Place(sealing.PROCESS_LOCK + 1, ".sender")
    mine = threading.Event()
    threads = [threading.Thread(target=_tell, args=[each, mine, stop], daemon=True) for each in places]
    for thread in threads:
        thread.start()
    say(f"Telling {len(places)} place{'' if len(places) == 1 else 's'} outside.")
    told = ""
    try:
        while not stop.is_set():
            try:
                if place.take():
                    mine.set()
                    told = ""
                else:
                    mine.clear()
                    if not told:
                        told = "Another sender is at work; standing by."
                        say(told)
                sealing.tell_supervisor()
            except (DatabaseError, OSError) as error:
                mine.clear()
                log.warning("nothing is told outside: %s", error)
                sealing.begin_again()
                stop.wait(PAUSE)
            stop.wait(INTERVAL)
    finally:
        for thread in threads:
            thread.join(PATIENCE)
        place.leave()


def _tell(each: destinations.Place, mine: threading.Event, stop: threading.Event) -> None:
    try:
        while not stop.is_set():
            try:
                more = mine.is_set() and destinations.step(each)
                wait = 0.0 if more else INTERVAL
            except Exception:  # a thread that ended would be a silence
                log.exception("%s %s could not be told", each.kind, each.name)
                sealing.begin_again()
                wait = PAUSE
            stop.wait(wait)
    finally:
        close(each)
        connection.close()


def close(each: destinations.Place) -> None:
    if isinstance(each, streams.Stream):
        each.close()
