"""Datasets and the test-data vault."""

from __future__ import annotations

from apps.access.duties import Duty as D
from apps.access.policy.types import row

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
    ),
    row(
        "datasets.download_version",
        "Download rows",
        "downloaded the rows of a dataset version",
        "datasets.version",
        [D.CURATOR, D.STEWARD, D.OWNER, D.DEVELOPER, D.VALIDATOR],
        ["read"],
        reason=True,
    ),
]
