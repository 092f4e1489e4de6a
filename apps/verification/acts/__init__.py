"""Every verb on requirements, verification evidence, links and claims."""

from apps.verification.acts.evidence import attach_evidence, download_evidence
from apps.verification.acts.links import end_link, link_requirement, submit_claim
from apps.verification.acts.requirements import (
    approve_requirement,
    withdraw_requirement,
    write_requirement,
    write_risk,
)

__all__ = [
    "approve_requirement",
    "attach_evidence",
    "download_evidence",
    "end_link",
    "link_requirement",
    "submit_claim",
    "withdraw_requirement",
    "write_requirement",
    "write_risk",
]
