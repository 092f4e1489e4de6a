"""Reads for gates, pages, API and packs: what a version inherits, what counts of its evidence, its matrix."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any, TypeVar

from django.db.models import Exists, OuterRef, QuerySet, Subquery

from apps.access import gate
from apps.access.actors import Actor
from apps.access.facts import facts_of
from apps.access.policy import acts_counting_as
from apps.access.recorded import recorded
from apps.access.sharing import once
from apps.access.signing import given_on, still_signed
from apps.accounts.models import User
from apps.core import registries
from apps.quality.queries import accepted_for
from apps.registry.models import Model, Version
from apps.verification import matrix
from apps.verification.loading import details_of, dossiers_of
from apps.verification.models import Claim, Evidence, Link, Requirement, Risk
from apps.verification.results import results_linked
from apps.verification.states import Kind, State, Target

TESTS, FINDINGS = "tests", "findings"  # what a deviation of evidence is about
REQUIREMENTS = ("model", "intended_use__model", "written_by")
EVIDENCE = ("version__model", "version__intended_use", "uploaded_by")
CLAIMS = ("version__model", "version__intended_use", "submitted_by")
Revised = TypeVar("Revised", Requirement, Risk)


def decided_at(version: Version) -> datetime | None:
    """When the release of the version was decided, or None: asked of the app above that decides."""
    found: datetime | None = registries.decided[version.subject_kind](version)
    return found


def _newest(rows: Iterable[Revised], use_number: int, until: datetime | None) -> list[Revised]:
    """The newest revision of each number that was written for this intended use or an earlier one, and in time."""
    found: dict[int, Revised] = {}
    for row in rows:  # by number and revision
        if row.intended_use.number <= use_number and (until is None or row.written_at <= until):
            found[row.number] = row
    return list(found.values())


def requirements_of(version: Version) -> list[Requirement]:
    """What the version inherits: of each number the newest revision in force, else the one that waits for approval.

    A revision counts for versions of the intended use it was written for and of later ones. A decided version keeps
    what was in force when it was decided.
    """
    return once(("requirements of", version.pk), lambda: _requirements_of(version))


def _requirements_of(version: Version) -> list[Requirement]:
    until, number = decided_at(version), version.intended_use.number
    rows = [
        row
        for row in dossiers_of([version.pk])[version.pk].requirements
        if row.state not in (State.REJECTED, State.SUPERSEDED)
    ]
    settled = [row for row in rows if row.state != State.DRAFT and (until is None or _in_time(row, until))]
    found = {row.number: row for row in _newest(settled, number, until) if not _withdrawn(row, until)}
    gone = {row.number for row in _newest(settled, number, until)} - set(found)
    if until is None:
        for row in _newest((row for row in rows if row.state == State.DRAFT), number, None):
            if row.number not in found and row.number not in gone:
                found[row.number] = row
    return [found[key] for key in sorted(found)]


def _in_time(row: Requirement, until: datetime) -> bool:
    return row.decided_at is not None and row.decided_at <= until


def _withdrawn(row: Requirement, until: datetime | None) -> bool:
    return row.withdrawn_at is not None and (until is None or row.withdrawn_at <= until)


def drafts_of(version: Version) -> list[Requirement]:
    """Revisions that wait for approval and would count for this version."""
    if decided_at(version) is not None:
        return []
    rows = dossiers_of([version.pk])[version.pk].requirements
    use = version.intended_use.number
    return [row for row in rows if row.state == State.DRAFT and row.intended_use.number <= use]


def risks_of(version: Version) -> list[Risk]:
    """The risks of the version's intended use and earlier ones, each in its newest revision."""
    rows = dossiers_of([version.pk])[version.pk].risks
    return _newest(rows, version.intended_use.number, decided_at(version))


def counting(version: Version, kind: Kind | None = None) -> list[Evidence]:
    """The evidence that counts: of each kind and title the newest, oldest first."""
    found: dict[tuple[str, str], Evidence] = {}
    for row in dossiers_of([version.pk])[version.pk].evidence:  # newest first
        if kind is None or row.kind == kind:
            found.setdefault((row.kind, row.title), row)
    return sorted(found.values(), key=lambda row: row.number)


