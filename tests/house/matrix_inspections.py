"""What the matrix asks of inspections, copies and sensitive data: one of each, and the parameters of their URLs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from apps.access.acts import create_account, request_inspection, take_copy
from apps.accounts.models import User
from apps.core.clock import now
from apps.datasets.sensitive_acts import approve_unmark, mark_sensitive, request_read, request_unmark


def inspected(world: Any, train: Any) -> dict[str, dict[str, object]]:
    """Name of the URL to its parameters. The dataset is sensitive for a moment only: other cells read its rows."""
    visitor = create_account(
        world.administrator, username="visitor", printed_name="Vera Visitor", email="vera@agency.example"
    )
    visit = request_inspection(
        world.administrator,
        person_id=visitor.pk,
        authority="Agency",
        places=[("registry.model", world.model.pk)],
        ends_at=now() + timedelta(days=9),
        reason="Announced",
    )
    mark_sensitive(world.owner, train.dataset_id, reason="Patients")
    grant = request_read(world.author, train.pk, hours=1, reason="Query 7")
    unmarking = request_unmark(world.owner, train.dataset_id, reason="Published")
    approve_unmark(world.steward, unmarking.pk)
    copy = take_copy(
        User.objects.get(pk=world.inspector.pk),
        file_name="models.csv",
        sha256="0" * 64,
        size=1,
        content_type="text/csv",
        page="web:models",
        record="",
        path="/models/?format=csv",
    )
    of_visit = (
        "web:inspection",
        *(f"api:inspection-{each}" for each in ("detail", "approve", "refuse", "end")),
    )
    of_grant = (
        "web:read_grant",
        *(f"api:read-grant-{each}" for each in ("detail", "grant", "refuse", "end")),
    )
    of_unmarking = tuple(f"api:unmarking-{each}" for each in ("detail", "approve", "refuse"))
    return {
        **{name: {"pk": visit.pk} for name in of_visit},
        **{name: {"pk": grant.pk} for name in of_grant},
        **{name: {"pk": unmarking.pk} for name in of_unmarking},
        "api:copy-detail": {"number": copy.number},
        "api:inspector-log-detail": {"pk": 10**9},
        "api:data-read-detail": {"pk": 10**9},
        "api:dataset-mark": {"slug": "trial"},
        "api:dataset-unmark": {"slug": "trial"},
        "web:inspection_decide": {"pk": visit.pk, "verb": "approve"},
        "web:read_grant_decide": {"pk": grant.pk, "verb": "grant"},
        "web:unmarking_decide": {"pk": unmarking.pk, "verb": "approve"},
        "web:dataset_mark": {"slug": "trial"},
        "web:read_request": {"slug": "trial", "number": train.number},
    }
