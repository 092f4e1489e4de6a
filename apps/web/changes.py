"""What changed in a record since a person signed it, field by field.

What was signed is found again, never assumed: from the snapshot kept with a signature at the gate, or from the history
of the record. It counts only when its digest is the digest that was signed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from apps.access.schemas import signed_as
from apps.access.signing import content_of, still_signed
from apps.approvals.content import parts_of
from apps.approvals.models import Slot, Snapshot
from apps.core import registries
from apps.core.digests import digest
from apps.trail.models import Signature
from apps.web.templatetags.records import words

NAMES = ("ref", "id", "username", "criterion", "name")  # what tells one item of a list from another


@dataclass(frozen=True)
class Difference:
    """One field that is not as it was: its path in words, what it was, what it is; None for what was not there."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Since:
    """What changed since `signature`, the person's own last one on the record. `known`: what was signed was found."""

    signature: Signature
    differences: tuple[Difference, ...]
    known: bool


def since_own_signature(person: Any, subject: Any) -> Since | None:
    """None when the person has not signed this record, or when nothing changed since."""
    last = (
        Signature.objects.filter(signer=person, subject_kind=subject.subject_kind, subject_id=str(subject.pk))
        .order_by("-id")
        .first()
    )
    if last is None or still_signed(subject, last.content_digest):
        return None
    before = _signed(subject, last)
    if before is None:
        return Since(last, (), False)
    return Since(last, tuple(differences(before, _today(subject))), True)


def _today(subject: Any) -> dict[str, Any]:
    content = content_of(subject)
    return _whole(content["gate"], parts_of(subject.gate)) if isinstance(subject, Slot) else content


def _signed(subject: Any, signature: Signature) -> dict[str, Any] | None:
    if isinstance(subject, Slot):
        for row in Snapshot.objects.filter(
            gate=subject.gate_id, evaluation__signed__slot=subject.code
        ).order_by("-id"):
            kept = row.evaluation["signed"]
            if digest(kept["content"]) == signature.content_digest:
                return _whole(kept["content"]["gate"], kept["parts"])
        return None
    for row in subject.history.filter(history_date__lte=signature.signed_at).order_by(
        "-history_date", "-history_id"
    ):
        before, kind = row.instance, subject.subject_kind
        content = registries.content[kind](before)
        if (signed := signed_as(kind, before, content, signature.content_digest)) is not None:
            return signed
    return None


def _whole(gate: dict[str, Any], parts: dict[str, Any]) -> dict[str, Any]:
    """The content of a gate with each digest followed by what it stands for."""
    deviations = {
        each["ref"]: {"state": each["state"], **parts["deviations"].get(each["ref"], {})}
        for each in gate["deviations"]
    }
    return {**gate, **{k: parts[k] for k in ("version", "intended_use", "plan")}, "deviations": deviations}


def differences(before: Any, after: Any, path: tuple[str, ...] = ()) -> Iterator[Difference]:
    """Every field in which two contents differ, in the order of the newer one."""
    if before == after:
        return
    one, two = _fields(before), _fields(after)
    if one is None or two is None:
        yield Difference(", ".join(words(step) for step in path), before, after)
        return
    for key in [*two, *(key for key in one if key not in two)]:
        if key != "schema":
            yield from differences(one.get(key), two.get(key), (*path, key))


def _fields(value: Any) -> dict[str, Any] | None:
    """A record or a list of named records as key -> value; None for what has no fields of its own."""
    if isinstance(value, dict):
        return value
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        name = next((n for n in NAMES if all(n in item for item in value)), "")
        return {str(item[name]): item for item in value} if name else None
    return None
