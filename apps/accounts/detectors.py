"""What `verify_trail` asks of accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apps.accounts import passwords
from apps.accounts.models import User
from apps.core import registries

if TYPE_CHECKING:
    from apps.trail.findings import Session


@registries.detector("accounts.password")
def password_marks(session: Session) -> None:
    """Password hashes against their marks. The marks themselves are in the history."""
    fields = ("id", "uuid", "password", "password_mark")
    for user in User.objects.using(session.alias).only(*fields).order_by("pk").iterator(chunk_size=2000):
        if not passwords.marked(user):
            table = User._meta.db_table
            session.report(
                "password", table, user.pk, "password", "not the hash that an act of the portal set"
            )
