"""What a seat on a review board opens for reading: the meetings of the board, and what it is asked about.

While a gate waits for a board's decision, who has a seat in force on that board reads the version, its gate and its
evidence, as one reads them who holds a duty on the model: no other version, no list of people, no trail. A seat that
ended, a meeting that was withdrawn or rejected, a gate that was decided opens nothing further. A seat is a person's
own: no token that was made for some objects, and no service, reads by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from apps.access import duties
from apps.access.gate import Scopes
from apps.approvals.board_models import BoardMember, Meeting
from apps.approvals.board_states import MeetingState, MemberState
from apps.approvals.states import GateState
from apps.core import registries
from apps.core.clock import now
from apps.core.kept_sql import Kept, Text
from apps.registry.models import Version, VersionData
from apps.validations.models import Plan

EVERYBODY = Q(pk__isnull=False)  # an empty Q would vanish from a disjunction and open nothing
NOBODY = Q(pk__in=[])
ASKED = (MeetingState.PLANNED, MeetingState.MINUTED, MeetingState.SIGNED)


@registries.visibility("approvals.Board")
@registries.visibility("approvals.BoardChange")
@registries.visibility("approvals.BoardMember")
def boards_seen(_scopes: Scopes) -> Q:
    """Who sits on which board is no secret within the organisation."""
    return EVERYBODY


def _seats(person_id: int, at: datetime) -> QuerySet[Any, Any]:
    return BoardMember.objects.in_force(at).filter(person_id=person_id).values("board_id")


_kept_boards = Kept(_seats)
_kept_versions = Kept(
    lambda person_id, at: asked_about().filter(board_id__in=_seats(person_id, at)).values("gate__version_id")
)


def _boards(scopes: Scopes) -> Text:
    return _kept_boards.ids(scopes.user.pk, now())


@registries.visibility("approvals.Meeting")
def meetings_seen(scopes: Scopes) -> Q:
    """Who sees the model, and the members of the board that meets about it."""
    seen = Q(gate__version__model_id__in=scopes.of(duties.MODEL))
    return seen | Q(board_id__in=_boards(scopes)) if scopes.seated else seen


@registries.visibility("approvals.Attendance")
def attendance_seen(scopes: Scopes) -> Q:
    seen = Q(meeting__gate__version__model_id__in=scopes.of(duties.MODEL))
    return seen | Q(meeting__board_id__in=_boards(scopes)) if scopes.seated else seen


def asked_about() -> QuerySet[Meeting, Any]:
    """Meetings by which a board is asked about a version now."""
    return Meeting.objects.filter(state__in=ASKED, gate__state=GateState.OPEN).order_by()


@registries.seat(Meeting.subject_kind)
def seat_at(person_id: int, meeting: Meeting) -> tuple[str, int] | None:
    """The model that a person decides about who attended with a vote."""
    voted = meeting.attendance.filter(votes=True, member__person_id=person_id).exists()
    return (duties.MODEL, meeting.gate.version.model_id) if voted else None


@registries.seat("of")
def seats_held(person_id: int) -> list[tuple[str, int]]:
    """The models that a person decides about by their seats now; the organisation where their boards are not asked."""
    seats = BoardMember.objects.in_force().filter(person_id=person_id).values("board_id").order_by()
    models = asked_about().filter(board_id__in=seats).values_list("gate__version__model_id", flat=True)
    if found := sorted(set(models)):
        return [(duties.MODEL, pk) for pk in found]
    return [(duties.ORGANISATION, duties.ORGANISATION_ID)] if seats.exists() else []


@registries.seat("rows")
def seats_ever(person_id: int) -> QuerySet[Any, Any]:
    """Every seat they have, had or were proposed for: who has none sees nothing by any board."""
    return BoardMember.objects.filter(person_id=person_id).order_by()


def _versions(scopes: Scopes) -> Text:
    return _kept_versions.ids(scopes.user.pk, now())


@registries.seat("sitting")
def sitting(people: Iterable[int] | None) -> set[int]:
    """Of these people (none: of all), who has a seat, will have one, or is proposed for one."""
    rows = BoardMember.objects.filter(state__in=[MemberState.REQUESTED, MemberState.APPROVED])
    rows = rows.exclude(ends_at__lte=now()).order_by()
    if people is not None:
        rows = rows.filter(person__in=list(people))
    return set(rows.values_list("person_id", flat=True))


def _on(path: str) -> Callable[[Scopes], Q]:
    """Rows that hang by `path` on a version that a board of the reader is asked about."""

    def seen(scopes: Scopes) -> Q:
        return Q(**{f"{path}__in": _versions(scopes)}) if scopes.seated else NOBODY

    seen.__qualname__ = f"asked_by_{path}"
    return seen


# Label of the model -> the way from its rows to the version.
OPENED = {
    "registry.Version": "pk",
    "registry.VersionAuthor": "version_id",
    "registry.VersionData": "version_id",
    "validations.Plan": "version_id",
    "validations.Run": "plan__version_id",
    "validations.Comparison": "plan__version_id",
    "validations.Result": "run__plan__version_id",
    "fairness.Report": "run__plan__version_id",
    "robustness.ProbePlan": "validation_plan__version_id",
    "robustness.ProbeReport": "plan__validation_plan__version_id",
    "robustness.ProbeEvidence": "version_id",
    "explanation.Report": "run__plan__version_id",
    "quality.Deviation": "version_id",
    "approvals.Gate": "version_id",
    "approvals.Slot": "gate__version_id",
    "approvals.Minute": "gate__version_id",
    "approvals.Snapshot": "gate__version_id",
}
for label, path in OPENED.items():
    registries.visibility(label)(_on(path))


@registries.visibility("registry.Model")
def models_asked_about(scopes: Scopes) -> Q:
    """The model by its name: of its versions only those that the board is asked about are seen."""
    if not scopes.seated:
        return NOBODY
    return Q(pk__in=Version.objects.filter(pk__in=_versions(scopes)).order_by().values("model_id"))


@registries.visibility("registry.IntendedUse")
def uses_asked_about(scopes: Scopes) -> Q:
    if not scopes.seated:
        return NOBODY
    return Q(pk__in=Version.objects.filter(pk__in=_versions(scopes)).order_by().values("intended_use_id"))


def _data(scopes: Scopes, column: str) -> Q:
    """What the versions were made of and are tested on: that it exists, its source and digest, never its rows."""
    if not scopes.seated:
        return NOBODY
    used = VersionData.objects.filter(version_id__in=_versions(scopes)).order_by()
    tested = Plan.objects.filter(version_id__in=_versions(scopes)).order_by()
    made = f"dataset_version_{column}" if column == "id" else f"dataset_version__{column}"
    test = f"test_data_{column}" if column == "id" else f"test_data__{column}"
    return Q(pk__in=used.values(made)) | Q(pk__in=tested.values(test))


@registries.visibility("datasets.DatasetVersion")
def data_asked_about(scopes: Scopes) -> Q:
    return _data(scopes, "id")


@registries.visibility("datasets.Dataset")
def datasets_asked_about(scopes: Scopes) -> Q:
    return _data(scopes, "dataset_id")
