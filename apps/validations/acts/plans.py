"""Writing a validation plan and locking it by two signatures (gate G5, PC24)."""

from __future__ import annotations

from typing import Any

from apps.access.acting import Act, act
from apps.access.by_two import sign_as_approver, sign_as_author
from apps.core import registries
from apps.core.clock import now
from apps.core.errors import BadInput, NotVisible, WrongState
from apps.core.numbers import next_number
from apps.datasets.models import DatasetVersion
from apps.quality.acts import raise_by_portal
from apps.registry.models import Version
from apps.registry.states import TRANSITIONS
from apps.registry.states import WORDS as VERSION_WORDS
from apps.registry.states import State as VersionState
from apps.validations.loading import plans_of_versions, runs_of_versions
from apps.validations.models import Plan
from apps.validations.queries import test_data_choices
from apps.validations.rules import PlanFacts, PlanInput, checked_plan
from apps.validations.states import PLAN_TRANSITIONS, PLAN_WORDS, PlanState, RunState

COMPARE = "validations.compare"


def locked_plan(act: Act, plan_id: int) -> Plan:
    """The plan with its version, both locked; always version first, so that two acts never wait for each other."""
    version_id = Plan.objects.filter(pk=plan_id).values_list("version_id", flat=True).first()
    if version_id is None:
        raise NotVisible
    version = act.lock(Version.objects.select_related("model", "intended_use"), pk=version_id)
    plan = act.lock(Plan.objects.select_related("test_data__dataset", "written_by"), pk=plan_id)
    plan.version = version
    return plan


@registries.precondition("validations.write_plan")
def write_precondition(version: Version) -> None:
    found = plans_of_versions([version.pk])[version.pk]
    locked = next((plan for plan in found if plan.state == PlanState.LOCKED), None)
    if locked is not None:
        raise WrongState(
            f"{version.ref} has a locked plan.",
            fact=f"{locked.ref} was locked by two signatures; its criteria cannot change any more.",
            rule="PC24",
            who=["a validator, by replacing the locked plan: that opens a deviation"],
        )
    if version.state != VersionState.FROZEN:
        raise WrongState(
            f"A plan cannot be written for {version.ref}.",
            fact=f"The version is {VERSION_WORDS[VersionState(version.state)].lower()}; a plan needs a frozen one.",
            rule="PC28",
            who=["a developer, by freezing the version first"]
            if version.state == VersionState.REGISTERED
            else ["nobody: its release was decided"],
        )


def _test_data(act: Act, test_data_id: int) -> DatasetVersion:
    chosen = test_data_choices(act.actor).filter(pk=test_data_id).first()
    if chosen is None:
        raise BadInput(
            "The plan was not written.",
            rule="PC23",
            fields={
                "test_data_id": [
                    "Choose a test version that is fixed in the vault, of a dataset you may see. "
                    "Training and tuning data cannot test."
                ]
            },
        )
    return chosen


def _new_plan(act: Act, version: Version, given: PlanInput, test_data_id: int, **more: Any) -> Plan:
    """The next plan of a version as a draft, everything in it checked; queues the comparison of the partitions."""
    test_data = _test_data(act, test_data_id)
    fields = checked_plan(
        given,
        PlanFacts(
            columns=frozenset(column["name"] for column in test_data.columns),
            tier=version.intended_use.tier,
            affects_people=version.intended_use.affects_people,
            interface=version.interface,
        ),
    )
    for earlier in version.plans.select_for_update():
        after = PLAN_TRANSITIONS.get((PlanState(earlier.state), "write_plan"))
        if after is not None:
            act.write(earlier, state=after)
    plan = act.create(
        Plan,
        number=next_number(Plan.subject_kind),
        version=version,
        test_data=test_data,
        written_by=act.user,
        written_at=now(),
        **fields,
        **more,
    )
    act.about(plan)
    act.after_commit(COMPARE, plan)
    return plan


@act("validations.write_plan")
def write_plan(act: Act, version_id: int, *, test_data_id: int, **given: Any) -> Plan:
    """Write a plan for a frozen version; an earlier draft, authored or rejected one is superseded.

    `given`: the fields of `rules.PlanInput`, those without a default needed; `criteria`, `bias_limits` and `baselines`
    as in `models.Plan`. Queues the comparison of the test set with the data the version was made from. Raises BadInput
    naming the fields, WrongState when a plan is locked.
    """
    version = act.lock(Version.objects.select_related("model", "intended_use"), pk=version_id)
    act.allow(version)
    return _new_plan(act, version, PlanInput(**given), test_data_id)


