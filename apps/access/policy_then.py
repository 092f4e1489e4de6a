"""What a duty allowed at a moment: the policy table is code, so each start of another one is entered in the trail.

The entry holds, of every act that a duty allows, what it acts on and which duties, and the digest of all of it. Of a
moment before the first such entry nobody can say which table was in force: then that is told, and today's is used.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.access.actors import Actor
from apps.access.acts.logs import enter_policy
from apps.access.policy import TABLE, Policy
from apps.access.second_factor_rule import SERVICE
from apps.accounts.models import User
from apps.core.digests import digest
from apps.trail.models import Entry, Kind

ACT = "access.enter_policy"
Said = dict[str, dict[str, Any]]


def said_of(rows: Mapping[str, Policy]) -> Said:
    """Act -> what the register tells by it: label, sentence, subject, duties (sorted), meaning, reads."""
    return {
        name: {
            "label": row.label,
            "sentence": row.sentence,
            "subject": row.subject,
            "duties": sorted(row.duties),
            "meaning": row.meaning,
            "reads": row.reads,
        }
        for name, row in rows.items()
        if row.duties and not row.service
    }


def read(said: Said) -> dict[str, Policy]:
    return {
        name: Policy(
            name,
            each["label"],
            each["sentence"],
            each["subject"],
            frozenset(each["duties"]),
            meaning=each["meaning"],
            reads=each["reads"],
        )
        for name, each in said.items()
    }


@dataclass(frozen=True)
class PolicyThen:
    """The acts that duties allowed. `since`: when that table was entered; None where it is not known which it was."""

    rows: dict[str, Policy]
    digest: str
    since: datetime | None

    def told(self) -> str:
        """In a sentence or two, for page and export."""
        if self.since is not None:
            return (
                f"What a duty allowed is told by the policy table that was in force then, entered on "
                f"{self.since:%Y-%m-%d %H:%M} UTC ({self.digest[:19]}…)."
            )
        return (
            "Which policy table was in force then is not in the trail: no start of the portal had entered one yet. "
            "What a duty allowed is told by the table of the release that runs now, and may have been another."
        )


def running() -> tuple[Said, str]:
    """What this process enforces, and its digest."""
    said = said_of(TABLE)
    return said, digest(said)


def _entered(at: datetime | None = None) -> Entry | None:
    rows = Entry.objects.filter(act=ACT, kind=Kind.ACT)
    if at is not None:
        rows = rows.filter(at__lte=at)
    return rows.order_by("-id").first()


def at(moment: datetime) -> PolicyThen:
    """The table in force at `moment`, by the newest entry written at or before it."""
    found = _entered(moment)
    if found is None:
        said, known = running()
        return PolicyThen(read(said), known, None)
    facts = json.loads(found.body)["facts"]["policy"]
    return PolicyThen(read(facts["acts"]), facts["digest"], found.at)


def enter_if_changed() -> bool:
    """At start-up: enter the table where it is not what the trail says. Returns whether anything was entered.

    Before the organisation is installed nobody could enter it: the next start does. Several processes that start
    together enter it once.
    """
    said, known = running()
    before = _entered()
    if before is not None and json.loads(before.body)["facts"]["policy"]["digest"] == known:
        return False
    if not User.objects.filter(username=SERVICE, is_service=True).exists():
        return False
    enter_policy(
        Actor.service(SERVICE, via="command"),
        acts=said,
        digest=known,
        idempotency_key=f"policy-after-{before.pk if before else 0}",
    )
    return True
