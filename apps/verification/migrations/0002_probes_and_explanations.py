from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("verification", "0001_requirements_evidence_and_claims"),
    ]

    operations = [
        migrations.AlterField(
            model_name="historicallink",
            name="target",
            field=models.CharField(
                choices=[
                    ("test", "Tests in attached results"),
                    ("criterion", "A criterion of the validation plan"),
                    ("limit", "A bias limit of the validation plan"),
                    ("probe", "A limit of the probes of robustness and privacy"),
                    ("explained", "An explanation with its review of features"),
                    ("claim", "A claim computed elsewhere"),
                ],
                max_length=9,
            ),
        ),
        migrations.AlterField(
            model_name="link",
            name="target",
            field=models.CharField(
                choices=[
                    ("test", "Tests in attached results"),
                    ("criterion", "A criterion of the validation plan"),
                    ("limit", "A bias limit of the validation plan"),
                    ("probe", "A limit of the probes of robustness and privacy"),
                    ("explained", "An explanation with its review of features"),
                    ("claim", "A claim computed elsewhere"),
                ],
                max_length=9,
            ),
        ),
    ]
