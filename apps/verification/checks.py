"""What verification answers for a gate: the evidence its tier asks for, and a matrix without open ends."""

from __future__ import annotations

from typing import Any

from apps.core import blobs, registries
from apps.core.outcomes import CheckState, Outcome
from apps.registry.models import Version
from apps.verification import matrix
from apps.verification.models import Evidence
from apps.verification.queries import (
    FINDINGS,
    TESTS,
    accepted,
    counting,
    drafts_of,
    given_of,
    requirements_of,
)
from apps.verification.rules import DECIDED, failures_of
from apps.verification.states import KIND_WORDS, LACK_WORDS, WANTED, Kind, Lack


def told(evidence: Evidence) -> str:
    """`VE-3: 41 tests, 41 passed`."""
    s = evidence.summary
    words = {
        Kind.JUNIT: lambda: (
            f"{s['tests']} tests, {s['passed']} passed, {s['failed']} failed, {s['skipped']} skipped"
        ),
        Kind.COVERAGE: lambda: f"{s['percent']} % of {s['lines']} lines covered",
        Kind.SARIF: lambda: f"{s['error']} errors, {s['warning']} warnings, {s['note']} notes",
        Kind.SBOM: lambda: f"{s['components']} components, {s['without_licence']} without licence",
        Kind.BENCHMARK: lambda: (
            f"{s['benchmarks']} benchmarks" if "benchmarks" in s else f"{s['lines']} lines of log"
        ),
    }
    return f"{evidence.ref}: {words[Kind(evidence.kind)]()}"


@registries.check("verification_evidence")
def verification_evidence(version: Version) -> Outcome:
    """The kinds of evidence that the tier wants, each for the version's own commit, none of it speaking against it."""
    wanted = WANTED[version.intended_use.tier]
    found = [row for row in counting(version) if row.kind in wanted]
    missing = [KIND_WORDS[kind].lower() for kind in wanted if all(row.kind != kind for row in found)]
    needs = (
        ()
        if version.state in DECIDED
        else (("verification.attach_evidence", version.subject_kind, version.pk),)
    )
    common: dict[str, Any] = {
        "evidence": "; ".join(told(row) for row in found),
        "refs": tuple(row.ref for row in found),
        "digests": tuple(row.file_digest for row in found),
    }
    for row in found:
        if fault := blobs.quick_fault(row.file_digest):
            wrong = "are missing from the store" if fault == "missing" else "are not those that were attached"
            return Outcome(CheckState.NOT_MET, why=f"The bytes of {row.ref} {wrong}.", rule="PC25", **common)
    bad = [(row, failures_of(row.kind, row.summary)) for row in found if failures_of(row.kind, row.summary)]
    held = [
        (row, n)
        for row, n in bad
        if not accepted(row, version, FINDINGS if row.kind == Kind.SARIF else TESTS)
    ]
    if held:
        row, n = held[0]
        thing = "finding" if row.kind == Kind.SARIF else "test"
        word = f"{thing} {'is an error' if row.kind == Kind.SARIF else 'failed'}" if n == 1 else (
            f"{thing}s {'are errors' if row.kind == Kind.SARIF else 'failed'}"
        )  # fmt: skip
        why = (
            f"{row.ref} ({row.title}): {n} {word}. The developers may attach results of the same code that pass, or an "
            "approver may accept the deviation."
        )
        return Outcome(CheckState.NOT_MET, why=why, rule="PC25", needs=needs, **common)
    idle = next(
        (row for row in found if row.kind == Kind.JUNIT and row.summary["skipped"] == row.summary["tests"]),
        None,
    )
    if idle is not None:
        why = f"{idle.ref} ({idle.title}): every one of {idle.summary['tests']} tests was skipped."
        return Outcome(CheckState.NOT_MET, why=why, rule="PC25", needs=needs, **common)
    if missing:
        why = f"Not attached yet: {' and '.join(missing)}."
        return Outcome(CheckState.NOT_STARTED, why=why, needs=needs, **common)
    if bad:
        return Outcome(
            CheckState.BY_DEVIATION, why=f"{bad[0][0].ref} has failures that a deviation accepts.", **common
        )
    return Outcome(CheckState.MET, **common)


