"""Every verb on inspection packs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from apps.access.acting import Act, act
from apps.core import jobs, registries
from apps.core.clock import now
from apps.core.errors import BadInput, WrongState
from apps.core.models import Job
from apps.core.numbers import next_number
from apps.packs.models import Pack
from apps.packs.queries import RELATED
from apps.packs.states import State
from apps.registry.models import Version

BUILD = "packs.build"
MAX_PURPOSE = 200


@act("packs.request_pack")
def request_pack(act: Act, version_id: int, *, purpose: str) -> Pack:
    """Queue the pack of a version as of now. `purpose` is printed on the cover (1 to 200 characters)."""
    version = act.lock(Version.objects.select_related("model", "intended_use"), pk=version_id)
    act.allow(version)
    said = " ".join(purpose.split())
    if not said or len(said) > MAX_PURPOSE:
        told = "Say what the pack is for." if not said else f"At most {MAX_PURPOSE} characters."
        raise BadInput("The pack was not asked for.", fields={"purpose": [told]})
    moment = now()
    pack = act.create(
        Pack,
        number=next_number(Pack.subject_kind),
        version=version,
        as_of=moment,
        purpose=said,
        requested_by=act.user,
        requested_at=moment,
    )
    act.write(pack, job=act.after_commit(BUILD, pack))
    act.about(pack)
    act.event(version=version.ref, purpose=said)
    return pack


def _locked(act: Act, pack_id: int) -> Pack:
    pack: Pack = act.lock(Pack.objects.select_related(*RELATED), pk=pack_id)
    act.allow(pack)
    return pack


@act("packs.finish_pack")
def finish_pack(act: Act, pack_id: int, *, job: Job, as_of: datetime, built: dict[str, Any]) -> Pack:
    """Write the finished pack once. `built`: content_digest, pdf_digest, pdf_size (bytes), pages."""
    pack = _locked(act, pack_id)
    jobs.end(job)
    act.write(pack, state=State.DONE, finished_at=now(), as_of=as_of, **built)
    act.event(content=built["content_digest"], pdf=built["pdf_digest"], pages=built["pages"])
    return pack


@act("packs.fail_pack")
def fail_pack(act: Act, pack_id: int, *, job: Job, message: str) -> Pack:
    """Keep a pack that came to nothing, with the sentence that says why."""
    pack = _locked(act, pack_id)
    jobs.end(job, state=Job.State.FAILED, error=message)
    act.write(pack, state=State.FAILED, finished_at=now(), failure=message)
    act.event(failure=message)
    return pack


@registries.precondition("packs.download_pack")
def download_precondition(pack: Pack) -> None:
    if pack.state != State.DONE:
        fact = pack.failure if pack.state == State.FAILED else "It is queued or being built."
        raise WrongState(
            f"{pack.ref} cannot be downloaded.",
            fact=fact,
            rule="pack-ready",
            who=["anybody who may read the version, when the pack is ready"],
        )


@act("packs.download_pack")
def download_pack(act: Act, pack_id: int) -> Pack:
    """Enter the download in the trail; the door sends the file only after that."""
    pack = _locked(act, pack_id)
    act.event(pdf=pack.pdf_digest, content=pack.content_digest)
    return pack
