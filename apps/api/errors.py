"""One error shape: problem details (RFC 9457) with the four parts of a refusal."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.defaults import page_not_found
from rest_framework import exceptions
from rest_framework.response import Response

from apps.access import reach
from apps.accounts.models import ApiToken
from apps.core.blobs import BlobDamaged, damaged
from apps.core.errors import Busy, NotVisible, Refused, TooMany

TITLES = {
    400: "Bad request",
    401: "Not signed in",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    409: "Conflict",
    412: "Changed meanwhile",
    413: "Too large",
    415: "Unsupported media type",
    422: "Bad input",
    423: "Locked",
    428: "Precondition required",
    429: "Too many requests",
    503: "Busy",
}


def problem(
    status: int, detail: str, *, fact: str = "", rule: str = "", eligible=(), fields=None, headers=None
) -> Response:
    refused = Refused(detail, fact=fact, rule=rule, who=tuple(eligible), status=status)
    body = refused.document(TITLES.get(status, "Error")) | ({"fields": fields} if fields else {})
    return Response(body, status=status, headers=headers, content_type="application/problem+json")


def handle(error: Exception, context) -> Response | None:
    """DRF's exception handler."""
    if isinstance(error, Http404):
        error = NotVisible()
    if isinstance(error, BlobDamaged):
        error = damaged(error)
    if isinstance(error, NotVisible):
        error = _by_token(error, context)
    if isinstance(error, Refused):
        return problem(
            error.status,
            error.what,
            fact=error.fact,
            rule=error.rule,
            eligible=error.who,
            fields=error.fields,
            headers={"Retry-After": str(error.retry_after)} if isinstance(error, (Busy, TooMany)) else None,
        )
    if isinstance(error, exceptions.ValidationError):
        fields = error.detail if isinstance(error.detail, dict) else {"body": error.detail}
        return problem(422, "There is a problem with what was sent.", rule="input", fields=_texts(fields))
    if isinstance(error, exceptions.APIException):
        headers = {}
        if getattr(error, "auth_header", None):
            headers["WWW-Authenticate"] = error.auth_header
        if getattr(error, "wait", None):
            headers["Retry-After"] = str(int(error.wait) + 1)
        told = _nobody(error, context)
        return problem(error.status_code, str(error.detail), rule=error.default_code, headers=headers, **told)
    return None


def _nobody(error: exceptions.APIException, context) -> dict[str, Any]:
    """Of a call by nobody: what is missing, and who is answered. A session that was ended elsewhere leaves a cookie."""
    if isinstance(error, exceptions.AuthenticationFailed):
        return {"fact": "No token in force has this secret.", "eligible": ["whoever has a token in force"]}
    if not isinstance(error, exceptions.NotAuthenticated):
        return {}
    request = context.get("request")
    if request is not None and settings.SESSION_COOKIE_NAME in request.COOKIES:
        fact = "No session that is open has the cookie of this call."
    else:
        fact = "The call has neither the cookie of a session nor a token."
    return {"fact": fact, "eligible": ["whoever has a token in force", "whoever is signed in"]}


def _by_token(error: NotVisible, context) -> Refused:
    """What is not there for a token: because it ended during the call, or because it was made for other objects."""
    token = getattr(context.get("request"), "auth", None)
    if not isinstance(token, ApiToken):
        return error
    if (lapsed := reach.refuse_lapsed(token)) is not None:
        return lapsed
    reached = reach.reach_of(token)
    if reached.objects is not None and not error.fact:
        error.fact = reach.told(reached)
    return error


def _texts(detail):
    if isinstance(detail, dict):
        return {str(key): _texts(value) for key, value in detail.items()}
    if isinstance(detail, (list, tuple)):
        return [_texts(item) for item in detail]
    return str(detail)


def no_such_address(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's 404 for an address nobody serves: a problem document below /api/, the page elsewhere."""
    if not request.path.startswith("/api/"):
        return page_not_found(request, exception)
    body = problem(
        404, "There is nothing at this address.", fact="The paths are listed at /api/v1/docs/."
    ).data
    return JsonResponse(body, status=404, content_type="application/problem+json")
