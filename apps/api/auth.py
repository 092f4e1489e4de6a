"""API authentication: a personal access token, or the browser's session (with CSRF)."""

from __future__ import annotations

from datetime import timedelta

from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.exceptions import AuthenticationFailed

from apps.access.actors import Actor
from apps.access.acts.accounts import hashed
from apps.accounts.models import ApiToken, TokenUse
from apps.core.clock import now

USE_NOTED_EVERY = timedelta(minutes=1)


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer cs_…`. The token acts for its owner and can never sign."""

    keyword = "Bearer"

    def authenticate(self, request):
        kind, _, secret = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        if kind.lower() != "bearer":
            return None
        token = ApiToken.objects.select_related("owner").filter(hashed=hashed(secret.strip())).first()
        if token is None or token.ended_at is not None or token.expires_at <= now() or not token.owner.usable:
            raise AuthenticationFailed(
                "This token is unknown, ended or expired. Make a new one on your account page."
            )
        self.note_use(token, request.META.get("REMOTE_ADDR"))
        return token.owner, token

    def note_use(self, token: ApiToken, address: str | None) -> None:
        """Last use, at most once a minute: a gate asked often must not write each time."""
        fresh = TokenUse.objects.filter(token=token, last_used_at__gt=now() - USE_NOTED_EVERY).exists()
        if not fresh:
            TokenUse.objects.update_or_create(
                token=token, defaults={"last_used_at": now(), "last_address": address}
            )

    def authenticate_header(self, request):
        return self.keyword


class Session(SessionAuthentication):
    """The browser's session; DRF demands the CSRF token for it. Asked for credentials, the API names Bearer."""

    def authenticate_header(self, request):
        return "Bearer"


def actor_of(request) -> Actor:
    token = request.auth if isinstance(request.auth, ApiToken) else None
    return Actor.of(request.user, "api", token=token, address=request.META.get("REMOTE_ADDR", ""))
