"""What the registry answers for a gate."""

from __future__ import annotations

from functools import partial

from apps.access.signing import content_digest, standings
from apps.core import blobs, registries
from apps.core.outcomes import CheckState, Outcome
from apps.datasets.states import State as DataState
from apps.registry.models import IntendedUse, Version, VersionData
from apps.registry.states import State

SIGNATURES = (
    ("responsibility", "process expert", "registry.sign_intended_use_expert"),
    ("approval", "owner", "registry.sign_intended_use_owner"),
)


def in_force(use: IntendedUse) -> bool:
    """Signed by process expert and owner, both signatures still matching."""
    found = [s.signature.meaning for s in standings(use) if s.valid and s.signature.decision == "approved"]
    return all(meaning in found for meaning, _words, _act in SIGNATURES)


def newer_in_force(version: Version) -> IntendedUse | None:
    """A later intended use that is in force, while the version is undecided: its tier is the one that counts."""
    if version.state in (State.RELEASED, State.REJECTED, State.SUSPENDED):
        return None
    later = IntendedUse.objects.filter(model_id=version.model_id, number__gt=version.intended_use.number)
    return next(
        (use for use in later.select_related("model", "written_by").order_by("-number") if in_force(use)),
        None,
    )


@registries.check("intended_use_signed")
def intended_use_signed(version: Version) -> Outcome:
    """Both signatures over the intended use that this version names, still matching it."""
    use = version.intended_use
    found = standings(use)
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
        why = f"{newer.ref} (tier {newer.tier}) is in force since. Register the version again under it."
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
    used = [
        d.dataset_version
        for d in VersionData.objects.filter(version=version).select_related("dataset_version__dataset")
    ]
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
