"""`manage.py migrate`: an empty database gets the tables as the models have them, and every migration counts as done.

Carrying out each migration in turn renders every model anew at each step: a minute before a first start. That both
ways end in the same tables is tested (`tests/platform/test_migrations.py`); `--each-step` takes the long one. No
migration of ours or of the packages used puts rows into an empty database.
"""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.core.management.base import CommandParser
from django.core.management.commands import migrate
from django.db import connections, router
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

# With one of these somebody asks for something else than a whole, real migration.
PARTIAL = (
    "app_label",
    "migration_name",
    "fake",
    "fake_initial",
    "plan",
    "run_syncdb",
    "check_unapplied",
    "prune",
)


class Command(migrate.Command):
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--each-step",
            action="store_true",
            help="Carry out every migration in turn, on an empty database too.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        each_step = options.pop("each_step")
        connection = connections[options["database"]]
        if not each_step and not any(options.get(name) for name in PARTIAL):
            connection.prepare_database()
            if not connection.introspection.table_names():
                lay(connection)
        super().handle(*args, **options)


def lay(connection: BaseDatabaseWrapper) -> None:
    """All tables and the record of all migrations, in one transaction: a process that is killed leaves nothing."""
    nodes = sorted(MigrationLoader(connection).graph.nodes)
    done = MigrationRecorder(connection).Migration
    with connection.schema_editor() as editor:
        editor.create_model(done)
        for config in apps.get_app_configs():
            for model in router.get_migratable_models(config, connection.alias):
                if model._meta.can_migrate(connection):
                    editor.create_model(model)
        done.objects.using(connection.alias).bulk_create(done(app=app, name=name) for app, name in nodes)
