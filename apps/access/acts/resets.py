"""Lost passwords and second factors: asked for by an administrator, approved by compliance (21 CFR 11.200(a)(3)).

A reset lifts the confirmation of identity: the person signs again only after somebody who had no part in it has made
sure who is behind the account (DY18).
"""

from __future__ import annotations

from apps.access import factors, sessions, two_people
from apps.access.acting import Act, act
from apps.access.acts.enrolment import ask_for_link
from apps.access.acts.factors import end, end_codes
from apps.access.acts.locks import end_tokens
from apps.accounts.factors import Reset
from apps.accounts.models import User
from apps.core import registries
from apps.core.clock import now
from apps.core.errors import BadInput, Conflict, WrongState

TWO_PEOPLE = "DY18: a reset needs two people, and neither is the person it is for"
TELL = "access.tell_reset"


@registries.precondition("access.request_reset")
def refuse_if_not_in_use(user: User) -> None:
    if not user.is_active or user.is_service:
        raise WrongState(
            "There is nothing to reset.",
            fact=f"The account of {user.printed_name} is not in use.",
            rule="account-state",
            who=["nobody; who comes back gets an account with another username"],
        )


def no_address(user: User) -> WrongState:
    """A password is reset by a link that goes to its person; nobody else ever chooses or sees it."""
    return WrongState(
        "No link can be sent.",
        fact=f"{user.printed_name} has no e-mail address.",
        rule="account-state",
        who=[
            "an administrator, after an address was entered by a correction of the account that a compliance officer "
            "approved"
        ],
    )


@act("access.request_reset")
def request_reset(act: Act, user_id: int, *, what: str) -> Reset:
    """Ask for a new password link, or for the end of all second factors, of a person who lost theirs."""
    user = act.lock(User.objects.filter(is_service=False), pk=user_id)
    act.allow(user)
    if user.pk == act.user.pk:
        raise Conflict(
            "You cannot ask for a reset of your own account.",
            fact="This is your own account.",
            rule=TWO_PEOPLE,
            who=["another administrator"],
        )
    if what not in Reset.What.values:
        raise BadInput("Nothing was asked for.", fields={"what": ["Choose what was lost."]})
    if what == Reset.What.PASSWORD and not user.email:
        raise no_address(user)
    if what == Reset.What.FACTORS and not factors.has_any(user) and factors.bereft(user) is None:
        raise WrongState(
            "There is nothing to reset.",
            fact=f"{user.printed_name} has no second factor.",
            rule="account-state",
            who=[f"{user.printed_name}, who may add one"],
        )
    if Reset.objects.filter(person=user, what=what, state=Reset.State.REQUESTED).exists():
        raise WrongState(
            "This reset was asked for already.",
            fact="It waits for a compliance officer.",
            rule="reset-state",
        )
    row = act.create(
        Reset, person=user, what=what, reason=act.reason, requested_by=act.user, requested_at=now()
    )
    act.event(reset=row.ref, what=what)
    return row


@registries.precondition("access.refuse_reset")
@registries.precondition("access.withdraw_reset")
def refuse_if_decided(reset: Reset) -> None:
    two_people.refuse_if_decided(reset, rule="reset-state")


@registries.precondition("access.approve_reset")
def refuse_if_pointless(reset: Reset) -> None:
    """Whatever stands in the way of approving leaves refusing and withdrawing open: no reset gets stuck."""
    refuse_if_decided(reset)
    if not reset.person.is_active:
        raise WrongState(
            f"{reset.ref} cannot be approved.",
            fact=f"The account of {reset.person.printed_name} is deactivated.",
            rule="reset-state",
            who=["nobody; a compliance officer refuses it, or an administrator withdraws it"],
        )
    if reset.what == Reset.What.PASSWORD and not reset.person.email:
        raise no_address(reset.person)


def refuse_unless_third(person: User, row: Reset) -> Conflict | None:
    return two_people.refuse_unless_third(person, row, rule=TWO_PEOPLE)


def _taken(act: Act, reset_id: int) -> Reset:
    row = two_people.locked(act, Reset, reset_id)
    act.allow(row)
    if refused := refuse_unless_third(act.user, row):
        raise refused
    return row


@act("access.approve_reset")
def approve_reset(act: Act, reset_id: int) -> Reset:
    """Do the reset: sessions and tokens end, signing is suspended, and the person alone sets what is new."""
    row = _taken(act, reset_id)
    user = row.person
    two_people.decide(act, row, Reset.State.APPROVED)
    facts: dict[str, object] = {"reset": row.ref, "what": row.what}
    if row.what == Reset.What.PASSWORD:
        user.set_unusable_password()
        ask_for_link(act, user)
    else:
        facts["factors"] = end(act, user.factors.filter(ended_at=None), f"reset {row.ref}")
        facts["recovery_codes"] = end_codes(act, user)
    act.write(user, identity_confirmed_at=None, identity_confirmed_by=None, identity_checked="")
    facts["tokens"] = end_tokens(act, user, services=True)
    facts["sessions"] = sessions.end_all(user, "account reset")
    act.event(**facts)
    act.about(user)  # a deed on the account: whoever did it cannot confirm the identity again (DY18)
    act.after_commit(TELL, row)
    return row


@act("access.refuse_reset")
def refuse_reset(act: Act, reset_id: int) -> Reset:
    """Leave everything as it is."""
    return two_people.decide(act, _taken(act, reset_id), Reset.State.REFUSED)


@act("access.withdraw_reset")
def withdraw_reset(act: Act, reset_id: int) -> Reset:
    """Take back what was asked for: nothing is reset."""
    row = two_people.locked(act, Reset, reset_id)
    act.allow(row)
    return two_people.withdraw(act, row)
