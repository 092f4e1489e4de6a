"""Where a refusal leads to somebody who may: “Ask A. Novak”."""

from __future__ import annotations

from typing import Any

from django.urls import NoReverseMatch, reverse

from apps.access.policy import TABLE

# Rules that are about the person who is refused; what a record's state forbids, nobody can be asked for.
ABOUT_THE_PERSON = ("duty", "DY", "ST", "EN", "21 CFR 11.10(i)", "21 CFR 11.100(b)")


def ask_link(refusal: Any, act: str, kind: str, pk: object) -> tuple[str, str]:
    """(address, words) of the way to ask somebody, or two empty strings. `refusal`: a Refused or a Verdict."""
    row = TABLE.get(act)
    who = [str(name) for name in refusal.who]
    open_to_ask = row is not None and not row.service and row.subject == kind and refusal.status in (403, 409)
    if not open_to_ask or not str(refusal.rule).startswith(ABOUT_THE_PERSON):
        return "", ""
    if not who or any(name.startswith(("nobody", "you")) or ", once " in name for name in who):
        return "", ""
    try:
        address = reverse("web:ask_somebody", args=[act, pk])
    except NoReverseMatch:
        return "", ""
    return address, f"Ask {who[0]}" if len(who) == 1 else "Ask one of them"
