"""Second factors of a person: added with proof, named, ended; recovery codes. Nobody adds one for another."""

from __future__ import annotations

import time
from collections.abc import Iterable

from apps.access import factors, passkeys, showing, totp
from apps.access.acting import Act, act
from apps.access.acts.accounts import refuse_if_altered
from apps.accounts import sealing
from apps.accounts.factors import Factor, FactorUse, RecoveryCode
from apps.accounts.models import User
from apps.core.clock import now
from apps.core.errors import BadInput, WrongState

TELL = "access.tell_factor"
MOST = 10  # factors of one person
CODES = 10  # recovery codes of one set
LONGEST_NAME = 80


def _own(act: Act, user_id: int) -> User:
    user = act.lock(User.objects.all(), pk=user_id)
    act.own(user)
    act.allow(user)
    return user


def _name(given: str) -> str:
    name = " ".join(given.split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise BadInput(
            "The factor was not kept.",
            fields={"name": [f"Name it so that you know it again, in at most {LONGEST_NAME} characters."]},
        )
    return name


def _room(user: User) -> None:
    if len(factors.live(user)) >= MOST:
        raise WrongState(
            "The factor was not added.",
            fact=f"You have {MOST} factors already.",
            rule="second-factor",
            who=["you, after ending one"],
        )


def _added(act: Act, user: User, factor: Factor, *, step: int = 0, count: int = 0) -> Factor:
    act.create(FactorUse, factor=factor, last_step=step, sign_count=count)
    act.event(factor=factor.ref, name=factor.name, kind=factor.kind)
    if showing.RECOVERED in act.components.factors:
        # A recovery code lets in and cannot sign; nor can a factor that rests on it alone (21 CFR 11.200(a)(3)).
        if user.identity_confirmed_at is not None:
            refuse_if_altered(user)
            act.write(user, identity_confirmed_at=None, identity_confirmed_by=None, identity_checked="")
        act.event(identity="to be confirmed again: added after a recovery code, without another factor")
    act.about(factor)
    act.after_commit(TELL, factor)
    return factor


@act("access.add_totp")
def add_totp(act: Act, user_id: int, *, name: str, sealed: str, code: str) -> Factor:
    """Keep an authenticator app. `sealed`: the secret that was shown; `code`: proof that the app has it."""
    user = _own(act, user_id)
    _room(user)
    name = _name(name)
    try:
        secret = sealing.unseal(sealed, factors.belongs_to(user.uuid))
    except sealing.Unreadable:
        raise WrongState(
            "The authenticator app was not added.",
            fact="The secret that was shown is no longer known here.",
            rule="second-factor",
            who=["you, beginning anew on the page Security"],
        ) from None
    step = totp.step_of(secret, code, time.time())
    if step is None:
        raise BadInput(
            "The authenticator app was not added.",
            fields={"code": ["This is not the code that the app shows now. Check the clock of your device."]},
        )
    factor = act.create(
        Factor, person=user, kind=Factor.Kind.TOTP, name=name, sealed=sealed, created_at=now()
    )
    return _added(act, user, factor, step=step)


@act("access.add_passkey")
def add_passkey(act: Act, user_id: int, *, name: str, answer: str, challenge: str) -> Factor:
    """Keep a passkey that was made for `challenge`, with the person verified by it."""
    user = _own(act, user_id)
    _room(user)
    name = _name(name)
    try:
        made = passkeys.made(answer, challenge)
    except passkeys.BadAnswer as bad:
        raise BadInput(
            "The passkey was not added.",
            fields={"passkey": ["The browser's answer does not hold. Begin anew."]},
            cause=str(bad),
        ) from None
    if Factor.objects.filter(credential_id=made.credential_id).exists():
        raise WrongState("The passkey was not added.", fact="It is known here already.", rule="second-factor")
    factor = act.create(
        Factor,
        person=user,
        kind=Factor.Kind.PASSKEY,
        name=name,
        credential_id=made.credential_id,
        credential=made.credential,
        created_at=now(),
    )
    return _added(act, user, factor, count=made.sign_count)


def _own_live(act: Act, factor_id: int) -> Factor:
    factor = act.lock(Factor.objects.select_related("person"), pk=factor_id)
    act.own(factor.person)
    act.allow(factor)
    if factor.ended_at is not None:
        raise WrongState("This factor has ended already.", rule="second-factor")
    return factor


@act("access.name_factor")
def name_factor(act: Act, factor_id: int, *, name: str) -> Factor:
    """Give one's own factor another name."""
    factor = _own_live(act, factor_id)
    return act.write(factor, name=_name(name))


@act("access.end_factor")
def end_factor(act: Act, factor_id: int) -> Factor:
    """End one's own factor; with the last one the recovery codes end. Who must have one keeps the only one."""
    factor = _own_live(act, factor_id)
    if factors.owes_without(factor):
        raise WrongState(
            "The factor was not ended.",
            fact="It is your only one, and you hold a duty that signs.",
            rule=factors.RULE,
            who=["you, after adding another factor"],
        )
    end(act, [factor], "ended by its person")
    if not factors.has_any(factor.person):
        end_codes(act, factor.person)
    act.after_commit(TELL, factor)
    return factor


def end(act: Act, rows: Iterable[Factor], cause: str) -> list[str]:
    """End factors inside the act that does so; returns their refs. The secret leaves the row."""
    ended = []
    for row in rows:
        act.write(row, ended_at=now(), end_cause=cause, sealed="")
        ended.append(row.ref)
    return ended


def end_codes(act: Act, user: User) -> int:
    """End the unused recovery codes of a person; returns how many."""
    rows = RecoveryCode.objects.select_for_update().filter(person=user, used_at=None, ended_at=None)
    return len([act.write(row, ended_at=now()) for row in rows])


@act("access.make_recovery_codes")
def make_recovery_codes(act: Act, user_id: int) -> User:
    """Make a new set of recovery codes; earlier ones end. They are `user.codes`, once, and are kept nowhere."""
    user = _own(act, user_id)
    if not factors.has_any(user):
        raise WrongState(
            "No recovery codes were made.",
            fact="They stand in for a second factor, and you have none yet.",
            rule="second-factor",
            who=["you, after adding an authenticator app or a passkey"],
        )
    ended = end_codes(act, user)
    codes = [factors.new_code() for _ in range(CODES)]
    for code in codes:
        act.create(RecoveryCode, person=user, hashed=factors.hash_of_code(user, code), created_at=now())
    act.event(made=len(codes), ended=ended)
    user.codes = codes
    return user


@act("access.end_copied_passkey")
def end_copied_passkey(act: Act, factor_id: int, *, cause: str) -> Factor:
    """The alarm when a passkey's counter went back: it may exist twice, so it ends."""
    factor = act.lock(Factor.objects.select_related("person"), pk=factor_id)
    act.allow(factor)
    act.event(alarm=True, cause=cause, person=factor.person.username)
    if factor.ended_at is None:
        end(act, [factor], cause[:120])
    act.after_commit(TELL, factor)
    return factor
