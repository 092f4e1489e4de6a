"""Who acts, and through which door."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from apps.accounts.models import ApiToken, User
from apps.accounts.services import ServiceAccount


@dataclass(frozen=True)
class Actor:
    """A person or a service, the door they came through, and the token they used, if any."""

    user: User
    via: str = "web"  # web | api | job | command
    token: ApiToken | None = None
    on_behalf: User | None = None
    address: str = ""
    through: ServiceAccount | None = None  # an outside service that acts for `user`, its owner
    signed_in_at: datetime | None = (
        None  # when the person of a session signed in; None where there is no session
    )

    @classmethod
    def of(
        cls,
        user: User,
        via: str = "web",
        *,
        token: ApiToken | None = None,
        address: str = "",
        signed_in_at: datetime | None = None,
    ) -> Actor:
        narrowed = getattr(token, "narrowed", None) if token is not None else None
        through = narrowed.service if narrowed is not None else None
        return cls(
            user=user, via=via, token=token, address=address, through=through, signed_in_at=signed_in_at
        )

    @classmethod
    def service(cls, name: str, *, on_behalf: User | None = None, via: str = "job") -> Actor:
        """A named service account, made once by `install_organisation`."""
        user = User.objects.get(username=name, is_service=True)
        return cls(user=user, via=via, on_behalf=on_behalf)

    @property
    def pk(self) -> int:
        return self.user.pk

    @property
    def is_service(self) -> bool:
        return self.user.is_service


def as_actor(value: Actor | User) -> Actor:
    return value if isinstance(value, Actor) else Actor.of(value)
