"""How the matrix asks: each request through the whole middleware and rendered, and undone afterwards."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.db import transaction
from django.test import RequestFactory
from django.test.client import ClientHandler

from apps.access import sharing
from apps.accounts.models import User
from apps.core.clock import now

HOURS = 3600
FORM = "application/x-www-form-urlencoded"
Form = Iterable[tuple[str, str]]


def cookie_of(user: User) -> str:
    """A session of this person, as sign-in makes it; seen a while ahead, so that no cell has to note that it was seen:
    what a cell notes is undone with it, and the next one would note it again."""
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session["began"] = int(now().timestamp())
    session["seen"] = session["began"] + 12 * HOURS
    session.create()
    return session.session_key


def _branch(cache: dict[Any, Any]) -> dict[Any, Any]:
    """What is known so far, in a copy."""
    return {key: dict(value) if isinstance(value, dict) else value for key, value in cache.items()}


@contextmanager
def little_collecting() -> Iterator[None]:
    """What was there before is not walked again in each collection, and there are fewer of them."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)


class Door:
    """Requests without the test client's record of every template.

    shared: facts, duties and deeds are the same for all cells and are read once; a POST's cell forgets at its end what
    it learned, and a bearer's reach is not its owner's, so it knows what it learned itself.
    """

    def __init__(self, *, shared: bool) -> None:
        self.handler = ClientHandler(enforce_csrf_checks=False)
        self.handler.load_middleware()
        self.requests = RequestFactory()
        self.known: dict[str, dict[Any, Any]] | None = {} if shared else None

    def status(self, headers: Mapping[str, str], method: str, address: str, form: Form = ()) -> int:
        """What is answered to this form, or to none; whatever it did is undone."""
        request = self.requests.generic(method, address, urlencode(form), FORM if form else "", **headers)
        token = sharing._cache.set(self._known_to(headers, method)) if self.known is not None else None
        before = transaction.savepoint()
        try:
            response = self.handler(request.environ)
            if response.streaming:
                b"".join(response.streaming_content)  # a download holds its file until it was read
            return response.status_code
        finally:
            if token is not None:
                sharing._cache.reset(token)
            transaction.savepoint_rollback(before)

    def _known_to(self, headers: Mapping[str, str], method: str) -> dict[Any, Any]:
        known = self.known.setdefault(headers.get("HTTP_AUTHORIZATION", ""), {})
        return _branch(known) if method == "POST" else known


def with_session(cookie: str) -> dict[str, str]:
    return {"HTTP_COOKIE": f"{settings.SESSION_COOKIE_NAME}={cookie}"}


def with_bearer(secret: str) -> dict[str, str]:
    return {"HTTP_AUTHORIZATION": f"Bearer {secret}"}
