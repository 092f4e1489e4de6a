"""What a request may not be, judged before anything of it is read or stored: an address with NUL, a body too large.

Django writes an upload to disk as soon as somebody looks at the form, the CSRF check included: without this
anybody on the network could fill the disk.
"""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.urls import Resolver404, resolve

ORDINARY = 5 * 2**19  # 2.5 MiB
UNKNOWN = 64 * 2**10  # from somebody who is not signed in
FRAME = 2**20  # the other fields and the multipart borders
_DATA, _MODEL, _FILE = "UPLOAD_LIMIT_DATA", "UPLOAD_LIMIT_MODEL", "UPLOAD_LIMIT_FILE"
_EVIDENCE = "UPLOAD_LIMIT_EVIDENCE"
_VERSION = (_MODEL, _FILE, _FILE)  # artefact, code archive and environment in one form
UPLOADS: dict[str, tuple[str, ...]] = {
    "web:dataset_upload": (_DATA,),
    "web:dataset_upload_test": (_DATA,),
    "web:version_register": _VERSION,
    "web:minute": (_FILE,),
    "web:verification_attach": (_EVIDENCE,),
    "web:explanation_submit": (_EVIDENCE,),
    "web:probe_files": (_EVIDENCE, _EVIDENCE),  # of the training and of the serving pipeline
    "api:version_evidence": (_EVIDENCE,),
    "api:run_submitted_explanations": (_EVIDENCE,),
    "api:version_probe_evidence": (_EVIDENCE, _EVIDENCE),
    "api:models-uploads": (_MODEL,),
    "api:gates-minute": (_FILE,),
    "api:versions-list": _VERSION,
    "api:dataset-versions-list": (_DATA,),
}


class BodyLimits:
    """Answers 400, 413 and 411 (RFC 9110, 15.5), and 405 to TRACE, which would give cookies back to a script."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method == "TRACE":
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        if "\0" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
            # No name of ours holds one, PostgreSQL stores none, and SQLite would stop reading there.
            return _refusal(request, 400, "The address holds a NUL character. Leave it out.", rule="address")
        if "HTTP_TRANSFER_ENCODING" in request.META:
            # Django reads no body without a length: it would seem empty.
            return _refusal(request, 411, "Send the length of the body (Content-Length).")
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not (length.isascii() and length.isdigit()):
            return _refusal(request, 400, "The length of the body is not a number.")
        size = int(length[:20])
        if size > UNKNOWN and not _known(request):
            return _refusal(request, 413, "Sign in first: without that at most 64 KiB can be sent.")
        if size > ORDINARY and size > (most := _most(request.path_info)):
            return _refusal(request, 413, f"At most {most:,} bytes can be sent here.")
        return self.get_response(request)


def _known(request: HttpRequest) -> bool:
    """Signed in; or with a token, which the API checks before it reads. Pages know no tokens."""
    if request.path_info.startswith("/api/") and request.headers.get("Authorization"):
        return True
    return SESSION_KEY in request.session


def _most(path: str) -> int:
    try:
        names = UPLOADS.get(resolve(path).view_name, ())
    except Resolver404:
        names = ()
    return sum(getattr(settings, name) for name in names) + FRAME if names else ORDINARY


def _refusal(request: HttpRequest, status: int, detail: str, rule: str = "body-size") -> HttpResponse:
    if request.path_info.startswith("/api/"):
        body = {
            "type": "about:blank",
            "status": status,
            "detail": detail,
            "what": detail,
            "rule": rule,
        }
        return JsonResponse(body, status=status, content_type="application/problem+json")
    return HttpResponse(f"{detail}\n", status=status, content_type="text/plain; charset=utf-8")
