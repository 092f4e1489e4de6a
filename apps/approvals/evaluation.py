"""The evaluation of a release gate: one row a check and a signature, for nobody in particular and for a viewer.

What depends on who looks (needs you, stuck, who may) is computed for the viewer and never stored.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from apps.access.actors import Actor, as_actor
from apps.access.duties import Duty
from apps.access.gate import Judge, Verdict
from apps.access.policy import policy
from apps.access.sharing import shared
from apps.access.signing import still_signed
from apps.accounts.models import User
from apps.approvals.independence import lapsed
from apps.approvals.loading import live_gate, prime, slots_of
from apps.approvals.models import Gate, Slot
from apps.approvals.states import GateState, SlotState
from apps.approvals.templates import template_for
from apps.core import registries
from apps.core.clock import as_of
from apps.core.outcomes import WORDS as WORDS_OF
from apps.core.outcomes import CheckState, Outcome
from apps.core.subjects import model_of
from apps.quality.queries import blocking
from apps.registry.models import Version
from apps.registry.states import WORDS, State
from apps.robustness.checks import live_probe_plan
from apps.validations.checks import last_done_run, live_plan

ORDER = list(CheckState)


@dataclass(frozen=True)
class Row:
    """One line of the gate. `verdicts` and `who` are filled for a viewer."""

    code: str
    title: str
    section: str
    clause: str
    outcome: Outcome
    slot: Slot | None = None
    verdicts: tuple[tuple[Verdict, str, int], ...] = ()  # (verdict, subject kind, subject id)
    who: tuple[str, ...] = ()
    others: tuple[str, ...] = ()  # who may, besides the viewer
    waits: tuple[tuple[Verdict, str, int], ...] = ()  # those of `verdicts` that wait for the viewer

    @property
    def state(self) -> CheckState:
        return self.outcome.state


@dataclass(frozen=True)
class Evaluation:
    version: Version
    gate: Gate | None
    template: dict
    rows: tuple[Row, ...]

    @cached_property
    def open_rows(self) -> list[Row]:
        return sorted((r for r in self.rows if not r.state.closed), key=lambda r: ORDER.index(r.state))

    @cached_property
    def closed_rows(self) -> list[Row]:
        return [r for r in self.rows if r.state.closed]

    @property
    def open_checks(self) -> list[Row]:
        """Open rows that are evidence, not signatures: no approval may be signed while there is one."""
        return [r for r in self.open_rows if r.slot is None and r.code not in SLOT_CODES]

    @property
    def needs_you(self) -> list[Row]:
        return [r for r in self.open_rows if r.state is CheckState.NEEDS_YOU]

    @property
    def headline(self) -> str:
        """One overall state: the version's own when decided, else the first open kind."""
        if self.version.state == State.RELEASED and self.open_rows:
            word = "line is" if len(self.open_rows) == 1 else "lines are"
            return f"Released, but may not run now: {len(self.open_rows)} {word} open"
        if self.version.state in (State.RELEASED, State.REJECTED, State.SUSPENDED):
            return WORDS[State(self.version.state)]
        not_met = sum(r.state in (CheckState.NOT_MET, CheckState.STUCK) for r in self.rows)
        if not_met:
            return f"Blocked: {not_met} not met"
        if self.open_rows:
            return f"Waiting on {len(self.open_rows)}"
        return "Ready to release"

    @property
    def blocked(self) -> bool:
        return any(r.state in (CheckState.NOT_MET, CheckState.STUCK) for r in self.rows)

    @property
    def running(self) -> bool:
        """Whether a job is under way that will change a row by itself."""
        return any(r.state is CheckState.RUNNING for r in self.rows)

    @property
    def closed_summary(self) -> str:
        """`8 closed: 6 met, 1 accepted by deviation, 1 not applicable`."""
        counts = [
            (sum(r.state is s for r in self.closed_rows), WORDS_OF[s].lower()) for s in CheckState if s.closed
        ]
        return f"{len(self.closed_rows)} closed: " + ", ".join(f"{n} {word}" for n, word in counts if n)

    def as_data(self) -> dict:
        """The viewer-independent evaluation as stored in a snapshot and returned by the API."""
        return {
            "version": self.version.ref,
            "artefact": self.version.artefact_digest,
            "template": f"{self.template['name']} v{self.template['version']}",
            "headline": self.headline,
            "rows": [
                {
                    "code": r.code,
                    "title": r.title,
                    "clause": r.clause,
                    "state": str(r.state),
                    "evidence": r.outcome.evidence,
                    "why": r.outcome.why,
                    "rule": r.outcome.rule,
                    "refs": list(r.outcome.refs),
                    "digests": list(r.outcome.digests),
                }
                for r in self.rows
            ],
        }


SLOT_CODES = frozenset({"approval", "responsibility", "review", "security"})


def evaluate(version: Version) -> Evaluation:
    """Run every check of the version's gate template. Nothing is stored and nothing depends on a viewer."""
    with shared():
        prime([version])
        gate = live_gate(version)
        template = gate.template_content if gate else template_for(version.intended_use.tier)
        rows = [
            Row(c["code"], c["title"], c["section"], c["clause"], registries.check[c["code"]](version))
            for c in template["checks"]
        ]
        open_checks = sum(not r.state.closed for r in rows)
        slots = {slot.code: slot for slot in slots_of(gate)}
        for s in template["slots"]:
            slot = slots.get(s["code"])
            first = s is template["slots"][0]
            outcome = _slot_outcome(slot, s["act"], open_checks) if slot else _before(version, first)
            rows.append(Row(s["code"], s["title"], "signatures", "21 CFR 11.50", outcome, slot))
    return Evaluation(version, gate, template, tuple(rows))


