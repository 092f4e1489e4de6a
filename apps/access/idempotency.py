"""Asked again with the same key, an act answers the same and happens once."""

from __future__ import annotations

import hashlib
from typing import Any

from django.db import models

from apps.access.actors import Actor
from apps.access.gate import is_visible
from apps.access.models import IdempotencyKey
from apps.core.clock import now
from apps.core.errors import BadInput, NotVisible
from apps.core.subjects import model_of

LONGEST = 100


class Once:
    """One asking of an act under a key of the caller's; without a key nothing is remembered."""

    def __init__(
        self,
        actor: Actor,
        act: str,
        key: str,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        reason: str,
        signing: tuple[str, str] | None = None,
    ) -> None:
        self.actor, self.act, self.key = actor, act, key
        self.fingerprint = ""
        if len(key) > LONGEST or not key.isprintable():
            raise BadInput(
                "This Idempotency-Key cannot be used.",
                fact=f"A key is at most {LONGEST} characters that can be printed.",
                rule="idempotency",
                fields={"Idempotency-Key": [f"At most {LONGEST} characters that can be printed."]},
            )
        if key:
            asked = repr((act, args, sorted(kwargs.items()), reason, signing))
            self.fingerprint = hashlib.sha256(asked.encode()).hexdigest()

    def earlier(self) -> tuple[bool, Any]:
        """(True, the earlier result) when this was done already; BadInput when the key stood for something else."""
        if not self.key:
            return False, None
        row = IdempotencyKey.objects.filter(user=self.actor.user, key=self.key).first()
        if row is None:
            return False, None
        if row.act != self.act or row.fingerprint != self.fingerprint:
            raise BadInput(
                "This Idempotency-Key was used for something else.",
                fact=f"It belongs to an earlier {row.act}.",
                rule="idempotency",
                who=["you, with a new key"],
            )
        if row.result_id is None:
            return True, None
        earlier: Any = model_of(row.result_kind)._default_manager.get(pk=row.result_id)
        if not self.actor.is_service and not is_visible(self.actor, earlier):
            raise NotVisible()  # another token, or sight that has ended since
        return True, earlier

    def remember(self, result: Any) -> None:
        """Keep the result, in the transaction of the act."""
        if not self.key:
            return
        known = isinstance(result, models.Model) and hasattr(result, "subject_kind")
        IdempotencyKey.objects.create(
            user=self.actor.user,
            key=self.key,
            act=self.act,
            fingerprint=self.fingerprint,
            result_kind=result.subject_kind if known else "",
            result_id=result.pk if known else None,
            created_at=now(),
        )