@registries.check("traceability_complete")
def traceability_complete(version: Version) -> Outcome:
    """Each requirement approved and shown by a result that stands, each risk covered (PC37)."""
    inherited, drafts = requirements_of(version), drafts_of(version)
    refs = tuple(row.ref for row in inherited)
    if not inherited:
        needs = (("verification.write_requirement", version.model.subject_kind, version.model_id),)
        why = f"No requirement of {version.intended_use.ref} is written."
        return Outcome(CheckState.NOT_STARTED, why=why, needs=() if version.state in DECIDED else needs)
    found = matrix.lines(given_of(version), unlinked_tests=False)
    open_ones = [line for line in found if line.blocks]
    tests = len({(line.evidence, line.test) for line in found if line.test and line.requirement})
    common: dict[str, Any] = {
        "evidence": f"{len(inherited)} requirements, {tests} tests and results, {len(open_ones)} open ends",
        "refs": refs,
        "digests": tuple(row.approved_digest for row in inherited if row.approved_digest),
    }
    waiting = tuple(("verification.approve_requirement", row.subject_kind, row.pk) for row in drafts)
    if drafts:
        why = (
            f"{', '.join(row.ref for row in drafts)} {'waits' if len(drafts) == 1 else 'wait'} for approval."
        )
        return Outcome(CheckState.WAITING, why=why, needs=waiting, **common)
    if open_ones:
        first = open_ones[0]
        what = first.requirement or first.risks or first.use
        named = f"{LACK_WORDS[Lack(first.lack)]}: {what}{f', {first.test}' if first.test else ''}."
        more = f" And {len(open_ones) - 1} more in the matrix." if len(open_ones) > 1 else ""
        closing = () if version.state in DECIDED else _needs(version, open_ones)
        return Outcome(CheckState.NOT_MET, why=f"{named}{more}", rule="PC37", needs=closing, **common)
    if by := next((line.accepted for line in found if line.accepted), ""):
        return Outcome(CheckState.BY_DEVIATION, why=f"A failed result is accepted by {by}.", **common)
    return Outcome(CheckState.MET, **common)


# What closes an open end: acts on the version, or on its model.
_ATTACH, _LINK = "verification.attach_evidence", "verification.link_requirement"
_WRITE, _APPROVE = "verification.write_requirement", "verification.approve_requirement"
CLOSED_BY: dict[Lack, tuple[str, ...]] = {
    Lack.NO_REQUIREMENT: (_WRITE,),
    Lack.NOT_APPROVED: (_APPROVE,),
    Lack.CHANGED: (_WRITE,),
    Lack.EARLIER_USE: (_WRITE,),
    Lack.RISK_WITHOUT: (_WRITE,),
    Lack.NO_TEST: (_ATTACH, _LINK),
    Lack.FAILED_TEST: (_ATTACH,),
    Lack.NO_RESULT: (_ATTACH,),
    Lack.ONLY_CLAIMED: (_ATTACH, _LINK),
    Lack.OWN_LINK: (_LINK,),
    Lack.UNKNOWN_REQUIREMENT: (_ATTACH, _WRITE),
}


def _needs(version: Version, open_ones: list[matrix.Line]) -> tuple[tuple[str, str, int], ...]:
    """(act, kind, key) of what closes these lines, each once. Approvals wait as such before any line is held open."""
    on = {
        _ATTACH: (version.subject_kind, version.pk),
        _LINK: (version.subject_kind, version.pk),
        _WRITE: (version.model.subject_kind, version.model_id),
    }
    acts = dict.fromkeys(act for line in open_ones for act in CLOSED_BY[Lack(line.lack)])
    return tuple((act, *on[act]) for act in acts if act in on)
