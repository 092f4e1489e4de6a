"""Inspectors look and take copies, and change nothing: asked by the gate before duty, so no duty opens more."""

from __future__ import annotations

from apps.access import duties
from apps.access.models import Assignment
from apps.access.policy.types import Policy
from apps.access.sharing import once
from apps.accounts.models import User
from apps.core.errors import NotAllowed, Refused

RULE = "PC07: an inspector's account is read-only"


def inspecting(person: User) -> list[Assignment]:
    """The person's duties of inspector in force, the one that ends last first. No query for who never was one."""
    if not person.inspects:
        return []

    def found() -> list[Assignment]:
        rows = Assignment.objects.active().filter(person_id=person.pk, duty=duties.Duty.INSPECTOR)
        return list(rows.order_by("-ends_at", "scope_kind", "scope_id"))

    return list(once(("inspecting", person.pk), found))


def own_affairs(row: Policy) -> bool:
    """Signing in and out, passwords, sessions, tokens and preferences of one's own account."""
    return row.anyone and row.subject.startswith("accounts.")


def refused_to_inspector(person: User, row: Policy) -> Refused | None:
    """Every act but looking, taking copies and one's own account is refused to who is here as an inspector."""
    if row.service or row.reads or own_affairs(row):
        return None
    held = inspecting(person)
    if not held:
        return None
    until = f" until {held[0].ends_at:%Y-%m-%d %H:%M} UTC" if held[0].ends_at else ""
    return NotAllowed(
        "An inspector cannot do this.",
        fact=f"You are here as an inspector{until}: you look and take copies, and change nothing.",
        rule=RULE,
        who=["somebody of the organisation who holds the duty"],
    )


def only_inspector(person: User) -> bool:
    """Here as an inspector now, or an inspector's account with nothing left: both are watched."""
    if inspecting(person):
        return True
    return not Assignment.objects.active().filter(person_id=person.pk).exists()
