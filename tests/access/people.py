"""More people than the cast."""

from __future__ import annotations

from collections.abc import Iterable

from apps.access.acts import confirm_identity, create_account, set_password
from apps.accounts.models import User
from tests.cast import PASSWORD, World


def crowd(world: World, names: Iterable[str]) -> dict[str, User]:
    """New accounts by username, also put among the people of the world."""
    made = {}
    for name in names:
        new = create_account(
            world.administrator,
            username=name,
            printed_name=f"{name.replace('_', ' ').title()} Person",
            email=f"{name}@example.org",
        )
        set_password(new, new.pk, password=PASSWORD)
        made[name] = confirm_identity(world.compliance, new.pk, how="known")
    world.people |= made
    return made
