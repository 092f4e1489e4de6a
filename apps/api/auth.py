"""API authentication: a personal access token, or the browser's session (with CSRF)."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed

from apps.access import fresh, reach
from apps.access.actors import Actor
from apps.access.acts.accounts import hashed
from apps.access.past import today
from apps.access.throttle import hit, key_of, network
from apps.accounts.models import ApiToken, TokenUse
from apps.api.throttles import refuse_from_address
from apps.core.clock import now
from apps.core.errors import TooMany

USE_NOTED_EVERY = timedelta(minutes=1)


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer cs_…`. The token acts for its owner and can never sign."""

    keyword = "Bearer"

    def authenticate(self, request):
        with today():  # whatever moment is asked for
            return self._token(request)

    def _token(self, request):
        address = request.META.get("REMOTE_ADDR", "")
        refuse_from_address(address)
        kind, _, secret = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if kind.lower() != "bearer":
            return None
        rows = ApiToken.objects.select_related("owner", "use", "narrowed__service__owner", "narrowed__trust")
        token = rows.filter(hashed=hashed(secret.strip())).first()
        if token is None or reach.refuse_token(token) is not None:
            self.count_bad(address)
            raise AuthenticationFailed(
                "This token is unknown, ended or expired. Make a new one on your account page."
            )
        narrowed = reach.narrowed_by(token)
        if narrowed and narrowed.service and (refused := reach.refuse_standing(narrowed.service)) is not None:
            raise refused
        self.note_use(token, address)
        return token.owner, token

    def count_bad(self, address: str) -> None:
        """Bad tokens count with failed sign-ins; good tokens from the same address go on working."""
        failures = hit(key_of("failures", network(address)), settings.LOCKOUT_SECONDS)
        if failures.count > settings.ADDRESS_FAILURES:
            raise TooMany(
                "Too many bad tokens from this address.",
                fact=f"Calls with a good token are answered; a bad one is looked at again in {failures.left} seconds.",
                who=["whoever has a good token"],
                retry_after=failures.left,
            )

    def note_use(self, token: ApiToken, address: str) -> None:
        """Last use, at most once a minute: a gate asked often must not write each time."""
        use = getattr(token, "use", None)
        if use is None or use.last_used_at <= now() - USE_NOTED_EVERY:
            TokenUse.objects.update_or_create(
                token=token, defaults={"last_used_at": now(), "last_address": address or None}
            )

    def authenticate_header(self, request):
        return self.keyword


class Session(SessionAuthentication):
    """The browser's session; DRF demands the CSRF token for it. Asked for credentials, the API names Bearer."""

    def authenticate_header(self, request):
        return "Bearer"


def actor_of(request) -> Actor:
    token = request.auth if isinstance(request.auth, ApiToken) else None
    signed_in_at = (
        fresh.signed_in_at(request.session) if token is None and request.user.is_authenticated else None
    )
    address = request.META.get("REMOTE_ADDR", "")
    return Actor.of(request.user, "api", token=token, address=address, signed_in_at=signed_in_at)
