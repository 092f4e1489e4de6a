"""What an access review goes through line by line: each kind of grant says what is held, what is over, and ends it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.models import Q

from apps.access import duties
from apps.access.assigning import PARENTS
from apps.access.duties import Duty
from apps.access.models import AccessReview, Assignment, ReviewSheet
from apps.access.sharing import gathered
from apps.access.signing import as_printed
from apps.core import registries
from apps.core.clock import iso, now

Place = tuple[str, int]  # scope kind, scope id
Line = dict[str, Any]
ORGANISATION: Place = (duties.ORGANISATION, duties.ORGANISATION_ID)
# Without somebody who holds these nobody could be given a duty again: the last holder's does not lapse.
INDISPENSABLE = frozenset({Duty.COMPLIANCE, Duty.ADMINISTRATOR})


@dataclass(frozen=True)
class Grants:
    """One kind of grant. held: lines of each place. over: id -> why it no longer counts. end: ends one in an act."""

    held: Callable[[Iterable[Place]], Mapping[Place, list[Line]]]
    over: Callable[[list[int]], Mapping[int, str]]
    end: Callable[[Any, int, str], None]


GRANTS: dict[str, Grants] = {}  # kind of the record that grants -> how reviews deal with it


def line_of(
    kind: str, pk: int, ref: str, person: Any, *, duty: str, word: str, since: Any, until: Any
) -> Line:
    """One line of a sheet, nothing decided."""
    return {
        "kind": kind,
        "id": pk,
        "ref": ref,
        "uuid": str(person.uuid),
        "person": person.username,
        "name": person.printed_name,
        "duty": duty,
        "word": word,
        "since": iso(since),
        "until": iso(until) if until else "",
        "decision": "",
        "comment": "",
        "by": "",
        "outcome": "",
    }


def held_duties(places: Iterable[Place]) -> dict[Place, list[Line]]:
    """Approved duties that are in force or still to start, by place."""
    wanted: dict[str, list[int]] = {}
    for kind, pk in places:
        wanted.setdefault(kind, []).append(pk)
    where = Q(pk__in=[])
    for kind, ids in wanted.items():
        where |= Q(scope_kind=kind, scope_id__in=ids)
    rows = Assignment.objects.filter(where, state=Assignment.State.APPROVED, person__is_active=True)
    found: dict[Place, list[Line]] = {}
    for a in (
        rows.exclude(ends_at__lte=now()).select_related("person").order_by("duty", "person__printed_name")
    ):
        made = line_of(
            a.subject_kind,
            a.pk,
            a.ref,
            a.person,
            duty=a.duty,
            word=duties.WORDS[Duty(a.duty)],
            since=a.starts_at,
            until=a.ends_at,
        )
        found.setdefault((a.scope_kind, a.scope_id), []).append(made)
    return found


def over_duties(ids: list[int]) -> dict[int, str]:
    """Id -> when and why a duty is over; those that still count are left out."""
    found = {}
    rows = Assignment.objects.filter(pk__in=ids).select_related("person")
    for a in rows:
        if a.state in (Assignment.State.ENDED, Assignment.State.REFUSED):
            found[a.pk] = f"ended meanwhile: {a.end_reason}" if a.end_reason else "ended meanwhile"
        elif a.ends_at is not None and a.ends_at <= now():
            found[a.pk] = "ran out meanwhile"
        elif not a.person.is_active:
            found[a.pk] = "the account was deactivated meanwhile"
    return found


def places_of(kinds: Iterable[str]) -> dict[Place, str]:
    """Every model or dataset of these kinds, with its short name."""
    found: dict[Place, str] = {}
    for kind in kinds:
        rows = apps.get_model(PARENTS[kind])._default_manager.order_by("slug").values_list("pk", "slug")
        found |= {(kind, pk): slug for pk, slug in rows}
    return found


def split(place: Place, lines: Iterable[Line]) -> list[tuple[str, list[Line]]]:
    """(whose, lines) of each sheet of a place: those who review it have a sheet each, which another person signs."""
    reviewers = {Duty.COMPLIANCE} if place == ORGANISATION else {Duty.OWNER}
    known = list(lines)
    own = {line["person"] for line in known if line["duty"] in reviewers}
    sheets: dict[str, list[Line]] = {}
    for line in known:
        sheets.setdefault(line["person"] if line["person"] in own else "", []).append(line)
    return sorted(sheets.items())


def gone(sheet: ReviewSheet) -> dict[tuple[str, int], str]:
    """(kind, id) of the sheet's lines that no longer count -> why; of a sheet that is done, as it was then."""
    if sheet.state != ReviewSheet.State.OPEN:
        return {(ln["kind"], ln["id"]): ln["comment"] for ln in sheet.lines if ln["outcome"] == "gone"}
    return gone_of([sheet])[sheet.pk]


