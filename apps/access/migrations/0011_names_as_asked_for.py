from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("access", "0010_who_withdrew_a_review"),
    ]

    operations = [
        migrations.AddField(
            model_name="waiver",
            name="printed_name",
            field=models.CharField(blank=True, default="", max_length=120),
        ),
        migrations.AddField(
            model_name="historicalwaiver",
            name="printed_name",
            field=models.CharField(blank=True, default="", max_length=120),
        ),
    ]
