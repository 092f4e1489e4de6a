"""Jobs of the gate."""

from __future__ import annotations

from apps.access.actors import Actor
from apps.approvals.acts import record_verification
from apps.core import registries
from apps.core.jobs import Running
from apps.trail import sealer, verifier


@registries.job("approvals.verify_trail")
def verify_trail(running: Running) -> None:
    """Seal what waits, then run every detector over the whole trail."""
    running.report(0, 2, "Sealing")
    sealer.seal()
    running.report(1, 2, "Verifying the trail")
    result = verifier.verify()
    _finish(running.job, result.checked.get("entries", 0), [finding.line() for finding in result.findings])


@registries.job_failed("approvals.verify_trail")
def verification_failed(job, message: str) -> None:
    """A verification that could not be carried out is a finding, never a silence."""
    _finish(job, 0, [f"The verification could not be carried out: {message}"])


def _finish(job, entries: int, findings: list[str]) -> None:
    record_verification(
        Actor.service("worker", on_behalf=job.requested_by),
        job.subject_id,
        job=job,
        entries=entries,
        findings=len(findings),
        first=findings[0] if findings else "",
    )
