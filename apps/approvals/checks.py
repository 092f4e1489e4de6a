"""Checks that belong to the gate itself."""

from __future__ import annotations

from datetime import timedelta

from apps.access.signing import content_digest
from apps.approvals.board_checks import board_decided, has_board, put_before_board
from apps.approvals.independence import conflicts_of, waived_in
from apps.approvals.loading import last_verification, live_gate, minute_of
from apps.approvals.states import GateState
from apps.core import registries
from apps.core.clock import now
from apps.core.outcomes import CheckState, Outcome
from apps.fairness.checks import last_done_report
from apps.quality.models import TrailReview
from apps.quality.review_queries import (
    act_told,
    came_after,
    deviation_of,
    last_signed,
    open_findings,
    open_review,
)
from apps.registry.models import Version
from apps.registry.states import State

VERIFICATION_IS_FRESH_FOR = timedelta(hours=24)


@registries.check("separation_kept")
def separation_kept(version: Version) -> Outcome:
    """No person did two acts on this version that a rule keeps apart."""
    found = conflicts_of(version)
    if not found:
        waivers = tuple(dict.fromkeys(each["waiver"] for each in waived_in(version)))
        evidence = "No conflict among the recorded acts and reads"
        if waivers:
            evidence = f"Only under waivers: {'; '.join(waivers)}"
        return Outcome(CheckState.MET, evidence=evidence)
    first = found[0]
    return Outcome(
        CheckState.NOT_MET,
        evidence=f"{len(found)} conflict{'' if len(found) == 1 else 's'}",
        why=f"{first['person']} {first['first']} and {first['second']}: {first['text']}.",
        rule=first["rule"],
    )


@registries.check("trail_verified")
def trail_verified(version: Version) -> Outcome:
    """The whole trail verified within the last day, without a finding."""
    gate = live_gate(version)
    needs = (("approvals.request_verification", gate.subject_kind, gate.pk),) if gate else ()
    last = last_verification()
    if last is None:
        return Outcome(
            CheckState.NOT_STARTED, why="The trail is verified when the release gate is opened.", needs=needs
        )
    facts, at = last
    evidence = f"{facts['entries']} entries verified {at:%Y-%m-%d %H:%M} UTC"
    if facts["findings"]:
        why = f"{facts['findings']} finding{'' if facts['findings'] == 1 else 's'}: {facts['first']}"
        return Outcome(CheckState.NOT_MET, evidence=evidence, why=why, rule="21 CFR 11.10(e)", needs=needs)
    if at < now() - VERIFICATION_IS_FRESH_FOR:
        return Outcome(
            CheckState.OUT_OF_DATE, evidence=evidence, why="It is more than 24 hours old.", needs=needs
        )
    return Outcome(CheckState.MET, evidence=evidence)


@registries.check("trail_reviewed")
def trail_reviewed(version: Version) -> Outcome:
    """The trail of the version reviewed and signed, by somebody who did none of it, up to the last act that counts.

    What comes after a decision outdates nothing here: it stops a released version by checks of its own.
    """
    signed, under_way = last_signed(version), open_review(version)
    needs = _next_step(version, under_way)
    if signed is None:
        if under_way is None:
            why = "Nobody has reviewed the trail of this version."
            if not needs:
                why = "It is asked for once the validation run and the bias report are there."
            return Outcome(CheckState.NOT_STARTED, why=why, needs=needs)
        return Outcome(
            CheckState.WAITING,
            why=f"{under_way.ref} is open and not signed yet.",
            refs=(under_way.ref,),
            needs=needs,
        )
    gate = live_gate(version)
    later = came_after(signed, version, until=gate.decided_at if gate else None)
    evidence = f"{signed.ref}: {signed.covered} entries up to {signed.until_at:%Y-%m-%d %H:%M} UTC"
    if later:
        first, word = act_told(later[0]), "act has" if len(later) == 1 else "acts have"
        count = f"{len(later)} {word} come since, first “{first}”."
        return Outcome(
            CheckState.OUT_OF_DATE,
            evidence=evidence,
            why=count,
            rule="EU GMP Annex 11 draft 12.5-12.8",
            refs=(signed.ref,),
            needs=needs,
        )
    unsettled = open_findings(signed, version, now())
    if unsettled:
        return Outcome(
            CheckState.NOT_MET,
            evidence=evidence,
            why=f"Findings are open: {', '.join(finding.ref for finding in unsettled)}.",
            rule="EU GMP Annex 11 draft 12.5-12.8",
            refs=(signed.ref,),
            needs=tuple(
                ("quality.accept_deviation", found.subject_kind, found.pk)
                for finding in unsettled
                if (found := deviation_of(finding, version)) is not None
            ),
        )
    return Outcome(CheckState.MET, evidence=evidence, refs=(signed.ref,), digests=(content_digest(signed),))


def _next_step(version: Version, review: TrailReview | None) -> tuple[tuple[str, str, int], ...]:
    """Open one, once the evidence is there; go through an open one; sign it once everything was seen."""
    if review is None:
        if version.state != State.VALIDATED or last_done_report(version) is None:
            return ()
        return (("quality.open_trail_review", version.subject_kind, version.pk),)
    act = "quality.mark_trail_entries" if review.shown - review.marked else "quality.sign_trail_review"
    return ((act, review.subject_kind, review.pk),)


@registries.check("board_minute")
def board_minute(version: Version) -> Outcome:
    """The review board's signed decision; without a board in the portal, the minute of one outside it (high tier)."""
    gate = live_gate(version)
    minute = minute_of(gate) if gate else None
    if gate is None:
        return Outcome(CheckState.NOT_STARTED, why="No board minute is recorded.")
    if minute is None or put_before_board(gate) or (gate.state == GateState.OPEN and has_board()):
        return board_decided(gate)
    return Outcome(
        CheckState.MET,
        evidence=f"Minute {minute.number} of {minute.held_on:%Y-%m-%d}",
        digests=(minute.file_digest,),
    )
