"""Links by hand between requirements and what shows them; claims computed elsewhere."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from apps.access.acting import Act, act
from apps.access.duties import Duty
from apps.access.judging import Judge
from apps.access.verdict import Verdict
from apps.analysis.metrics import LABELS
from apps.core import registries
from apps.core.clock import now
from apps.core.errors import BadInput, Conflict
from apps.core.numbers import next_number
from apps.registry.models import Version
from apps.verification import rules
from apps.verification.matrix import matching
from apps.verification.models import Claim, Link
from apps.verification.queries import own_links, requirements_of, tests_known
from apps.verification.results import choices_of
from apps.verification.states import Target


@registries.precondition("verification.link_requirement")
@registries.precondition("verification.end_link")
def may_link(version: Version) -> None:
    rules.may_add(version.ref, version.state, "No link is made or taken away on")


@registries.precondition("verification.submit_claim")
def may_claim(version: Version) -> None:
    rules.may_add(version.ref, version.state, "No claim is submitted for")


def _version(act: Act, version_id: int) -> Version:
    return act.lock(Version.objects.select_related("model", "intended_use__model"), pk=version_id)


@act("verification.link_requirement")
def link_requirement(act: Act, version_id: int, *, requirement: str, target: str, pattern: str) -> Link:
    """Say by hand what shows a requirement; the act's reason is the link's.

    What a developer links, or whoever developed the version, is a claim until somebody independent makes the same link:
    theirs takes the place of the first.

    requirement: `REQ-4` or `REQ-4/v2` of those the version inherits. pattern: of a test id, with * and ?; or the id
    of a criterion or limit of the plan or of its probes, or the reference of an explanation or claim.
    """
    version = _version(act, version_id)
    act.allow(version)
    known = {row.ref: row for row in requirements_of(version)}
    known |= {f"REQ-{row.number}": row for row in known.values()}
    found = known.get(requirement.strip().upper().replace("/V", "/v"))
    if found is None:
        raise BadInput(
            "The link was not made.",
            fields={"requirement": [f"{version.ref} inherits no requirement of this name."]},
        )
    tests = tests_known(version)
    matches = matching(pattern.strip(), tests) if target == Target.TEST and pattern.strip() else []
    there = choices_of(version, target)
    pattern = rules.checked_link(target, pattern, tests=tests, known=there, matches=matches)
    independent = _verdict(act, version).allowed
    same = Link.objects.filter(
        version=version, requirement=found, target=target, pattern=pattern, ended_at=None
    ).first()
    if same is not None:
        if not independent or same.pk not in own_links(version, [same]):
            raise Conflict(f"{found.ref} is linked to {pattern} already.", rule="duplicate")
        act.end(
            act.lock(Link.objects.all(), pk=same.pk), why="Confirmed by an independent person's own link."
        )
    link = act.create(
        Link,
        version=version,
        requirement=found,
        target=target,
        pattern=pattern,
        reason=act.reason,
        linked_by=act.user,
        linked_at=now(),
    )
    act.event(
        link=link.pk,
        requirement=found.ref,
        target=str(target),
        pattern=pattern,
        matches=len(matches),
        independent=independent,
        confirms=same.ref if same else "",
    )
    return link


def _verdict(act: Act, version: Version) -> Verdict:
    """Whether this is done by somebody who does not act as developer, and did not develop the version (DY1)."""
    judging = replace(
        act.policy, duties=act.policy.duties - {Duty.DEVELOPER}, verbs=act.policy.verbs | {"validate"}
    )
    return Judge(version).verdict(act.actor, judging)


def _independent(act: Act, version: Version) -> None:
    """Refused to whoever acts as developer, or developed the version under whatever duty (DY1)."""
    verdict = _verdict(act, version)
    if not verdict.allowed:
        raise verdict.refusal()


@act("verification.end_link")
def end_link(act: Act, version_id: int, *, link_id: int) -> Link:
    """Take a link away, with a reason. It stays in the record as ended.

    A link may show that the version fails: its makers take away only the links to tests that they made themselves.
    """
    version = _version(act, version_id)
    act.allow(version)
    link = act.lock(Link.objects.filter(version=version).select_related("requirement"), pk=link_id)
    if link.ended_at is not None:
        raise Conflict(f"{link.ref} was taken away already.", rule="duplicate")
    if link.linked_by_id != act.user.pk or link.target != Target.TEST:
        _independent(act, version)
    act.event(requirement=link.requirement.ref, target=str(link.target), pattern=link.pattern)
    return act.end(link)


@act("verification.submit_claim")
def submit_claim(act: Act, version_id: int, *, given: dict[str, Any]) -> Claim:
    """Submit figures computed elsewhere, with the digests of script and data. `given`: as `rules.checked_claim`.

    They are shown as submitted, not computed here, and meet no criterion.
    """
    version = _version(act, version_id)
    act.allow(version)
    fields = rules.checked_claim(given, metrics=LABELS, moment=now())
    claim = act.create(
        Claim,
        number=next_number(Claim.subject_kind),
        version=version,
        submitted_by=act.user,
        submitted_at=now(),
        **fields,
    )
    act.event(claim=claim.ref, script=claim.script_digest, data=claim.data_digest)
    return claim
