"""How a training stands, as a mark."""

from __future__ import annotations

from django import template
from django.utils.safestring import SafeString

from apps.web import marks

register = template.Library()


@register.simple_tag
def training_state(state: str) -> SafeString:
    """`{% training_state standing.state %}`: word, icon and fill."""
    return marks.render_mark(marks.TRAINING_MARKS[str(state)])