@registries.precondition("validations.replace_plan")
def replace_precondition(plan: Plan) -> None:
    what = f"{plan.ref} is not replaced."
    if plan.state != PlanState.LOCKED:
        raise WrongState(
            what,
            fact=f"The plan is {PLAN_WORDS[PlanState(plan.state)].lower()}, not locked.",
            rule="PC24",
            who=["a validator, by writing the plan anew: nothing was locked"],
        )
    if (VersionState(plan.version.state), "replace_plan") not in TRANSITIONS:
        raise WrongState(
            what,
            fact=f"{plan.version.ref} is {VERSION_WORDS[VersionState(plan.version.state)].lower()}.",
            rule="PC28",
            who=["nobody: its release was decided"],
        )
    found = runs_of_versions([plan.version_id])[plan.version_id]
    under_way = next((run for run in found if run.state == RunState.QUEUED), None)
    if under_way is not None:
        raise WrongState(
            what,
            fact=f"{under_way.ref} is queued or running.",
            rule="one-run-at-a-time",
            who=["a validator, when it has ended or was cancelled"],
        )


@act("validations.replace_plan")
def replace_plan(act: Act, plan_id: int, *, test_data_id: int, **given: Any) -> Plan:
    """Change a plan after it was locked: a new plan takes its place as a draft, and a blocking deviation says so.

    `given`: as `write_plan` takes it. The locked plan stays with its signatures and runs; none of its runs counts for
    the new one. The version is frozen again until the new plan is signed. Raises BadInput naming the fields.
    """
    earlier = locked_plan(act, plan_id)
    act.allow(earlier)
    version = earlier.version
    ended = [run.ref for run in earlier.runs.filter(state=RunState.DONE).order_by("number")]
    act.write(earlier, state=PLAN_TRANSITIONS[PlanState.LOCKED, "replace_plan"])
    plan = _new_plan(act, version, PlanInput(**given), test_data_id, replaces=earlier)
    act.write(version, state=TRANSITIONS[VersionState(version.state), "replace_plan"])
    known = (
        f"The results of {', '.join(ended)} were known by then." if ended else "No run had ended under it."
    )
    raise_by_portal(
        act,
        version,
        title=f"{earlier.ref} was replaced by {plan.ref} after it was locked",
        description=f"{known} Reason given: {act.reason}",
        source=plan,
        criterion="plan-change",
    )
    act.event(replaced=earlier.ref, runs_ended=ended)
    return plan


def _demand_state(plan: Plan, wanted: PlanState, what: str, who: str) -> None:
    if plan.state != wanted:
        raise WrongState(
            f"{plan.ref} {what}.",
            fact=f"The plan is {PLAN_WORDS[PlanState(plan.state)].lower()}.",
            rule="PC24",
            who=[who],
        )


@registries.precondition("validations.sign_plan_author")
def author_precondition(plan: Plan) -> None:
    _demand_state(
        plan,
        PlanState.DRAFT,
        "cannot be signed by its author",
        "nobody: only a draft is signed by its author",
    )


@registries.precondition("validations.sign_plan_approval")
def approval_precondition(plan: Plan) -> None:
    _demand_state(
        plan, PlanState.AUTHORED, "cannot be approved", "an approver, after its author has signed the draft"
    )


@act("validations.sign_plan_author")
def sign_plan_author(act: Act, plan_id: int) -> Plan:
    """The writer signs the draft; it waits for an approver then."""
    plan = locked_plan(act, plan_id)
    act.allow(plan)
    after = PLAN_TRANSITIONS[PlanState.DRAFT, "sign_plan_author"]
    sign_as_author(act, plan, writer=plan.written_by, after=after)
    return plan


@act("validations.sign_plan_approval")
def sign_plan_approval(act: Act, plan_id: int) -> Plan:
    """Approve and lock the plan, which lets runs begin, or reject it with a reason."""
    plan = locked_plan(act, plan_id)
    act.allow(plan)

    def approve() -> None:
        move = TRANSITIONS.get((VersionState(plan.version.state), "lock_plan"))
        if move is None:
            raise WrongState(
                f"{plan.ref} cannot be approved.",
                fact=f"{plan.version.ref} is {VERSION_WORDS[VersionState(plan.version.state)].lower()}.",
                rule="PC28",
                who=["nobody"],
            )
        act.write(plan, state=PLAN_TRANSITIONS[PlanState.AUTHORED, "sign_plan_approval"], locked_at=now())
        act.write(plan.version, state=move)

    rejected = PLAN_TRANSITIONS[PlanState.AUTHORED, "reject"]
    sign_as_approver(act, plan, writer=plan.written_by, rejected=rejected, approve=approve)
    return plan
