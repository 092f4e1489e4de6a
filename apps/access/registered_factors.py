"""What second factors, resets and links tell the gate: facts and visibility."""

from __future__ import annotations

from django.db.models import Q

from apps.access import duties
from apps.access.facts import Facts
from apps.access.gate import ORGANISATION_PAIR, Scopes
from apps.core import registries
from apps.core.subjects import Subject

EVERYTHING = Q(pk__isnull=False)


@registries.facts("accounts.factor")
@registries.facts("accounts.recovery_code")
@registries.facts("accounts.reset")
@registries.facts("accounts.correction")
@registries.facts("accounts.link")
def of_the_organisation(_subject: Subject) -> Facts:
    return Facts(parents=(ORGANISATION_PAIR,))


def _watched(scopes: Scopes) -> bool:
    return bool({duties.Duty.ADMINISTRATOR, duties.Duty.COMPLIANCE} & scopes.organisation_duties)


@registries.visibility("accounts.Factor")
@registries.visibility("accounts.SignOnLink")
@registries.visibility("accounts.Reset")
@registries.visibility("accounts.Correction")
def seen_by_its_person_and_watchers(scopes: Scopes) -> Q:
    """One's own; all for those who reset accounts or watch over them (secrets are sealed, keys are public)."""
    return EVERYTHING if _watched(scopes) else Q(person=scopes.user)


@registries.visibility("accounts.RecoveryCode")
def own_codes(scopes: Scopes) -> Q:
    return Q(person=scopes.user)