def accepted(evidence: Evidence, version: Version, what: str) -> str:
    """The deviation that accepts the failed tests or findings of this evidence; empty where none does."""
    found = accepted_for(evidence, version).get(what)
    return found.ref if found else ""


def _requirement_fact(
    row: Requirement, version: Version, told: dict[int, tuple[str, str]]
) -> matrix.RequirementFact:
    approved = row.state in (State.APPROVED, State.WITHDRAWN)
    by, at = told.get(row.pk, ("", ""))
    return matrix.RequirementFact(
        pk=row.pk,
        number=row.number,
        ref=row.ref,
        text=row.text,
        use=row.intended_use.ref,
        earlier_use=row.intended_use_id != version.intended_use_id,
        approved=approved,
        changed=approved and not still_signed(row, row.approved_digest),
        risks=tuple(row.risks),
        clauses=tuple(row.clauses),
        signed_by=by,
        signed_at=at,
    )


def _tests_of(version: Version) -> tuple[matrix.TestFact, ...]:
    return tuple(
        matrix.TestFact(
            id=case["id"],
            outcome=case["outcome"],
            message=case["message"],
            requirements=tuple(case["requirements"]),
            evidence=row.ref,
            accepted=accepted(row, version, TESTS) if row.summary["failed"] else "",
        )
        for row in counting(version, Kind.JUNIT)
        for case in details_of(row)
    )


def given_of(version: Version, told: dict[int, tuple[str, str]] | None = None) -> matrix.Given:
    """What the matrix of a version is made of. `told`: as `signatures_told` gives it."""
    rows = dossiers_of([version.pk])[version.pk].links
    own = own_links(version, rows)
    links = tuple(
        matrix.LinkFact(row.requirement_id, row.target, row.pattern, row.ref, row.reason, row.pk in own)
        for row in rows
    )
    return matrix.Given(
        use=version.intended_use.ref,
        tier=version.intended_use.tier,
        requirements=tuple(_requirement_fact(row, version, told or {}) for row in requirements_of(version)),
        risks=tuple(matrix.RiskFact(row.number, row.ref, row.hazard) for row in risks_of(version)),
        tests=_tests_of(version),
        links=links,
        # Only what a link names is asked for: most versions are shown by tests alone.
        results=results_linked(version, {link.target for link in links} - {Target.TEST}),
        withdrawn=frozenset(
            row.number
            for row in dossiers_of([version.pk])[version.pk].requirements
            if row.state == State.WITHDRAWN
        ),
    )


def own_links(version: Version, links: Collection[Link]) -> frozenset[int]:
    """Keys of the links that were made by who was no independent person then, or developed the version until it was
    decided. Their acts tell: nothing is asked of the duties of today."""
    if not links:
        return frozenset()
    facts, until = facts_of(version), decided_at(version)
    within = facts.closures["version"]
    acts, developing = recorded(within), acts_counting_as("develop")
    makers = {each.person for each in acts if each.act in developing and (until is None or each.at <= until)}
    # A declaration has no moment: it says who the makers are, whenever it was written.
    makers |= {
        deed.person for deed in facts.declared if deed.verb == "develop" and (deed.kind, deed.id) in within
    }
    told = {}
    for each in acts:
        if each.act == "verification.link_requirement" and each.record == (
            version.subject_kind,
            str(version.pk),
        ):
            said = json.loads(each.body)["facts"]
            told[said.get("link")] = each.person in makers or not said.get("independent")
    return frozenset(link.pk for link in links if told.get(link.pk, True))


def lines_of(version: Version) -> list[matrix.Line]:
    """The whole matrix, each requirement with who approved it. A bounded number of queries, whatever it holds."""
    rows = requirements_of(version)
    return matrix.lines(given_of(version, signatures_told(rows)))


