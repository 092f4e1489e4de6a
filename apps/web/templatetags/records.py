"""Canonical content as readable nested lists: what is signed is what is shown, key by key."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

register = template.Library()
MAX_DEPTH = 8
NONE = mark_safe('<span class="t2">none</span>')
DEEPER = mark_safe("<span>…</span>")
MAX_COLUMNS = 8


def words(key: str) -> str:
    """`code_commit` as people read it."""
    text = key.replace("_", " ")
    return text[:1].upper() + text[1:]


@register.simple_tag
def content_tree(data: Any) -> SafeString:
    return _tree(data, 0)


def _rows(data: list) -> bool:
    """Whether a list is a table: records with the same few plain fields."""
    keys = list(data[0]) if isinstance(data[0], dict) else []
    plain = all(
        isinstance(item, dict)
        and list(item) == keys
        and not any(isinstance(v, (dict, list)) for v in item.values())
        for item in data
    )
    return bool(keys) and plain and len(keys) <= MAX_COLUMNS


def _table(data: list[dict], name: str) -> SafeString:
    head = format_html_join("", '<th scope="col">{}</th>', ((words(key),) for key in data[0]))
    lines = (
        (format_html_join("", "<td>{}</td>", ((_tree(value, MAX_DEPTH),) for value in item.values())),)
        for item in data
    )
    return format_html(
        '<div class="scroll" tabindex="0" role="region" aria-label="{}, {} rows">'
        "<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>",
        name,
        len(data),
        head,
        format_html_join("", "<tr>{}</tr>", lines),
    )


def _tree(data: Any, depth: int, name: str = "Table") -> SafeString:
    """`name`: the words of the keys that led here; a table is a landmark, and each needs a name of its own."""
    if depth > MAX_DEPTH:
        return DEEPER
    if isinstance(data, dict):
        rows = (
            (words(str(key)), _tree(value, depth + 1, f"{name}, {key}" if depth else words(str(key))))
            for key, value in data.items()
            if key != "schema"
        )
        return format_html(
            '<dl class="kv tree">{}</dl>', format_html_join("", "<dt>{}</dt><dd>{}</dd>", rows)
        )
    if isinstance(data, (list, tuple)):
        if not data:
            return NONE
        if all(not isinstance(item, (dict, list, tuple)) for item in data):
            return format_html("<span>{}</span>", ", ".join(str(item) for item in data))
        if _rows(data):
            return _table(data, name)
        items = ((_tree(item, depth + 1, f"{name} {i}"),) for i, item in enumerate(data, start=1))
        return format_html('<ol class="stack-s">{}</ol>', format_html_join("", "<li>{}</li>", items))
    if data is None or data == "":
        return NONE
    if isinstance(data, bool):
        return format_html("<span>{}</span>", "yes" if data else "no")
    text = str(data)
    if text.startswith("sha256:"):
        return format_html('<code class="hash">{}</code>', text)
    return format_html("<span>{}</span>", text)
