"""What the web process enters in the trail when it starts."""

from __future__ import annotations

import logging

from django.db import DatabaseError

from apps.access import policy_then, second_factor_rule
from apps.core.errors import Refused

log = logging.getLogger("countersign.start")


def enter_configuration() -> None:
    """Enter a setting, or a policy table, that changed.

    A database that does not answer yet keeps no portal from starting: it is logged, and the page of health says that
    the trail does not hold the setting.
    """
    try:
        second_factor_rule.enter_if_changed()
        policy_then.enter_if_changed()
    except (DatabaseError, Refused):
        log.exception("the settings of this start are not in the trail")
