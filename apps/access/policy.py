"""One table: act → who may ask, what is demanded, what it counts as. Nothing else grants anything.

`verbs` are what separation of duties counts (`separation.py`): they are read from recorded acts, so what a
person did stays done whatever duties they hold later.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from apps.access.duties import Duty as D


@dataclass(frozen=True)
class Policy:
    act: str
    label: str  # the button
    sentence: str  # the trail, after the person's name
    subject: str = ""  # subject kind that `allow` expects
    duties: frozenset[str] = frozenset()  # any of them, on the subject's parent or on the organisation
    verbs: frozenset[str] = frozenset()
    meaning: str = ""  # signature meaning; an act with a meaning demands a signature
    reason: bool = False  # a reason is demanded
    service: bool = False  # a named service does this; people are refused
    anyone: bool = False  # any signed-in person, about their own affairs
    token: bool = True  # may be done with a personal access token
    offered: bool = True  # shown as a button where it is allowed

    @property
    def signs(self) -> bool:
        return bool(self.meaning)


MEANINGS = {
    "authorship": "I am the author of this record.",
    "review": "I have reviewed this record.",
    "approval": "I have reviewed this record and approve it for its intended use.",
    "responsibility": "I take responsibility for this record and accept the residual risk it states.",
}


REJECTION = "I have reviewed this record and reject it. The reason I gave is part of my signature."


def meaning_sentence(meaning: str, decision: str) -> str:
    """What a signature says (21 CFR 11.50(a)(3)): the sentence on the form is the sentence that is signed."""
    return REJECTION if decision == "rejected" else MEANINGS[meaning]


def _p(
    act: str,
    label: str,
    sentence: str,
    subject: str = "",
    duties: Iterable[str] = (),
    verbs: Iterable[str] = (),
    **rest: Any,
) -> Policy:
    return Policy(act, label, sentence, subject, frozenset(duties), frozenset(verbs), **rest)


READERS = (
    D.DEVELOPER,
    D.VALIDATOR,
    D.BIAS_TESTER,
    D.APPROVER,
    D.PROCESS_EXPERT,
    D.OWNER,
    D.DEPLOYER,
    D.MONITOR,
    D.SECURITY,
    D.COMPLIANCE,
    D.INSPECTOR,
    D.REGISTRAR,
)

_ROWS = [
    # People and duties
    _p("access.install_organisation", "", "installed the organisation", "organisation", service=True),
    _p(
        "access.enter_verification",
        "",
        "verified the trail and the stored files",
        "organisation",
        service=True,
    ),
    _p(
        "access.raise_trail_alarm",
        "",
        "raised an alarm: the trail did not verify",
        "organisation",
        service=True,
    ),
    _p(
        "access.retire_log",
        "",
        "retired the log of a former database",
        "organisation",
        service=True,
        reason=True,
    ),
    _p("access.create_account", "Create account", "created an account", "organisation", [D.ADMINISTRATOR]),
    _p(
        "access.deactivate_account",
        "Deactivate",
        "deactivated an account",
        "accounts.user",
        [D.ADMINISTRATOR],
        reason=True,
    ),
    _p(
        "access.set_password",
        "Set password",
        "set their own password",
        "accounts.user",
        anyone=True,
        token=False,
        offered=False,
    ),
    _p(
        "access.renew_enrolment",
        "New enrolment link",
        "had a new enrolment link sent",
        "accounts.user",
        [D.ADMINISTRATOR],
        token=False,
    ),
    _p("access.finish_enrolment", "", "sent an enrolment link", "accounts.enrolment", service=True),
    _p("access.fail_enrolment", "", "could not send an enrolment link", "accounts.enrolment", service=True),
    _p(
        "access.enrol",
        "Choose password",
        "chose a password by the enrolment link",
        "accounts.user",
        anyone=True,
        token=False,
        offered=False,
    ),
    _p(
        "access.confirm_identity",
        "Confirm identity",
        "confirmed who is behind an account",
        "accounts.user",
        [D.COMPLIANCE, D.REGISTRAR],
        token=False,
    ),
    _p(
        "access.lock_account",
        "",
        "locked an account after failed sign-ins: alarm",
        "accounts.user",
        service=True,
    ),
    _p(
        "access.unlock_account",
        "Unlock",
        "unlocked an account",
        "accounts.user",
        [D.ADMINISTRATOR],
        reason=True,
        token=False,
    ),
    _p(
        "access.end_session",
        "End session",
        "ended one of their sessions",
        "accounts.session",
        anyone=True,
        token=False,
        offered=False,
    ),
    _p(
        "access.end_other_sessions",
        "End all other sessions",
        "ended their other sessions",
        "accounts.user",
        anyone=True,
        token=False,
        offered=False,
    ),
    _p(
        "access.set_preferences",
        "Set preferences",
        "set their own preferences",
        "accounts.user",
        anyone=True,
        offered=False,
    ),
    _p("access.sign_in", "Sign in", "signed in", "accounts.user", anyone=True, token=False, offered=False),
    _p("access.sign_out", "Sign out", "signed out", "accounts.user", anyone=True, token=False, offered=False),
    _p(
        "access.create_token",
        "Create token",
        "created an access token",
        "accounts.user",
        anyone=True,
        token=False,
        offered=False,
    ),
    _p(
        "access.end_token", "End token", "ended an access token", "accounts.token", anyone=True, offered=False
    ),
    _p(
        "access.request_assignment",
        "Request a duty",
        "requested a duty",
        "*",
        [D.OWNER, D.REGISTRAR, D.COMPLIANCE],
        ["request_grant"],
        reason=True,
    ),
    _p(
        "access.request_organisation_assignment",
        "Request a duty",
        "requested a duty on the organisation",
        "organisation",
        [D.ADMINISTRATOR, D.COMPLIANCE],
        ["request_grant"],
        reason=True,
    ),
    _p(
        "access.approve_assignment",
        "Approve",
        "approved a duty",
        "access.assignment",
        [D.OWNER, D.COMPLIANCE],
        ["approve_grant"],
        token=False,
    ),
    _p(
        "access.approve_organisation_assignment",
        "Approve",
        "approved a duty on the organisation",
        "access.assignment",
        [D.COMPLIANCE],
        ["approve_grant"],
        token=False,
    ),
    _p(
        "access.refuse_assignment",
        "Refuse",
        "refused a duty",
        "access.assignment",
        [D.OWNER, D.COMPLIANCE, D.ADMINISTRATOR],
        reason=True,
        token=False,
    ),
    _p(
        "access.end_assignment",
        "End",
        "ended a duty",
        "access.assignment",
        [D.OWNER, D.COMPLIANCE, D.ADMINISTRATOR],
        reason=True,
    ),
    # Waivers of separation rules
    _p(
        "access.request_waiver",
        "Ask for a waiver",
        "asked for a waiver",
        "registry.model",
        [D.OWNER, D.APPROVER, D.COMPLIANCE],
        reason=True,
        token=False,
    ),
    _p(
        "access.sign_waiver_approver",
        "Sign: waiver, for QA",
        "signed a waiver for QA",
        "access.waiver",
        [D.APPROVER],
        ["sign_waiver"],
        meaning="approval",
        token=False,
    ),
    _p(
        "access.sign_waiver_compliance",
        "Sign: waiver, for compliance",
        "signed a waiver for compliance",
        "access.waiver",
        [D.COMPLIANCE],
        ["sign_waiver"],
        meaning="approval",
        token=False,
    ),
    _p(
        "access.revoke_waiver",
        "Revoke",
        "revoked a waiver",
        "access.waiver",
        [D.APPROVER, D.COMPLIANCE],
        reason=True,
        token=False,
    ),
    # Datasets
    _p(
        "datasets.register_dataset", "Register dataset", "registered a dataset", "organisation", [D.REGISTRAR]
    ),
    _p(
        "datasets.upload_version",
        "Upload version",
        "uploaded a dataset version",
        "datasets.dataset",
        [D.CURATOR],
        ["curate", "author"],
    ),
    _p(
        "datasets.upload_test_version",
        "Upload test version",
        "put a test version into the vault",
        "datasets.dataset",
        [D.STEWARD],
        ["curate", "read_test", "author"],
    ),
    _p("datasets.finish_profile", "", "profiled a dataset version", "datasets.version", service=True),
    _p("datasets.fail_profile", "", "could not profile a dataset version", "datasets.version", service=True),
    _p(
        "datasets.read_test_profile",
        "Read test profile",
        "read the profile of test data",
        "datasets.version",
        [D.STEWARD, D.VALIDATOR, D.BIAS_TESTER, D.APPROVER, D.COMPLIANCE, D.INSPECTOR],
        ["read_test"],
        offered=False,
    ),
    _p(
        "datasets.download_version",
        "Download rows",
        "downloaded the rows of a dataset version",
        "datasets.version",
        [D.CURATOR, D.STEWARD, D.OWNER, D.DEVELOPER, D.VALIDATOR],
        ["read"],
        reason=True,
    ),
    # Models and versions
    _p("registry.register_model", "Register model", "registered a model", "organisation", [D.REGISTRAR]),
    _p(
        "registry.write_intended_use",
        "Write intended use",
        "wrote the intended use and risk",
        "registry.model",
        [D.PROCESS_EXPERT, D.OWNER],
        ["author", "author_risk"],
        reason=True,
    ),
    _p(
        "registry.sign_intended_use_expert",
        "Sign as process expert",
        "signed the intended use as process expert",
        "registry.intended_use",
        [D.PROCESS_EXPERT],
        meaning="responsibility",
        token=False,
    ),
    _p(
        "registry.sign_intended_use_owner",
        "Approve as owner",
        "approved the intended use as owner",
        "registry.intended_use",
        [D.OWNER],
        ["review_record", "approve_risk"],
        meaning="approval",
        token=False,
    ),
    _p(
        "registry.register_version",
        "Register version",
        "registered a model version",
        "registry.model",
        [D.DEVELOPER],
        ["develop"],
    ),
    _p(
        "registry.add_author",
        "Add author",
        "declared an author of a version",
        "registry.version",
        [D.DEVELOPER, D.OWNER, D.COMPLIANCE],
        reason=True,
    ),
    _p("registry.freeze", "Freeze", "froze a version", "registry.version", [D.DEVELOPER], ["develop"]),
    _p("validations.finish_comparison", "", "compared data partitions", "validations.plan", service=True),
    _p(
        "validations.fail_comparison",
        "",
        "could not compare data partitions",
        "validations.plan",
        service=True,
    ),
    _p(
        "registry.download_artefact",
        "Download model file",
        "downloaded a model file",
        "registry.version",
        [D.DEVELOPER, D.VALIDATOR, D.DEPLOYER],
        reason=True,
    ),
    # Validation
    _p(
        "validations.write_plan",
        "Write plan",
        "wrote a validation plan",
        "registry.version",
        [D.VALIDATOR],
        ["write_plan", "validate", "author"],
    ),
    _p(
        "validations.sign_plan_author",
        "Sign as author",
        "signed a validation plan as its author",
        "validations.plan",
        [D.VALIDATOR],
        ["write_plan", "validate", "author"],
        meaning="authorship",
        token=False,
    ),
    _p(
        "validations.sign_plan_approval",
        "Approve plan",
        "approved and locked a validation plan",
        "validations.plan",
        [D.APPROVER],
        ["approve_plan", "review_record", "set_criteria"],
        meaning="approval",
        token=False,
    ),
    _p(
        "validations.compare_again",
        "Compare partitions again",
        "asked for the partitions to be compared again",
        "validations.plan",
        [D.VALIDATOR],
        ["validate"],
    ),
    _p(
        "validations.start_run",
        "Run validation",
        "started a validation run",
        "validations.plan",
        [D.VALIDATOR],
        ["validate", "run_test"],
    ),
    _p("validations.finish_run", "", "finished a validation run", "validations.run", service=True),
    _p("validations.fail_run", "", "recorded a failed validation run", "validations.run", service=True),
    _p(
        "validations.read_cases",
        "Read per-case results",
        "read per-case results on test data",
        "validations.run",
        [D.VALIDATOR, D.BIAS_TESTER, D.COMPLIANCE, D.INSPECTOR],
        ["read_test"],
        offered=False,
    ),
    # Bias and fairness
    _p(
        "fairness.request_report",
        "Compute bias report",
        "asked for a bias report",
        "validations.run",
        [D.BIAS_TESTER],
        ["bias_test"],
    ),
    _p("fairness.finish_report", "", "finished a bias report", "fairness.report", service=True),
    _p("fairness.fail_report", "", "recorded a failed bias report", "fairness.report", service=True),
    # Quality
    _p(
        "quality.open_deviation",
        "Open deviation",
        "opened a deviation",
        "registry.version",
        [D.VALIDATOR, D.BIAS_TESTER, D.APPROVER, D.COMPLIANCE, D.MONITOR],
        ["author"],
    ),
    _p(
        "quality.accept_deviation",
        "Accept deviation",
        "accepted a deviation",
        "quality.deviation",
        [D.APPROVER],
        ["approve", "review_record"],
        meaning="approval",
        reason=True,
        token=False,
    ),
    _p(
        "quality.close_deviation",
        "Close deviation",
        "closed a deviation as resolved",
        "quality.deviation",
        [D.APPROVER],
        ["approve", "review_record"],
        meaning="approval",
        reason=True,
        token=False,
    ),
    # Gate and release
    _p(
        "approvals.open_gate",
        "Open release gate",
        "opened the release gate",
        "registry.version",
        [D.OWNER, D.APPROVER, D.VALIDATOR, D.DEVELOPER],
    ),
    _p(
        "approvals.request_verification",
        "Verify the trail now",
        "asked for a verification of the trail",
        "approvals.gate",
        [D.OWNER, D.APPROVER, D.VALIDATOR, D.COMPLIANCE, D.INSPECTOR],
    ),
    _p("approvals.record_verification", "", "verified the trail", "approvals.gate", service=True),
    _p(
        "approvals.record_minute",
        "Record board minute",
        "recorded a board minute",
        "approvals.gate",
        [D.OWNER, D.COMPLIANCE, D.SECURITY],
    ),
    _p(
        "approvals.sign_approval",
        "Sign: QA approval",
        "signed the release gate for QA",
        "approvals.slot",
        [D.APPROVER],
        ["approve", "sign_slot"],
        meaning="approval",
        token=False,
    ),
    _p(
        "approvals.sign_responsibility",
        "Sign: accept residual risk",
        "signed the release gate as owner",
        "approvals.slot",
        [D.OWNER],
        ["approve", "sign_slot"],
        meaning="responsibility",
        token=False,
    ),
    _p(
        "approvals.sign_review",
        "Sign: compliance review",
        "signed the release gate for compliance",
        "approvals.slot",
        [D.COMPLIANCE],
        ["approve", "sign_slot"],
        meaning="review",
        token=False,
    ),
    _p(
        "approvals.sign_security",
        "Sign: security review",
        "signed the release gate for security",
        "approvals.slot",
        [D.SECURITY],
        ["approve", "sign_slot"],
        meaning="review",
        token=False,
    ),
    _p(
        "approvals.suspend",
        "Suspend",
        "suspended a version",
        "registry.version",
        [D.APPROVER, D.COMPLIANCE],
        reason=True,
    ),
    # Packs and the trail
    _p(
        "packs.request_pack",
        "Build inspection pack",
        "asked for an inspection pack",
        "registry.version",
        READERS,
    ),
    _p("packs.finish_pack", "", "finished an inspection pack", "packs.pack", service=True),
    _p("packs.fail_pack", "", "recorded a failed inspection pack", "packs.pack", service=True),
    _p(
        "packs.download_pack",
        "Download pack",
        "downloaded an inspection pack",
        "packs.pack",
        READERS,
        offered=False,
    ),
    _p(
        "trail.export",
        "Export trail",
        "exported entries of the trail",
        "organisation",
        anyone=True,
        offered=False,
    ),
]
TABLE: dict[str, Policy] = {row.act: row for row in _ROWS}
if len(TABLE) != len(_ROWS):
    raise RuntimeError("an act stands twice in the policy table")


def policy(act: str) -> Policy:
    """The row of `act`; an act that is not in the table cannot happen."""
    try:
        return TABLE[act]
    except KeyError:
        raise LookupError(f"{act} is not in the policy table") from None


def acts_counting_as(verb: str) -> frozenset[str]:
    return frozenset(row.act for row in _ROWS if verb in row.verbs)


def acts_on(kind: str) -> list[Policy]:
    return [row for row in _ROWS if row.subject == kind and not row.service]
