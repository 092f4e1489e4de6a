"""Entries of which words were erased, and the acts that vouch for them.

An act of erasure (`ERASES`) names in its entry, under `facts.erased`, each entry it changed: number, digest of the body
that was sealed, digest of the body that stands there since. Its own entry has a MAC and is sealed as every other. So a
body that begins as an erased one is believed only when the act it names says exactly that of it; and a body that was
erased and is whole again was put back by somebody else.

Who verifies offline has no key for the MAC, and believes such an act because it has its place in the log. Therefore the
sealer gives none to an act of erasure that the portal did not write (`is_forged`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Max

from apps.trail.keys import Keys
from apps.trail.models import Entry, Kind
from apps.trail.preimages import body_digest, erased_by, mac_line
from apps.trail.writer import head_of

ERASES = "access.approve_erasure"


@dataclass(frozen=True)
class Vouched:
    """What the newest act of erasure that names an entry says of it: digests in hex."""

    act_id: str
    was: str
    now: str


def vouched(keys: Keys, alias: str = DEFAULT_DB_ALIAS) -> dict[int, Vouched]:
    """Entry -> what the newest act of erasure says of it, of acts whose MAC holds."""
    found: dict[int, Vouched] = {}
    seen = set[str]()
    acts = Entry.objects.using(alias).filter(kind=Kind.ACT, act=ERASES).order_by("id")
    for entry in acts.iterator():
        if entry.mac in seen or not _is_ours(keys, entry):
            continue  # the entry itself is a finding of another detector, and vouches for nothing
        seen.add(entry.mac)
        for number, was, now in erased_in(entry.body):
            found[number] = Vouched(entry.act_id, was, now)
    return found


def _is_ours(keys: Keys, entry: Entry) -> bool:
    return keys.mac(mac_line(body_digest(entry.salt, entry.body), head_of(entry))) == entry.mac


def is_forged(keys: Keys, values: dict[str, Any]) -> bool:
    """Whether this entry (its head) claims to be an act of erasure and is none of the portal's, or a copy of one."""
    if (values["kind"], values["act"]) != (Kind.ACT, ERASES):
        return False
    entry = Entry.objects.get(pk=values["id"])
    copied = Entry.objects.filter(kind=Kind.ACT, act_id=entry.act_id, pk__lt=entry.pk).exists()
    return copied or not _is_ours(keys, entry)


def newest() -> int:
    """Number of the newest entry of an act of erasure; 0 when there is none."""
    acts = Entry.objects.filter(kind=Kind.ACT, act=ERASES)
    return acts.aggregate(newest=Max("pk"))["newest"] or 0


def erased_in(body: str) -> list[tuple[int, str, str]]:
    """(entry, digest sealed, digest since) of each entry that this act's body says it changed; none where it cannot be
    read."""
    try:
        facts: dict[str, Any] = json.loads(body)["facts"]
        return [(int(number), str(was), str(now)) for number, was, now in facts["erased"]]
    except (ValueError, KeyError, TypeError):
        return []


def fault(known: Vouched | None, salt: str, body: str, sealed: str) -> str:
    """What is wrong with a body as far as erasing goes; empty when nothing is. `sealed`: the digest in its leaf."""
    by = erased_by(body)
    if known is None:
        return f"its words were erased, and no act of erasure {by} names it" if by else ""
    if not by:
        return f"its words were erased by the act {known.act_id}, and stand there again"
    if by != known.act_id:
        return f"it names the act {by}, and the act {known.act_id} erased words of it"
    if sealed != known.was:
        return "the act that erased words of it names another digest than the one that was sealed"
    if body_digest(salt, body) != known.now:
        return "it is not as the act that erased words of it left it"
    return ""
