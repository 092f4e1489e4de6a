"""System checks: a table without history, or a watched table without its triggers (tag database), stops the start."""

from __future__ import annotations

import sys
from typing import Any

from django.apps import apps
from django.core.checks import CheckMessage, Error
from django.db import connections

from apps.trail import structure, triggers
from apps.trail.bookkeeping import BOOKKEEPING
from apps.trail.history import is_history
from apps.trail.watched import ENTRY_TABLE


def histories_kept(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Every table of the portal keeps a history, which the triggers watch; what need not is listed by name."""
    ours = [
        model for model in apps.get_models() if model.__module__.startswith("apps.") and not is_history(model)
    ]
    return [
        Error(
            f"{model._meta.label} keeps no history: its changes would leave no trace.",
            hint="Give it history = history(); bookkeeping is named in apps/trail/bookkeeping.py.",
            obj=model,
            id="trail.E003",
        )
        for model in ours
        if not hasattr(model, "history") and model._meta.label not in BOOKKEEPING
    ]


def triggers_stand(app_configs: Any = None, databases: Any = None, **_: Any) -> list[CheckMessage]:
    if sys.argv[1:2] == ["migrate"]:
        return []  # migrate is what puts them right, and it runs the checks first
    messages: list[CheckMessage] = []
    for alias in databases or ():
        connection = connections[alias]
        if ENTRY_TABLE not in connection.introspection.table_names():
            continue
        for table, name, fault in triggers.faults(connection):
            messages.append(
                Error(f"Trigger {name} on {table}: {fault}.", hint="Run manage.py migrate.", id="trail.E001")
            )
        for _detector, table, field, fault in structure.faults(connection):
            where = f"{table}, {field}" if field else table
            messages.append(
                Error(
                    f"Table {where}: {fault}.",
                    hint="Run manage.py migrate, then verify_trail.",
                    id="trail.E002",
                )
            )
    return messages
