"""Risks and requirements: written, approved, withdrawn. A change is a new revision."""

from __future__ import annotations

from typing import Any

from django.db.models import Max

from apps.access.acting import Act, act
from apps.access.signing import content_digest
from apps.core import registries
from apps.core.clock import now
from apps.core.errors import BadInput, WrongState
from apps.core.numbers import next_number
from apps.registry.models import IntendedUse, Model
from apps.verification import rules
from apps.verification.models import Requirement, Risk
from apps.verification.states import TRANSITIONS, State


@registries.precondition("verification.write_risk")
@registries.precondition("verification.write_requirement")
def use_is_there(model: Model) -> None:
    if not IntendedUse.objects.filter(model=model).exists():
        raise WrongState(
            f"{model.name} has no intended use yet.",
            fact="Risks and requirements are those of an intended use.",
            rule="PC20",
            who=["a process expert or owner, by writing the intended use first"],
        )


def _revised(
    act: Act, kind: type[Risk] | type[Requirement], model: Model, number: int | None
) -> dict[str, Any]:
    """Number and revision of what is written: the next number, or the next revision of one of this model."""
    if number is None:
        return {"number": next_number(kind.subject_kind), "revision": 1}
    last = kind._default_manager.filter(model=model, number=number).aggregate(last=Max("revision"))["last"]
    if last is None:
        raise BadInput(
            "Nothing was written.", fields={"revises": [f"This model has none with the number {number}."]}
        )
    return {"number": number, "revision": last + 1}


def _newest_use(model: Model) -> IntendedUse:
    return IntendedUse.objects.filter(model=model).select_related("model").order_by("-number")[0]


@act("verification.write_risk")
def write_risk(act: Act, model_id: int, *, given: dict[str, Any], revises: int | None = None) -> Risk:
    """Write a risk of the newest intended use, or the next revision of one. `given`: as `rules.checked_risk`."""
    model = act.lock(Model.objects.all(), pk=model_id)
    act.allow(model)
    cleaned = rules.checked_risk(given)
    risk = act.create(
        Risk,
        model=model,
        intended_use=_newest_use(model),
        written_by=act.user,
        written_at=now(),
        **_revised(act, Risk, model, revises),
        **cleaned,
    )
    act.about(risk)
    return risk


@act("verification.write_requirement")
def write_requirement(
    act: Act, model_id: int, *, given: dict[str, Any], revises: int | None = None
) -> Requirement:
    """Write a requirement of the newest intended use, or the next revision of one; it waits for approval then.

    `given`: text, source, risks (numbers), clauses. A draft of the same number is replaced; what was approved stays in
    force until the new revision is.
    """
    model = act.lock(Model.objects.all(), pk=model_id)
    act.allow(model)
    known = set(Risk.objects.filter(model=model).values_list("number", flat=True))
    cleaned = rules.checked_requirement(given, known_risks=known)
    place = _revised(act, Requirement, model, revises)
    earlier = Requirement.objects.filter(number=place["number"]).select_for_update().order_by("revision")
    for row in earlier:
        rules.may_revise(row.ref, row.state)
        if (after := TRANSITIONS.get((State(row.state), "write"))) is not None:
            act.write(row, state=after)
    requirement = act.create(
        Requirement,
        model=model,
        intended_use=_newest_use(model),
        written_by=act.user,
        written_at=now(),
        **place,
        **cleaned,
    )
    act.about(requirement)
    return requirement


def _locked(act: Act, requirement_id: int) -> Requirement:
    rows = Requirement.objects.select_related("model", "intended_use__model", "written_by")
    return act.lock(rows, pk=requirement_id)


@registries.precondition("verification.approve_requirement")
def may_approve(requirement: Requirement) -> None:
    rules.may_decide(requirement.ref, requirement.state)


@act("verification.approve_requirement")
def approve_requirement(act: Act, requirement_id: int) -> Requirement:
    """Approve a requirement, which puts it into force, or reject it with a reason. Not by its author or a maker."""
    requirement = _locked(act, requirement_id)
    act.allow(requirement)
    act.refuse_if_changed(requirement)
    if act.decision == "rejected":
        state = TRANSITIONS[State.DRAFT, "reject"]
        act.write(requirement, state=state, decided_at=now(), decision_reason=act.reason)
    else:
        act.write(
            requirement,
            state=TRANSITIONS[State.DRAFT, "approve"],
            decided_at=now(),
            decision_reason=act.reason,
            approved_digest=content_digest(requirement),
        )
    act.event(decision=act.decision)
    act.sign(requirement, record_version=f"v{requirement.revision}")
    return requirement


@registries.precondition("verification.withdraw_requirement")
def may_withdraw(requirement: Requirement) -> None:
    later = Requirement.objects.filter(
        number=requirement.number, revision__gt=requirement.revision, state=State.APPROVED
    )
    rules.may_withdraw(requirement.ref, requirement.state, later=later.exists())


@act("verification.withdraw_requirement")
def withdraw_requirement(act: Act, requirement_id: int) -> Requirement:
    """Withdraw an approved requirement, signed with a reason. Versions decided before keep it."""
    requirement = _locked(act, requirement_id)
    act.allow(requirement)
    rules.refuse_rejection(act.decision)
    act.refuse_if_changed(requirement)
    waiting = Requirement.objects.filter(number=requirement.number, state=State.DRAFT).select_for_update()
    for row in waiting:
        act.write(row, state=TRANSITIONS[State.DRAFT, "write"])
    state = TRANSITIONS[State.APPROVED, "withdraw"]
    act.write(requirement, state=state, withdrawn_at=now(), decision_reason=act.reason)
    act.sign(requirement, record_version=f"v{requirement.revision}, withdrawn")
    return requirement
