"""Datasets and the test-data vault."""

from __future__ import annotations

from apps.access.duties import Duty as D
from apps.access.policy.types import row

# Who has work to do with the rows of a dataset, or looks into that work.
DATA_READERS = (
    D.CURATOR,
    D.STEWARD,
    D.OWNER,
    D.DEVELOPER,
    D.VALIDATOR,
    D.BIAS_TESTER,
    D.APPROVER,
    D.COMPLIANCE,
    D.INSPECTOR,
)

ROWS = [
    row(
        "datasets.register_dataset", "Register dataset", "registered a dataset", "organisation", [D.REGISTRAR]
    ),
    row(
        "datasets.upload_version",
        "Upload version",
        "uploaded a dataset version",
        "datasets.dataset",
        [D.CURATOR],
        ["curate", "author"],
    ),
    row(
        "datasets.upload_test_version",
        "Upload test version",
        "put a test version into the vault",
        "datasets.dataset",
        [D.STEWARD],
        ["curate", "read_test", "author"],
    ),
    row("datasets.finish_profile", "", "profiled a dataset version", "datasets.version", service=True),
    row("datasets.fail_profile", "", "could not profile a dataset version", "datasets.version", service=True),
    row(
        "datasets.read_test_profile",
        "Read test profile",
        "read the profile of test data",
        "datasets.version",
        [D.STEWARD, D.VALIDATOR, D.BIAS_TESTER, D.APPROVER, D.COMPLIANCE, D.INSPECTOR],
        ["read_test"],
        offered=False,
        reads=True,
    ),
    row(
        "datasets.download_version",
        "Download rows",
        "downloaded the rows of a dataset version",
        "datasets.version",
        [D.CURATOR, D.STEWARD, D.OWNER, D.DEVELOPER, D.VALIDATOR],
        ["read"],
        reason=True,
        reads=True,
    ),
    row(
        "datasets.read_profile",
        "Read profile",
        "read the profile of sensitive data",
        "datasets.version",
        DATA_READERS,
        ["read"],
        offered=False,
        reads=True,
    ),
    row(
        "datasets.mark_sensitive",
        "Mark as sensitive",
        "marked a dataset as sensitive",
        "datasets.dataset",
        [D.OWNER, D.STEWARD],
        reason=True,
    ),
    row(
        "datasets.request_unmark",
        "Ask to take the mark away",
        "asked that a dataset be no longer sensitive",
        "datasets.dataset",
        [D.OWNER, D.STEWARD],
        ["request_grant"],
        reason=True,
    ),
    row(
        "datasets.approve_unmark",
        "Approve",
        "approved that a dataset is no longer sensitive",
        "datasets.unmarking",
        [D.OWNER, D.STEWARD, D.COMPLIANCE],
        ["approve_grant"],
        token=False,
    ),
    row(
        "datasets.refuse_unmark",
        "Refuse",
        "refused that a dataset be no longer sensitive",
        "datasets.unmarking",
        [D.OWNER, D.STEWARD, D.COMPLIANCE],
        reason=True,
        token=False,
    ),
    row(
        "datasets.request_read",
        "Ask to read",
        "asked to read a sensitive dataset",
        "datasets.version",
        DATA_READERS,
        ["request_grant"],
        reason=True,
        reads=True,
    ),
    row(
        "datasets.grant_read",
        "Grant",
        "granted access to a sensitive dataset",
        "datasets.read_grant",
        [D.STEWARD],
        ["approve_grant"],
        token=False,
    ),
    row(
        "datasets.refuse_read",
        "Refuse",
        "refused access to a sensitive dataset",
        "datasets.read_grant",
        [D.STEWARD],
        reason=True,
        token=False,
    ),
    row(
        "datasets.end_read",
        "End access",
        "ended access to a sensitive dataset",
        "datasets.read_grant",
        [D.STEWARD, D.COMPLIANCE],
        reason=True,
    ),
]
