"""Canonical content as readable nested lists: what is signed is what is shown, key by key."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

register = template.Library()
MAX_DEPTH = 8


def words(key: str) -> str:
    """`code_commit` as people read it."""
    text = key.replace("_", " ")
    return text[:1].upper() + text[1:]


@register.simple_tag
def content_tree(data: Any) -> SafeString:
    return _tree(data, 0)


def _tree(data: Any, depth: int) -> SafeString:
    if depth > MAX_DEPTH:
        return format_html("<span>…</span>")
    if isinstance(data, dict):
        rows = ((words(str(key)), _tree(value, depth + 1)) for key, value in data.items() if key != "schema")
        return format_html(
            '<dl class="kv tree">{}</dl>', format_html_join("", "<dt>{}</dt><dd>{}</dd>", rows)
        )
    if isinstance(data, (list, tuple)):
        if not data:
            return format_html('<span class="t2">none</span>')
        if all(not isinstance(item, (dict, list, tuple)) for item in data):
            return format_html("<span>{}</span>", ", ".join(str(item) for item in data))
        items = ((_tree(item, depth + 1),) for item in data)
        return format_html('<ol class="stack-s">{}</ol>', format_html_join("", "<li>{}</li>", items))
    if data is None or data == "":
        return format_html('<span class="t2">none</span>')
    if isinstance(data, bool):
        return format_html("<span>{}</span>", "yes" if data else "no")
    text = str(data)
    if text.startswith("sha256:"):
        return format_html('<code class="hash">{}</code>', text)
    return format_html("<span>{}</span>", text)
