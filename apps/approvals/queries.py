"""Reads of the gate for pages, API and packs."""

from __future__ import annotations

from dataclasses import dataclass

from apps.access.actors import Actor, as_actor
from apps.access.gate import Verdict, visible
from apps.access.models import Assignment
from apps.access.sharing import shared
from apps.access.signing import still_signed
from apps.access.waiting import Waiting, queues_for
from apps.approvals.evaluation import Evaluation, Row, evaluate, for_viewer
from apps.approvals.loading import live_gate, prime, slots_of
from apps.approvals.states import GateState
from apps.core.errors import NotVisible
from apps.core.outcomes import CheckState
from apps.core.rulewords import rule_words
from apps.quality.queries import blocking
from apps.registry.models import Version
from apps.registry.states import State

UNDECIDED = (State.REGISTERED, State.FROZEN, State.PLAN_APPROVED, State.VALIDATED)
WORK_LIMIT = 40


@dataclass(frozen=True)
class Answer:
    """May this digest deploy? `reasons` says why not; computed at each call from the records."""

    allowed: bool
    digest: str
    version: Version | None
    reasons: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()

    @property
    def status(self) -> int:
        return 200 if self.allowed else 409


def may_deploy(actor, digest: str, model: str = "") -> Answer:
    """The one visible version with this artefact digest, and whether it may run. Unknown or hidden: NotVisible."""
    rows = (
        visible(as_actor(actor), Version)
        .select_related("model", "intended_use")
        .filter(artefact_digest=digest)
    )
    if model:
        rows = rows.filter(model__slug=model)
    found = list(rows.order_by("pk")[:20])
    if not found:
        raise NotVisible("No version with this digest is known, or you may not see it.")
    frozen = [v for v in found if v.state not in (State.REGISTERED, State.REJECTED)]
    if len(frozen) == 1:  # a mere registration of the same bytes, or a rejected one, decides nothing
        found = frozen
    refs = tuple(v.ref for v in found)
    if len({v.model_id for v in found}) > 1:
        fact = f"The digest belongs to versions of several models: {', '.join(refs)}. Name the model."
        return Answer(False, digest, None, (fact,), refs)
    if len(found) > 1:  # of one model only one version with these bytes is ever frozen: here it is none
        fact = f"{len(found)} versions hold these bytes and none of them is frozen: {', '.join(refs)}."
        return Answer(False, digest, None, (fact,), refs)
    reasons = tuple(not_deployable(found[0]))
    return Answer(not reasons, digest, found[0], reasons, refs)


def not_deployable(version: Version) -> list[str]:
    """Why this version may not run; empty when it may."""
    reasons = []
    if version.state != State.RELEASED:
        reasons.append(f"{version.ref} is {State(version.state).replace('_', ' ')}, not released.")
    with shared():
        gate = live_gate(version)
        if version.state in (State.RELEASED, State.SUSPENDED) and (
            gate is None or gate.state != GateState.PASSED
        ):
            reasons.append("Its release gate is not passed.")
        for slot in slots_of(gate):
            if slot.signature is None:
                if version.state == State.RELEASED:
                    reasons.append(f"The signature {slot.code} is missing.")
            elif not still_signed(slot, slot.signature.content_digest):
                reasons.append(f"The signature {slot.code} no longer matches the record.")
    reasons.extend(f"{d.ref} blocks: {d.title}." for d in blocking(version))
    return reasons


@dataclass(frozen=True)
class Task:
    """One thing that waits: on whom, and why this person."""

    version: Version
    row: Row
    title: str
    why: str
    needs: tuple[Verdict, str, int] | None = (
        None  # the act that would do it: verdict, subject kind, subject id
    )


@dataclass(frozen=True)
class Work:
    mine: tuple[Task, ...]
    blocked: tuple[Task, ...]
    waiting: tuple[Task, ...]
    shown: int
    more: int
    held: frozenset[str] = frozenset()  # duties, wherever
    queues: tuple[Waiting, ...] = ()  # what waits besides the versions, of every app


def _named(row: Row, wanted: tuple[Verdict, str, int]) -> str:
    """The label of the act; with the record where a row has one of several."""
    verdict, kind, pk = wanted
    refs, needs = row.outcome.refs, row.outcome.needs
    if len(needs) == len(refs) > 1:
        return f"{verdict.label}: {refs[needs.index((verdict.act, kind, pk))]}"
    return verdict.label


def work_for(actor) -> Work:
    """What waits for this person across the undecided versions they hold a duty on, newest first."""
    with shared():
        return _work_for(as_actor(actor))


def _work_for(actor: Actor) -> Work:
    held = {a.duty for a in Assignment.objects.active().filter(person=actor.user)}
    rows = (
        visible(actor, Version)
        .filter(state__in=UNDECIDED)
        .select_related(
            "model", "intended_use__model", "intended_use__written_by", "parent__model", "registered_by"
        )
        .order_by("-registered_at")
    )
    versions = list(rows[: WORK_LIMIT + 1])
    prime(versions[:WORK_LIMIT])
    mine, blocked, waiting = [], [], []
    for version in versions[:WORK_LIMIT]:
        seen: Evaluation = for_viewer(evaluate(version), actor)
        for row in seen.open_rows:
            if row.waits:
                why = "You hold the duty, and no rule excludes you from this."
                mine += [Task(version, row, _named(row, each), why, each) for each in row.waits]
                continue
            conflict = next((v for v, _, _ in row.verdicts if v.rule.startswith(("DY", "ST"))), None)
            if conflict is not None:
                blocked.append(
                    Task(version, row, row.title, f"You cannot: {conflict.fact} {rule_words(conflict.rule)}")
                )
            elif row.state in (CheckState.WAITING, CheckState.STUCK, CheckState.OUT_OF_DATE) and held:
                waiting.append(Task(version, row, row.title, row.outcome.why))
    return Work(
        tuple(mine),
        tuple(blocked),
        tuple(waiting),
        min(len(versions), WORK_LIMIT),
        max(0, len(versions) - WORK_LIMIT),
        frozenset(held),
        tuple(queues_for(actor)),
    )
