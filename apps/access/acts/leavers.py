"""A leaver in one act."""

from __future__ import annotations

from apps.access import sessions
from apps.access.acting import Act, act
from apps.access.acts.accounts import refuse_if_deactivated
from apps.access.acts.assignments import end_now
from apps.access.acts.locks import end_tokens
from apps.access.duties import WORDS, Duty
from apps.access.leaving import last_of, open_waivers, sole
from apps.access.leftovers import held_by
from apps.access.models import Assignment, Proposal
from apps.access.two_people import withdraw
from apps.accounts.corrections import Correction
from apps.accounts.factors import Reset
from apps.accounts.models import User
from apps.core import registries
from apps.core.clock import now
from apps.core.errors import WrongState


@act("access.deactivate_account")
def deactivate_account(act: Act, user_id: int) -> User:
    """Everything ends at once: account, sessions, tokens, duties and requests, waivers for this person, the services
    they own with their tokens and trusts, and whatever else is registered as theirs (`leftovers`).

    Signatures, entries and the username stay for ever. The entry names the duties that nobody else holds.
    """
    user = act.lock(User.objects.all(), pk=user_id)
    act.allow(user)
    alone = [f"{WORDS[Duty(each.duty)]} on {each.scope}" for each, others in sole(user) if not others]
    waivers = open_waivers(user)
    act.write(user, is_active=False, deactivated_at=now())
    rows = Assignment.objects.select_for_update().filter(person=user, state__in=["requested", "approved"])
    ended = [end_now(act, assignment, act.reason).ref for assignment in rows]
    for waiver in waivers:
        act.end(waiver, state=Proposal.State.ENDED)
    open_ones = Reset.objects.select_for_update().filter(person=user, state=Reset.State.REQUESTED)
    resets = [withdraw(act, row).ref for row in open_ones]
    wanted = Correction.objects.select_for_update().filter(person=user, state=Correction.State.REQUESTED)
    resets += [withdraw(act, each).ref for each in wanted]
    left: dict[str, list[str]] = {}
    for kind, things in held_by(user):
        for thing in things:
            kind.end(act, thing.record, act.reason)
            left.setdefault(kind.word, []).append(thing.ref)
    tokens = end_tokens(act, user)
    closed = sessions.end_all(user, "account deactivated")
    act.event(ended=ended, tokens=tokens, sessions=closed, waivers=[w.ref for w in waivers], resets=resets)
    if left:
        act.event(left=left)
    if alone:
        act.event(nobody_holds=alone)
    return user


@registries.precondition("access.deactivate_account")
def refuse_if_last(user: User) -> None:
    """An organisation without administrator or compliance officer could never give a duty again."""
    refuse_if_deactivated(user)
    if last := last_of(user):
        words = " and ".join(last)
        raise WrongState(
            f"The account of {user.printed_name} cannot be deactivated.",
            fact=f"Nobody else is {words}: nobody could make accounts and give duties any more.",
            rule="last-one",
            who=[f"you, after somebody else was made {words}"],
        )
