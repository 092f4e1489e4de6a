"""What erasures and legal holds tell the gate: facts and visibility."""

from __future__ import annotations

from django.db.models import Q

from apps.access.duties import Duty
from apps.access.facts import Facts
from apps.access.gate import ORGANISATION_PAIR, Scopes
from apps.core import registries
from apps.core.subjects import Subject


@registries.facts("access.erasure")
@registries.facts("access.hold")
def of_the_organisation(_subject: Subject) -> Facts:
    return Facts(parents=(ORGANISATION_PAIR,))


@registries.visibility("access.Erasure")
@registries.visibility("access.Hold")
def seen_by_who_decides(scopes: Scopes) -> Q:
    """Administrators and compliance officers; and whoever sees all records."""
    watching = {Duty.ADMINISTRATOR, Duty.COMPLIANCE} & scopes.organisation_duties
    return Q(pk__isnull=not watching)
