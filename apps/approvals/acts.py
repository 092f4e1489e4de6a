"""Every verb at the release gate."""

from __future__ import annotations

from datetime import date

from apps.access.acting import Act, act
from apps.access.signing import content_of, still_signed
from apps.approvals import rules
from apps.approvals.board_checks import has_board, put_before_board
from apps.approvals.content import parts_of
from apps.approvals.evaluation import Evaluation, evaluate
from apps.approvals.independence import lapsed
from apps.approvals.loading import gates_of_versions
from apps.approvals.models import Gate, Minute, Slot, Snapshot
from apps.approvals.states import GATE_TRANSITIONS, GateState, SlotState
from apps.approvals.suspending import refuse_while_unsigned
from apps.approvals.templates import template_for
from apps.core import blobs, jobs, registries
from apps.core.clock import now
from apps.core.digests import digest
from apps.core.errors import BadInput, WrongState
from apps.core.models import Job
from apps.registry.models import Version
from apps.registry.states import TRANSITIONS, State


@registries.precondition("approvals.open_gate")
def _gate_can_open(version: Version) -> None:
    rules.may_open(version.state, [gate.state for gate in gates_of_versions([version.pk])[version.pk]])
    refuse_while_unsigned(version)


@registries.precondition("approvals.suspend")
def _version_is_released(version: Version) -> None:
    rules.may_suspend(version.state)


@registries.precondition("approvals.record_minute")
def _no_board_here(gate: Gate) -> None:
    if has_board():
        fact = "The organisation has a review board; its signed decision counts."
    elif put_before_board(gate):
        fact = "This gate was put before a review board; its signed decision counts, whoever sits on it now."
    else:
        return
    raise WrongState(
        "A minute cannot be typed in here.",
        fact=fact,
        rule="G7",
        who=["owners, compliance officers and QA approvers, who plan a meeting of the board"],
    )


@registries.precondition("approvals.sign_approval")
@registries.precondition("approvals.sign_responsibility")
@registries.precondition("approvals.sign_review")
@registries.precondition("approvals.sign_security")
def _slot_can_be_signed(slot: Slot) -> None:
    stale = slot.signature is not None and not still_signed(slot, slot.signature.content_digest)
    stale = stale or bool(lapsed(slot, f"approvals.sign_{slot.code}"))
    rules.may_sign_slot(slot.gate.state, slot.state, stale)


@act("approvals.open_gate")
def open_gate(act: Act, version_id: int) -> Gate:
    """Open the release gate by the template of the version's tier; the trail is verified at once."""
    version = act.lock(Version.objects.select_related("model", "intended_use"), pk=version_id)
    act.allow(version)
    template = template_for(version.intended_use.tier)
    gate = act.create(
        Gate,
        version=version,
        template=f"{template['name']} v{template['version']}",
        template_content=template,
        opened_by=act.user,
        opened_at=now(),
    )
    for position, slot in enumerate(template["slots"], start=1):
        act.create(Slot, gate=gate, code=slot["code"], position=position)
    act.about(gate)
    act.after_commit("approvals.verify_trail", gate)
    return gate


@act("approvals.request_verification")
def request_verification(act: Act, gate_id: int) -> Gate:
    """Have the whole trail verified now."""
    gate = act.lock(Gate.objects.select_related("version__model"), pk=gate_id)
    act.allow(gate)
    act.after_commit("approvals.verify_trail", gate)
    return gate


@act("approvals.record_verification")
def record_verification(act: Act, gate_id: int, *, job: Job, entries: int, findings: int, first: str) -> Gate:
    """Enter the result of a verification; the gate's check reads it from the trail."""
    gate = act.lock(Gate.objects.select_related("version__model"), pk=gate_id)
    act.allow(gate)
    act.event(entries=entries, findings=findings, first=first[:500])
    jobs.end(job)
    return gate


