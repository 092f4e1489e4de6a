"""The documentation page and the schema stand, and every operation of the one is on the other."""

from __future__ import annotations

import pytest
from django.urls import reverse

from apps.api.docs import operations
from tests.factories.doors import browser

pytestmark = pytest.mark.django_db


def test_the_page_shows_every_operation_without_a_script(world):
    page = browser(world.deployer).get(reverse("api:docs"))
    assert page.status_code == 200
    text = page.content.decode()
    listed = [op for group in operations() for op in group["operations"]]
    assert len(listed) > 40
    assert all(f"<strong>{op['method']}</strong> {op['path']}" in text for op in listed)
    assert any(f["name"] == "password" for op in listed for f in op["fields"])


def test_strangers_to_the_house_are_sent_to_sign_in(client):
    assert client.get(reverse("api:docs")).status_code == 302


def test_the_schema_tells_nothing_of_the_installation_and_is_open_to_tools(client):
    answer = client.get(reverse("api:schema"))
    assert answer.status_code == 200
    assert b"/api/v1/gate" in answer.content
