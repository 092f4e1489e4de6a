"""What templates and views name exists, and no template breaks the content security policy.

`{% url … as x %}` is silent when a name does not exist, and a page nobody rendered in a test is a page nobody saw.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.template import engines
from django.template.exceptions import TemplateDoesNotExist
from django.urls import URLPattern, URLResolver, get_resolver, reverse

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "templates"
PAGES = sorted(path for path in TEMPLATES.rglob("*.html") if TEMPLATES / "pdf" not in path.parents)
CODE = sorted((ROOT / "apps").rglob("*.py"))
FRAME = "work models datasets records people account search sign_out switch_person audit packs".split()

TEMPLATE_SYNTAX = re.compile(r"\{#.*?#\}|\{%\s*comment\b.*?endcomment\s*%\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)


def names(patterns: list[URLPattern | URLResolver], namespace: str = "") -> Iterator[str]:
    for each in patterns:
        if isinstance(each, URLResolver):
            inner = f"{namespace}{each.namespace}:" if each.namespace else namespace
            yield from names(each.url_patterns, inner)
        elif each.name:
            yield namespace + each.name


KNOWN = frozenset(names(get_resolver().url_patterns))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def missing(path: Path, pattern: str) -> list[str]:
    text = path.read_text(encoding="utf-8")
    return [
        f"{relative(path)}:{text.count(chr(10), 0, match.start()) + 1} {match[1]}"
        for match in re.finditer(pattern, text)
        if match[1] not in KNOWN
    ]


def test_every_url_named_in_a_template_exists():
    found = [each for path in PAGES for each in missing(path, r"\{%\s*url\s+[\"']([^\"']+)[\"']")]
    assert not found, "\n".join(found)
    assert any("web:work" in path.read_text(encoding="utf-8") for path in PAGES)


def test_every_url_named_in_code_exists():
    found = [each for path in CODE for each in missing(path, r"[\"']((?:web|api):[a-z_]+)[\"']")]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", FRAME)
def test_the_frame_leads_somewhere(name):
    assert reverse(f"web:{name}").startswith("/")


def test_every_template_compiles_and_its_parts_exist():
    """A part named by a literal is found now, not when its branch is first taken."""
    engine = engines["django"]
    broken = []
    for path in sorted(TEMPLATES.rglob("*.html")):
        text = path.read_text(encoding="utf-8")
        engine.from_string(text)
        for part in re.findall(r"\{%\s*(?:include|extends)\s+[\"']([^\"']+)[\"']", text):
            try:
                engine.get_template(part)
            except TemplateDoesNotExist:
                broken.append(f"{relative(path)} {part}")
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("an inline style", r"<[^>]*\sstyle\s*="),
        ("a style element", r"<style\b"),
        ("a script without src", r"<script\b(?![^>]*\ssrc=)"),
        ("an event handler", r"<[^>]*\s(?:on[a-z]+|hx-on[:a-z-]*)\s*="),
        ("a script address", r"(?:javascript|data)\s*:\s*text|javascript:"),
        ("a foreign file", r"<(?:script|link|img|iframe|use)\b[^>]*(?:src|href)\s*=\s*[\"']?(?:https?:)?//"),
    ],
)
def test_no_page_needs_more_than_its_policy_allows(what, pattern):
    found = []
    for path in PAGES:
        text = TEMPLATE_SYNTAX.sub(" ", path.read_text(encoding="utf-8"))
        found += [f"{relative(path)} {match[0][:80]!r}" for match in re.finditer(pattern, text)]
    assert found == [], f"{what}: default-src 'none' forbids it"
