"""States of a requirement, kinds of evidence and links, what a line of the matrix can lack."""

from __future__ import annotations

import enum


class State(enum.StrEnum):
    DRAFT = "draft"
    APPROVED = "approved"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    SUPERSEDED = "superseded"


WORDS = {
    State.DRAFT: "Waits for approval",
    State.APPROVED: "Approved",
    State.REJECTED: "Rejected",
    State.WITHDRAWN: "Withdrawn",
    State.SUPERSEDED: "Replaced before it was decided",
}
TRANSITIONS = {
    (State.DRAFT, "approve"): State.APPROVED,
    (State.DRAFT, "reject"): State.REJECTED,
    (State.APPROVED, "withdraw"): State.WITHDRAWN,
    (State.DRAFT, "write"): State.SUPERSEDED,
}


class Source(enum.StrEnum):
    USE = "use"
    RISK = "risk"
    CLAUSE = "clause"


SOURCE_WORDS = {
    Source.USE: "The intended use",
    Source.RISK: "A risk",
    Source.CLAUSE: "A clause of a regulation or standard",
}


class Kind(enum.StrEnum):
    """Kinds of evidence, as `parsers.KINDS`."""

    JUNIT = "junit"
    COVERAGE = "coverage"
    SARIF = "sarif"
    SBOM = "sbom"
    BENCHMARK = "benchmark"


KIND_WORDS = {
    Kind.JUNIT: "Test results",
    Kind.COVERAGE: "Coverage",
    Kind.SARIF: "Findings of a scan",
    Kind.SBOM: "Bill of materials",
    Kind.BENCHMARK: "Benchmark log",
}
# Which kinds the release gate wants, by the tier of the intended use (gates G3 and G4).
WANTED: dict[str, tuple[Kind, ...]] = {
    "low": (Kind.JUNIT,),
    "medium": (Kind.JUNIT, Kind.SBOM),
    "high": (Kind.JUNIT, Kind.SBOM, Kind.SARIF),
}


class Target(enum.StrEnum):
    """What a link by hand shows for a requirement."""

    TEST = "test"
    CRITERION = "criterion"
    LIMIT = "limit"
    PROBE = "probe"
    EXPLANATION = "explained"
    CLAIM = "claim"


TARGET_WORDS = {
    Target.TEST: "Tests in attached results",
    Target.CRITERION: "A criterion of the validation plan",
    Target.LIMIT: "A bias limit of the validation plan",
    Target.PROBE: "A limit of the probes of robustness and privacy",
    Target.EXPLANATION: "An explanation with its review of features",
    Target.CLAIM: "A claim computed elsewhere",
}


class Outcome(enum.StrEnum):
    """What became of a test, criterion, limit, explanation or claim in the matrix."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "undecided"
    UNREVIEWED = "unreviewed"
    SKIPPED = "skipped"
    MISSING = "missing"
    CLAIMED = "claimed"


OUTCOME_WORDS = {
    Outcome.PASSED: "Passed",
    Outcome.FAILED: "Failed",
    Outcome.UNDECIDED: "Too little data to tell",
    Outcome.UNREVIEWED: "Not reviewed yet",
    Outcome.SKIPPED: "Skipped",
    Outcome.MISSING: "No result",
    Outcome.CLAIMED: "Claimed, not verified",
}


class Lack(enum.StrEnum):
    """Orphans of the matrix, both ways."""

    NO_REQUIREMENT = "no_requirement"
    NOT_APPROVED = "not_approved"
    CHANGED = "changed"
    NO_TEST = "no_test"
    FAILED_TEST = "failed_test"
    NO_RESULT = "no_result"
    ONLY_CLAIMED = "only_claimed"
    OWN_LINK = "own_link"
    RISK_WITHOUT = "risk_without"
    EARLIER_USE = "earlier_use"
    TEST_WITHOUT = "test_without"
    UNKNOWN_REQUIREMENT = "unknown_requirement"
    WITHDRAWN_REQUIREMENT = "withdrawn_requirement"


LACK_WORDS = {
    Lack.NO_REQUIREMENT: "Intended use without requirement",
    Lack.NOT_APPROVED: "Requirement not approved",
    Lack.CHANGED: "Requirement changed after approval",
    Lack.NO_TEST: "Requirement without test",
    Lack.FAILED_TEST: "Requirement with a failed test",
    Lack.NO_RESULT: "Requirement whose test has no result",
    Lack.ONLY_CLAIMED: "Requirement shown by a claim alone",
    Lack.OWN_LINK: "Requirement shown by a link of who developed the version, not confirmed",
    Lack.RISK_WITHOUT: "Risk without requirement",
    Lack.EARLIER_USE: "Requirement of an earlier intended use",
    Lack.TEST_WITHOUT: "Test without requirement",
    Lack.UNKNOWN_REQUIREMENT: "Test names a requirement that is not in force",
    Lack.WITHDRAWN_REQUIREMENT: "Test names a requirement that was withdrawn",
}
# Said and not held against the release: unit tests need no requirement of their own, and may outlive one.
TOLD_ONLY = frozenset({Lack.TEST_WITHOUT, Lack.WITHDRAWN_REQUIREMENT})
