"""The index of records counts what the reader may see."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from apps.access import gate
from apps.trail.models import Entry, Signature
from tests.factories.foundation import signed_use

pytestmark = pytest.mark.django_db


def counted(world, person: str) -> dict[str, int]:
    client = Client()
    client.force_login(world.people[person], backend="django.contrib.auth.backends.ModelBackend")
    answer = client.get(reverse("web:records"))
    assert answer.status_code == 200
    shelves = re.findall(
        r"<h2>(?:<a [^>]+>)?([^<]+).*?<p class=\"t2\">(\d+)", answer.content.decode(), re.DOTALL
    )
    return {title: int(count) for title, count in shelves}


def test_counts_are_of_what_one_may_see(world):
    signed_use(world)
    told = gate.visible(world.author, Entry).exclude(kind="row").count()
    mine = counted(world, "author")
    assert (mine["Audit trail"], mine["Signatures"], mine["Validation runs"]) == (told, 2, 0)
    assert counted(world, "stranger")["Signatures"] == 0
    assert counted(world, "inspector")["Signatures"] == Signature.objects.count()


def test_it_is_for_signed_in_people():
    assert Client().get(reverse("web:records")).status_code == 302