def signatures_told(rows: list[Requirement]) -> dict[int, tuple[str, str]]:
    """Key of a requirement -> who approved it and when (UTC), from the signature itself. One query."""
    found = given_on([(row.subject_kind, str(row.pk)) for row in rows]) if rows else []
    told = {}
    for row, given in zip(rows, found, strict=True):
        mine = [
            each
            for each in given
            if each.decision == "approved" and each.content_digest == row.approved_digest
        ]
        if mine:
            told[row.pk] = (mine[0].printed_name, f"{mine[0].signed_at:%Y-%m-%d %H:%M} UTC")
    return told


def tests_known(version: Version) -> list[str]:
    """Ids of the tests in the attached results that count."""
    return sorted({case["id"] for row in counting(version, Kind.JUNIT) for case in details_of(row)})


def requirements(actor: Actor | User) -> QuerySet[Requirement]:
    """Requirements the person may see, each revision."""
    return gate.visible(actor, Requirement).select_related(*REQUIREMENTS)


def risks(actor: Actor | User) -> QuerySet[Risk]:
    """Risks the person may see, each revision."""
    return gate.visible(actor, Risk).select_related(*REQUIREMENTS)


def newest(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Of risks or requirements the newest revision of each."""
    later = rows.model._default_manager.filter(
        number=OuterRef("number"), revision__gt=OuterRef("revision")
    ).order_by()
    return rows.filter(~Exists(later))


def with_force(rows: QuerySet[Requirement]) -> QuerySet[Requirement]:
    """Each with `force`: the revision of its number that is in force, None where none is."""
    approved = Requirement.objects.filter(number=OuterRef("number"), state=State.APPROVED)
    return rows.annotate(force=Subquery(approved.order_by("-revision").values("revision")[:1]))


def naming(actor: Actor | User, risk: Risk) -> list[Requirement]:
    """Requirements of the model that name this risk, each in its newest revision."""
    rows = newest(requirements(actor).filter(model=risk.model_id)).order_by("number")
    return [row for row in rows if risk.number in row.risks]


def shown_on(actor: Actor | User, model: Model) -> Version | None:
    """The newest version of the model that the person may see: on it a risk or requirement is shown, or is not."""
    rows = gate.visible(actor, Version).filter(model=model).select_related("model", "intended_use__model")
    return rows.order_by("-registered_at", "-pk").first()


def evidence(actor: Actor | User, version: Version | None = None) -> QuerySet[Evidence]:
    """Evidence the person may see, newest first."""
    rows = gate.visible(actor, Evidence).select_related(*EVIDENCE)
    return rows if version is None else rows.filter(version=version)


def claims(actor: Actor | User, version: Version | None = None) -> QuerySet[Claim]:
    """Claims the person may see, newest first."""
    rows = gate.visible(actor, Claim).select_related(*CLAIMS)
    return rows if version is None else rows.filter(version=version)


def links(actor: Actor | User, version: Version) -> QuerySet[Link]:
    """Links of a version that were not taken away, oldest first."""
    rows = gate.visible(actor, Link).filter(version=version, ended_at=None)
    return rows.select_related("requirement", "linked_by").order_by("pk")


def replacing(version: Version) -> list[Requirement]:
    """Drafts that would take the place of a requirement in force."""
    known = {row.pk for row in requirements_of(version)}
    return [row for row in drafts_of(version) if row.pk not in known]


def as_data(line: matrix.Line) -> dict[str, Any]:
    """One line as plain data, for API, export and pack."""
    return {
        "line": line.pk,
        "intended_use": line.use,
        "requirement": line.requirement,
        "text": line.text,
        "risks": line.risks,
        "shown_by": line.target,
        "test": line.test,
        "outcome": line.outcome,
        "message": line.message,
        "evidence": line.evidence,
        "link": line.link,
        "signature": line.signature,
        "signed_by": line.signed_by,
        "signed_at": line.signed_at,
        "clauses": line.clauses,
        "lacks": line.lack,
        "accepted_by": line.accepted,
        "blocks": line.blocks,
    }
