"""The traceability matrix, pure: use → risk → requirement → test → result → signature → clause, with what is missing.

Records go in as plain facts; one line comes out for each test of each requirement, and one for each thing that lacks
its other half, in both directions. What stands against the release comes first.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from apps.verification.rules import claim_counts
from apps.verification.states import LACK_WORDS, TOLD_ONLY, Lack, Outcome, Target

OWN = "It passed. Who developed the version linked it, and nobody independent has made the same link."


@dataclass(frozen=True)
class RequirementFact:
    """A requirement that a version inherits. `changed`: its content differs from what was approved."""

    pk: int
    number: int
    ref: str
    text: str
    use: str
    earlier_use: bool
    approved: bool
    changed: bool
    risks: tuple[int, ...]
    clauses: tuple[str, ...]
    signed_by: str = ""  # who approved it: printed name
    signed_at: str = ""  # and when, in UTC


@dataclass(frozen=True)
class RiskFact:
    number: int
    ref: str
    hazard: str


@dataclass(frozen=True)
class TestFact:
    """One test of attached results. `accepted`: the deviation that accepts its failure."""

    __test__ = False  # not a test of ours

    id: str
    outcome: str
    message: str
    requirements: tuple[str, ...]
    evidence: str
    accepted: str = ""


@dataclass(frozen=True)
class ResultFact:
    """A criterion, limit, explanation or claim with what became of it."""

    outcome: str
    message: str
    evidence: str
    accepted: str = ""


@dataclass(frozen=True)
class LinkFact:
    """`own`: made by who developed the version, and confirmed by nobody else: it claims, and verifies nothing."""

    requirement: int  # key of the revision
    target: str
    pattern: str
    ref: str
    reason: str
    own: bool = False


@dataclass(frozen=True)
class Given:
    """Everything the matrix of one version is made of. withdrawn: numbers of requirements that were in force once."""

    use: str
    tier: str
    requirements: tuple[RequirementFact, ...] = ()
    risks: tuple[RiskFact, ...] = ()
    tests: tuple[TestFact, ...] = ()
    links: tuple[LinkFact, ...] = ()
    results: Mapping[tuple[str, str], ResultFact] = field(default_factory=dict)  # (target, id) -> result
    withdrawn: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Line:
    """One line of the matrix; what does not apply is empty. `pk`: its place, from 1. `lack`: of states.Lack, or ""."""

    pk: int = 0
    use: str = ""
    requirement: str = ""
    text: str = ""
    risks: str = ""
    target: str = ""
    test: str = ""
    outcome: str = ""
    message: str = ""
    evidence: str = ""
    link: str = ""  # how the test came to the requirement: the test's own property, or a link by hand
    signed_by: str = ""
    signed_at: str = ""
    clauses: str = ""
    lack: str = ""
    accepted: str = ""

    @property
    def signature(self) -> str:
        """Who approved the requirement, and when; empty while nobody has."""
        return f"{self.signed_by}, {self.signed_at}" if self.signed_by else ""

    @property
    def blocks(self) -> bool:
        return bool(self.lack) and self.lack not in TOLD_ONLY

    @property
    def lack_words(self) -> str:
        return LACK_WORDS[Lack(self.lack)] if self.lack else ""


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str]:
    # Only * and ? are special: ids of parametrised tests have brackets of their own.
    return re.compile(fnmatch.translate(pattern.replace("[", "[[]")))


def matching(pattern: str, ids: Iterable[str]) -> list[str]:
    """The test ids that a pattern with * and ? names."""
    found = _compiled(pattern)
    return [each for each in ids if found.match(each)]


def lines(given: Given, *, unlinked_tests: bool = True) -> list[Line]:
    """The whole matrix: what stands against the release, then the requirements that are shown, in their order, then
    what is only told. `unlinked_tests=False` leaves tests without requirement out."""
    shown: set[tuple[str, str]] = set()
    made: list[Line] = []
    by_name: dict[str, list[TestFact]] = {}
    for test in given.tests:
        for name in test.requirements:
            by_name.setdefault(name, []).append(test)
    if not given.requirements:
        made.append(Line(use=given.use, lack=Lack.NO_REQUIREMENT))
    for requirement in given.requirements:
        made += _of_requirement(given, requirement, by_name.get(f"REQ-{requirement.number}", []), shown)
    covered = {number for each in given.requirements for number in each.risks}
    made += [
        Line(use=given.use, risks=risk.ref, text=risk.hazard, lack=Lack.RISK_WITHOUT)
        for risk in given.risks
        if risk.number not in covered
    ]
    made += _of_tests(given, shown, unlinked_tests)
    made.sort(key=lambda line: 0 if line.blocks else 2 if line.lack else 1)
    return [replace(line, pk=place) for place, line in enumerate(made, start=1)]


def _of_requirement(
    given: Given, requirement: RequirementFact, named: Collection[TestFact], shown: set[tuple[str, str]]
) -> Iterator[Line]:
    risk_refs = {risk.number: risk.ref for risk in given.risks}
    base = Line(
        use=requirement.use,
        requirement=requirement.ref,
        text=requirement.text,
        risks=", ".join(risk_refs.get(number, f"RK-{number}") for number in requirement.risks),
        clauses="; ".join(requirement.clauses),
        signed_by=requirement.signed_by,
        signed_at=requirement.signed_at,
    )
    if not requirement.approved:
        yield replace(base, lack=Lack.NOT_APPROVED)
    elif requirement.changed:
        yield replace(base, lack=Lack.CHANGED)
    if requirement.earlier_use:
        yield replace(base, lack=Lack.EARLIER_USE)
    found = list(_shown_by(given, requirement, named))
    shown |= {(line.evidence, line.test) for line in found if line.target == Target.TEST}
    passed = any(line.outcome == Outcome.PASSED for line in found)
    for line in found:
        yield replace(
            base,
            target=line.target,
            test=line.test,
            outcome=line.outcome,
            message=line.message,
            evidence=line.evidence,
            link=line.link,
            accepted=line.accepted,
            lack=_lack(line, passed, given.tier),
        )
    if not found:
        yield replace(base, lack=Lack.NO_TEST)


def _lack(line: Line, passed: bool, tier: str) -> str:
    """What this line lacks. A failure that a deviation accepts is shown, and no longer held against the requirement."""
    if line.accepted:
        return ""
    if line.outcome == Outcome.FAILED:
        return Lack.FAILED_TEST
    if line.outcome in (Outcome.UNDECIDED, Outcome.UNREVIEWED, Outcome.MISSING):
        return Lack.NO_RESULT
    if line.outcome == Outcome.SKIPPED:
        return "" if passed else Lack.NO_RESULT
    if line.outcome == Outcome.CLAIMED and not passed and not claim_counts(tier):
        return Lack.ONLY_CLAIMED if line.target == Target.CLAIM else Lack.OWN_LINK
    return ""


def _shown_by(given: Given, requirement: RequirementFact, named: Collection[TestFact]) -> Iterator[Line]:
    seen: set[tuple[str, str]] = set()
    for test in named:
        seen.add((test.evidence, test.id))
        yield _test_line(test, "named by the test")
    for link in sorted(given.links, key=lambda each: each.own):  # what verifies goes before what claims
        if link.requirement == requirement.pk:
            yield from (claimed(line) if link.own else line for line in _linked(given, link, seen))


def claimed(line: Line) -> Line:
    """A good result that only its makers say shows the requirement, or a bad one that somebody accepted for what it is
    and nobody as proof of this. A bad one stays what it is."""
    if line.outcome != Outcome.PASSED and not line.accepted:
        return line
    return replace(line, outcome=Outcome.CLAIMED, message=OWN, accepted="")


def _linked(given: Given, link: LinkFact, seen: set[tuple[str, str]]) -> Iterator[Line]:
    """What a link by hand names, without the tests in `seen`."""
    how = f"{link.ref}: {link.reason}"
    if link.target == Target.TEST:
        wanted = set(matching(link.pattern, [test.id for test in given.tests]))
        found = [test for test in given.tests if test.id in wanted and (test.evidence, test.id) not in seen]
        seen |= {(test.evidence, test.id) for test in found}
        yield from (_test_line(test, how) for test in found)
        if not wanted:
            yield Line(target=link.target, test=link.pattern, outcome=Outcome.MISSING, link=how)
        return
    result = given.results.get((link.target, link.pattern))
    if result is None:
        yield Line(target=link.target, test=link.pattern, outcome=Outcome.MISSING, link=how)
    else:
        yield Line(
            target=link.target, test=link.pattern, outcome=result.outcome, message=result.message,
            evidence=result.evidence, link=how, accepted=result.accepted,
        )  # fmt: skip


def _test_line(test: TestFact, how: str) -> Line:
    return Line(
        target=Target.TEST, test=test.id, outcome=test.outcome, message=test.message, evidence=test.evidence,
        link=how, accepted=test.accepted if test.outcome == Outcome.FAILED else "",
    )  # fmt: skip


def _of_tests(given: Given, shown: set[tuple[str, str]], unlinked: bool) -> Iterator[Line]:
    """The other direction: tests that name a requirement nobody approved, and tests that show none."""
    known = {f"REQ-{each.number}" for each in given.requirements}
    gone = {f"REQ-{number}" for number in given.withdrawn}
    for test in given.tests:
        unknown = [name for name in test.requirements if name not in known]
        lack = Lack.TEST_WITHOUT
        if unknown:
            lack = Lack.WITHDRAWN_REQUIREMENT if gone.issuperset(unknown) else Lack.UNKNOWN_REQUIREMENT
        if not unknown and ((test.evidence, test.id) in shown or not unlinked):
            continue
        yield Line(
            use=given.use, requirement=", ".join(unknown), target=Target.TEST, test=test.id, outcome=test.outcome,
            message=test.message, evidence=test.evidence, lack=lack,
        )  # fmt: skip


def orphans(found: Iterable[Line]) -> list[Line]:
    """The lines in which something lacks its other half."""
    return [line for line in found if line.lack]


def counted(found: Collection[Line]) -> dict[str, int]:
    """Lack -> how many lines have it; only those there are, in the order of states.Lack."""
    return {lack.value: n for lack in Lack if (n := sum(line.lack == lack for line in found))}
