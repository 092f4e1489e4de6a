"""How often: counters in the database that hold across processes and machines, with one statement for each count.

A window is fixed: it opens with the first event and ends `seconds` later. Counting comes before judging, so that
attempts made at the same moment cannot all pass. For what is asked often, `Leases` takes counts in portions.
"""

from __future__ import annotations

import hashlib
import ipaddress
import threading
import time
from dataclasses import dataclass

from django.db import connection

from apps.accounts.models import Throttle

_HIT = """
INSERT INTO accounts_throttle (key, count, ends_at) VALUES (%s, %s, %s)
ON CONFLICT (key) DO UPDATE SET
  count = CASE WHEN accounts_throttle.ends_at <= %s THEN excluded.count
               ELSE accounts_throttle.count + excluded.count END,
  ends_at = CASE WHEN accounts_throttle.ends_at <= %s THEN excluded.ends_at ELSE accounts_throttle.ends_at END
RETURNING count, ends_at
"""


@dataclass(frozen=True)
class Count:
    """Events in the window, this one included, and the seconds until the window ends."""

    count: int
    left: int


def key_of(kind: str, *parts: str) -> str:
    """A key of bounded length; what is in it cannot be read back (a mistyped username may be a password)."""
    text = "\\x00".join(parts)
    return f"{kind}:{hashlib.sha256(text.encode()).hexdigest()}"


def network(address: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 an IPv6 address lies in (one subscriber)."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:60]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def _clock() -> int:
    return int(time.time())


def hit(key: str, seconds: int, amount: int = 1) -> Count:
    """Count `amount` events under `key`: one statement, atomic on SQLite and PostgreSQL."""
    moment = _clock()
    with connection.cursor() as cursor:
        cursor.execute(_HIT, [key, amount, moment + seconds, moment, moment])
        count, ends_at = cursor.fetchone()
    return Count(int(count), max(1, int(ends_at) - moment))


def forget(*keys: str) -> None:
    """Begin anew under `keys`: the password was right, or somebody unlocked the account."""
    Throttle.objects.filter(key__in=keys).delete()


def forget_all(beginning: str) -> None:
    """Begin anew under every key that begins so."""
    Throttle.objects.filter(key__startswith=beginning).delete()


def hold(key: str, seconds: int) -> None:
    """Let the window under `key` end `seconds` from now."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_throttle SET ends_at = %s WHERE key = %s", [_clock() + seconds, key])


def take_back(key: str) -> None:
    """One event fewer: it was none of those that are counted."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_throttle SET count = count - 1 WHERE key = %s AND count > 0", [key])


def sweep() -> None:
    """Remove windows that have ended, so that the table stays as small as what happens now."""
    Throttle.objects.filter(ends_at__lte=_clock()).exclude(key__startswith="refusals:").delete()


class Leases:
    """A limit for what is asked often. Each process takes a portion of the count ahead and uses it up in memory.

    The sum over all processes never exceeds the limit; a process that takes a portion and does not use it makes the
    limit that much smaller, so a portion is a fortieth of the limit.
    """

    MOST = 10_000  # keys remembered in a process

    def __init__(self) -> None:
        self._left: dict[tuple[str, int], tuple[int, int]] = {}  # -> (counts left, end of the window)
        self._lock = threading.Lock()

    def refused_for(self, key: str, limit: int, seconds: int) -> int:
        """0: go on. Otherwise the seconds to wait."""
        moment, name = _clock(), (key, limit)
        with self._lock:
            left, ends_at = self._left.get(name, (0, 0))
            if ends_at > moment and left != 0:
                if left < 0:
                    return ends_at - moment
                self._left[name] = (left - 1, ends_at)
                return 0
        portion = max(1, limit // 40)
        taken = hit(key, seconds, portion)
        granted = max(0, portion - max(0, taken.count - limit))
        with self._lock:
            if len(self._left) > self.MOST:
                self._left = {k: v for k, v in self._left.items() if v[1] > moment}
            if len(self._left) <= self.MOST:
                self._left[name] = (granted - 1, moment + taken.left)
        return 0 if granted else taken.left
