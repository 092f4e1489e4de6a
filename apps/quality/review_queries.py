"""Reads of the trail for its reviews: what a version's trail holds, which review covers it, what came since."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Count, F, OuterRef, Q, QuerySet, Subquery

from apps.access import gate
from apps.access.actors import Actor
from apps.access.facts import pairs
from apps.access.policy import TABLE
from apps.access.separation import Deed
from apps.access.sharing import gathered, grouped
from apps.accounts.models import User
from apps.core import registries
from apps.quality.models import Deviation, TrailFinding, TrailMark, TrailReview
from apps.quality.queries import deviations_of_versions, is_unsettled
from apps.quality.review_rules import Line, WorkingHours, is_reading, outdates, review_rules
from apps.registry.models import Version
from apps.trail.models import Entry, Kind, Leaf

TOLD = (Kind.ACT, Kind.EVENT, Kind.REFUSAL)


def working_hours() -> WorkingHours:
    return WorkingHours.parse(
        settings.ORGANISATION_TIME_ZONE, settings.ORGANISATION_DAYS, settings.ORGANISATION_HOURS
    )


def reviewed_pairs(version: Version) -> frozenset[tuple[str, str]]:
    """The records whose trail is the version's: itself, all that hangs on it, and its intended use.

    Reviews of the trail are not among them: reviewing is not what is reviewed.
    """
    found = pairs(Version.subject_kind, [version.pk])
    found |= pairs("registry.intended_use", [version.intended_use_id])
    for give in registries.closure["registry.versions:version"]:
        found |= give([version.pk])
    return found


def _about(found: Iterable[tuple[str, str]]) -> Q:
    by_kind: dict[str, list[str]] = {}
    for kind, pk in found:
        by_kind.setdefault(kind, []).append(pk)
    condition = Q(pk__in=[])
    for kind, ids in by_kind.items():
        condition |= Q(subject_kind=kind, subject_id__in=ids)
    return condition


def entries_on(found: Iterable[tuple[str, str]]) -> QuerySet[Entry]:
    """Acts, events and refusals about these records, in order, each with `leaf`: its place in the log, or None."""
    leaf = Leaf.objects.filter(entry_id=OuterRef("pk")).values("index")
    rows = Entry.objects.filter(_about(found), kind__in=TOLD).annotate(leaf=Subquery(leaf[:1]))
    return rows.order_by(F("leaf").asc(nulls_last=True), "id")


def entries_of(review: TrailReview) -> QuerySet[Entry]:
    """What the range of a review covers, oldest first."""
    rows = entries_on(reviewed_pairs(review.version))
    return rows.filter(leaf__gte=review.from_size, leaf__lt=review.until_size)


def line_of(entry: Any) -> Line:
    """What the filters ask of an entry."""
    body = json.loads(entry.body)
    facts, row = body.get("facts", {}), TABLE.get(entry.act)
    return Line(
        entry=entry.pk,
        at=entry.at,
        kind=str(entry.kind),
        act=entry.act,
        person=bool(entry.actor_uuid) and not (row is not None and row.service),
        duties=tuple(body.get("actor", {}).get("duties", ())),
        rule=str(facts.get("rule", "")) if entry.kind == Kind.REFUSAL else "",
        decision=str(facts.get("decision", "")),
    )


# ---------------------------------------------------------------- reviews of versions


def reviews_of_versions(version_ids: Collection[int]) -> dict[int, list[TrailReview]]:
    """Version id -> its reviews that were not withdrawn, oldest first; for gates, whoever looks.

    Each with its findings; an open one with `marked`, the entries that were seen. Three queries, however many.
    """

    def load(ids: list[int]) -> dict[int, list[TrailReview]]:
        rows = TrailReview.objects.filter(version_id__in=ids).exclude(state="withdrawn")
        found = list(rows.select_related("opened_by").prefetch_related("findings").order_by("number"))
        under_way = [review.pk for review in found if review.state == "open"]
        marks = TrailMark.objects.filter(review_id__in=under_way).values_list("review_id", "entry")
        marked = grouped(marks if under_way else (), lambda mark: mark[0])
        for review in found:
            review.marked = frozenset(entry for _, entry in marked.get(review.pk, ()))
        return grouped(found, lambda row: row.version_id)

    return {pk: rows or [] for pk, rows in gathered("trail reviews", version_ids, load).items()}


@dataclass(frozen=True)
class Acted:
    """One act on a version, as separation and "is it current" ask of it."""

    entry: int
    leaf: int | None
    at: datetime
    act: str
    person: str
    record: tuple[str, str]

    @property
    def reads(self) -> bool:
        row = TABLE.get(self.act)
        return is_reading(self.act, review_rules(), reads=row is not None and row.reads)

    def told(self) -> str:
        row = TABLE.get(self.act)
        return f"{row.sentence if row else f'did {self.act}'} on {self.at:%Y-%m-%d} (entry {self.entry})"


def acts_on_versions(versions: Collection[Version]) -> dict[int, list[Acted]]:
    """Version id -> every act on it and what hangs on it, in order. One query besides the closures."""
    by_id = {version.pk: version for version in versions}

    def load(ids: list[int]) -> dict[int, list[Acted]]:
        mine = {pk: reviewed_pairs(by_id[pk]) for pk in ids}
        rows = entries_on(frozenset().union(*mine.values())).filter(kind=Kind.ACT)
        columns = ("pk", "leaf", "at", "act", "actor_uuid", "subject_kind", "subject_id")
        acts = [Acted(*row[:5], (row[5], row[6])) for row in rows.values_list(*columns)]
        return {pk: [each for each in acts if each.record in found] for pk, found in mine.items()}

    return {pk: rows or [] for pk, rows in gathered("acts on versions", list(by_id), load).items()}


def prime_reviews(versions: Collection[Version]) -> None:
    """Read the reviews of these versions, and for those that have one the acts on them: two queries."""
    found = reviews_of_versions([version.pk for version in versions])
    acts_on_versions([version for version in versions if found[version.pk]])


def last_signed(version: Version) -> TrailReview | None:
    signed = [each for each in reviews_of_versions([version.pk])[version.pk] if each.state == "signed"]
    return max(signed, key=lambda each: (each.until_size, each.number), default=None)


def open_review(version: Version) -> TrailReview | None:
    found = reviews_of_versions([version.pk])[version.pk]
    return next((each for each in found if each.state == "open"), None)


def came_after(review: TrailReview, version: Version, until: datetime | None = None) -> list[Acted]:
    """Acts on the version after the range that make the review out of date; `until`: those done by then."""
    rules = review_rules()
    return [
        each
        for each in acts_on_versions([version])[version.pk]
        if (each.leaf is None or each.leaf >= review.until_size)
        and outdates(each.act, rules, reads=each.reads)
        and (until is None or each.at <= until)
    ]


def deviation_of(finding: TrailFinding, version: Version) -> Deviation | None:
    """The deviation that was opened for a finding."""
    return next(
        (
            each
            for each in deviations_of_versions([version.pk])[version.pk]
            if (each.source_kind, each.source_id) == (finding.subject_kind, str(finding.pk))
        ),
        None,
    )


def open_findings(review: TrailReview, version: Version, at: datetime) -> list[TrailFinding]:
    """Findings that need a deviation and have none, or one that nobody has settled."""
    found = []
    for finding in review.findings.all():
        if finding.weight != "action":
            continue
        deviation = deviation_of(finding, version)
        if deviation is None or is_unsettled(deviation, at):
            found.append(finding)
    return found


# ---------------------------------------------------------------- separation (DY14)


def deeds_reviewed(review: TrailReview, version: Version) -> list[Deed]:
    """Every act in the range, as a deed on the review: whoever did one may not review it. Reading is none."""
    return [
        Deed(each.person, "act", review.subject_kind, str(review.pk), each.told(), each.at)
        for each in acts_on_versions([version])[version.pk]
        if each.person
        and each.leaf is not None
        and review.from_size <= each.leaf < review.until_size
        and not each.reads
    ]


def reviewing_deeds(version: Version, recorded: Callable[[dict[str, set[str]]], list[Deed]]) -> list[Deed]:
    """What the recomputation of a gate compares: the acts reviewed, and who reviewed them as the trail tells."""
    reviews = reviews_of_versions([version.pk])[version.pk]
    if not reviews:
        return []
    found = [deed for review in reviews for deed in deeds_reviewed(review, version)]
    return found + recorded({TrailReview.subject_kind: {str(review.pk) for review in reviews}})


# ---------------------------------------------------------------- lists


def register(actor: Actor | User, *, version: Version | None = None) -> QuerySet[TrailReview]:
    """Reviews the person may see, newest first, each with how many findings it has."""
    rows = gate.visible(actor, TrailReview).select_related("version__model", "opened_by", "ended_by")
    if version is not None:
        rows = rows.filter(version=version)
    return rows.annotate(found=Count("findings")).order_by("-number")


def marks_by_entry(review: TrailReview) -> dict[int, Any]:
    return {mark.entry: mark for mark in review.marks.select_related("seen_by")}


__all__ = [
    "Acted",
    "acts_on_versions",
    "came_after",
    "deeds_reviewed",
    "deviation_of",
    "entries_of",
    "entries_on",
    "last_signed",
    "line_of",
    "marks_by_entry",
    "open_findings",
    "open_review",
    "prime_reviews",
    "register",
    "reviewed_pairs",
    "reviewing_deeds",
    "reviews_of_versions",
    "working_hours",
]
