"""Models, versions and intended use."""

from __future__ import annotations

from apps.access.duties import Duty as D
from apps.access.policy.types import row

ROWS = [
    row("registry.register_model", "Register model", "registered a model", "organisation", [D.REGISTRAR]),
    row(
        "registry.write_intended_use",
        "Write intended use",
        "wrote the intended use and risk",
        "registry.model",
        [D.PROCESS_EXPERT, D.OWNER],
        ["author", "author_risk"],
        reason=True,
        changes=True,
    ),
    row(
        "registry.sign_intended_use_expert",
        "Sign as process expert",
        "signed the intended use as process expert",
        "registry.intended_use",
        [D.PROCESS_EXPERT],
        meaning="responsibility",
        token=False,
    ),
    row(
        "registry.sign_intended_use_owner",
        "Approve as owner",
        "approved the intended use as owner",
        "registry.intended_use",
        [D.OWNER],
        ["review_record", "approve_risk"],
        meaning="approval",
        token=False,
    ),
    row(
        "registry.register_version",
        "Register version",
        "registered a model version",
        "registry.model",
        [D.DEVELOPER],
        ["develop"],
    ),
    row(
        "registry.add_author",
        "Add author",
        "declared an author of a version",
        "registry.version",
        [D.DEVELOPER, D.OWNER, D.COMPLIANCE],
        reason=True,
        changes=True,
    ),
    row("registry.freeze", "Freeze", "froze a version", "registry.version", [D.DEVELOPER], ["develop"]),
    row("validations.finish_comparison", "", "compared data partitions", "validations.plan", service=True),
    row(
        "validations.fail_comparison",
        "",
        "could not compare data partitions",
        "validations.plan",
        service=True,
    ),
    row(
        "registry.download_artefact",
        "Download model file",
        "downloaded a model file",
        "registry.version",
        [D.DEVELOPER, D.VALIDATOR, D.DEPLOYER],
        reason=True,
    ),
]
