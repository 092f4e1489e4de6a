"""Every verb on models and their versions."""

from __future__ import annotations

import re

from apps.access.acting import Act, act
from apps.access.duties import Duty
from apps.access.gate import ORGANISATION_SUBJECT
from apps.access.naming import name_owner
from apps.core.clock import now
from apps.core.errors import BadInput
from apps.registry.models import Model

SLUG = re.compile(r"[a-z0-9][a-z0-9-]{1,59}")


@act("registry.register_model")
def register_model(act: Act, *, slug: str, name: str, owner_id: int, description: str = "") -> Model:
    """Register a model and name its owner, whose duty a compliance officer then approves."""
    act.allow(ORGANISATION_SUBJECT)
    problems: dict[str, list[str]] = {}
    if not SLUG.fullmatch(slug):
        problems["slug"] = ["2 to 60 small letters, digits and dashes, starting with a letter or digit."]
    elif Model.objects.filter(slug=slug).exists():
        problems["slug"] = ["A model has this short name already."]
    if not name.strip():
        problems["name"] = ["Enter a name."]
    if problems:
        raise BadInput("The model was not registered.", fields=problems)
    model = act.create(
        Model, slug=slug, name=name.strip(), description=description, registered_by=act.user, registered_at=now()
    )
    name_owner(act, model, owner_id, Duty.OWNER)
    act.about(model)
    return model
