"""The queues of this app: access to sensitive data, marks to take away."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import Q

from apps.access.waiting import Queue, Row, columns, partly, queue
from apps.accounts.models import User
from apps.datasets.grants import ReadGrant, Unmarking
from apps.datasets.models import Dataset

People = Mapping[int, User]


def _dataset(row: Row) -> Dataset:
    return partly(Dataset, {**row, "id": row["n3"]}, {"t1": "slug"})


READS = columns("n1=person_id n3=dataset_id n4=hours t1=dataset__slug t2=state")


def _grants(rows: list[Row], people: People) -> list[ReadGrant]:
    found = []
    for row in rows:
        made = partly(ReadGrant, row, READS, since="requested_at")
        made.person, made.dataset = people[row["n1"]], _dataset(row)
        found.append(made)
    return found


queue(
    Queue(
        key="reads",
        one="request to read sensitive data",
        many="requests to read sensitive data",
        record=ReadGrant,
        waits=lambda: Q(state=ReadGrant.State.REQUESTED),
        since="requested_at",
        columns=READS,
        people=("n1",),
        acts=lambda _g: ("datasets.grant_read",),
        otherwise="datasets.refuse_read",
        make=_grants,
        what=lambda g: f"{g}, {g.hours} hour{'' if g.hours == 1 else 's'}",
        asked_by=lambda g: g.person,
        path=lambda g: f"/data-access/{g.pk}/",
    )
)


UNMARKINGS = columns("n2=requested_by_id n3=dataset_id t1=dataset__slug t2=state")


def _unmarkings(rows: list[Row], people: People) -> list[Unmarking]:
    found = []
    for row in rows:
        made = partly(Unmarking, row, UNMARKINGS, since="requested_at")
        made.requested_by, made.dataset = people[row["n2"]], _dataset(row)
        found.append(made)
    return found


queue(
    Queue(
        key="unmarkings",
        one="request that a dataset be no longer sensitive",
        many="requests that a dataset be no longer sensitive",
        record=Unmarking,
        waits=lambda: Q(state=Unmarking.State.REQUESTED),
        since="requested_at",
        columns=UNMARKINGS,
        people=("n2",),
        acts=lambda _u: ("datasets.approve_unmark",),
        otherwise="datasets.refuse_unmark",
        make=_unmarkings,
        what=str,
        asked_by=lambda u: u.requested_by,
        path=lambda u: f"/datasets/{u.dataset.slug}/#sens-h",
    )
)
