"""The job of this app: read, lay out, end by an act."""

from __future__ import annotations

from apps.access.actors import Actor
from apps.core import registries
from apps.core.jobs import Running
from apps.core.models import Job
from apps.packs.acts import BUILD, fail_pack, finish_pack
from apps.packs.build import build
from apps.packs.models import Pack
from apps.packs.queries import RELATED


def _worker(job: Job) -> Actor:
    return Actor.service("worker", on_behalf=job.requested_by)


@registries.job(BUILD)
def build_pack(running: Running) -> None:
    job = running.job
    pack = Pack.objects.select_related(*RELATED).get(pk=job.subject_id)
    as_of, built = build(pack, running.report)
    finish_pack(_worker(job), pack.pk, job=job, as_of=as_of, built=built)


@registries.job_failed(BUILD)
def pack_failed(job: Job, message: str) -> None:
    fail_pack(_worker(job), job.subject_id, job=job, message=message)
