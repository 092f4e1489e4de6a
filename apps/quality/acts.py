"""Every verb on deviations, and the one helper by which the portal opens them itself."""

from __future__ import annotations

from apps.access.acting import Act, act
from apps.core import registries
from apps.core.clock import iso, now
from apps.core.numbers import next_number
from apps.core.subjects import Subject
from apps.quality import rules
from apps.quality.models import Deviation, TrailFinding
from apps.quality.states import State
from apps.registry.models import Version

NUMBERS = Deviation.subject_kind


def raise_by_portal(
    act: Act,
    version: Version,
    *,
    title: str,
    description: str,
    source: Subject,
    criterion: str,
    blocking: bool = True,
) -> Deviation:
    """Open a deviation from inside another act: a failed criterion opens its own (Annex 22 draft 7.3).

    `source`: the run, report or plan that shows it. The person on whose behalf the service works counts as its
    author, so they cannot accept it (DY13).
    """
    return act.create(
        Deviation,
        number=next_number(NUMBERS),
        version=version,
        title=title[: rules.MAX_TITLE],
        description=description,
        source_kind=source.subject_kind,
        source_id=str(source.pk),
        criterion=criterion,
        blocking=blocking,
        raised_by=act.user,
        raised_on_behalf_of=act.actor.on_behalf,
        raised_at=now(),
    )


@act("quality.open_deviation")
def open_deviation(
    act: Act,
    version_id: int,
    *,
    title: str,
    description: str,
    blocking: bool = True,
    finding_id: int | None = None,
) -> Deviation:
    """Open a deviation of a version by hand. Refused: BadInput without title or description.

    `finding_id`: the finding of a trail review that it is opened for; one deviation for each.
    """
    version = act.lock(Version.objects.select_related("model"), pk=version_id)
    act.allow(version)
    rules.refuse_bad_text(title, description)
    source: dict[str, str] = {}
    if finding_id is not None:
        finding = act.lock(TrailFinding.objects.filter(review__version=version), pk=finding_id)
        source = {"source_kind": finding.subject_kind, "source_id": str(finding.pk)}
    deviation = act.create(
        Deviation,
        number=next_number(NUMBERS),
        version=version,
        title=title.strip(),
        description=description.strip(),
        blocking=bool(blocking),
        raised_by=act.user,
        raised_at=now(),
        **source,
    )
    act.about(deviation)
    return deviation


@registries.precondition("quality.accept_deviation")
def accept_precondition(deviation: Deviation) -> None:
    rules.may_accept(deviation.ref, deviation.state, deviation.expires_at, now())


@registries.precondition("quality.close_deviation")
def close_precondition(deviation: Deviation) -> None:
    rules.may_close(deviation.ref, deviation.state)


def _locked(act: Act, deviation_id: int) -> Deviation:
    rows = Deviation.objects.select_related("version__model", "raised_by", "raised_on_behalf_of")
    return act.lock(rows, pk=deviation_id)


@act("quality.accept_deviation")
def accept_deviation(act: Act, deviation_id: int, *, expires_at: str = "") -> Deviation:
    """Accept a deviation with a reason, until `expires_at` (ISO 8601, UTC) or for good; the signature names the end."""
    deviation = _locked(act, deviation_id)
    act.allow(deviation)
    rules.refuse_rejection(act.decision, "Accepting a deviation")
    until = rules.parse_expiry(expires_at, now())
    act.refuse_if_changed(deviation)
    act.write(
        deviation,
        state=State.ACCEPTED,
        expires_at=until,
        decided_at=now(),
        decision_reason=act.reason,
    )
    act.event(accepted_until=iso(until) if until else "")
    act.sign(deviation, record_version=f"accepted until {iso(until)}" if until else "accepted without end")
    return deviation


@act("quality.close_deviation")
def close_deviation(act: Act, deviation_id: int) -> Deviation:
    """Close a deviation as resolved; the reason says how. A failed criterion stays failed in its run."""
    deviation = _locked(act, deviation_id)
    act.allow(deviation)
    rules.refuse_rejection(act.decision, "Closing a deviation")
    act.refuse_if_changed(deviation)
    act.write(deviation, state=State.CLOSED, decided_at=now(), decision_reason=act.reason)
    act.sign(deviation, record_version="closed as resolved")
    return deviation
