"""Training: what duties need, what people were trained in; and what people are told beforehand."""

from __future__ import annotations

from apps.access.duties import Duty as D
from apps.access.policy.types import row

ROWS = [
    row(
        "access.adopt_training_matrix",
        "Put into force",
        "put a training matrix into force",
        "organisation",
        [D.COMPLIANCE],
        reason=True,
        changes=True,
        token=False,
        fresh=True,
    ),
    row(
        "access.record_training",
        "Record a training",
        "recorded a training",
        "accounts.user",
        [D.COMPLIANCE, D.REGISTRAR],
    ),
    row(
        "access.accept_signature_policy",
        "Accept the signature policy",
        "accepted the electronic signature policy",
        "accounts.user",
        anyone=True,
        token=False,
        offered=False,
    ),
    row(
        "access.read_training_evidence",
        "Fetch the evidence",
        "fetched the evidence of a training",
        "access.training",
        [D.COMPLIANCE, D.REGISTRAR, D.INSPECTOR],
        reads=True,
    ),
    row("access.remind", "", "told somebody beforehand by mail", "*", service=True),
]