def _before(version: Version, first: bool) -> Outcome:
    """A signature before the gate is open. Once the version is validated, the first one asks for the gate."""
    can_open = first and version.state == State.VALIDATED
    needs = (("approvals.open_gate", version.subject_kind, version.pk),) if can_open else ()
    return Outcome(CheckState.NOT_STARTED, why="The release gate is not open yet.", needs=needs)


def _slot_outcome(slot: Slot, act: str, open_checks: int) -> Outcome:
    needs = ((act, slot.subject_kind, slot.pk),)
    if slot.signature is not None:
        signed = slot.signature
        evidence = f"{signed.printed_name}, {signed.signed_at:%Y-%m-%d %H:%M} UTC"
        if slot.state == SlotState.REJECTED:
            return Outcome(CheckState.NOT_MET, evidence=evidence, why=f"Rejected: {signed.reason}", rule="G7")
        if not still_signed(slot, signed.content_digest):
            why = "The record changed after it was signed."
            return Outcome(
                CheckState.OUT_OF_DATE, evidence=evidence, why=why, rule="21 CFR 11.70", needs=needs
            )
        if why := lapsed(slot, act):
            return Outcome(CheckState.OUT_OF_DATE, evidence=evidence, why=why, rule="waiver", needs=needs)
        return Outcome(CheckState.MET, evidence=evidence, digests=(signed.content_digest,))
    if slot.gate.state != GateState.OPEN:
        return Outcome(CheckState.NOT_APPLICABLE, why="The gate was decided before this signature was given.")
    if open_checks:
        word = "check is" if open_checks == 1 else "checks are"
        return Outcome(
            CheckState.NOT_STARTED,
            why=f"Wanted when the {open_checks} open {word} closed; it may be rejected now.",
        )
    return Outcome(CheckState.WAITING, why="The evidence is complete; this signature is wanted.", needs=needs)


def for_viewer(evaluation: Evaluation, viewer) -> Evaluation:
    """The same rows as this person sees them: what needs them, what is stuck, and who else may."""
    actor = as_actor(viewer)
    with shared():
        known = _records_of(evaluation)
        rows = tuple(_seen(row, actor, known) for row in evaluation.rows)
    return replace(evaluation, rows=rows)


def _records_of(evaluation: Evaluation) -> dict[tuple[str, int], Any]:
    """The records that the rows were made from: what an open row needs is nearly always done to one of them."""
    version, gate = evaluation.version, evaluation.gate
    run = last_done_run(version)
    found = [
        version,
        version.intended_use,
        live_plan(version),
        live_probe_plan(version),
        run,
        *blocking(version),
        gate,
        *slots_of(gate),
    ]
    return {(each.subject_kind, each.pk): each for each in found if each is not None}


# Several duties may do these; one is asked, the others may as well.
ASKED = {
    "approvals.open_gate": Duty.OWNER,
    "approvals.request_verification": Duty.OWNER,
    "quality.open_trail_review": Duty.APPROVER,
    "verification.link_requirement": Duty.VALIDATOR,  # what developers link is claimed only
}


def _is_asked(judge: Judge, act: str, actor: Actor, able: list[User]) -> bool:
    """Whether this act waits for this person: it is theirs to do, or nobody is there whose it is."""
    duty = ASKED.get(act)
    if duty is None:
        return True
    theirs = {a.person_id for a in judge.holders if a.duty == duty} & {person.pk for person in able}
    return actor.user.pk in theirs or not theirs


def _seen(row: Row, actor: Actor, known: dict[tuple[str, int], Any]) -> Row:
    if row.state.closed or not row.outcome.needs:
        return row
    verdicts, who, waits = [], [], []
    for act, kind, pk in row.outcome.needs:
        subject = known.get((kind, pk)) or model_of(kind)._default_manager.get(pk=pk)
        judge = Judge(subject)
        verdict = judge.verdict(actor, policy(act))
        if as_of() is None:  # of a moment past it is told who could, and nothing is offered
            verdicts.append((verdict, kind, pk))
        able = judge.eligible(policy(act))
        who.extend(p.printed_name for p in able)
        if verdict.allowed and _is_asked(judge, act, actor, able):
            waits.append((verdict, kind, pk))
    who = tuple(dict.fromkeys(who))
    others = tuple(name for name in who if name != actor.user.printed_name)
    state = row.state
    if waits:
        state = CheckState.NEEDS_YOU if state is not CheckState.NOT_MET else state
    elif (
        not who
        and not any(v.allowed for v, _, _ in verdicts)
        and state in (CheckState.WAITING, CheckState.OUT_OF_DATE, CheckState.NOT_STARTED)
    ):
        state = CheckState.STUCK
    return replace(
        row,
        outcome=replace(row.outcome, state=state),
        verdicts=tuple(verdicts),
        who=who,
        others=others,
        waits=tuple(waits),
    )
