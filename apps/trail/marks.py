"""A job's row is bound to what the act queued: a MAC over who asked, what kind of work and on which record.

Jobs are bookkeeping without history. Whoever owns the database could else let a job act on behalf of somebody else.
A job whose mark does not hold is not run; `verify_trail` names every such row.
"""

from __future__ import annotations

import hmac
import json
from typing import TYPE_CHECKING

from django.db import transaction

from apps.core import jobs, registries
from apps.core.models import Job
from apps.trail.identity import keys
from apps.trail.models import Kind
from apps.trail.preimages import stamp
from apps.trail.writer import Subject, record

if TYPE_CHECKING:
    from apps.trail.findings import Session

DOMAIN = "countersign job mark v1"
ALTERED = "The job's row is not the one that an act queued: it was changed behind the portal and is not run."


def mark_of(job: Job) -> str:
    """The mark that belongs to the row as it is, 64 hex digits. `job.requested_by` is loaded."""
    asked = job.requested_by
    content = [
        *(DOMAIN, job.pk, job.kind, job.subject_kind, job.subject_id),
        *(asked.pk, asked.uuid.hex, stamp(job.created_at)),
    ]
    return keys().mac(json.dumps(content, separators=(",", ":")).encode())


@registries.guard("job.bind")
def bind(job: Job) -> None:
    """Mark a job just queued, in the act's own transaction."""
    job.mark = mark_of(job)
    job.save(update_fields=["mark"])


@registries.guard("job.holds")
def holds(job: Job) -> bool:
    return hmac.compare_digest(mark_of(job).encode(), job.mark.encode())


@registries.guard("job.refuse")
def refuse(job: Job) -> None:
    """End an altered job, and enter it. Its record is left: what the row says of it cannot be believed."""
    with transaction.atomic():
        jobs.end(job, state=Job.State.FAILED, error=ALTERED)
        record(
            kind=Kind.REFUSAL,
            act="core.run_job",
            subject=Subject("core.job", str(job.pk), f"job {job.pk}"),
            scope="organisation:0",
            body={
                "what": "A job was not run.",
                "fact": ALTERED,
                "rule": "job-mark",
                "who": ["an administrator, after the alarm was looked into"],
                "status": 409,
                "job": {
                    "kind": job.kind,
                    "subject_kind": job.subject_kind,
                    "subject_id": str(job.subject_id),
                },
                "claims": {"uuid": str(job.requested_by.uuid), "username": job.requested_by.username},
            },
            via="job",
        )


@registries.detector("core.jobs")
def job_marks(session: Session) -> None:
    """Every job's mark; a job no act queued has none."""
    rows = Job.objects.using(session.alias).select_related("requested_by").order_by("pk")
    for job in rows.defer("log", "error").iterator(chunk_size=2000):
        session.count("jobs")
        if not holds(job):
            session.report(
                "job",
                Job._meta.db_table,
                job.pk,
                "mark",
                "the row is not what an act queued (who, what, on what)",
            )
