"""Writing the limits of probes and locking them by two signatures, before the first report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from apps.access.acting import Act, act
from apps.access.by_two import sign_as_approver, sign_as_author
from apps.core import registries
from apps.core.clock import now
from apps.core.errors import NotVisible, WrongState
from apps.core.numbers import next_number
from apps.quality.acts import raise_by_portal
from apps.registry.models import Version
from apps.robustness.loading import plans_of_versions
from apps.robustness.models import ProbePlan
from apps.robustness.rules import PlanFacts, PlanInput, checked_plan, outdated, refuse_decided
from apps.robustness.states import PLAN_TRANSITIONS, PLAN_WORDS, PlanState, ReportState
from apps.validations.models import Plan
from apps.validations.states import PLAN_WORDS as VALIDATION_WORDS
from apps.validations.states import PlanState as ValidationState


def locked_probe_plan(act: Act, plan_id: int) -> ProbePlan:
    """The plan with its validation plan and version, all locked; the version first, as everywhere."""
    found = ProbePlan.objects.filter(pk=plan_id).values_list(
        "validation_plan_id", "validation_plan__version_id"
    )
    ids = found.first()
    if ids is None:
        raise NotVisible
    version = act.lock(Version.objects.select_related("model", "intended_use"), pk=ids[1])
    plan = act.lock(ProbePlan.objects.select_related("written_by"), pk=plan_id)
    plan.validation_plan = Plan.objects.select_related("test_data__dataset").get(pk=ids[0])
    plan.validation_plan.version = version
    return plan


@registries.precondition("robustness.write_plan")
def write_precondition(plan: Plan) -> None:
    if plan.state != ValidationState.LOCKED:
        raise WrongState(
            f"Limits of probes cannot be written on {plan.ref}.",
            fact=f"The validation plan is {VALIDATION_WORDS[ValidationState(plan.state)].lower()}, not locked: it says "
            "on which test data and at which threshold the model decides.",
            rule="PC24",
            who=["a validator or bias tester, after the validation plan is locked"],
        )
    mine = [
        p for p in plans_of_versions([plan.version_id])[plan.version_id] if p.validation_plan_id == plan.pk
    ]
    locked = next((p for p in mine if p.state == PlanState.LOCKED), None)
    if locked is not None and outdated(locked.ref, locked.catalogue):
        refuse_decided(plan.version.ref, plan.version.state, "The limits of probes are not replaced for")
    elif locked is not None:
        raise WrongState(
            f"{plan.ref} has locked limits of probes.",
            fact=f"{locked.ref} was locked by two signatures; its limits cannot change any more.",
            rule="PC24",
            who=["nobody: register a new version to probe against other limits"],
        )


def takes_text(version: Version) -> bool | None:
    """Whether the model has an input of text; None where its interface does not say."""
    inputs = version.interface.get("inputs", []) if isinstance(version.interface, dict) else []
    kinds = {str(port.get("type")) for port in inputs}
    return None if not kinds or "any" in kinds else "text" in kinds


def facts_of(validation: Plan) -> PlanFacts:
    """What the limits of probes depend on; `validation` with its version and intended use."""
    version = validation.version
    return PlanFacts(
        version.intended_use.tier,
        takes_text(version),
        len(version.features),
        task=validation.task,
        unit=validation.target_unit,
    )


@act("robustness.write_plan")
def write_plan(
    act: Act,
    validation_plan_id: int,
    *,
    bounds: Mapping[str, Any],
    limits: Sequence[Mapping[str, Any]],
    rationale: str,
    private_training: str,
    private_epsilon: str = "",
    no_answer: str = "",
) -> ProbePlan:
    """Write the probes and their limits for a locked validation plan; an earlier one that is not locked is superseded.

    So is one that was locked under an earlier version of the probe catalogue: a deviation says so where results were
    known by then.

    `bounds` and `limits` as in `models.ProbePlan`, the rest as in `rules.PlanInput`. Raises BadInput naming the fields,
    WrongState when one is locked.
    """
    version_id = Plan.objects.filter(pk=validation_plan_id).values_list("version_id", flat=True).first()
    if version_id is None:
        raise NotVisible
    version = act.lock(Version.objects.select_related("model", "intended_use"), pk=version_id)
    validation = act.lock(Plan.objects.select_related("test_data__dataset"), pk=validation_plan_id)
    validation.version = version
    act.allow(validation)
    given = PlanInput(bounds, limits, rationale, private_training, private_epsilon, no_answer)
    fields = checked_plan(given, facts_of(validation))
    replaced = None
    for earlier in validation.probe_plans.select_for_update():
        after = PLAN_TRANSITIONS.get((PlanState(earlier.state), "write_plan"))
        if after is not None:
            replaced = earlier if earlier.state == PlanState.LOCKED else replaced
            act.write(earlier, state=after)
    plan = act.create(
        ProbePlan,
        number=next_number(ProbePlan.subject_kind),
        validation_plan=validation,
        written_by=act.user,
        written_at=now(),
        **fields,
    )
    act.about(plan)
    if replaced is not None:
        _tell_replaced(act, replaced, plan)
    return plan


def _tell_replaced(act: Act, earlier: ProbePlan, plan: ProbePlan) -> None:
    """Limits that take the place of locked ones are written knowing what came out under those."""
    ended = [r.ref for r in earlier.reports.filter(state=ReportState.DONE).order_by("number")]
    act.event(replaced=earlier.ref, catalogue=earlier.catalogue, reports_ended=ended)
    if ended:
        raise_by_portal(
            act,
            plan.version,
            title=f"{earlier.ref} was replaced by {plan.ref} after it was locked",
            description=f"The results of {', '.join(ended)} were known by then. "
            f"{outdated(earlier.ref, earlier.catalogue)}",
            source=plan,
            criterion="limits-change",
        )


def _demand_state(plan: ProbePlan, wanted: PlanState, what: str, who: str) -> None:
    if plan.state != wanted:
        raise WrongState(
            f"{plan.ref} {what}.",
            fact=f"The probe plan is {PLAN_WORDS[PlanState(plan.state)].lower()}.",
            rule="PC24",
            who=[who],
        )


def refuse_outdated(plan: ProbePlan, what: str) -> None:
    """Limits mean what the catalogue meant when they were written: under a later one they are written anew."""
    if why := outdated(plan.ref, plan.catalogue):
        raise WrongState(
            what,
            fact=why.replace("was locked", "was written") if plan.state != PlanState.LOCKED else why,
            rule="probe-catalogue",
            who=["a validator or bias tester, by writing the limits anew: they are signed again then"],
        )


@registries.precondition("robustness.sign_plan_author")
def author_precondition(plan: ProbePlan) -> None:
    refuse_outdated(plan, f"{plan.ref} cannot be signed by its author.")
    what = "cannot be signed by its author"
    _demand_state(plan, PlanState.DRAFT, what, "nobody: only a draft is signed by its author")


@registries.precondition("robustness.sign_plan_approval")
def approval_precondition(plan: ProbePlan) -> None:
    refuse_outdated(plan, f"{plan.ref} cannot be approved.")
    who = "an approver, after its author has signed the draft"
    _demand_state(plan, PlanState.AUTHORED, "cannot be approved", who)


@act("robustness.sign_plan_author")
def sign_plan_author(act: Act, plan_id: int) -> ProbePlan:
    """The writer signs the draft; it waits for an approver then."""
    plan = locked_probe_plan(act, plan_id)
    act.allow(plan)
    after = PLAN_TRANSITIONS[PlanState.DRAFT, "sign_plan_author"]
    sign_as_author(act, plan, writer=plan.written_by, after=after)
    return plan


@act("robustness.sign_plan_approval")
def sign_plan_approval(act: Act, plan_id: int) -> ProbePlan:
    """Approve and lock the limits, which lets reports begin, or reject them with a reason."""
    plan = locked_probe_plan(act, plan_id)
    act.allow(plan)

    def approve() -> None:
        after = PLAN_TRANSITIONS[PlanState.AUTHORED, "sign_plan_approval"]
        act.write(plan, state=after, locked_at=now())

    rejected = PLAN_TRANSITIONS[PlanState.AUTHORED, "reject"]
    sign_as_approver(act, plan, writer=plan.written_by, rejected=rejected, approve=approve)
    return plan
