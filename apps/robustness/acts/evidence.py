"""Files handed in for a version: two pipelines on the same rows, a table of utility against epsilon."""

from __future__ import annotations

from apps.access.acting import Act, act
from apps.core.clock import now
from apps.core.errors import BadInput
from apps.core.numbers import next_number
from apps.registry.models import Version
from apps.robustness import handed_in
from apps.robustness.models import ProbeEvidence


@act("robustness.submit_evidence")
def submit_evidence(
    act: Act,
    version_id: int,
    *,
    kind: str,
    file_digest: str,
    file_name: str,
    second_digest: str = "",
    second_name: str = "",
    key_column: str = "",
    tolerance: str = "",
) -> ProbeEvidence:
    """Take files as a claim, checked and compared by the portal. The next report uses the newest of each kind.

    `kind` parity: the file is what the training pipeline made, the second what the serving pipeline made, of the same
    rows; `key_column` names the rows, numbers may lie `tolerance` apart. `kind` epsilon: one table. Raises BadInput.
    """
    version = act.lock(Version.objects.select_related("model", "intended_use"), pk=version_id)
    act.allow(version)
    key = key_column.strip()
    if len(key) > 120 or len(tolerance) > 24:
        raise BadInput(
            "The evidence was not taken.",
            rule="probe-evidence",
            fields={"key_column": ["The name of a column has at most 120 characters, a tolerance 24."]},
        )
    outcome = handed_in.read(
        kind, file_digest=file_digest, second_digest=second_digest, key_column=key, tolerance=tolerance
    )
    taken = act.create(
        ProbeEvidence,
        number=next_number(ProbeEvidence.subject_kind),
        version=version,
        kind=kind,
        file_name=file_name[:200],
        file_digest=file_digest,
        second_name=second_name[:200],
        second_digest=second_digest,
        key_column=key,
        tolerance=tolerance.strip(),
        outcome=outcome,
        submitted_by=act.user,
        submitted_at=now(),
    )
    act.event(evidence=taken.ref, kind=kind, file=file_digest, second=second_digest)
    return taken
