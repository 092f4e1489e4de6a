"""The two ways to authenticate, as the OpenAPI description names them (OAS 3.0, security schemes)."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import build_bearer_security_scheme_object


class TokenScheme(OpenApiAuthenticationExtension):
    target_class = "apps.api.auth.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        scheme: dict[str, Any] = build_bearer_security_scheme_object("Authorization", "Bearer", "cs_…")
        return scheme | {
            "description": "A personal access token from your account page. It acts for you and cannot sign."
        }


class SessionScheme(OpenApiAuthenticationExtension):
    target_class = "apps.api.auth.Session"
    name = "session"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "The browser's session. Every POST also needs the CSRF token (X-CSRFToken).",
        }
