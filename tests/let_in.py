"""`Client.force_login` makes a session that says when it began, as every road of signing in does."""

from __future__ import annotations

import pytest
from django.test import Client

from apps.access.fresh import BEGAN
from apps.core.clock import now
from apps.trail import lateness


def note_beginnings(patch: pytest.MonkeyPatch) -> None:
    """A session without a beginning is ended by the portal; what is tested by such clients is everything else."""
    forced = Client.force_login

    def begun(self: Client, user, backend=None) -> None:
        forced(self, user, backend)
        lateness.known()  # as every request asks first
        session = self.session
        session[BEGAN] = int(now().timestamp())
        session.save()

    patch.setattr(Client, "force_login", begun)
