"""Waivers: one rule opened for one person, signed by a QA approver and a compliance officer, for a time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.apps import apps

from apps.access import duties
from apps.access.acting import Act, act
from apps.access.acts.assignments import project_grant
from apps.access.assigning import parent_of, refuse_unfit
from apps.access.duties import Duty
from apps.access.gate import rules_in_force
from apps.access.models import Assignment, Proposal, Waiver
from apps.access.rulebook import unopenable
from apps.accounts.models import User
from apps.core import registries
from apps.core.clock import iso, now
from apps.core.errors import BadInput, Conflict, WrongState
from apps.core.rulewords import stands

LONGEST = timedelta(days=365)
MAX_CONTROL = 4000
State = Proposal.State


@act("access.request_waiver")
def request_waiver(
    act: Act,
    *,
    model_id: int,
    person_id: int,
    rule: str,
    control: str,
    expires_at: datetime | None,
    version_id: int = 0,
) -> Waiver:
    """Ask that a rule be opened for a person on a model, or on one version of it; the reason says why.

    control: what is done instead. expires_at: at most a year from now. Refused: an untouchable rule, a rule of which a
    waiver on a model opens nothing, a rule that is open for them already.
    """
    model = parent_of(duties.MODEL, model_id)
    act.allow(model)
    problems: dict[str, list[str]] = {}
    person = User.objects.filter(pk=person_id, is_service=False, is_active=True).first()
    if person is None:
        problems["person"] = ["Choose a person with an active account."]
    if problem := unopenable(rules_in_force(), rule):
        problems["rule"] = [problem]
    if not control.strip() or len(control) > MAX_CONTROL:
        problems["control"] = [f"Say what is done instead, in at most {MAX_CONTROL} characters."]
    if expires_at is None or not now() < expires_at <= now() + LONGEST:
        problems["expires_at"] = ["A waiver ends in the future, and within a year."]
    version = _version(model, version_id)
    if version_id and version is None:
        problems["version"] = [f"{model.ref} has no such version."]
    if problems or person is None or expires_at is None:
        raise BadInput("The waiver was not asked for.", rule="waiver", fields=problems)
    open_ones = Waiver.objects.filter(
        person=person,
        rule=rule,
        scope_kind=duties.MODEL,
        scope_id=model.pk,
        version_id=version_id,
        state__in=[State.PROPOSED, State.SIGNED],
        expires_at__gt=now(),
    )
    if (same := open_ones.first()) is not None:
        raise Conflict(
            "This waiver was asked for already.",
            fact=f"{same} ({same.word.lower()}).",
            rule="once-only",
            who=["whoever signs or revokes it"],
        )
    waiver = act.create(
        Waiver,
        person=person,
        printed_name=person.printed_name,
        rule=rule,
        scope_kind=duties.MODEL,
        scope_id=model.pk,
        version_id=version_id,
        place=version.ref if version else model.ref,
        control=control.strip(),
        expires_at=expires_at,
        reason=act.reason,
        proposed_by=act.user,
        proposed_at=now(),
    )
    act.event(person=person.username, waived=rule, until=iso(expires_at))
    act.about(waiver)
    return waiver


def _version(model: Any, version_id: int) -> Any:
    if not version_id:
        return None
    rows = apps.get_model("registry.Version").objects.select_related("model")
    return rows.filter(pk=version_id, model_id=model.pk).first()


def sign_half(act: Act, row: Proposal, half: str, record_version: str) -> bool:
    """One of the two signatures; whether both are there now. A rejection ends the proposal."""
    act.refuse_if_changed(row)
    signature = act.sign(row, record_version=record_version)
    act.event(decision=act.decision)
    if act.decision == "rejected":
        act.write(row, state=State.REJECTED, decided_at=now(), **{half: signature})
        return False
    setattr(row, half, signature)
    whole = len(row.signatures) == len(Proposal.SIGNERS)
    act.write(row, **({"state": State.SIGNED, "decided_at": now()} if whole else {half: signature}))
    return whole


def _locked(act: Act, waiver_id: int) -> Waiver:
    return act.lock(Waiver.objects.select_related("person", "proposed_by", *Waiver.SIGNERS), pk=waiver_id)


def _sign(act: Act, waiver_id: int, half: str) -> Waiver:
    waiver = _locked(act, waiver_id)
    act.allow(waiver)
    # Rejecting stays possible: a waiver asked for before it was refused is not left lying there.
    if act.decision != "rejected" and (problem := unopenable(rules_in_force(), waiver.rule)):
        raise WrongState(
            f"{waiver.ref} cannot be approved.",
            fact=problem,
            rule="waiver",
            who=["nobody; its signers may reject it"],
        )
    if sign_half(act, waiver, half, f"until {waiver.expires_at:%Y-%m-%d %H:%M} UTC"):
        act.event(in_force=waiver.told())
    return waiver


@act("access.sign_waiver_approver")
def sign_waiver_approver(act: Act, waiver_id: int) -> Waiver:
    """A QA approver of the model signs the waiver, or rejects it with a reason."""
    return _sign(act, waiver_id, "approver_signature")


@act("access.sign_waiver_compliance")
def sign_waiver_compliance(act: Act, waiver_id: int) -> Waiver:
    """A compliance officer signs the waiver, or rejects it with a reason."""
    return _sign(act, waiver_id, "compliance_signature")


def _refuse_unless_open(waiver: Waiver, half: str) -> None:
    given = getattr(waiver, half)
    if waiver.state == State.PROPOSED and waiver.expires_at > now() and given is None:
        return
    fact = stands(waiver.word)
    if waiver.state == State.PROPOSED and given is not None:
        fact = f"{given.printed_name} signed this half on {given.signed_at:%Y-%m-%d %H:%M} UTC."
    raise WrongState(
        f"{waiver.ref} cannot be signed.",
        fact=fact,
        rule="waiver-state",
        who=["nobody; a new waiver can be asked for"],
    )


@registries.precondition("access.sign_waiver_approver")
def refuse_unless_approver_wanted(waiver: Waiver) -> None:
    _refuse_unless_open(waiver, "approver_signature")


@registries.precondition("access.sign_waiver_compliance")
def refuse_unless_compliance_wanted(waiver: Waiver) -> None:
    _refuse_unless_open(waiver, "compliance_signature")


@registries.precondition("access.revoke_waiver")
def refuse_unless_in_force(waiver: Waiver) -> None:
    if not waiver.in_force():
        raise WrongState(
            f"{waiver.ref} cannot be revoked.",
            fact=stands(waiver.word),
            rule="waiver-state",
            who=["nobody; it opens nothing"],
        )


@act("access.revoke_waiver")
def revoke_waiver(act: Act, waiver_id: int) -> Waiver:
    """A QA approver of the model or a compliance officer ends the waiver now, not who benefits (EN5).

    Duties that were given under it end with it; so do those it opened together with another waiver, which names them.
    """
    waiver = _locked(act, waiver_id)
    act.allow(waiver)
    act.end(waiver, state=State.ENDED)
    ended = []
    given = Assignment.objects.select_for_update(of=("self",)).select_related("person")
    for assignment in given.filter(
        person=waiver.person_id, waiver__isnull=False, state__in=["requested", "approved"]
    ).order_by("pk"):
        if assignment.waiver_id != waiver.pk and _still_fits(assignment):
            continue
        act.end(assignment, state=Assignment.State.ENDED, why=f"{waiver.ref} was revoked")
        project_grant(assignment, granted=False)
        ended.append(assignment.ref)
    act.event(ended=ended)
    return waiver


def _still_fits(assignment: Assignment) -> bool:
    try:
        refuse_unfit(
            assignment.person,
            Duty(assignment.duty),
            assignment.scope_kind,
            assignment.scope_id,
            besides=assignment,
        )
    except Conflict:
        return False
    return True


@registries.content("access.waiver")
def waiver_content(waiver: Waiver) -> dict[str, Any]:
    """What is signed: who, which rule, where, why, what is done instead, until when."""
    return {
        "schema": "access.waiver/1",
        "ref": waiver.ref,
        "person": {"username": waiver.person.username, "printed_name": waiver.name},
        "rule": waiver.rule,
        "on": waiver.place,
        "every_version": waiver.version_id == 0,
        "reason": waiver.reason,
        "compensating_control": waiver.control,
        "expires_at": iso(waiver.expires_at),
        "proposed_by": waiver.proposed_by.username,
        "proposed_at": iso(waiver.proposed_at),
    }
