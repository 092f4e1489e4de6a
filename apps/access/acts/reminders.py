"""Telling people beforehand: entered in the trail on the record it is about, and mailed after the commit."""

from __future__ import annotations

from typing import Any

from apps.access.acting import Act, act
from apps.access.models import Reminder
from apps.accounts.models import User
from apps.core.clock import now
from apps.core.errors import NotVisible
from apps.core.subjects import model_of

MAIL = "access.mail_reminder"


@act("access.remind")
def remind(
    act: Act, *, about_kind: str, about_id: int, person_id: int, stage: str, title: str, text: str
) -> Reminder:
    """Tell one person of what is coming, once at each stage ("30 days", "7 days", "1 day", "lapsed")."""
    about: Any = model_of(about_kind)._default_manager.filter(pk=about_id).first()
    if about is None:
        raise NotVisible()
    act.allow(about)
    person = User.objects.get(pk=person_id)
    row = act.create(
        Reminder,
        about_kind=about_kind,
        about_id=about_id,
        person=person,
        stage=stage,
        title=title[:200],
        text=text,
        asked_at=now(),
    )
    act.after_commit(MAIL, row)
    act.event(told=person.username, stage=stage, reminder=row.pk)
    return row
