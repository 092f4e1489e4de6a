"""How often the API may be called: by one token or person, and from one address. The numbers are settings."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from rest_framework.throttling import BaseThrottle

from apps.access import reach
from apps.access.past import today
from apps.access.throttle import Leases, key_of, network
from apps.accounts.models import ApiToken
from apps.core.errors import TooMany

MINUTE = 60
_leases = Leases()


def refuse_too_many(key: str, limit: int, told: str) -> None:
    with today():
        wait = _leases.refused_for(key, limit, MINUTE)
    if wait:
        raise TooMany(
            "Too many calls in a short time.",
            fact=f"At most {limit:,} calls a minute {told}. Try again in {wait} seconds.",
            who=[f"you, in {wait} seconds"],
            retry_after=wait,
        )


def refuse_from_address(address: str) -> None:
    """Asked before anybody is looked up."""
    refuse_too_many(
        key_of("api-address", network(address)), settings.API_CALLS_ADDRESS, "from one network address"
    )


class Calls(BaseThrottle):
    """By token, or by person in a session. A token within its limit costs no query in most calls."""

    def allow_request(self, request: Any, view: Any) -> bool:
        if isinstance(request.auth, ApiToken):
            narrowed = reach.narrowed_by(request.auth)
            if narrowed and narrowed.service:  # one limit, however many tokens its jobs are given
                key = key_of("api-service", str(narrowed.service.uuid))
                refuse_too_many(key, settings.API_CALLS, "by one service account")
                return True
            refuse_too_many(key_of("api-token", request.auth.hashed), settings.API_CALLS, "with one token")
        elif request.user is not None:
            refuse_too_many(key_of("api-person", str(request.user.uuid)), settings.API_CALLS, "by one person")
        return True
