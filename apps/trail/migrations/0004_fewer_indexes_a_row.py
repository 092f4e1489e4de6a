from django.db import migrations, models

import apps.trail.indexes


OLD, PATTERNS, NEW = "trail_entry_act_id_6f98941d", "trail_entry_act_id_6f98941d_like", "trail_entry_of_act"


def put_ours(apps, schema_editor):
    """By hand: SQLite would copy the whole trail for an index less."""
    schema_editor.execute(f"DROP INDEX IF EXISTS {PATTERNS}")
    schema_editor.execute(f"DROP INDEX IF EXISTS {OLD}")
    schema_editor.execute(f"CREATE INDEX {NEW} ON trail_entry (act_id)")


def put_django_s(apps, schema_editor):
    schema_editor.execute(f"DROP INDEX IF EXISTS {NEW}")
    schema_editor.execute(f"CREATE INDEX {OLD} ON trail_entry (act_id)")
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"CREATE INDEX {PATTERNS} ON trail_entry (act_id varchar_pattern_ops)")


class Migration(migrations.Migration):

    dependencies = [
        ('trail', '0003_entry_sorts'),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    model_name='entry',
                    name='act_id',
                    field=models.CharField(blank=True, default='', max_length=32),
                ),
                migrations.AddIndex(
                    model_name='entry',
                    index=models.Index(fields=['act_id'], name='trail_entry_of_act'),
                ),
            ],
            database_operations=[migrations.RunPython(put_ours, put_django_s)],
        ),
        migrations.RemoveIndex(
            model_name='entry',
            name='trail_entry_actor',
        ),
        migrations.RemoveIndex(
            model_name='entry',
            name='trail_entry_act',
        ),
        migrations.RemoveIndex(
            model_name='entry',
            name='trail_entry_scope',
        ),
        migrations.RemoveIndex(
            model_name='entry',
            name='trail_entry_who',
        ),
        migrations.RemoveIndex(
            model_name='entry',
            name='trail_entry_kind',
        ),
        migrations.AddIndex(
            model_name='entry',
            index=apps.trail.indexes.WithoutRows(fields=['actor_uuid', 'id'], name='trail_entry_actor'),
        ),
        migrations.AddIndex(
            model_name='entry',
            index=apps.trail.indexes.WithoutRows(fields=['act', 'id'], name='trail_entry_act'),
        ),
        migrations.AddIndex(
            model_name='entry',
            index=apps.trail.indexes.WithoutRows(fields=['scope', 'id'], name='trail_entry_scope'),
        ),
        migrations.AddIndex(
            model_name='entry',
            index=apps.trail.indexes.WithoutRows(fields=['actor_name', 'id'], name='trail_entry_who'),
        ),
        migrations.AddIndex(
            model_name='entry',
            index=apps.trail.indexes.WithoutRows(fields=['kind', 'id'], name='trail_entry_kind'),
        ),
    ]
