"""Which entries of a range a trail review shows as exceptions, which it samples, and what may be done to it. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from apps.core.errors import BadInput, WrongState
from apps.core.workdays import WorkingDays

FOLDER = Path(__file__).resolve().parent / "review_data"
CURRENT = 1
MAX_TEXT = 4000
AT_ONCE = 500  # entries marked by one act


@lru_cache(maxsize=4)
def _file(version: int) -> str:
    return (FOLDER / f"v{version}.json").read_text(encoding="utf-8")


def review_rules(version: int = CURRENT) -> dict[str, Any]:
    """One version of the rules of reviewing: filters, size of the sample, acts that outdate no review."""
    found: dict[str, Any] = json.loads(_file(version))
    return found


@dataclass(frozen=True)
class Line:
    """What the filters ask of one entry. `at` is aware; `duties` as the trail copied them when it was written."""

    entry: int
    at: datetime
    kind: str  # act | refusal | event
    act: str
    person: bool  # done by a person, not by a service of the portal
    duties: tuple[str, ...] = ()
    rule: str = ""
    decision: str = ""


@dataclass(frozen=True)
class WorkingHours:
    """When the organisation works, by its own clock: on its working days, from `begins` to `ends`."""

    days: WorkingDays
    begins: time
    ends: time

    @classmethod
    def parse(cls, days: WorkingDays, hours: str) -> WorkingHours:
        """From its days and "07:00-19:00"; ValueError for anything else."""
        begins, _, ends = hours.partition("-")
        made = cls(days, time.fromisoformat(begins.strip()), time.fromisoformat(ends.strip()))
        if made.begins >= made.ends:
            raise ValueError(f"{hours}: the day must end after it begins")
        return made

    def within(self, moment: datetime) -> bool:
        local = moment.astimezone(ZoneInfo(self.days.zone))
        return self.begins <= local.time() < self.ends and self.days.on(local.date())

    def told(self) -> str:
        """`Mon, Tue 07:00-19:00, Europe/Zurich`."""
        return f"{self.days.told()} {self.begins:%H:%M}-{self.ends:%H:%M}, {self.days.zone}"


def exceptions(
    lines: Sequence[Line], covered: Collection[int], hours: WorkingHours, rules: Mapping[str, Any]
) -> dict[str, list[int]]:
    """Filter code -> entries of the range that it catches, in their order.

    `lines`: every entry on the version from its beginning, in order: what is late or repeated is told by what came
    before the range as well. `covered`: entries of the range.
    """
    return {
        each["code"]: [entry for entry in _caught(each, lines, hours) if entry in covered]
        for each in rules["filters"]
    }


def _caught(chosen: Mapping[str, Any], lines: Iterable[Line], hours: WorkingHours) -> list[int]:
    if "after" in chosen:
        return _after(lines, frozenset(chosen["acts"]), frozenset(chosen["after"]))
    if "repeats" in chosen:
        return _repeated(lines, frozenset(chosen["repeats"]))
    caught = {
        "refusals": lambda line: line.kind == "refusal",
        "off_hours": lambda line: line.person and not hours.within(line.at),
        "administrator": lambda line: (
            line.kind == "act" and any(duty.partition(" ")[0] == "administrator" for duty in line.duties)
        ),
        "rejected": lambda line: line.kind == "act" and line.decision == "rejected",
        "failed_signing": lambda line: line.kind == "refusal" and line.rule.startswith("21 CFR 11.200"),
    }[chosen["code"]]
    return [line.entry for line in lines if caught(line)]


def _after(lines: Iterable[Line], acts: frozenset[str], after: frozenset[str]) -> list[int]:
    """Acts of `acts` once one of `after` was done. The act that closes counts for what follows it, not for itself."""
    found, closed = [], False
    for line in lines:
        if line.kind != "act":
            continue
        if closed and line.act in acts:
            found.append(line.entry)
        closed = closed or line.act in after
    return found


def _repeated(lines: Iterable[Line], acts: frozenset[str]) -> list[int]:
    seen: set[str] = set()
    found = []
    for line in lines:
        if line.kind == "act" and line.act in acts:
            if line.act in seen:
                found.append(line.entry)
            seen.add(line.act)
    return found


def sample_size(acts: int, rules: Mapping[str, Any]) -> int:
    """How many of `acts` entries are looked at: the square root rounded up plus one, within the rules' bounds."""
    rule = rules["sample"]
    return min(acts, max(rule["least"], min(rule["most"], math.isqrt(max(acts - 1, 0)) + 2)))


