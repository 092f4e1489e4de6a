"""Files handed in for a version: two pipelines on the same rows, a table of utility against epsilon."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.access.acting import Act, act
from apps.core import registries
from apps.core.clock import now
from apps.core.errors import BadInput
from apps.core.numbers import next_number
from apps.registry.models import Version
from apps.robustness import handed_in
from apps.robustness.models import ProbeEvidence
from apps.robustness.rules import refuse_decided


def submit_evidence(
    actor: Any,
    version_id: int,
    *,
    kind: str,
    file_digest: str,
    file_name: str,
    second_digest: str = "",
    second_name: str = "",
    key_column: str = "",
    tolerance: str = "",
    **acting: Any,
) -> ProbeEvidence:
    """Take files as a claim, checked and compared by the portal. The next report uses the newest of each kind.

    `kind` parity: the file is what the training pipeline made, the second what the serving pipeline made, of the same
    rows; `key_column` names the rows, numbers may lie `tolerance` apart. `kind` epsilon: one table. Raises BadInput.

    The files are read before the act: nothing is decoded while the version is locked. Whoever calls has asked whether
    `actor` may; what is wrong with the files is said only to who may hand them in.
    """
    key, tolerance = key_column.strip(), tolerance.strip()
    outcome: dict[str, Any] = {}
    problems: Mapping[str, list[str]] = {}
    try:
        outcome = _read(kind, file_digest, second_digest, key, tolerance)
    except BadInput as error:
        problems = error.fields
    taken: ProbeEvidence = _record(
        actor,
        version_id,
        kind=kind,
        file_digest=file_digest,
        file_name=file_name,
        second_digest=second_digest,
        second_name=second_name,
        key_column=key,
        tolerance=tolerance,
        outcome=outcome,
        problems=problems,
        **acting,
    )
    return taken


def _read(kind: str, first: str, second: str, key: str, tolerance: str) -> dict[str, Any]:
    if len(key) > 120 or len(tolerance) > 24:
        raise BadInput(
            "The evidence was not taken.",
            rule="probe-evidence",
            fields={"key_column": ["The name of a column has at most 120 characters, a tolerance 24."]},
        )
    return handed_in.read(kind, file_digest=first, second_digest=second, key_column=key, tolerance=tolerance)


@registries.precondition("robustness.submit_evidence")
def submit_precondition(version: Version) -> None:
    refuse_decided(version.ref, version.state, "No files are handed in for the probes of")


@act("robustness.submit_evidence")
def _record(
    act: Act,
    version_id: int,
    *,
    kind: str,
    file_digest: str,
    file_name: str,
    second_digest: str,
    second_name: str,
    key_column: str,
    tolerance: str,
    outcome: Mapping[str, Any],
    problems: Mapping[str, list[str]],
) -> ProbeEvidence:
    """Keep what `submit_evidence` read, or refuse with what is wrong with it."""
    version = act.lock(Version.objects.select_related("model", "intended_use"), pk=version_id)
    act.allow(version)
    if problems:
        raise BadInput("The evidence was not taken.", rule="probe-evidence", fields=dict(problems))
    taken = act.create(
        ProbeEvidence,
        number=next_number(ProbeEvidence.subject_kind),
        version=version,
        kind=kind,
        file_name=file_name[:200],
        file_digest=file_digest,
        second_name=second_name[:200],
        second_digest=second_digest,
        key_column=key_column,
        tolerance=tolerance,
        outcome=dict(outcome),
        submitted_by=act.user,
        submitted_at=now(),
    )
    act.event(evidence=taken.ref, kind=kind, file=file_digest, second=second_digest)
    return taken
