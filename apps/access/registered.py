"""What accounts, tokens and assignments tell the gate: facts and visibility."""

from __future__ import annotations

from django.db.models import Exists, Q

from apps.access import duties
from apps.access.facts import Facts
from apps.access.gate import ORGANISATION_PAIR, Scopes
from apps.access.models import Assignment, RulesChange, Waiver
from apps.access.owing import owing
from apps.access.separation import Deed
from apps.core import registries
from apps.core.subjects import Subject

# An empty Q would vanish from a disjunction and open nothing.
EVERYTHING = Q(pk__isnull=False)


@registries.facts("accounts.user")
@registries.facts("accounts.token")
@registries.facts("accounts.session")
@registries.facts("accounts.enrolment")
@registries.facts("access.separation_rules")
def organisation_record_facts(_subject: Subject) -> Facts:
    return Facts(parents=(ORGANISATION_PAIR,))


@registries.facts("access.assignment")
def assignment_facts(assignment: Assignment) -> Facts:
    kind, pk = assignment.subject_kind, str(assignment.pk)
    declared: tuple[Deed, ...] = (
        Deed(str(assignment.requester.uuid), "request_grant", kind, pk, "requested this duty"),
        Deed(str(assignment.person.uuid), "receive_grant", kind, pk, "would receive this duty"),
    )
    place = (assignment.scope_kind, assignment.scope_id)
    if assignment.state == Assignment.State.REQUESTED:
        person, here = assignment.person, {place, ORGANISATION_PAIR}
        declared += owing(kind, assignment.pk, person.pk, person.printed_name, here)
    return Facts(parents=(place, ORGANISATION_PAIR), declared=declared)


@registries.visibility("accounts.User")
def users_seen(scopes: Scopes) -> Q:
    """Oneself; everybody for those who administer people or give duties (owners choose among colleagues)."""
    gives = {duties.Duty.ADMINISTRATOR, duties.Duty.COMPLIANCE} & scopes.organisation_duties
    return EVERYTHING if gives else Q(pk=scopes.user.pk)


@registries.visibility("accounts.ApiToken")
def tokens_seen(scopes: Scopes) -> Q:
    """One's own; compliance watches over all of them (never their secrets: only hashes are kept)."""
    return EVERYTHING if duties.Duty.COMPLIANCE in scopes.organisation_duties else Q(owner=scopes.user)


@registries.visibility("accounts.SignedIn")
def sessions_seen(scopes: Scopes) -> Q:
    return Q(user=scopes.user)


@registries.visibility("accounts.Enrolment")
def enrolments_seen(scopes: Scopes) -> Q:
    """State of links: for those who make accounts or watch over them."""
    gives = {duties.Duty.ADMINISTRATOR, duties.Duty.COMPLIANCE} & scopes.organisation_duties
    return EVERYTHING if gives else Q(person=scopes.user)


@registries.visibility("access.Assignment")
def assignments_seen(scopes: Scopes) -> Q:
    seen = (
        Q(person=scopes.user)
        | Q(scope_kind=duties.MODEL, scope_id__in=scopes.of(duties.MODEL))
        | Q(scope_kind=duties.DATASET, scope_id__in=scopes.of(duties.DATASET))
    )
    if duties.Duty.ADMINISTRATOR in scopes.organisation_duties:
        seen |= Q(scope_kind=duties.ORGANISATION)
    return seen


@registries.facts("access.waiver")
def waiver_facts(waiver: Waiver) -> Facts:
    """Who benefits is declared: they may sign neither half of it (EN5)."""
    kind, pk = waiver.subject_kind, str(waiver.pk)
    benefits = Deed(str(waiver.person.uuid), "benefit_waiver", kind, pk, "would benefit from this waiver")
    return Facts(parents=((waiver.scope_kind, waiver.scope_id), ORGANISATION_PAIR), declared=(benefits,))


@registries.visibility("access.Waiver")
def waivers_seen(scopes: Scopes) -> Q:
    return Q(person=scopes.user) | Q(scope_kind=duties.MODEL, scope_id__in=scopes.of(duties.MODEL))


@registries.visibility("access.SeparationRules")
def rules_seen(_scopes: Scopes) -> Q:
    return EVERYTHING


@registries.facts("access.rules_change")
def rules_change_facts(_change: RulesChange) -> Facts:
    """It touches every model: a QA approver of any of them may sign it."""
    return Facts(parents=(ORGANISATION_PAIR,), anywhere=frozenset({duties.Duty.APPROVER}))


@registries.visibility("access.RulesChange")
def rules_changes_seen(scopes: Scopes) -> Q:
    """Those who may propose or sign one, and who sees everything."""
    if duties.Duty.ADMINISTRATOR in scopes.organisation_duties:
        return EVERYTHING
    approves = Assignment.objects.active().filter(person=scopes.user, duty=duties.Duty.APPROVER)
    return Q(Exists(approves))
