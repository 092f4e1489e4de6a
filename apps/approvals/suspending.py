"""What follows a suspension (engine rule 6): whoever stops a version acts alone and at once; QA signs for it later.

A version is suspended once and stays so, and its suspension is told by the entry of the trail: no record of its own
could say more. Until a QA approver other than who suspended it has signed, it waits in the work of the approvers, who
are told by mail; once a working day has passed without that signature, no release gate of the model is opened.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import (
    CharField,
    DateTimeField,
    Exists,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
)
from django.db.models.functions import Cast

from apps.access.acting import Act, act
from apps.access.waiting import Queue, Row, loaded, queue
from apps.core import registries
from apps.core.clock import iso, now
from apps.core.errors import BadInput, WrongState
from apps.quality.review_queries import working_days
from apps.registry.models import Version
from apps.registry.states import State
from apps.trail.models import Entry, Kind

SUSPEND, SIGN = "approvals.suspend", "approvals.sign_suspension"


def due_of(suspended_at: datetime) -> datetime:
    """When QA must have signed: one working day of the organisation after the suspension (UTC)."""
    return working_days().after(suspended_at)


@dataclass(frozen=True)
class Suspension:
    """One suspension as the trail tells it. `signed_at`: when QA signed for it; None while nobody has."""

    version_id: int
    by: str  # printed name, as entered
    at: datetime
    reason: str
    signed_at: datetime | None
    signed_by: str

    @property
    def due_at(self) -> datetime:
        return due_of(self.at)

    @property
    def overdue(self) -> bool:
        return self.signed_at is None and self.due_at <= now()


def suspensions_of(version_ids: Collection[int]) -> dict[int, Suspension]:
    """Version id -> its suspension with what became of it; one query, whatever their number."""
    rows = Entry.objects.filter(
        kind=Kind.ACT,
        act__in=(SUSPEND, SIGN),
        subject_kind=Version.subject_kind,
        subject_id__in=[str(pk) for pk in version_ids],
    )
    found: dict[int, Suspension] = {}
    for entry in rows.order_by("id"):
        pk, name = int(entry.subject_id), entry.actor_name
        if entry.act == SUSPEND:
            found[pk] = Suspension(
                pk, name, entry.at, str(json.loads(entry.body).get("reason", "")), None, ""
            )
        elif (known := found.get(pk)) is not None:
            found[pk] = Suspension(pk, known.by, known.at, known.reason, entry.at, name)
    return found


def refuse_while_unsigned(version: Version) -> None:
    """No gate of the model opens while QA owes a signature for a suspension of another of its versions."""
    stopped = Version.objects.filter(model=version.model_id, state=State.SUSPENDED).select_related("model")
    versions = {each.pk: each for each in stopped}
    if not versions:
        return
    for pk, found in suspensions_of(versions).items():
        if found.overdue:
            raise WrongState(
                "The release gate cannot be opened yet.",
                fact=(
                    f"{versions[pk].ref} was suspended on {found.at:%Y-%m-%d %H:%M} UTC by {found.by}, and QA has not "
                    f"signed for that; it was due on {found.due_at:%Y-%m-%d %H:%M} UTC."
                ),
                rule="EN6: QA signs for an emergency measure within one working day",
                who=[f"a QA approver of the model other than {found.by}, who signs for the suspension"],
            )


@registries.precondition(SIGN)
def _is_unsigned(version: Version) -> None:
    if version.state != State.SUSPENDED:
        raise WrongState(
            "There is no suspension to sign for.",
            fact=f"{version.ref} is {State(version.state).replace('_', ' ')}.",
            rule="EN6: QA signs for an emergency measure within one working day",
        )
    found = suspensions_of([version.pk])[version.pk]
    if found.signed_at is not None:
        raise WrongState(
            "This suspension is signed for already.",
            fact=f"{found.signed_by} signed on {found.signed_at:%Y-%m-%d %H:%M} UTC.",
            rule="EN6: QA signs for an emergency measure within one working day",
        )


@act(SIGN)
def sign_suspension(act: Act, version_id: int) -> Version:
    """QA has reviewed why a version was suspended; a person other than who suspended it (EN6)."""
    version = act.lock(Version.objects.select_related("model", "intended_use"), pk=version_id)
    act.allow(version)
    if act.decision != "approved":
        raise BadInput(
            {"decision": ["A suspension is signed for or left unsigned; there is nothing to reject."]}
        )
    found = suspensions_of([version.pk])[version.pk]
    act.sign(version, record_version=f"suspended {iso(found.at)}")
    act.event(suspended_at=iso(found.at), suspended_by=found.by, overdue=found.overdue)
    return version


# ---------------------------------------------------------------- told to who must sign


def _entries(act_name: str) -> QuerySet[Entry]:
    return Entry.objects.filter(
        kind=Kind.ACT,
        act=act_name,
        subject_kind=Version.subject_kind,
        subject_id=Cast(OuterRef("pk"), CharField()),
    ).order_by()


def _unsigned() -> Q:
    return Q(~Exists(_entries(SIGN)), state=State.SUSPENDED)


def _since() -> Any:
    return Subquery(_entries(SUSPEND).values("at")[:1], output_field=DateTimeField())


def _versions(rows: list[Row], _people: Any) -> list[Version]:
    found = loaded(rows, Version.objects.select_related("model", "intended_use"))
    told = suspensions_of([each.pk for each in found])
    for each in found:
        each.suspension = told[each.pk]
    return found


def _what(version: Any) -> str:
    found = version.suspension
    return f"{version.ref}, suspended by {found.by}: {found.reason}"


queue(
    Queue(
        key="suspensions",
        one="suspension to sign for",
        many="suspensions to sign for",
        record=Version,
        waits=_unsigned,
        since=_since(),
        due_after=due_of,
        acts=lambda _v: (SIGN,),
        make=_versions,
        what=_what,
        path=lambda v: f"/sign/{SIGN}/{v.pk}/",
    )
)
