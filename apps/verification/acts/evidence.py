"""Attaching a file of another tool to a version, and fetching it again."""

from __future__ import annotations

from datetime import datetime

from apps.access.acting import Act, act
from apps.core import registries
from apps.core.clock import now
from apps.core.numbers import next_number
from apps.datasets.receiving import Download, download_of
from apps.quality.acts import raise_by_portal
from apps.registry.models import Version
from apps.verification import rules
from apps.verification.models import Evidence
from apps.verification.queries import FINDINGS, TESTS
from apps.verification.receiving import Received
from apps.verification.states import Kind


@registries.precondition("verification.attach_evidence")
def may_attach(version: Version) -> None:
    rules.may_add(version.ref, version.state, "No evidence is attached to")


@act("verification.attach_evidence")
def attach_evidence(
    act: Act,
    version_id: int,
    *,
    received: Received,
    title: str,
    tool: str = "",
    tool_version: str = "",
    commit: str = "",
    produced_at: datetime | None = None,
) -> Evidence:
    """Attach evidence of the version's own commit. Who uploads it is one of the version's makers.

    Failed tests, and findings of level error, open a blocking deviation by themselves. `received`: from
    `receiving.receive`. Raises BadInput naming the fields.
    """
    version = act.lock(Version.objects.select_related("model", "intended_use"), pk=version_id)
    act.allow(version)
    read, upload = received.read, received.upload
    given = {
        "title": title,
        "tool": tool,
        "tool_version": tool_version,
        "commit": commit,
        "produced_at": produced_at,
    }
    fields = rules.checked_evidence(
        given, read, version=version.ref, version_commit=version.code_commit, moment=now()
    )
    evidence = act.create(
        Evidence,
        number=next_number(Evidence.subject_kind),
        version=version,
        kind=read["kind"],
        format=read["format"],
        file_name=upload.name,
        file_digest=upload.digest,
        file_size=upload.size,
        results_digest=received.results_digest,
        summary=read["summary"],
        notes=read["notes"],
        uploaded_by=act.user,
        uploaded_at=now(),
        **fields,
    )
    failures = rules.failures_of(evidence.kind, evidence.summary)
    if failures:
        _deviate(act, evidence, read["details"], failures)
    act.event(evidence=evidence.ref, kind=evidence.kind, file=upload.digest, results=received.results_digest)
    return evidence


def _deviate(act: Act, evidence: Evidence, details: list[dict], failures: int) -> None:
    tests = evidence.kind == Kind.JUNIT
    if tests:
        bad = [
            f"{each['id']}: {each['message'] or 'no message'}"
            for each in details
            if each["outcome"] == "failed"
        ]
    else:
        bad = [
            f"{each['rule']} {each['place']}: {each['message']}"
            for each in details
            if each["level"] == "error" and not each["suppressed"]
        ]
    more = f"\nAnd {failures - 20} more." if failures > 20 else ""
    word = "failed tests" if tests else "findings of level error"
    raise_by_portal(
        act,
        evidence.version,
        title=f"{failures} {word} in {evidence.ref}: {evidence.title}",
        description="\n".join(bad[:20]) + more,
        source=evidence,
        criterion=TESTS if tests else FINDINGS,
    )


@act("verification.download_evidence")
def download_evidence(act: Act, evidence_id: int) -> Download:
    """The file as it was uploaded, compared with its digest just now."""
    evidence = act.lock(Evidence.objects.select_related("version__model"), pk=evidence_id)
    act.allow(evidence)
    found = download_of(evidence.file_name, evidence.file_digest)
    act.event(digest=found.digest)
    return found
