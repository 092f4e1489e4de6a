"""The frame of every page and the error pages: they stand alone, say their four parts, and obey the CSP."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.template.loader import render_to_string
from django.test import RequestFactory

from apps.core.errors import Conflict
from apps.core.outcomes import WORDS
from apps.web import context
from apps.web.styleguide import styleguide

TEMPLATES = settings.BASE_DIR / "templates"
PAGES = sorted(
    path for path in TEMPLATES.rglob("*.html") if "pdf" not in path.parts and "email" not in path.parts
)
ERRORS = ["400", "403", "404", "409", "413", "422", "429", "500"]


def request_for(path: str, user: object = None):
    request = RequestFactory().get(path)
    request.user = user or AnonymousUser()
    return request


def test_the_scan_finds_the_templates():
    assert TEMPLATES / "base.html" in PAGES
    assert len(PAGES) > 20


@pytest.mark.parametrize("path", PAGES, ids=lambda p: str(p.relative_to(TEMPLATES)))
def test_no_template_breaks_the_content_security_policy(path):
    source = re.sub(r"{%.*?%}", "", path.read_text(encoding="utf-8"))
    assert not re.search(r"\sstyle\s*=", source), "an inline style"
    assert not re.search(r"<style\b", source), "an inline stylesheet"
    assert not re.search(r"<script\b(?![^>]*\bsrc=)", source), "an inline script"
    assert not re.search(r"\s(on[a-z]+|hx-on[\w:-]*)\s*=", source), "an inline handler"
    assert not re.search(r"(src|href)=[\"']https?://", source), "something from elsewhere"


@pytest.mark.parametrize("code", ERRORS)
def test_an_error_page_needs_no_context_at_all(code):
    html = render_to_string(f"errors/{code}.html")
    assert "<h1>" in html
    assert f'<p class="t2">{code}</p>' in html


@pytest.mark.parametrize("code", ["400", "403", "403_csrf", "404", "500"])
def test_django_finds_its_error_pages_by_its_own_names(code):
    assert render_to_string(f"{code}.html") == render_to_string(f"errors/{code}.html")


@pytest.mark.parametrize("code", ["403", "404", "409", "422"])
def test_a_refusal_shows_its_four_parts_on_the_error_page(code):
    refusal = Conflict("You cannot approve this.", fact="You wrote TC-88.", rule="DY13", who=["A. Novak"])
    html = render_to_string(f"errors/{code}.html", {"refusal": refusal, "back": "/models/"})
    for part in ("You cannot approve this.", "You wrote TC-88.", "Rule DY13.", "Who may: A. Novak."):
        assert part in html
    assert 'href="/models/"' in html


@pytest.mark.parametrize(
    ("path", "area"), [("/work", "work"), ("/models/lotx/1.0/", "models"), ("/audit/", "records"), ("/", "")]
)
def test_the_area_of_a_page_follows_its_address(path, area):
    assert context.frame(request_for(path))["area"] == area


def test_the_frame_knows_the_readers_zone():
    user = SimpleNamespace(is_authenticated=True, time_zone="Asia/Tokyo")
    assert context.frame(request_for("/work", user))["time_zone"] == "Asia/Tokyo"
    assert context.frame(request_for("/work"))["time_zone"] == "UTC"


def test_outside_the_demo_there_is_no_demo_frame_and_no_list_of_people(settings):
    settings.DEMO = False
    assert context.demo_people() == []
    html = render_to_string("base.html", {}, request_for("/work"))
    assert "demo-bar" not in html
    assert "is-demo" not in html


def test_in_the_demo_every_page_says_so(settings):
    settings.DEMO = True
    html = render_to_string("base.html", {"demo_people": []}, request_for("/work"))
    assert "<strong>DEMO</strong>" in html
    assert "is-demo" in html


def test_skip_links_come_first_and_the_second_only_where_something_waits():
    plain = render_to_string("base.html", {}, request_for("/work"))
    assert "Skip to content" in plain
    assert "Skip to what needs you" not in plain
    waiting = render_to_string("base.html", {"needs_you": "check-7"}, request_for("/work"))
    assert waiting.index('href="#check-7"') < waiting.index('href="#main"') < waiting.index("<header")


def test_as_of_shows_its_banner_with_the_zone():
    moment = datetime(2026, 11, 1, 9, tzinfo=UTC)
    html = render_to_string("base.html", {"as_of": moment, "now_url": "/models/"}, request_for("/models/"))
    assert "2026-11-01 09:00:00 UTC" in html
    assert "Nothing can be done here." in html
    assert "is-as-of" in html


def test_the_styleguide_is_for_signed_in_people():
    assert styleguide(request_for("/styleguide/")).status_code == 302


@pytest.mark.django_db
def test_the_styleguide_shows_every_gate_state():
    reader = get_user_model()(username="mchen", printed_name="Maria Chen")
    html = styleguide(request_for("/styleguide/", reader)).content.decode()
    for word in WORDS.values():
        assert word in html


@pytest.mark.parametrize(
    ("status", "heading"),
    [(403, "You cannot do this"), (404, "There is nothing here"), (409, "This cannot be done now")],
)
def test_one_page_serves_every_refusal_with_its_own_heading(status, heading):
    html = render_to_string("errors/refused.html", {"refusal": Conflict("No.", status=status)})
    assert f"<h1>{heading}</h1>" in html
    assert f"<title>{heading} · Countersign</title>" in html
    assert f'<p class="t2">{status}</p>' in html
