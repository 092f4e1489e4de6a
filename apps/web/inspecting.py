"""What inspectors see is entered, and what they take away is numbered: for every page, present and to come.

A middleware, so that no view can forget it. It costs nothing for anybody whose account never was an inspector's.
"""

from __future__ import annotations

import logging
import re
import tempfile
import time
from collections.abc import Iterator
from typing import IO, Any

from django.core.cache import cache
from django.http import HttpRequest, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from apps.access.acting import refuse_first
from apps.access.actors import Actor
from apps.access.acts.inspections import look, spoil_copy, take_copy
from apps.access.inspection_models import Copy
from apps.access.inspections import authority
from apps.access.looking import inspecting, only_inspector
from apps.accounts.models import User
from apps.core.digests import sha256_hex
from apps.core.errors import Refused
from apps.core.rulewords import rule_words
from apps.packs import covers
from apps.packs.render import PdfUnavailable, RenderFailed
from apps.web.door import refused_response

log = logging.getLogger("countersign.inspections")
FILE_NAME = re.compile(r'filename="([^"]*)"')
# A fragment that asks for itself every two seconds is entered once in this time.
SAME_FRAGMENT_SECONDS = 60
# While a copy is handed over, the gate is asked again at most this often.
ASK_SECONDS = 1.0


class Inspectors:
    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response: HttpResponseBase = self.get_response(request)
        person = getattr(request, "user", None)  # the API's token has set it by now
        if not (person and person.is_authenticated and person.inspects) or not only_inspector(person):
            return response
        try:
            if _is_file(response):
                return hand_out(request, person, response)
            if request.method in ("GET", "HEAD") and not _seen_just_now(request, person):
                enter(request, person, response.status_code)
        except Refused as refused:
            return _told(request, refused)
        return response


def _actor(request: HttpRequest, person: User) -> Actor:
    via = "api" if request.path.startswith("/api/") else "web"
    return Actor.of(person, via, address=request.META.get("REMOTE_ADDR", ""))


def _told(request: HttpRequest, refused: Refused) -> HttpResponseBase:
    if request.path.startswith("/api/"):
        told = {
            "type": "about:blank",
            "title": "Not allowed",
            "status": refused.status,
            "detail": refused.what,
        }
        told |= {
            "what": refused.what,
            "fact": refused.fact,
            "rule": refused.rule,
            "rule_text": rule_words(refused.rule),
        }
        told["eligible"] = list(refused.who)
        return JsonResponse(told, status=refused.status, content_type="application/problem+json")
    return refused_response(request, refused)


def _named(request: HttpRequest) -> tuple[str, str]:
    """(URL name, what the address names): `web:version`, `slug=lotx label=1.0.0`."""
    match = request.resolver_match
    if match is None:
        return "", ""
    return match.view_name, " ".join(f"{name}={value}" for name, value in match.kwargs.items())


def _seen_just_now(request: HttpRequest, person: User) -> bool:
    if not getattr(request, "htmx", None):
        return False
    key = f"inspector-look:{person.pk}:{sha256_hex(request.get_full_path().encode())}"
    return not cache.add(key, 1, SAME_FRAGMENT_SECONDS)


def enter(request: HttpRequest, person: User, status: int) -> None:
    """One entry before the page leaves: if it cannot be written, the page is not shown."""
    name, record = _named(request)
    look(
        _actor(request, person),
        page=name,
        path=request.get_full_path(),
        record=record,
        status=status,
        method=str(request.method),
        as_of=getattr(getattr(request, "as_of", None), "moment", None),
    )


def _is_file(response: HttpResponseBase) -> bool:
    told = response.headers.get("Content-Disposition", "")
    return response.status_code == 200 and told.startswith("attachment")


def hand_out(request: HttpRequest, person: User, response: HttpResponseBase) -> HttpResponseBase:
    """The file in a ZIP with a cover sheet, under the next copy number. The bytes inside are as they were."""
    actor = _actor(request, person)
    named = FILE_NAME.search(response.headers.get("Content-Disposition", ""))
    file_name = covers.inside_name(named[1] if named else "file")
    page, record = _named(request)
    archive = tempfile.TemporaryFile(prefix="countersign-copy-")  # noqa: SIM115  (it outlives this function)
    try:
        packed = covers.begin(archive, file_name, _chunks(response))
        copy = take_copy(
            actor,
            file_name=file_name,
            sha256=packed.sha256,
            size=packed.size,
            content_type=response.headers.get("Content-Type", ""),
            page=page,
            record=record,
            path=request.get_full_path(),
        )
        try:
            covers.finish(archive, copy, authority(person))
        except (PdfUnavailable, RenderFailed) as error:
            log.exception("the cover sheet of copy %s could not be made", copy.number)
            spoil_copy(actor, copy.pk, because=f"The cover sheet could not be made: {error}")
            raise _no_cover(copy) from error
    except BaseException:
        archive.close()
        raise
    size = archive.seek(0, 2)
    archive.seek(0)
    answer = StreamingHttpResponse(_handed(archive, actor, copy), content_type="application/zip")
    stem = file_name.rpartition(".")[0] or file_name
    answer["Content-Disposition"] = f'attachment; filename="copy-{copy.number}-{stem}.zip"'
    answer["Content-Length"] = str(size)
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Content-Security-Policy"] = "sandbox; default-src 'none'"
    answer["Cache-Control"] = "no-store, private"
    answer["X-Countersign-Copy"] = str(copy.number)
    answer["X-Countersign-Digest"] = f"sha256:{copy.file_sha256}"
    return answer


def _no_cover(copy: Copy) -> Refused:
    return Refused(
        "This file cannot be handed out.",
        fact=f"The cover sheet of {copy.ref} could not be made, and an inspector is handed no copy without one.",
        rule="PC07: copies carry a cover sheet",
        who=["whoever runs the portal: the log tells why"],
        status=503,
    )


def _chunks(response: Any) -> Iterator[bytes]:
    """The bytes of a response, and its file closed; not `close()`, which would end the request's connections."""
    if not response.streaming:
        yield response.content
        return
    try:
        yield from response.streaming_content
    finally:
        file = getattr(response, "file_to_stream", None)
        if file is not None:
            file.close()


def _handed(archive: IO[bytes], actor: Actor, copy: Copy) -> Iterator[bytes]:
    """The ZIP in pieces. When the inspector's access ends, the rest stays here: a ZIP cut short cannot be opened."""
    asked, whole = time.monotonic(), False
    try:
        while chunk := archive.read(covers.CHUNK):
            if time.monotonic() - asked >= ASK_SECONDS:
                asked = time.monotonic()
                if not inspecting(actor.user):
                    refuse_first(actor, "access.take_copy", actor.user)
            yield chunk
        whole = True
    finally:
        archive.close()
        if not whole:
            ended = not inspecting(actor.user)
            because = "Access ended while it was handed over" if ended else "The connection broke"
            spoil_copy(actor, copy.pk, because=because)
