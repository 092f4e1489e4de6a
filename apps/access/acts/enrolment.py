"""From a new account to a person who can sign: the link is sent and used, and a second person confirms who it is."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

from django.conf import settings

from apps.access.acting import Act, act
from apps.access.sharing import gathered
from apps.accounts.models import IDENTITY_CHECKS, Enrolment, User
from apps.core import jobs, registries
from apps.core.clock import now
from apps.core.errors import BadInput, Conflict, WrongState
from apps.core.models import Job
from apps.trail.models import Entry, Kind

SEND = "access.send_enrolment"
CHECKS = [(key, words) for key, words in IDENTITY_CHECKS if key != "installation"]


def ask_for_link(act: Act, person: User) -> Enrolment:
    """Have a link sent to the person; earlier ones end. Inside the act that wants it."""
    for earlier in Enrolment.objects.select_for_update().filter(person=person, used_at=None, ended_at=None):
        act.write(earlier, ended_at=now())
    row = act.create(Enrolment, person=person, created_at=now())
    act.after_commit(SEND, row)
    return row


@act("access.finish_enrolment")
def finish_enrolment(act: Act, enrolment_id: int, *, job: Job, hashed: str) -> Enrolment:
    """The mail is sent: keep the hash of its secret. An empty hash: none was needed any more."""
    row = act.lock(Enrolment.objects.all(), pk=enrolment_id)
    act.allow(row)
    jobs.end(job)
    if not hashed:
        return act.write(row, ended_at=now())
    lasts = timedelta(seconds=settings.PASSWORD_RESET_TIMEOUT)
    return act.write(row, hashed=hashed, sent_at=now(), expires_at=now() + lasts)


@act("access.fail_enrolment")
def fail_enrolment(act: Act, enrolment_id: int, *, job: Job, message: str) -> Enrolment:
    """The mail could not be sent."""
    row = act.lock(Enrolment.objects.all(), pk=enrolment_id)
    act.allow(row)
    jobs.end(job, state=Job.State.FAILED, error=message)
    return act.write(row, failure=message)


@registries.precondition("access.confirm_identity")
def refuse_if_confirmed(user: User) -> None:
    if not user.is_active or user.is_service:
        raise WrongState("There is nobody to confirm: the account is not in use.", rule="account-state")
    if user.identity_confirmed_at is not None:
        raise WrongState(
            "This identity is confirmed already.",
            fact=f"It was confirmed on {user.identity_confirmed_at:%Y-%m-%d}.",
            rule="account-state",
        )


@act("access.confirm_identity")
def confirm_identity(act: Act, user_id: int, *, how: str) -> User:
    """Record that one made sure who is behind an account (21 CFR 11.100(b)); never one's own, nor one that one made."""
    user = act.lock(User.objects.filter(is_service=False), pk=user_id)
    act.allow(user)
    if refused := second_person(act.user, user):
        raise refused
    if how not in dict(CHECKS):
        raise BadInput(
            "The identity was not confirmed.", fields={"how": ["Choose how you made sure who it is."]}
        )
    act.write(user, identity_confirmed_at=now(), identity_confirmed_by=act.user, identity_checked=how)
    act.event(how=how)
    return user


def _makers(ids: list[int]) -> dict[int, set[str]]:
    """Account -> who made it, as the trail tells."""
    rows = Entry.objects.filter(
        kind=Kind.ACT,
        act="access.create_account",
        subject_kind=User.subject_kind,
        subject_id__in=[str(pk) for pk in ids],
    )
    found: dict[int, set[str]] = {pk: set() for pk in ids}
    for pk, maker in rows.values_list("subject_id", "actor_uuid"):
        found[int(pk)].add(str(maker))
    return found


def prime_second_person(users: Collection[User]) -> None:
    """Read who made these accounts, in one query."""
    gathered("makers of accounts", [user.pk for user in users], _makers)


def second_person(checker: User, user: User) -> Conflict | None:
    """Why `checker` may not confirm the identity behind this account; None when they may."""
    if checker.pk == user.pk:
        fact = "This is your own account."
    elif str(checker.uuid) in gathered("makers of accounts", [user.pk], _makers)[user.pk]:
        fact = "You made this account."
    else:
        return None
    return Conflict(
        f"You cannot confirm the identity of {user.printed_name}.",
        fact=fact,
        rule="21 CFR 11.100(b): a second person confirms who is behind an account",
        who=["another compliance officer or registrar"],
    )
