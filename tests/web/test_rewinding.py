"""The finished page of a moment past: nothing on it sends anything, and its links stay there."""

from __future__ import annotations

import pytest

from apps.web.rewinding import carried, rewind

AT = "2026-11-01T09:00:00Z"
CARRIED = "as-of=2026-11-01T09%3A00%3A00Z"


def past(html: str) -> str:
    return rewind(
        html, "/models/lotx/", AT, lambda path, query: path.startswith("/models/") and "format=" not in query
    )


def inside(html: str) -> str:
    page = past(f"<header></header><main>{html}</main>")
    assert page.startswith("<header></header><main>")
    assert page.endswith("</main>")
    return page.removeprefix("<header></header><main>").removesuffix("</main>")


@pytest.mark.parametrize(
    "html",
    [
        '<form method="post" action="/x/"><input name="a" value=">"><button>Go</button></form>',
        "<form method=post><button>Go</button></form>",
        "<FORM action='/x/' METHOD='POST'><p>Text</p></FORM>",
        '<form data-note="a > b" method="post"><textarea>x</textarea></form>',
        "<button>Go</button>",
        '<button type="submit" form="elsewhere">Go</button>',
        '<button type="button" formaction="/x/">Go</button>',
        '<input type="submit" value="Go">',
        '<textarea form="elsewhere">x</textarea>',
        '<a class="btn btn-primary" href="/plans/1/run/">Start</a>',
        '<a class="btn" href="?format=csv">CSV of all 18</a>',
    ],
)
def test_what_would_do_something_is_taken_out(html):
    assert inside(f"<p>before</p>{html}<p>after</p>") == "<p>before</p><p>after</p>"


def test_forms_are_taken_out_of_the_frame_too():
    assert past('<nav><form method="post"><button>Sign out</button></form></nav>') == "<nav></nav>"


def test_a_form_that_asks_keeps_the_moment():
    asked = inside('<form method="get"><select name="o"></select><button>Show</button></form>')
    hidden = f'<input type="hidden" name="as-of" value="{AT}">'
    assert asked == f'<form method="get">{hidden}<select name="o"></select><button>Show</button></form>'
    elsewhere = '<form action="/search/"><button>Search</button></form>'
    assert inside(elsewhere) == elsewhere


@pytest.mark.parametrize(
    ("link", "shown"),
    [
        ('<a href="/models/lotx/1.0.0/">v</a>', f'<a href="/models/lotx/1.0.0/?{CARRIED}">v</a>'),
        ('<a class="btn" href="/models/">v</a>', f'<a class="btn" href="/models/?{CARRIED}">v</a>'),
        ('<a href="?o=-name&amp;page=2">v</a>', f'<a href="?o=-name&amp;page=2&amp;{CARRIED}">v</a>'),
        ("<a href='../visc/#gate'>v</a>", f'<a href="../visc/?{CARRIED}#gate">v</a>'),
        ('<a href="#gate">v</a>', '<a href="#gate">v</a>'),
        ('<a href="https://www.fda.gov/">v</a>', '<a href="https://www.fda.gov/">v</a>'),
        ('<a href="/plans/1/">v</a>', '<span class="past">v</span>'),
        ('<a href="/models/?as-of=2026-01-01">v</a>', '<a href="/models/?as-of=2026-01-01">v</a>'),
    ],
)
def test_links_stay_at_the_moment_or_are_none(link, shown):
    assert inside(link) == shown


def test_links_of_the_frame_lead_where_they_can():
    frame = '<nav><a href="/models/">Models</a><a href="/work/">Work</a></nav>'
    assert past(frame) == f'<nav><a href="/models/?{CARRIED}">Models</a><a href="/work/">Work</a></nav>'
    assert (
        past('<a href="/models/lotx/" data-now>Back to now</a>')
        == '<a href="/models/lotx/" data-now>Back to now</a>'
    )


def test_nothing_is_asked_again_by_itself():
    part = '<div hx-get="/models/lotx/" hx-trigger="every 2s" hx-vals=\'{"a": "b"}\' id="gate">x</div>'
    assert inside(part) == '<div id="gate">x</div>'


def test_an_address_with_a_moment_keeps_it():
    assert carried("/models/?o=name", AT) == f"/models/?o=name&{CARRIED}"
    assert carried(f"/models/?{CARRIED}", "2025-01-01") == f"/models/?{CARRIED}"
    assert carried("/models/?was-as-of=1", AT) == f"/models/?was-as-of=1&{CARRIED}"
