"""Second factors of people of the cast, added through acts."""

from __future__ import annotations

import time

from apps.access import factors, passkeys, totp
from apps.access.acts import add_passkey, add_totp
from apps.access.showing import Shown
from apps.accounts import sealing
from apps.accounts.factors import Factor, FactorUse
from apps.accounts.models import User
from tests.factories.passkeys import Authenticator


def code_of(secret: bytes, *, after: int = 0) -> str:
    """The code that the app shows `after` seconds from now."""
    return totp.code_at(secret, int(time.time() + after) // totp.STEP)


def shows(factor: Factor, *, again: bool = True) -> Shown:
    """A right code of this app. `again`: even where the code of this half minute was used before."""
    if again:
        FactorUse.objects.filter(factor=factor).update(last_step=0)
    return Shown(code=code_of(factors.secret_of(factor)))


def shows_key(factor: Factor, device: Authenticator) -> Shown:
    options, challenge = passkeys.request([factor])
    return Shown(passkey=device.shows(options), challenge=challenge)


def app_for(user: User, *, name: str = "phone", second: Shown | None = None) -> tuple[Factor, bytes]:
    """An authenticator app whose codes of now are not used up yet."""
    secret = totp.new_secret()
    sealed = sealed_for(user, secret)
    factor = add_totp(user, user.pk, name=name, sealed=sealed, code=code_of(secret), second=second)
    FactorUse.objects.filter(factor=factor).update(last_step=0)
    return factor, secret


def passkey_for(
    user: User, *, name: str = "key", second: Shown | None = None, **device
) -> tuple[Factor, Authenticator]:
    device = Authenticator(**device)
    options, challenge = passkeys.creation(user, [])
    factor = add_passkey(
        user, user.pk, name=name, answer=device.makes(options), challenge=challenge, second=second
    )
    return factor, device


def sealed_for(user: User, secret: bytes) -> str:
    """The secret as it stands in the database."""
    return sealing.seal(secret, factors.belongs_to(user.uuid))