def gone_of(sheets: Iterable[ReviewSheet]) -> dict[int, dict[tuple[str, int], str]]:
    """The same for several open sheets, one query for each kind of grant."""
    known = list(sheets)
    keys: dict[str, list[int]] = {}
    for sheet in known:
        for line in sheet.lines:
            keys.setdefault(line["kind"], []).append(line["id"])
    over = {kind: gathered(f"over {kind}", ids, GRANTS[kind].over) for kind, ids in keys.items()}
    return {
        sheet.pk: {
            (ln["kind"], ln["id"]): why for ln in sheet.lines if (why := over[ln["kind"]].get(ln["id"]))
        }
        for sheet in known
    }


def shown(sheet: ReviewSheet) -> list[Line]:
    """The lines with what became of them meanwhile: what is over has nothing to decide."""
    over = gone(sheet)
    return [
        line | ({"decision": "gone", "comment": over[key]} if key in over else {})
        for line in sheet.lines
        for key in [(line["kind"], line["id"])]
    ]


@registries.content("access.review_sheet")
def sheet_content(sheet: ReviewSheet) -> dict[str, Any]:
    """What is signed: each grant with the decision on it."""
    return {
        "schema": "access.review_sheet/1",
        "ref": sheet.ref,
        "review": {"ref": sheet.review.ref, "title": sheet.review.title, "due_at": iso(sheet.review.due_at)},
        "on": sheet.place,
        "whose": sheet.whose.username if sheet.whose else "",
        "lines": [
            {
                key: line[key]
                for key in ("ref", "person", "name", "duty", "since", "until", "decision", "comment", "by")
            }
            for line in shown(sheet)
        ],
    }


def _withdrawn(review: AccessReview) -> dict[str, Any]:
    """Only where it was withdrawn: the digest of a closed campaign stays that of what was written then."""
    if review.ended_by is None or review.ended_at is None:
        return {}
    return {
        "withdrawn_by": review.ended_by.username,
        "withdrawn_at": iso(review.ended_at),
        "withdrawn_because": review.end_reason,
    }


def result_of(review: AccessReview, sheets: Iterable[ReviewSheet]) -> dict[str, Any]:
    """The whole result as data: what was reviewed, decided, by whom, and what came of it."""
    return {
        "schema": "access.review/1",
        "ref": review.ref,
        "title": review.title,
        "reason": review.reason,
        "opened_by": review.opened_by.username,
        "opened_at": iso(review.opened_at),
        "due_at": iso(review.due_at),
        "state": review.state,
        "closed_at": iso(review.closed_at) if review.closed_at else "",
        "without_duties": list(review.empty),
        **_withdrawn(review),
        "sheets": [
            sheet_content(sheet)
            | {
                "state": sheet.state,
                "outcomes": {line["ref"]: line["outcome"] for line in sheet.lines},
                "signature": as_printed(sheet.signature) if sheet.signature else None,
            }
            for sheet in sorted(sheets, key=lambda each: each.pk)
        ],
    }
