"""What quality answers for a gate."""

from __future__ import annotations

from apps.access.signing import content_digest
from apps.core import registries
from apps.core.outcomes import CheckState, Outcome
from apps.quality.queries import blocking, deviations_of_versions
from apps.registry.models import Version


@registries.check("no_blocking_deviation")
def no_blocking_deviation(version: Version) -> Outcome:
    """No deviation that blocks: open, or accepted for a time that has run out."""
    found = blocking(version)
    if not found:
        total = len(deviations_of_versions([version.pk])[version.pk])
        return Outcome(
            CheckState.MET, evidence=f"{total} deviation{'' if total == 1 else 's'} recorded, none blocks"
        )
    return Outcome(
        CheckState.NOT_MET,
        evidence=", ".join(d.ref for d in found),
        why=f"{found[0].ref}: {found[0].title}. An approver who did not raise it may accept or close it.",
        rule="PC32",
        refs=tuple(d.ref for d in found),
        digests=tuple(content_digest(d) for d in found),
        needs=tuple(("quality.accept_deviation", each.subject_kind, each.pk) for each in found),
    )
