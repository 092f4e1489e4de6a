"""Reads of access reviews for pages and API."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet

from apps.access.actors import Actor
from apps.access.duties import Duty
from apps.access.gate import Judge, visible
from apps.access.models import AccessReview, Assignment, Reminder, ReviewSheet
from apps.access.policy import policy
from apps.access.reviewing import gone_of, result_of
from apps.access.sharing import shared
from apps.accounts.models import User
from apps.core.clock import now
from apps.core.digests import canonical_json, digest
from apps.core.errors import NotAllowed

OPEN = ReviewSheet.State.OPEN
MOST = 200  # sheets that a list of work looks at


def reviews(actor: Actor) -> QuerySet[AccessReview, Any]:
    """Campaigns the reader may see, each with `open_sheets` and `all_sheets` of those they see."""
    seen = Q(sheets__in=visible(actor, ReviewSheet))
    rows: QuerySet[AccessReview, Any] = visible(actor, AccessReview).select_related(
        "opened_by", "ended_by", "job"
    )
    return rows.annotate(
        all_sheets=Count("sheets", filter=seen, distinct=True),
        open_sheets=Count("sheets", filter=seen & Q(sheets__state=OPEN), distinct=True),
    )


def sheets(actor: Actor) -> QuerySet[ReviewSheet, Any]:
    rows: QuerySet[ReviewSheet, Any] = visible(actor, ReviewSheet)
    return rows.select_related("review__opened_by", "whose", "signature")


@dataclass(frozen=True)
class Waiting:
    """A sheet that waits for this person's review, with what is still undecided."""

    sheet: ReviewSheet
    undecided: int


def waiting_for(actor: Actor) -> list[Waiting]:
    """Open sheets that are this person's to review, those due first; a constant number of queries.

    An owner's are the sheets of what they own. A compliance officer's are those of the organisation, of owners' own
    duties, and of objects without an owner who may. Whether they may is judged by the gate when they open one.
    """
    mine = Assignment.objects.active().filter(person=actor.user, duty__in=[Duty.OWNER, Duty.COMPLIANCE])
    held = set(mine.values_list("duty", "scope_kind", "scope_id"))
    if not held:
        return []
    officer = any(duty == Duty.COMPLIANCE for duty, _kind, _pk in held)
    rows = sheets(actor).filter(state=OPEN, review__state=AccessReview.State.OPEN, review__due_at__gt=now())
    if not officer:
        rows = rows.filter(scope_id__in=[pk for _duty, _kind, pk in held])
    found = list(rows.order_by("review__due_at", "pk")[:MOST])
    owners = _owners(found) if officer else {}
    own = str(actor.user.uuid)
    wanted = []
    for sheet in found:
        place = (sheet.scope_kind, sheet.scope_id)
        listed = {line["uuid"] for line in sheet.lines}
        if own in listed:
            continue
        left_to_compliance = officer and not owners.get(place, set()) - listed
        if (Duty.OWNER, *place) in held or left_to_compliance:
            wanted.append(sheet)
    over = gone_of(wanted)
    return [
        Waiting(s, len([ln for ln in s.undecided if (ln["kind"], ln["id"]) not in over[s.pk]]))
        for s in wanted
    ]


def _owners(found: Iterable[ReviewSheet]) -> dict[tuple[str, int], set[str]]:
    """Place -> who owns it now."""
    ids = {sheet.scope_id for sheet in found}
    rows = Assignment.objects.active().filter(duty=Duty.OWNER, scope_id__in=ids)
    owners: dict[tuple[str, int], set[str]] = {}
    for kind, pk, person in rows.values_list("scope_kind", "scope_id", "person__uuid"):
        owners.setdefault((kind, pk), set()).add(str(person))
    return owners


def reviewers(sheet: ReviewSheet) -> list[User]:
    """Who could sign the sheet; nobody: it is stuck and will lapse."""
    return Judge(sheet).eligible(policy("access.sign_review"))


def told(sheets: Iterable[ReviewSheet]) -> QuerySet[Reminder, Any]:
    """Who was told beforehand that these sheets wait or would lapse."""
    ids = [sheet.pk for sheet in sheets]
    rows = Reminder.objects.filter(about_kind=ReviewSheet.subject_kind, about_id__in=ids)
    return rows.select_related("person").order_by("pk")


@dataclass(frozen=True)
class Result:
    """The result of a campaign as data, its bytes (canonical JSON) and their digest."""

    data: dict[str, Any]
    content: bytes
    digest: str


def result(actor: Actor, review: AccessReview) -> Result:
    """The whole result; refused to who sees some of its sheets only."""
    every = list(review.sheets.select_related("whose", "signature").order_by("pk"))
    seen = set(visible(actor, ReviewSheet).filter(review=review).values_list("pk", flat=True))
    if seen != {sheet.pk for sheet in every}:
        raise NotAllowed(
            f"You cannot take the result of {review.ref} away.",
            fact="It holds sheets of objects that you may not see.",
            rule="visibility",
            who=["compliance officers, registrars and inspectors"],
        )
    for sheet in every:
        sheet.review = review
    with shared():
        gone_of(sheet for sheet in every if sheet.state == OPEN)  # asked once for all of them
        data = result_of(review, every)
    return Result(data, canonical_json(data), digest(data))
