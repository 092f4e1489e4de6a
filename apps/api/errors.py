"""One error shape: problem details (RFC 9457) with the four parts of a refusal."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.defaults import page_not_found
from rest_framework import exceptions
from rest_framework.response import Response

from apps.access import reach
from apps.accounts.models import ApiToken
from apps.core.blobs import BlobDamaged, damaged
from apps.core.errors import Busy, NotVisible, Refused, TooMany
from apps.core.rulewords import rule_words

TYPE = "about:blank"
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
    body = {"type": TYPE, "title": TITLES.get(status, "Error"), "status": status, "detail": detail}
    body |= {
        "what": detail,
        "fact": fact,
        "rule": rule,
        "rule_text": rule_words(rule),
        "eligible": list(eligible),
    }
    if fields:
        body["fields"] = fields
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
        return problem(error.status_code, str(error.detail), rule=error.default_code, headers=headers)
    return None


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
