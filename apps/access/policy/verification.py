"""Risks, requirements, verification evidence, links and claims."""

from __future__ import annotations

from apps.access.duties import Duty as D
from apps.access.policy.types import row

ROWS = [
    row(
        "verification.write_risk",
        "Write risk",
        "wrote a risk",
        "registry.model",
        [D.PROCESS_EXPERT, D.OWNER],
        ["author"],
        reason=True,
        changes=True,
    ),
    row(
        "verification.write_requirement",
        "Write requirement",
        "wrote a requirement",
        "registry.model",
        [D.PROCESS_EXPERT, D.OWNER],
        ["author"],
        reason=True,
        changes=True,
    ),
    row(
        "verification.approve_requirement",
        "Approve requirement",
        "decided on a requirement",
        "verification.requirement",
        [D.APPROVER],
        ["review_record", "set_criteria"],
        meaning="approval",
        token=False,
    ),
    row(
        "verification.withdraw_requirement",
        "Withdraw requirement",
        "withdrew a requirement",
        "verification.requirement",
        [D.APPROVER],
        ["review_record", "set_criteria"],
        meaning="withdrawal",
        reason=True,
        token=False,
    ),
    # Who uploads results of a version is one of its makers, whatever their duty is called.
    row(
        "verification.attach_evidence",
        "Attach evidence",
        "attached verification evidence",
        "registry.version",
        [D.DEVELOPER],
        ["develop"],
    ),
    row(
        "verification.link_requirement",
        "Link to requirement",
        "linked a requirement to what shows it",
        "registry.version",
        [D.DEVELOPER, D.VALIDATOR, D.PROCESS_EXPERT],
        ["author"],
        reason=True,
    ),
    row(
        "verification.end_link",
        "Take link away",
        "took a link to a requirement away",
        "registry.version",
        [D.DEVELOPER, D.VALIDATOR, D.PROCESS_EXPERT],
        ["author"],
        reason=True,
        changes=True,
    ),
    row(
        "verification.submit_claim",
        "Submit claim",
        "submitted figures computed elsewhere",
        "registry.version",
        [D.DEVELOPER, D.VALIDATOR],
        ["author"],
    ),
    # Who sees the version may read what was attached to it; the bytes hold no rows of test data.
    row(
        "verification.download_evidence",
        "Fetch file",
        "fetched the file of verification evidence",
        "verification.evidence",
        anyone=True,
        by=("sees",),
        reads=True,
    ),
]
