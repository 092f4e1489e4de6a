"""Lineage as nested lists: every node with its kind, its record as a link, and its digest."""

from __future__ import annotations

from collections.abc import Iterable

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from apps.registry.queries import Node
from apps.web.links import url_of
from apps.web.templatetags.countersign import EMPTY, digest_short

register = template.Library()


@register.simple_tag
def lineage_list(nodes: Iterable[Node]) -> SafeString:
    """`<ul class="tree">` of the nodes and all below them."""
    items = format_html_join("", "<li>{}{}</li>", ((_line(node), lineage_list(node.below)) for node in nodes))
    return format_html('<ul class="tree stack-s">{}</ul>', items) if items else EMPTY


def _line(node: Node) -> SafeString:
    name = EMPTY
    if node.record is not None:
        url = url_of(node.record)
        shape = '<a href="{1}">{0}</a>' if url else "<span>{0}</span>"
        name = format_html(shape, node.record.ref, url)
    text = format_html("<span>{}</span>", node.text) if node.text else EMPTY
    digest = digest_short(node.digest) if node.digest else EMPTY
    return format_html(
        '<span class="row"><span class="t2">{}</span> {} {} {}</span>', node.what, name, text, digest
    )
