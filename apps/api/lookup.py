"""Records named in what was sent: by the ref people write, found among what the caller may see."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from django.db.models import QuerySet
from rest_framework import serializers

from apps.access.actors import Actor
from apps.access.gate import visible
from apps.accounts.models import User
from apps.core.errors import BadInput
from apps.datasets.models import DatasetVersion

DATA_REF = re.compile(r"([-\w]{1,60})/v([0-9]{1,9})", re.ASCII)


class Names(serializers.JSONField):
    """A JSON array of texts; in a multipart form the array as text."""

    def to_internal_value(self, data: Any) -> list[str]:
        found = super().to_internal_value(data)
        if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
            raise serializers.ValidationError('Give a JSON array of texts, such as ["a", "b"].')
        return found


class Settings(serializers.JSONField):
    """A JSON object; in a multipart form the object as text."""

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        found = super().to_internal_value(data)
        if not isinstance(found, dict):
            raise serializers.ValidationError("Give a JSON object.")
        return found


def data_version_ids(actor: Actor, refs: Iterable[str], field: str) -> list[int]:
    """`trial/v2` to its number, of what the caller may see; BadInput names every ref that is none."""
    return _found(refs, field, lambda ref: _data_version(actor, ref), "dataset version, such as trial/v2")


def _data_version(actor: Actor, ref: str) -> int | None:
    match = DATA_REF.fullmatch(ref)
    if match is None:
        return None
    rows = visible(actor, DatasetVersion).filter(dataset__slug=match[1], number=int(match[2]))
    return rows.values_list("pk", flat=True).first()


def person_ids(usernames: Iterable[str], field: str) -> list[int]:
    """Usernames of people with an active account to their numbers; BadInput names every one that is none."""
    people = User.objects.filter(is_active=True, is_service=False)
    return _found(
        usernames,
        field,
        lambda name: people.filter(username=name.removeprefix("@")).values_list("pk", flat=True).first(),
        "active account",
    )


def _found(names: Iterable[str], field: str, find: Callable[[str], int | None], what: str) -> list[int]:
    known = {name: find(name) for name in dict.fromkeys(names)}
    missing = [name for name, pk in known.items() if pk is None]
    if missing:
        raise BadInput(fields={field: [f"{name}: no {what} that you may see." for name in missing]})
    return [pk for pk in known.values() if pk is not None]


def ordered(request: Any, rows: QuerySet, allowed: dict[str, str], usual: str) -> QuerySet:
    """Rows by `?ordering=`, `-` reversed; BadInput for a name that is not among `allowed` (name -> field)."""
    asked = request.query_params.get("ordering", "") or usual
    name = asked.removeprefix("-")
    if name not in allowed:
        raise BadInput(fields={"ordering": [f"One of: {', '.join(allowed)}; with - before it, reversed."]})
    sign = "-" if asked.startswith("-") else ""
    return rows.order_by(f"{sign}{allowed[name]}", f"{sign}pk")


def one_of(request: Any, name: str, allowed: Iterable[str]) -> str:
    """A query parameter that must be one of `allowed`, or empty."""
    value, known = request.query_params.get(name, ""), list(allowed)
    if value and value not in known:
        raise BadInput(fields={name: [f"One of: {', '.join(known)}."]})
    return value


def said(request: Any, name: str) -> str:
    """One text of the body before it is checked as a whole: which parent, hence whether the caller may at all."""
    value = request.data.get(name, "") if hasattr(request.data, "get") else ""
    return value if isinstance(value, str) else ""
