"""Clients of both doors, signed in as a person of the cast."""

from __future__ import annotations

import html
import re

from django.test import Client
from rest_framework.test import APIClient

from apps.access.acts import create_token
from apps.accounts.models import User

BACKEND = "django.contrib.auth.backends.ModelBackend"


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user, backend=BACKEND)
    return client


def session_api(user: User) -> APIClient:
    """The API by the browser's session, which may sign."""
    client = APIClient()
    client.force_login(user, backend=BACKEND)
    return client


def token_api(user: User) -> APIClient:
    """The API by a personal access token, which may never sign."""
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {create_token(user, name='ci').secret}")
    return client


def text_of(response) -> str:
    """The page as one line of readable text, tags gone."""
    bare = re.sub(r"<[^>]+>", " ", response.content.decode())
    return re.sub(r"\s+", " ", html.unescape(bare))


def refs(response, prefix: str) -> list[str]:
    """The references that head the rows of a register, in its order."""
    return re.findall(rf'<th scope="row"><a href="[^"]+">({prefix}-\d+)</a>', response.content.decode())
