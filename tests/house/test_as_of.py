"""Every address, asked as of a moment: it shows what was, or refuses. None ignores the moment, none offers an act."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from django.test import Client

from apps.api import as_of as api
from apps.core.clock import now
from apps.web import as_of as web
from apps.web.as_of import goes
from tests.factories.doors import browser
from tests.house.test_access_matrix import ROUTES, things  # noqa: F401  (a fixture: what stands for each parameter)

pytestmark = [pytest.mark.django_db, pytest.mark.evidence("matrix")]


class Page(HTMLParser):
    """Forms, buttons that send, and links of a page, read as a browser reads them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.posts: list[str] = []
        self.links: list[str] = []
        self.banner = self.in_form = self.in_main = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list) -> None:
        given = dict(attrs)
        if tag == "form":
            self.in_form = True
            if given.get("method", "get").lower() != "get" and given.get("method") != "dialog":
                self.posts.append(f"form {given.get('action')}")
        elif tag == "main":
            self.in_main = True
        elif tag in ("button", "input") and not self.in_form:
            if given.get("type", "submit" if tag == "button" else "text") == "submit":
                self.posts.append(f"{tag} {given}")
        elif tag == "a" and self.in_main and given.get("href", "").startswith(("/", "?")):
            self.links.append(given["href"])
        self.posts += [name for name in given if name.startswith(("hx-", "data-hx-"))] if self.in_main else []
        self.posts += [name for name in given if name in ("formaction", "form")]
        self.banner = self.banner or "as-of" in (given.get("class") or "").split()

    def handle_endtag(self, tag: str) -> None:
        self.in_form = self.in_form and tag != "form"
        self.in_main = self.in_main and tag != "main"


def split(link: str, page: str) -> tuple[str, str]:
    path, _, query = link.partition("?")
    return path or page, query


def moment() -> str:
    return now().isoformat().replace("+00:00", "Z")


def test_each_page_shows_what_was_or_refuses(world, things):  # noqa: F811
    """By compliance, who sees everything: what is said to be kept is shown, and everything else says that it is not."""
    at, client, shown, wrong = moment(), browser(world.compliance), set(), []
    for name, thing, address in things.addresses():
        if name.startswith("api:") or thing == "visc":
            continue
        answer = client.get(address, {"as-of": at})
        if answer.status_code != 200:
            if answer.status_code != 400 or name in web.PAGES | web.OWN:
                wrong.append((name, answer.status_code))
            continue
        shown.add(name)
        page = Page(answer.content.decode())
        stray = [link for link in page.links if "as-of=" not in link or not goes(*split(link, address))]
        if page.posts or stray or not page.banner:
            wrong.append((name, page.posts, stray, page.banner))
    assert wrong == []
    assert shown == web.PAGES | web.OWN


def test_each_resource_answers_what_was_or_refuses(world, things):  # noqa: F811
    at, client, shown, wrong = moment(), browser(world.compliance), set(), []
    for name, thing, address in things.addresses():
        if not name.startswith("api:") or thing == "visc":
            continue
        answer = client.get(address, {"as_of": at})
        if answer.status_code != 200:
            if answer.status_code != 400 or name in api.READS | api.OWN:
                wrong.append((name, answer.status_code))
            continue
        shown.add(name)
        told = answer.json()
        if name not in api.OWN and (told["as_of"] != at or told["verified"] is not True):
            wrong.append((name, told.get("as_of"), told.get("verified")))
        if any(one["allowed"] for one in told.get("allowed_acts", ())):
            wrong.append((name, told["allowed_acts"]))
    assert wrong == []
    assert shown == api.READS | api.OWN


def test_nothing_that_is_sent_with_a_moment_does_anything(world, things):  # noqa: F811
    at, client = moment(), browser(world.compliance)
    wrong = []
    for name, thing, address in things.addresses():
        if thing == "visc":
            continue
        answer = client.post(f"{address}?{'as_of' if name.startswith('api:') else 'as-of'}={at}")
        if answer.status_code != 400:
            wrong.append((name, answer.status_code))
    assert wrong == []


def test_who_is_not_signed_in_learns_nothing_of_a_moment(world, things):  # noqa: F811
    at = moment()
    for name, thing, address in things.addresses():
        if thing == "visc":
            continue
        answer = Client().get(address, {"as_of" if name.startswith("api:") else "as-of": at})
        assert answer.status_code in (302, 400, 401), name
        if answer.status_code == 302:
            assert answer.headers["Location"].startswith("/sign-in/"), name


def test_what_is_said_to_be_kept_exists():
    assert set(ROUTES) >= web.PAGES | web.OWN | api.READS | api.OWN
