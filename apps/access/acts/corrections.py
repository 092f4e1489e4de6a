"""A person's printed name or e-mail address is corrected: an administrator asks, a compliance officer approves.

The name stands beside signatures and the address receives the links for passwords, so that one person alone changes
neither (21 CFR 11.200(a)(3)). Under another name nothing is signed before a third confirmed who it is (DY18).
"""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from apps.access import two_people
from apps.access.acting import Act, act
from apps.access.acts.names import ADDRESS_TAKEN, address_taken, in_order, name_problem
from apps.accounts.corrections import Correction
from apps.accounts.models import Enrolment, User
from apps.core import registries
from apps.core.clock import now
from apps.core.errors import BadInput, Conflict, WrongState

TWO_PEOPLE = "DY18: a correction needs two people, and neither is the person it is for"
TELL = "access.tell_correction"
State = Correction.State


@registries.precondition("access.request_correction")
def refuse_if_not_in_use(user: User) -> None:
    if not user.is_active or user.is_service:
        raise WrongState(
            "There is nothing to correct.",
            fact=f"The account of {user.printed_name} is not in use: it stays as it was signed with.",
            rule="account-state",
            who=["nobody"],
        )
    waiting = Correction.objects.filter(person=user, state=State.REQUESTED).first()
    if waiting is not None:
        raise WrongState(
            "A correction was asked for already.",
            fact=f"{waiting.ref} waits for a compliance officer.",
            rule="correction-state",
            who=["a compliance officer, who decides it, or an administrator, who withdraws it"],
        )


def _problems(user: User, printed_name: str, email: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    if printed_name and (problem := name_problem(printed_name, besides=user)):
        found["printed_name"] = [problem]
    if email:
        try:
            validate_email(email)
        except ValidationError:
            found["email"] = ["Enter the person's own full e-mail address: links for passwords go there."]
        else:
            if address_taken(email, besides=user):
                found["email"] = [ADDRESS_TAKEN]
    return found


@act("access.request_correction")
def request_correction(act: Act, user_id: int, *, printed_name: str = "", email: str = "") -> Correction:
    """Ask that the printed name, the address or both be corrected; what is left empty stays."""
    user = act.lock(User.objects.filter(is_service=False), pk=user_id)
    act.allow(user)
    if user.pk == act.user.pk:
        raise Conflict(
            "You cannot ask for a correction of your own account.",
            fact="This is your own account.",
            rule=TWO_PEOPLE,
            who=["another administrator"],
        )
    name, address = printed_name.strip(), email.strip()
    name = "" if name == user.printed_name else name
    address = "" if address == user.email else address
    problems = _problems(user, name, address)
    if not name and not address:
        problems = {"printed_name": ["Enter a name or an address that differs from what there is."]}
    if problems:
        raise BadInput("The correction was not asked for.", rule="correction", fields=problems)
    row = act.create(
        Correction,
        person=user,
        printed_name=name,
        email=address,
        name_before=user.printed_name,
        email_before=user.email,
        reason=act.reason,
        requested_by=act.user,
        requested_at=now(),
    )
    act.event(correction=row.ref, asks=row.told)
    return row


@registries.precondition("access.refuse_correction")
@registries.precondition("access.withdraw_correction")
def refuse_if_decided(row: Correction) -> None:
    two_people.refuse_if_decided(row, rule="correction-state")


@registries.precondition("access.approve_correction")
def refuse_if_outdated(row: Correction) -> None:
    refuse_if_decided(row)
    user = row.person
    fact = ""
    if not user.is_active:
        fact = f"The account of {user.printed_name} is deactivated."
    elif (user.printed_name, user.email) != (row.name_before, row.email_before):
        fact = "The account has changed since it was asked for."
    elif problems := _problems(user, row.printed_name, row.email):
        fact = " ".join(line for lines in problems.values() for line in lines)
    if fact:
        raise WrongState(
            f"{row.ref} cannot be approved.",
            fact=fact,
            rule="correction-state",
            who=["nobody; a compliance officer refuses it, or an administrator withdraws it"],
        )


def refuse_unless_third(person: User, row: Correction) -> Conflict | None:
    return two_people.refuse_unless_third(person, row, rule=TWO_PEOPLE)


def _taken(act: Act, correction_id: int) -> Correction:
    row = two_people.locked(act, Correction, correction_id)
    act.allow(row)
    if refused := refuse_unless_third(act.user, row):
        raise refused
    return row


@act("access.approve_correction")
def approve_correction(act: Act, correction_id: int) -> Correction:
    """Correct the account. Under a new name nothing is signed before the identity is confirmed again; with a new
    address, links that went to the old one end. What was signed keeps the name that was printed then."""
    in_order()
    row = _taken(act, correction_id)
    user = row.person
    fields: dict[str, Any] = {}
    if row.printed_name:
        fields |= {
            "printed_name": row.printed_name,
            "identity_confirmed_at": None,
            "identity_confirmed_by": None,
            "identity_checked": "",
        }
        act.event(identity="to be confirmed again: the printed name changed")
    if row.email:
        fields["email"] = row.email
        open_links = Enrolment.objects.select_for_update().filter(person=user, used_at=None, ended_at=None)
        act.event(links=[act.write(link, ended_at=now()).ref for link in open_links])
    act.write(user, **fields)
    two_people.decide(act, row, State.APPROVED)
    act.event(correction=row.ref, corrected=row.told)
    act.about(user)  # a deed on the account: whoever did it cannot confirm the identity again (DY18)
    act.after_commit(TELL, row)
    return row


@act("access.refuse_correction")
def refuse_correction(act: Act, correction_id: int) -> Correction:
    """Leave the account as it is."""
    return two_people.decide(act, _taken(act, correction_id), State.REFUSED)


@act("access.withdraw_correction")
def withdraw_correction(act: Act, correction_id: int) -> Correction:
    """Take back what was asked for."""
    row = two_people.locked(act, Correction, correction_id)
    act.allow(row)
    return two_people.withdraw(act, row)
