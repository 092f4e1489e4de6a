"""Passwords that a database owner cannot replace: each hash is bound to its account by a mark made outside.

`password_mark` is HMAC-SHA-256 under the trail's MAC key (a file, never in the database) over the account's uuid and
its password hash. The hash itself is kept out of the history; the mark is in it, so the act that set the password
accounts for it. A hash is compared with nothing before its mark was.
"""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from django.contrib.auth.hashers import check_password

if TYPE_CHECKING:
    from apps.accounts.models import User

DOMAIN = b"countersign password mark v1"
WRONG_MARK = "the password hash is not the one that an act of the portal set (field password)"


def mark_of(user: User) -> str:
    """The mark that belongs to the account and the hash as they are now, 64 hex digits."""
    from apps.trail.identity import keys  # the trail's tables do not stand yet when models are loaded

    return keys().mac(b"\0".join([DOMAIN, user.uuid.bytes, user.password.encode()]))


def marked(user: User) -> bool:
    """Whether the mark belongs to the hash; compared in constant time."""
    return hmac.compare_digest(mark_of(user).encode(), user.password_mark.encode())


def fault(user: User) -> str:
    """What of this account was changed behind the portal, in words for the trail; empty when nothing was.

    `user` must be fresh from the database.
    """
    from apps.trail import standing

    if not marked(user):
        return WRONG_MARK
    changed = standing.faults(user)
    if changed:
        return f"the account is not as its last act left it (field {', '.join(changed)})"
    return ""


def matches(user: User, password: str) -> tuple[bool, str]:
    """(does the password belong to the account, what is wrong with the account). As slow either way.

    An account that seems changed is read once more: an act may have ended between the two looks.
    """
    wrong = fault(user)
    if wrong:
        user = type(user).objects.get(pk=user.pk)
        wrong = fault(user)
    good = check_password(password, user.password)
    return good and not wrong, wrong
