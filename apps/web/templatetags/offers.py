"""Verdicts by act name, and a fresh key for each form."""

from __future__ import annotations

import uuid

from django import template

register = template.Library()


@register.simple_tag
def offer(offers, act: str):
    """The verdict on `act` among the offers of a page; None when the page did not ask."""
    return (offers or {}).get(act)


@register.simple_tag
def fresh_key() -> str:
    """An idempotency key: a double click on this form happens once."""
    return uuid.uuid4().hex
