"""What the registry answers for a gate."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import partial

from django.db.models import BigIntegerField, CharField, OuterRef, Subquery
from django.db.models.functions import Cast

from apps.access.sharing import came_along, gathered, grouped
from apps.access.signing import GIVEN, content_digest, standings
from apps.core import blobs, registries
from apps.core.outcomes import CheckState, Outcome
from apps.datasets.states import State as DataState
from apps.registry.loading import data_of_versions
from apps.registry.models import IntendedUse, Version
from apps.registry.states import State
from apps.trail.models import Signature

SIGNATURES = (
    ("responsibility", "process expert", "registry.sign_intended_use_expert"),
    ("approval", "owner", "registry.sign_intended_use_owner"),
)


def in_force(use: IntendedUse, signatures: Iterable[Signature] | None = None) -> bool:
    """Signed by process expert and owner, both signatures still matching. `signatures`: those on it, when at hand."""
    found = [
        s.signature.meaning
        for s in standings(use, signatures)
        if s.valid and s.signature.decision == "approved"
    ]
    return all(meaning in found for meaning, _words, _act in SIGNATURES)


def signatures_on_uses(model_ids: Collection[int]) -> dict[int, list[Signature]]:
    """Model id -> signatures on its intended uses, oldest first, each with `number` of the use. One query."""

    def load(ids: list[int]) -> dict[int, list[Signature]]:
        uses = IntendedUse.objects.filter(model_id__in=ids).order_by()
        text = uses.annotate(text=Cast("pk", CharField())).values("text")
        this = IntendedUse.objects.filter(pk=Cast(OuterRef("subject_id"), BigIntegerField())).order_by()
        given = Signature.objects.filter(subject_kind=IntendedUse.subject_kind, subject_id__in=text)
        told = given.annotate(model=Subquery(this.values("model_id")), number=Subquery(this.values("number")))
        rows = list(told.order_by("id"))
        came_along(GIVEN, grouped(rows, lambda row: (row.subject_kind, row.subject_id)))
        return grouped(rows, lambda row: row.model)

    return {pk: rows or [] for pk, rows in gathered("use signatures", model_ids, load).items()}


def newer_in_force(version: Version) -> IntendedUse | None:
    """A later intended use that is in force, while the version is undecided: its tier is the one that counts."""
    if version.state in (State.RELEASED, State.REJECTED, State.SUSPENDED):
        return None
    given = signatures_on_uses([version.model_id])[version.model_id]
    later = {row.number for row in given if row.number > version.intended_use.number}
    if not later:  # nobody has signed a later one
        return None
    uses = IntendedUse.objects.filter(model_id=version.model_id, number__in=later)
    signed = grouped(given, lambda row: row.number)
    return next(
        (
            use
            for use in uses.select_related("model", "written_by").order_by("-number")
            if in_force(use, signed[use.number])
        ),
        None,
    )


@registries.check("intended_use_signed")
def intended_use_signed(version: Version) -> Outcome:
    """Both signatures over the intended use that this version names, still matching it."""
    use = version.intended_use
    given = signatures_on_uses([version.model_id])[version.model_id]
    found = standings(use, [row for row in given if row.number == use.number])
    signed: list[str] = []
    stale: list[tuple[str, str]] = []
    missing: list[tuple[str, str]] = []
    for meaning, words, act in SIGNATURES:
        mine = [s for s in found if s.signature.meaning == meaning and s.signature.decision == "approved"]
        if any(s.valid for s in mine):
            signed.append(f"{words} {next(s for s in mine if s.valid).signature.printed_name}")
        else:
            (stale if mine else missing).append((words, act))
    newer = newer_in_force(version)
    evidence = f"{use.ref} · tier {use.tier}" + (f" · signed by {', '.join(signed)}" if signed else "")
    outcome = partial(Outcome, evidence=evidence, refs=(use.ref,), digests=(content_digest(use),))
    needs = tuple((act, use.subject_kind, use.pk) for _words, act in (*stale, *missing))
    if newer is not None:
        why = f"{newer.ref} (tier {newer.tier}) is now in force. Register the version again under it."
        return outcome(CheckState.OUT_OF_DATE, why=why)
    if stale:
        why = f"{use.ref} changed after the {' and the '.join(w for w, _ in stale)} signed it."
        return outcome(CheckState.OUT_OF_DATE, why=why, needs=needs)
    if missing:
        why = f"{use.ref} is not signed by the {' and the '.join(w for w, _ in missing)}."
        return outcome(CheckState.WAITING, why=why, needs=needs)
    return outcome(CheckState.MET)


@registries.check("data_fixed")
def data_fixed(version: Version) -> Outcome:
    """Every training and tuning version fixed, its bytes in place, its provenance stated."""
    used = [row.dataset_version for row in data_of_versions([version.pk])[version.pk]]
    if not used:
        return Outcome(
            CheckState.NOT_MET,
            why=f"{version.ref} names no dataset version it was trained on. Register a version that does.",
            rule="PC22",
        )
    refs, digests = tuple(d.ref for d in used), tuple(d.file_digest for d in used)
    outcome = partial(Outcome, evidence=", ".join(refs), refs=refs, digests=digests)
    for data in used:
        if data.state == DataState.UPLOADED:
            return outcome(CheckState.RUNNING, why=f"{data.ref} is being profiled.")
        if data.state == DataState.FAILED:
            return outcome(
                CheckState.NOT_MET, why=f"{data.ref} could not be read: {data.failure}", rule="PC22"
            )
        if fault := blobs.quick_fault(data.file_digest, area=data.area):
            wrong = "are missing from the store" if fault == "missing" else "are not those that were fixed"
            return outcome(CheckState.NOT_MET, why=f"The bytes of {data.ref} {wrong}.", rule="PC22")
    return outcome(CheckState.MET)
