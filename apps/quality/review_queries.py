"""Reads of the trail for its reviews: what a version's trail holds, which review covers it, what came since."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Count, F, QuerySet

from apps.access import gate
from apps.access.actors import Actor
from apps.access.facts import pairs
from apps.access.policy import TABLE
from apps.access.recorded import Recorded, about, deeds_of, leaf_index, recorded
from apps.access.separation import Deed, Rules
from apps.access.sharing import came_along, gathered, grouped, once
from apps.accounts.models import User
from apps.core import registries
from apps.core.workdays import WorkingDays
from apps.quality.models import Deviation, TrailFinding, TrailMark, TrailReview
from apps.quality.queries import deviations_of_versions, is_unsettled
from apps.quality.review_reading import records_along, rows_along
from apps.quality.review_rules import Line, WorkingHours, is_reading, outdates, review_rules
from apps.registry.models import Version
from apps.trail.models import Entry, Kind

TOLD = (Kind.ACT, Kind.EVENT, Kind.REFUSAL)


def working_days() -> WorkingDays:
    return WorkingDays.parse(
        settings.ORGANISATION_TIME_ZONE,
        settings.ORGANISATION_DAYS,
        settings.ORGANISATION_HOLIDAYS,
        settings.ORGANISATION_CLOSED,
    )


def working_hours() -> WorkingHours:
    return WorkingHours.parse(working_days(), settings.ORGANISATION_HOURS)


def reviewed_pairs(version: Version) -> frozenset[tuple[str, str]]:
    """The records whose trail is the version's: itself, all that hangs on it, and its intended use.

    Reviews of the trail are not among them: reviewing is not what is reviewed.
    """
    found = pairs(Version.subject_kind, [version.pk])
    found |= pairs("registry.intended_use", [version.intended_use_id])
    for give in registries.closure["registry.versions:version"]:
        found |= give([version.pk])
    return found


def entries_on(found: Iterable[tuple[str, str]]) -> QuerySet[Entry]:
    """Acts, events and refusals about these records, in order, each with `leaf`: its place in the log, or None."""
    rows = Entry.objects.filter(about(found), kind__in=TOLD).annotate(leaf=leaf_index())
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

    An open one with `marked`, the entries that were seen. One query with marks and findings, however many.
    """

    def load(ids: list[int]) -> dict[int, list[TrailReview]]:
        rows = TrailReview.objects.filter(version_id__in=ids).exclude(state="withdrawn")
        rows = rows.annotate(marks_read=rows_along(TrailMark), findings_read=rows_along(TrailFinding))
        found: list[Any] = list(rows.select_related("opened_by").order_by("number"))
        marks = {each.pk: records_along(TrailMark, each.marks_read, "entry") for each in found}
        came_along("trail marks", marks)
        came_along(
            "trail findings",
            {each.pk: records_along(TrailFinding, each.findings_read, "number") for each in found},
        )
        for review in found:
            review.marked = frozenset(mark.entry for mark in marks[review.pk])
        return grouped(found, lambda row: row.version_id)

    return {pk: rows or [] for pk, rows in gathered("trail reviews", version_ids, load).items()}


def reviews_of(version: Version) -> list[TrailReview]:
    """The reviews of one version, which they know."""
    found = reviews_of_versions([version.pk])[version.pk]
    for review in found:
        review.version = version
    return found


def marks_of_reviews(review_ids: Collection[int]) -> dict[int, list[TrailMark]]:
    """Review id -> the entries that were seen, each with who saw it, in the order of the trail."""

    def load(ids: list[int]) -> dict[int, list[TrailMark]]:
        rows = TrailMark.objects.filter(review_id__in=ids).select_related("seen_by")
        return grouped(rows.order_by("entry"), lambda row: row.review_id)

    return {pk: rows or [] for pk, rows in gathered("trail marks", review_ids, load).items()}