def draw(seed: str, entries: Iterable[int], size: int) -> list[int]:
    """`size` of `entries`: those whose SHA-256 of `seed:entry` is least. Anyone with the seed draws the same."""
    ranked = sorted(entries, key=lambda entry: sha256(f"{seed}:{entry}".encode()).hexdigest())
    return sorted(ranked[:size])


def is_reading(act: str, rules: Mapping[str, Any], *, reads: bool) -> bool:
    """Whether an act only reads or takes a copy. `reads`: what the policy table says of it."""
    return reads or act in rules["not_outdating"]["reading"]


def outdates(act: str, rules: Mapping[str, Any], *, reads: bool) -> bool:
    """Whether an act on the version after the range makes its review out of date."""
    harmless = act.startswith(tuple(rules["not_outdating"]["prefixes"]))
    return not harmless and not is_reading(act, rules, reads=reads)


def wanted_comment(entry: int, caught: Mapping[str, Collection[int]], rules: Mapping[str, Any]) -> bool:
    """Whether an entry may be marked as seen only with a comment."""
    return any(each["comment"] and entry in caught.get(each["code"], ()) for each in rules["filters"])


# ---------------------------------------------------------------- refusals

OPEN = "open"


def may_open(ref: str, already: str, nothing_new: bool) -> None:
    """One open review of a version at a time, and something to review."""
    if already:
        raise WrongState(
            f"No second trail review of {ref} can be opened.",
            fact=f"{already} is open already; its range can be taken up to now.",
            rule="trail-review-once",
            who=["whoever reviews it"],
        )
    if nothing_new:
        raise WrongState(
            f"There is nothing to review on {ref}.",
            fact="No entry has come since the range that the last signed review covers.",
            rule="trail-review-range",
            who=["nobody, until something is done on the version"],
        )


def must_be_open(ref: str, state: str, what: str) -> None:
    if state != OPEN:
        raise WrongState(
            f"{ref} cannot be {what}.",
            fact=f"It is {state}.",
            rule="trail-review-open",
            who=["nobody: open a new review of what came since"],
        )


def must_be_complete(ref: str, unseen: int, undecided: Sequence[str]) -> None:
    """Signed once every entry shown was seen, and each finding that needs a deviation has one."""
    if unseen:
        raise WrongState(
            f"{ref} cannot be signed yet.",
            fact=f"{unseen} {'entry is' if unseen == 1 else 'entries are'} not marked as seen.",
            rule="EU GMP Annex 11 draft 12.5-12.8",
            who=["whoever reviews it"],
        )
    if undecided:
        raise WrongState(
            f"{ref} cannot be signed yet.",
            fact=f"No deviation is opened for {', '.join(undecided)}.",
            rule="EU GMP Annex 11 draft 12.5-12.8",
            who=["whoever reviews it"],
        )


def check_marks(
    entries: Sequence[int], comment: str, wanted: Collection[int], commented: Collection[int]
) -> list[int]:
    """The entries to mark, each once. Refused: none, too many, others than the review shows, a missing comment."""
    problems: dict[str, list[str]] = {}
    chosen = list(dict.fromkeys(entries))
    foreign = [entry for entry in chosen if entry not in wanted]
    if not chosen:
        problems["entries"] = ["Choose at least one entry."]
    elif len(chosen) > AT_ONCE:
        problems["entries"] = [f"At most {AT_ONCE} entries at once."]
    elif foreign:
        problems["entries"] = [
            f"Entry {foreign[0]} is neither an exception nor in the sample of this review."
        ]
    if len(comment) > MAX_TEXT:
        problems["comment"] = [f"At most {MAX_TEXT} characters."]
    elif not comment.strip() and (asking := [entry for entry in chosen if entry in commented]):
        problems["comment"] = [
            f"Say what you found about entry {asking[0]}: entries of this kind need a comment."
        ]
    if problems:
        raise BadInput("Nothing was marked as seen.", fields=problems)
    return chosen


WEIGHTS = {"observation": "Observation, for the record", "action": "Needs a deviation"}


def check_finding(text: str, weight: str, entry: int | None, covered: Collection[int]) -> None:
    problems: dict[str, list[str]] = {}
    if not text.strip():
        problems["text"] = ["Say what you found, and in which record."]
    elif len(text) > MAX_TEXT:
        problems["text"] = [f"At most {MAX_TEXT} characters."]
    if weight not in WEIGHTS:
        problems["weight"] = ["Choose whether it is for the record or needs a deviation."]
    if entry is not None and entry not in covered:
        problems["entry"] = ["This entry is not in the range of the review."]
    if problems:
        raise BadInput("The finding was not recorded.", fields=problems)
