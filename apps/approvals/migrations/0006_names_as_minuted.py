from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("approvals", "0005_board_changes"),
    ]

    operations = [
        migrations.AddField(
            model_name="attendance",
            name="printed_name",
            field=models.CharField(blank=True, default="", max_length=120),
        ),
        migrations.AddField(
            model_name="historicalattendance",
            name="printed_name",
            field=models.CharField(blank=True, default="", max_length=120),
        ),
    ]