def findings_of_reviews(review_ids: Collection[int]) -> dict[int, list[TrailFinding]]:
    """Review id -> what was found, each with who recorded it, by number."""

    def load(ids: list[int]) -> dict[int, list[TrailFinding]]:
        rows = TrailFinding.objects.filter(review_id__in=ids).select_related("recorded_by")
        return grouped(rows.order_by("number"), lambda row: row.review_id)

    return {pk: rows or [] for pk, rows in gathered("trail findings", review_ids, load).items()}


def findings_of(review: TrailReview) -> list[TrailFinding]:
    """What one review found; each finding knows its review."""
    found = findings_of_reviews([review.pk])[review.pk]
    for each in found:
        each.review = review
    return found


def is_looking(act: str) -> bool:
    """Whether an act only looks, as the rules of reviews count it."""
    row = TABLE.get(act)
    return is_reading(act, review_rules(), reads=row is not None and row.reads)


def acts_on_version(version: Version) -> list[Recorded]:
    """Every act on the version and what hangs on it, in the order of the log."""

    def found() -> list[Recorded]:
        acts = recorded(reviewed_pairs(version))
        return sorted(acts, key=lambda each: (each.leaf is None, each.leaf or 0, each.entry))

    return list(once(("acts on", version.pk), found))


def act_told(act: Recorded) -> str:
    return f"{act.done} on {act.at:%Y-%m-%d} (entry {act.entry})"


def last_signed(version: Version) -> TrailReview | None:
    signed = [each for each in reviews_of(version) if each.state == "signed"]
    return max(signed, key=lambda each: (each.until_size, each.number), default=None)


def open_review(version: Version) -> TrailReview | None:
    return next((each for each in reviews_of(version) if each.state == "open"), None)


def came_after(review: TrailReview, version: Version, until: datetime | None = None) -> list[Recorded]:
    """Acts on the version after the range that make the review out of date; `until`: those done by then."""
    rules = review_rules()
    return [
        each
        for each in acts_on_version(version)
        if (each.leaf is None or each.leaf >= review.until_size)
        and outdates(each.act, rules, reads=is_looking(each.act))
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
    for finding in findings_of(review):
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
        Deed(each.person, "act", review.subject_kind, str(review.pk), act_told(each), each.at)
        for each in acts_on_version(version)
        if each.person
        and each.leaf is not None
        and review.from_size <= each.leaf < review.until_size
        and not is_looking(each.act)
    ]


def review_pairs(version: Version) -> frozenset[tuple[str, str]]:
    """The reviews of the version, as records of the trail."""
    return pairs(TrailReview.subject_kind, [review.pk for review in reviews_of(version)])


def reviewing_deeds(version: Version, rules: Rules) -> list[Deed]:
    """What the recomputation of a gate compares: the acts reviewed, and who reviewed them as the trail tells."""
    found = [deed for review in reviews_of(version) for deed in deeds_reviewed(review, version)]
    return found + deeds_of(rules, recorded(review_pairs(version)))


# ---------------------------------------------------------------- lists


def register(actor: Actor | User, *, version: Version | None = None) -> QuerySet[TrailReview]:
    """Reviews the person may see, newest first, each with how many findings it has."""
    rows = gate.visible(actor, TrailReview).select_related("version__model", "opened_by", "ended_by")
    if version is not None:
        rows = rows.filter(version=version)
    return rows.annotate(found=Count("findings")).order_by("-number")


def marks_by_entry(review: TrailReview) -> dict[int, Any]:
    return {mark.entry: mark for mark in marks_of_reviews([review.pk])[review.pk]}


__all__ = [
    "act_told",
    "acts_on_version",
    "came_after",
    "deeds_reviewed",
    "deviation_of",
    "entries_of",
    "entries_on",
    "findings_of",
    "is_looking",
    "last_signed",
    "line_of",
    "marks_by_entry",
    "marks_of_reviews",
    "open_findings",
    "open_review",
    "register",
    "review_pairs",
    "reviewed_pairs",
    "reviewing_deeds",
    "reviews_of",
    "reviews_of_versions",
    "working_hours",
]
