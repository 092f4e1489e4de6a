"""What training, access reviews and reminders tell the gate: facts and visibility."""

from __future__ import annotations

from django.db.models import Q

from apps.access import duties
from apps.access.facts import Facts
from apps.access.gate import ORGANISATION_PAIR, Scopes
from apps.access.models import AccessReview, ReviewSheet
from apps.access.registered import EVERYTHING
from apps.access.separation import Deed
from apps.core import registries
from apps.core.subjects import Subject


@registries.facts("access.training")
@registries.facts("access.training_matrix")
@registries.facts("access.ask")
@registries.facts("access.reminder")
def organisation_facts(_subject: Subject) -> Facts:
    return Facts(parents=(ORGANISATION_PAIR,))


@registries.facts("access.review")
def review_facts(review: AccessReview) -> Facts:
    """Whose duties still wait on it is declared: withdrawing it would keep them unreviewed (DY17)."""
    kind, pk = review.subject_kind, str(review.pk)
    sheets = review.sheets.filter(state=ReviewSheet.State.OPEN).values_list("lines", flat=True)
    people = {line["uuid"] for lines in sheets for line in lines}
    held = (Deed(uuid, "receive_grant", kind, pk, "hold a duty on an open sheet of it") for uuid in people)
    return Facts(parents=(ORGANISATION_PAIR,), declared=tuple(held))


@registries.facts("access.review_sheet")
def sheet_facts(sheet: ReviewSheet) -> Facts:
    """Whose duties stand on the sheet is declared: nobody reviews their own (DY17)."""
    kind, pk = sheet.subject_kind, str(sheet.pk)
    declared = {
        line["uuid"]: Deed(line["uuid"], "receive_grant", kind, pk, "hold a duty on this sheet")
        for line in sheet.lines
    }
    place = (sheet.scope_kind, sheet.scope_id)
    parents = (place,) if place == ORGANISATION_PAIR else (place, ORGANISATION_PAIR)
    return Facts(parents=parents, declared=tuple(declared.values()))


@registries.visibility("access.TrainingRecord")
def trainings_seen(scopes: Scopes) -> Q:
    """One's own; all of them for those who see all, and for administrators, who see all accounts."""
    if duties.Duty.ADMINISTRATOR in scopes.organisation_duties:
        return EVERYTHING
    return Q(person=scopes.user)


@registries.visibility("access.TrainingMatrix")
def matrices_seen(_scopes: Scopes) -> Q:
    return EVERYTHING


@registries.visibility("access.Ask")
def asks_seen(scopes: Scopes) -> Q:
    """Between two people; what was asked stands in the trail."""
    return Q(asker=scopes.user) | Q(person=scopes.user)


@registries.visibility("access.Reminder")
def reminders_seen(scopes: Scopes) -> Q:
    return Q(person=scopes.user)


def _sheets(scopes: Scopes, prefix: str = "") -> Q:
    """Sheets of objects on which the reader holds a duty, and those with their own duties."""
    seen = Q(**{f"{prefix}whose": scopes.user})
    for kind in (duties.MODEL, duties.DATASET):
        seen |= Q(**{f"{prefix}scope_kind": kind, f"{prefix}scope_id__in": scopes.of(kind)})
    if duties.Duty.ADMINISTRATOR in scopes.organisation_duties:
        seen |= Q(**{f"{prefix}scope_kind": duties.ORGANISATION})
    return seen


@registries.visibility("access.ReviewSheet")
def sheets_seen(scopes: Scopes) -> Q:
    return _sheets(scopes)


@registries.visibility("access.AccessReview")
def reviews_seen(scopes: Scopes) -> Q:
    """The campaigns in which one sees a sheet."""
    seen = Q(pk__in=ReviewSheet.objects.filter(_sheets(scopes)).values("review_id"))
    if duties.Duty.COMPLIANCE in scopes.organisation_duties:
        seen |= Q(state=AccessReview.State.PREPARING)
    return seen
