"""How the portal itself stands: sign-in, trail, clock, places outside, jobs. For a page and the API."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.access import clockwork, duties, factors, second_factor_rule
from apps.access.actors import Actor
from apps.access.gate import Scopes
from apps.access.models import Assignment
from apps.accounts.factors import Factor
from apps.core.clock import now
from apps.core.errors import NotAllowed
from apps.core.models import Job
from apps.trail.chain import told_outside
from apps.trail.destinations import SEAL_PATIENCE
from apps.trail.models import Checkpoint, Entry, Pending
from apps.trail.queries import last_verification

WELL, WATCH, FAULT = "well", "watch", "fault"
WORDS = {WELL: "Well", WATCH: "Look at it", FAULT: "Fault"}
TOLD = duties.SEES_ALL | {duties.Duty.ADMINISTRATOR}
NIGHT = timedelta(hours=36)  # the verification of every night, with half a day of patience
WAITS = timedelta(minutes=15)
WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Point:
    """One thing that is looked at. state: well, watch or fault. since: from when it stands so, where that is known."""

    key: str
    title: str
    state: str
    told: str
    since: datetime | None = None

    @property
    def word(self) -> str:
        return WORDS[self.state]


def refuse_unless_told(actor: Actor) -> None:
    """Health is told to administrators and whom the whole organisation is shown; a narrowed token is shown a part."""
    narrowed = getattr(actor.token, "narrowed", None) is not None
    if Scopes(actor.user).organisation_duties & TOLD and not narrowed:
        return
    raise NotAllowed(
        "You cannot read how the portal stands.",
        fact="It tells of all accounts and all jobs of the organisation.",
        rule="duty",
        who=[f"who is {duties.WORDS[each]}" for each in duties.Duty if each in TOLD],
    )


def points() -> list[Point]:
    """Every point, in the order of the page. A constant number of queries."""
    return [_second_factors(), _verified(), _sealed(), _clock(), *_outside(), *_jobs()]


def _without_a_factor() -> tuple[int, int]:
    """(people who hold a duty that signs, how many of them have no second factor)."""
    rows = Assignment.objects.active().filter(duty__in=factors.SIGNING_DUTIES, person__is_service=False)
    signers = set(rows.values_list("person_id", flat=True))
    having = Factor.objects.filter(ended_at=None, person_id__in=signers).values_list("person_id", flat=True)
    return len(signers), len(signers - set(having))


def _second_factors() -> Point:
    setting, known = second_factor_rule.configured(), second_factor_rule.entered()
    signers, without = _without_a_factor()
    told = (
        f"{second_factor_rule.told(*setting)} Of {signers} who hold a duty that signs, {without} have none."
    )
    title = "Second factors"
    if known is None or known.setting != setting:
        told += " The trail does not say so: it is entered when the web process starts."
        return Point("second_factors", title, FAULT, told)
    return Point("second_factors", title, WELL if setting[0] else WATCH, told, known.since)


def _verified() -> Point:
    last = last_verification()
    title = "Verification of the trail"
    if last is None:
        return Point("verified", title, WATCH, "The trail was never verified.")
    if not last.ok:
        told = f"{last.findings} findings. {' '.join(last.first[:2])}"
        return Point("verified", title, FAULT, told, last.at)
    told = f"{last.entries} entries, no finding."
    if last.at < now() - NIGHT:
        return Point(
            "verified", title, WATCH, f"{told} That is long ago: the nightly one is missing.", last.at
        )
    return Point("verified", title, WELL, told, last.at)


def _sealed() -> Point:
    newest = Checkpoint.objects.order_by("-size").first()
    first = Pending.objects.order_by("entry_id").values("entry_id")[:1]
    oldest = Entry.objects.filter(pk__in=first).values_list("at", flat=True).first()
    title = "Sealing of the trail"
    if oldest is not None and oldest < now() - SEAL_PATIENCE:
        told = "Entries wait to be sealed: no sealer is at work, or it cannot seal."
        return Point("sealed", title, FAULT, told, oldest)
    told = f"Sealed up to leaf {newest.size}." if newest else "Nothing is sealed yet."
    return Point("sealed", title, WELL, told, newest.created_at if newest else None)


def _clock() -> Point:
    fault = clockwork.told()
    return Point("clock", "Clock of the server", FAULT if fault else WELL, fault or "Not behind the trail.")


def _outside() -> list[Point]:
    newest = Checkpoint.objects.order_by("-size").values_list("size", flat=True).first() or 0
    places, unread = told_outside(newest)
    title = "The trail outside"
    if unread:
        return [Point("outside", title, FAULT, f"The settings cannot be read: {unread}")]
    if not places:
        told = "No place outside is configured: who owns the server holds the only copy of the trail."
        return [Point("outside", title, WATCH, told)]
    found = []
    for each in places:
        if each.contradicts:
            state, told = FAULT, "It holds something else than this log."
        elif each.failures:
            state, told = FAULT, f"It took nothing, {each.failures} times in a row: {each.error}"
        else:
            state, told = WELL, f"{each.behind} entries behind."
        found.append(
            Point(
                f"outside:{each.kind}:{each.name}", f"{title}: {each.kind} {each.name}", state, told, each.at
            )
        )
    return found


def _jobs() -> list[Point]:
    open_ones = Job.objects.filter(state=Job.State.QUEUED).order_by("created_at")
    oldest = open_ones.values_list("created_at", flat=True).first()
    failed = Job.objects.filter(state=Job.State.FAILED, finished_at__gt=now() - WEEK).count()
    if oldest is not None and oldest < now() - WAITS:
        waits = Point("queue", "Jobs that wait", FAULT, "No worker takes them, or all are busy.", oldest)
    else:
        waits = Point("queue", "Jobs that wait", WELL, "None for long.", oldest)
    told = f"{failed} in the last seven days." if failed else "None in the last seven days."
    return [waits, Point("failed", "Jobs that failed", WATCH if failed else WELL, told)]
