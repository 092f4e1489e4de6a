"""A page of a moment past: nothing on it can be done, and its links stay at the moment.

Done to the finished page, so that no template can forget it: forms that send something are taken out, with every
button that would; addresses of pages that can be shown as of the moment carry it; others are no links there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html import escape, unescape
from urllib.parse import urlencode, urljoin, urlsplit, urlunsplit

_TAG = re.compile(
    r"<(/?)(form|a|button|input|select|textarea|main)\b((?:[^<>\"']|\"[^\"]*\"|'[^']*')*)>", re.IGNORECASE
)
_ATTRIBUTE = re.compile(r"([\w:-]+)(?:\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+)))?")
_HTMX = re.compile(r"\s(?:data-)?hx-[\w:-]+(?:\s*=\s*(?:\"[^\"]*\"|'[^']*'))?(?=[\s>/])")
PARAMETER = "as-of"


def attributes(text: str) -> dict[str, str]:
    """The attributes of a tag, unescaped; the first of a name counts, as in browsers."""
    found: dict[str, str] = {}
    for name, double, single, bare in _ATTRIBUTE.findall(text):
        found.setdefault(name.lower(), unescape(double or single or bare))
    return found


def carried(url: str, text: str) -> str:
    """The address with the moment; one that has a moment keeps its own."""
    parts = urlsplit(url)
    if re.search(rf"(^|&){PARAMETER}=", parts.query):
        return url
    query = "&".join(filter(None, [parts.query, urlencode({PARAMETER: text})]))
    return urlunsplit(parts._replace(query=query))


class Rewinding:
    """One page. `goes(path, query)`: whether the page at that address can be shown as of a moment."""

    def __init__(self, path: str, text: str, goes: Callable[[str, str], bool]) -> None:
        self.path, self.text, self.goes = path, text, goes
        self.in_main = self.in_get_form = False
        self.skipping = ""  # the element whose inside is left out
        self.plain = False  # inside a link that is none

    def page(self, html: str) -> str:
        return "".join(self._pieces(_HTMX.sub("", html)))

    def _pieces(self, html: str) -> Iterator[str]:
        place = 0
        for found in _TAG.finditer(html):
            if not self.skipping:
                yield html[place : found.start()]
            place = found.end()
            closing, name, inside = found[1] == "/", found[2].lower(), found[3]
            if self.skipping:
                if closing and name == self.skipping:
                    self.skipping = ""
                continue
            yield self._closed(name, found[0]) if closing else self._opened(name, inside, found[0])
        if not self.skipping:
            yield html[place:]

    def _closed(self, name: str, tag: str) -> str:
        if name == "main":
            self.in_main = False
        elif name == "form":
            self.in_get_form = False
        elif name == "a" and self.plain:
            self.plain = False
            return "</span>"
        return tag

    def _opened(self, name: str, inside: str, tag: str) -> str:
        given = attributes(inside)
        if name == "main":
            self.in_main = True
        elif name == "form":
            return self._form(given, tag)
        elif name == "a" and "href" in given:
            return self._link(given, tag)
        elif name == "button" and self._acts(given):
            return self._left_out(name)
        elif name == "input" and (given.get("type") == "submit" or "form" in given) and self._acts(given):
            return ""
        elif name in ("select", "textarea") and "form" in given:
            return self._left_out(name)
        return tag

    def _left_out(self, name: str) -> str:
        self.skipping = name
        return ""

    def _form(self, given: dict[str, str], tag: str) -> str:
        method = given.get("method", "get").lower()
        if method == "post":
            return self._left_out("form")
        self.in_get_form = True
        path = urlsplit(urljoin(self.path, given.get("action", ""))).path
        if method == "get" and self.in_main and self.goes(path, ""):
            return f'{tag}<input type="hidden" name="{PARAMETER}" value="{escape(self.text)}">'
        return tag

    def _acts(self, given: dict[str, str]) -> bool:
        """Whether a button would send something: all that are not in a form that only asks, or that name another."""
        if "form" in given or "formaction" in given or given.get("formmethod", "").lower() == "post":
            return True
        return given.get("type", "submit").lower() != "button" and not self.in_get_form

    def _link(self, given: dict[str, str], tag: str) -> str:
        url = given["href"]
        if url.startswith("#") or "data-now" in given:
            return tag
        parts = urlsplit(urljoin(self.path, url))
        if parts.scheme or parts.netloc:
            return tag
        if self.goes(parts.path, parts.query):
            href = escape(carried(url, self.text))
            return re.sub(r"\bhref\s*=\s*(\"[^\"]*\"|'[^']*')", lambda _: f'href="{href}"', tag, count=1)
        if not self.in_main:
            return tag  # of the frame: it leads back to the present
        if "btn" in given.get("class", "").split():
            return self._left_out("a")
        self.plain = True
        return '<span class="past">'


def rewind(html: str, path: str, text: str, goes: Callable[[str, str], bool]) -> str:
    """`html` of the page at `path`, as it is shown as of `text`."""
    return Rewinding(path, text, goes).page(html)
