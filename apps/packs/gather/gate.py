"""The release gate as data: evaluation, every gate with its snapshots, every signature with its standing."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.apps import apps as installed

from apps.access.duties import ORGANISATION, Duty
from apps.access.duties import WORDS as DUTY_WORDS
from apps.access.facts import facts_of
from apps.access.policy import TABLE
from apps.access.signing import as_printed, as_signed, content_of
from apps.approvals.evaluation import evaluate
from apps.approvals.models import Gate, Minute, Slot, Snapshot
from apps.approvals.templates import template_for
from apps.core import registries
from apps.core.clock import iso
from apps.core.digests import digest
from apps.core.outcomes import WORDS
from apps.packs.gather.boards import decisions
from apps.packs.gather.people import place_names
from apps.packs.gather.records import moment, person
from apps.packs.gather.separation import own_records
from apps.quality.models import TrailReview
from apps.registry.models import Version
from apps.trail.models import Signature


def _slot(slot: Slot, titles: dict[str, dict[str, Any]]) -> dict[str, Any]:
    signed = slot.signature
    wanted = titles.get(slot.code, {})
    return {
        "code": slot.code,
        "title": wanted.get("title", slot.code),
        "duty": _duty_of(wanted),
        "state": slot.state,
        "signature": str(signed.uuid) if signed else "",
        "signer": signed.printed_name if signed else "",
        "decision": signed.decision if signed else "",
        "reason": signed.reason if signed else "",
        "signed_at": moment(signed.signed_at) if signed else "",
    }


def ledger(version: Version) -> dict[str, Any]:
    """What the gate asks and what it finds, and every decision on it, rejected gates among them."""
    evaluation = evaluate(version)
    seen = evaluation.as_data()
    seen["rows"] = [
        row | {"word": str(WORDS[r.state])} for row, r in zip(seen["rows"], evaluation.rows, strict=True)
    ]
    gates = []
    rows = (
        Gate.objects.filter(version=version)
        .select_related("opened_by")
        .prefetch_related("slots__signature")
        .order_by("pk")
    )
    for gate in rows:
        titles = {slot["code"]: slot for slot in gate.template_content["slots"]}
        minute = Minute.objects.filter(gate=gate).select_related("recorded_by").first()
        gates.append(
            {
                "kind": gate.kind,
                "template": gate.template,
                "state": gate.state,
                "state_word": gate.get_state_display(),
                "opened_by": person(gate.opened_by),
                "opened_at": iso(gate.opened_at),
                "decided_at": moment(gate.decided_at),
                "slots": [_slot(slot, titles) for slot in gate.slots.all()],
                "minute": {
                    "number": minute.number,
                    "held_on": minute.held_on.isoformat(),
                    "file_name": minute.file_name,
                    "file_digest": minute.file_digest,
                    "recorded_by": person(minute.recorded_by),
                }
                if minute
                else None,
                "boards": decisions(gate),
                "snapshots": [
                    {
                        "taken_at": iso(s.taken_at),
                        "cause": s.cause,
                        "digest": s.digest,
                        "evaluation": s.evaluation,
                    }
                    for s in Snapshot.objects.filter(gate=gate).order_by("pk")
                ],
            }
        )
    return {"now": seen, "gates": gates, "wanted": _wanted(version)}


def _duty_of(slot: dict[str, Any]) -> str:
    """Whose signature a slot of a template asks for, by the policy of its act."""
    row = TABLE.get(slot.get("act", ""))
    return " or ".join(sorted(DUTY_WORDS[Duty(duty)] for duty in row.duties)) if row else ""


def _wanted(version: Version) -> list[dict[str, str]]:
    """The signatures that the template of the tier asks for, opened gate or not."""
    return [
        {"code": slot["code"], "title": slot["title"], "duty": _duty_of(slot)}
        for slot in template_for(version.intended_use.tier)["slots"]
    ]


def signatures(version: Version, as_of: datetime) -> list[dict[str, Any]]:
    """Every signature on the version and its records: what was signed, what the record's digest is, the verdict.

    `content` is the record as it is, so that the digest can be recomputed without the portal.
    """
    use = (version.intended_use.subject_kind, str(version.intended_use_id))
    own = own_records(version)
    reviews = {(TrailReview.subject_kind, str(each.pk)) for each in version.trail_reviews.all()}
    own |= reviews
    wanted = {use} | facts_of(version).closures["version"] | reviews
    by_kind: dict[str, list[str]] = {}
    for kind, pk in sorted(wanted):
        by_kind.setdefault(kind, []).append(pk)
    found = []
    for kind, ids in by_kind.items():
        for row in Signature.objects.filter(subject_kind=kind, subject_id__in=ids, signed_at__lte=as_of):
            pair = (row.subject_kind, row.subject_id)
            belongs = (
                "version"
                if pair in own
                else "use"
                if pair == use or pair[0] == "verification.requirement"
                else "ancestor"
            )
            found.append((row.pk, row, belongs))
    places = place_names(version)
    return [_standing(row, belongs, places) for _, row, belongs in sorted(found, key=lambda each: each[0])]


def _standing(row: Signature, belongs: str, places: dict[str, str]) -> dict[str, Any]:
    """`belongs`: to the version, to the intended use it states, or to a version it was derived from."""
    subject = _subject(row.subject_kind, row.subject_id)
    signed = as_signed(subject, row.content_digest) if subject is not None else None
    valid = signed is not None
    content = signed or (content_of(subject) if subject is not None else None)
    now_digest = digest(content) if content is not None else ""
    return {
        **as_printed(row),
        "uuid": str(row.uuid),
        "kind": row.subject_kind,
        "id": row.subject_id,
        "belongs": belongs,
        "duty_words": _duty_words(row.duties),
        "signed_as": _signed_as(row.duties, places),
        "statement": row.statement,
        "recomputed_digest": now_digest,
        "content": content,
        "valid": valid,
        "verdict": "VALID" if valid else ("UNSIGNED" if subject is None else "OUT OF DATE"),
    }


def _duty_words(duties: str) -> str:
    """`QA approver, owner` of `approver on registry.model:1; owner on datasets.dataset:1`."""
    names = {str(duty): word for duty, word in DUTY_WORDS.items()}
    held = [part.split(" on ", 1)[0] for part in duties.split("; ") if part]
    return ", ".join(dict.fromkeys(names.get(name, name) for name in held))


def _signed_as(duties: str, places: dict[str, str]) -> str:
    """`QA approver of progression-risk; owner of another dataset (no. 2)`: what is not of this version is not named."""
    names = {str(duty): word for duty, word in DUTY_WORDS.items()}
    told = []
    for part in filter(None, duties.split("; ")):
        name, _, place = part.partition(" on ")
        kind, _, number = place.partition(":")
        word = names.get(name, name)
        if kind in ("", ORGANISATION):
            told.append(word)
        else:
            another = f"another {kind.rpartition('.')[2]} (no. {number})"
            told.append(f"{word} of {places.get(place, another)}")
    return "; ".join(told)


def _subject(kind: str, pk: str) -> Any:
    for model in installed.get_models():
        if getattr(model, "subject_kind", None) == kind and kind in registries.content:
            return model._default_manager.filter(pk=pk).first()
    return None
