"""What service accounts, their trusts and scopes of tokens tell the gate: facts and visibility."""

from __future__ import annotations

from django.db.models import Q

from apps.access import duties
from apps.access.facts import Facts
from apps.access.gate import ORGANISATION_PAIR, Scopes
from apps.access.separation import Deed
from apps.accounts.services import CiTrust, ServiceAccount, TokenScope
from apps.core import registries

WATCHERS = frozenset({duties.Duty.COMPLIANCE, duties.Duty.ADMINISTRATOR})


def _parties(row: ServiceAccount | CiTrust, service: ServiceAccount) -> tuple[Deed, ...]:
    """Who asked for it and who would own it approve neither it nor its return (DY17)."""
    kind, pk = row.subject_kind, str(row.pk)
    return (
        Deed(str(row.requester.uuid), "request_grant", kind, pk, f"asked for {row.ref}"),
        Deed(str(service.owner.uuid), "receive_grant", kind, pk, f"answer for {service.ref} as its owner"),
    )


@registries.facts("accounts.service")
def service_facts(service: ServiceAccount) -> Facts:
    return Facts(parents=(ORGANISATION_PAIR,), declared=_parties(service, service))


@registries.facts("accounts.trust")
def trust_facts(trust: CiTrust) -> Facts:
    return Facts(parents=(ORGANISATION_PAIR,), declared=_parties(trust, trust.service))


@registries.facts("accounts.token_scope")
def scope_facts(_scope: TokenScope) -> Facts:
    return Facts(parents=(ORGANISATION_PAIR,))


def _theirs(scopes: Scopes, path: str = "") -> Q:
    """Who answers for it, who asked for it, and who watches over all of them."""
    if WATCHERS & scopes.organisation_duties:
        return Q(pk__isnull=False)
    return Q(**{f"{path}owner": scopes.user}) | Q(**{f"{path}requester": scopes.user})


@registries.visibility("accounts.ServiceAccount")
def services_seen(scopes: Scopes) -> Q:
    return _theirs(scopes)


@registries.visibility("accounts.CiTrust")
def trusts_seen(scopes: Scopes) -> Q:
    return _theirs(scopes, "service__")


@registries.visibility("accounts.TokenScope")
def token_scopes_seen(scopes: Scopes) -> Q:
    if duties.Duty.COMPLIANCE in scopes.organisation_duties:
        return Q(pk__isnull=False)
    return Q(token__owner=scopes.user)