@act("approvals.record_minute")
def record_minute(
    act: Act, gate_id: int, *, number: str, held_on: date, file_name: str, file_digest: str
) -> Minute:
    """Record the review board's minute that a high-tier release rests on."""
    gate = act.lock(Gate.objects.select_related("version__model"), pk=gate_id)
    act.allow(gate)
    rules.may_sign_slot(gate.state, SlotState.WANTED, False)
    problems: dict[str, list[str]] = {}
    if not number.strip():
        problems["number"] = ["Enter the minute's number as the board gave it."]
    if held_on > now().date():
        problems["held_on"] = ["The meeting cannot lie in the future."]
    if not blobs.exists(file_digest):
        problems["file"] = ["Upload the minute's file first."]
    if problems:
        raise BadInput("The minute was not recorded.", fields=problems)
    return act.create(
        Minute,
        gate=gate,
        number=number.strip(),
        held_on=held_on,
        file_name=file_name[:200],
        file_digest=file_digest,
        recorded_by=act.user,
        recorded_at=now(),
    )


def _sign(act: Act, slot_id: int, code: str) -> Slot:
    """Sign one slot. The version's row is the lock that puts two signers in order."""
    found = act.lock(Slot.objects.select_related("gate__version__model"), pk=slot_id)
    version = act.lock(Version.objects.select_related("model", "intended_use"), pk=found.gate.version_id)
    gate = act.lock(Gate.objects.all(), pk=found.gate_id)
    slot = act.lock(Slot.objects.select_related("signature"), pk=slot_id)
    gate.version, slot.gate = version, gate
    act.allow(slot)
    if slot.code != code:
        raise BadInput(f"This is the slot {slot.code}, not {code}.", rule="G7")
    act.refuse_if_changed(slot)
    decision = act.decision
    rules.may_approve_now(
        decision, [f"{r.title} ({r.state.replace('_', ' ')})" for r in evaluate(version).open_checks]
    )
    signature = act.sign(slot, record_version=version.label)
    act.event(decision=decision)
    if decision == "rejected":
        act.write(slot, state=SlotState.REJECTED, signature=signature)
        act.write(gate, state=GATE_TRANSITIONS[(GateState.OPEN, "reject")], decided_at=now())
        act.write(version, state=TRANSITIONS[(State(version.state), "reject")])
        _snapshot(act, gate, f"rejected at {code}", evaluate(version), slot)
        return slot
    act.write(slot, state=SlotState.SIGNED, signature=signature)
    evaluation = evaluate(version)
    if not evaluation.open_rows:
        act.write(gate, state=GATE_TRANSITIONS[(GateState.OPEN, "release")], decided_at=now())
        act.write(version, state=TRANSITIONS[(State(version.state), "release")])
        act.event(released=version.ref, artefact=version.artefact_digest)
        evaluation = evaluate(version)
    _snapshot(act, gate, f"signed {code}", evaluation, slot)
    return slot


def _snapshot(act: Act, gate: Gate, cause: str, evaluation: Evaluation, slot: Slot) -> Snapshot:
    """The evaluation, and in full what was signed: the digests of the slot's content and what they stand for."""
    signed = {"slot": slot.code, "content": content_of(slot), "parts": parts_of(gate)}
    data = {**evaluation.as_data(), "signed": signed}
    return act.create(Snapshot, gate=gate, taken_at=now(), cause=cause, evaluation=data, digest=digest(data))


@act("approvals.sign_approval")
def sign_approval(act: Act, slot_id: int) -> Slot:
    """QA approves, or rejects with a reason."""
    return _sign(act, slot_id, "approval")


@act("approvals.sign_responsibility")
def sign_responsibility(act: Act, slot_id: int) -> Slot:
    """The owner accepts the residual risk, or rejects with a reason."""
    return _sign(act, slot_id, "responsibility")


@act("approvals.sign_review")
def sign_review(act: Act, slot_id: int) -> Slot:
    """Compliance has reviewed (medium and high tier), or rejects with a reason."""
    return _sign(act, slot_id, "review")


@act("approvals.sign_security")
def sign_security(act: Act, slot_id: int) -> Slot:
    """Security has reviewed (high tier), or rejects with a reason."""
    return _sign(act, slot_id, "security")


@act("approvals.suspend")
def suspend(act: Act, version_id: int) -> Version:
    """Stop a released version at once: the gate answers *not allowed* from now on. QA signs for it afterwards (EN6)."""
    version = act.lock(Version.objects.select_related("model"), pk=version_id)
    act.allow(version)
    return act.write(version, state=TRANSITIONS[(State(version.state), "suspend")])
