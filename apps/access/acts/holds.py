"""A legal hold on a person's data: while it stands, no word of the trail that concerns them is erased."""

from __future__ import annotations

from apps.access.acting import Act, act
from apps.access.erasure_models import Hold
from apps.accounts.models import User
from apps.core import registries
from apps.core.clock import now
from apps.core.errors import Conflict, WrongState

State = Hold.State


@act("access.place_hold")
def place_hold(act: Act, user_id: int) -> Hold:
    """Place a hold; several may stand at once, for several matters, and each is lifted by itself."""
    user = act.lock(User.objects.filter(is_service=False), pk=user_id)
    act.allow(user)
    row = act.create(Hold, person=user, reason=act.reason, placed_by=act.user, placed_at=now())
    act.event(hold=row.ref)
    return row


@registries.precondition("access.lift_hold")
def refuse_if_lifted(row: Hold) -> None:
    if row.state != State.PLACED:
        raise WrongState(
            f"{row.ref} is lifted already.",
            fact=f"{row.lifted_by} lifted it.",
            rule="hold-state",
            who=["nobody; another one may be placed"],
        )


@act("access.lift_hold")
def lift_hold(act: Act, hold_id: int) -> Hold:
    """Lift one hold. Nobody lifts the hold on their own data."""
    row = act.lock(Hold.objects.select_related("person", "lifted_by"), pk=hold_id)
    act.allow(row)
    if row.person_id == act.user.pk:
        raise Conflict(
            f"You cannot lift {row.ref}.",
            fact="It is on your own data.",
            rule="hold-state",
            who=["another compliance officer"],
        )
    return act.write(row, state=State.LIFTED, lifted_by=act.user, lifted_at=now(), lift_reason=act.reason)
