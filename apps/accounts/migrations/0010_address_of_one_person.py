"""An e-mail address belongs to one account in use: links for passwords go there."""

import django.db.models.functions.text
from django.db import migrations, models


def refuse_shared(apps, _schema):
    """Whose an address is, is a decision of people: the upgrade stops with what to do, and changes nothing."""
    rows = apps.get_model("accounts", "User").objects.filter(is_active=True).exclude(email="")
    shared = (
        rows.annotate(address=django.db.models.functions.text.Lower("email"))
        .order_by()
        .values("address")
        .annotate(accounts=models.Count("pk"))
        .filter(accounts__gt=1)
    )
    if found := sorted(row["address"] for row in shared):
        raise RuntimeError(
            f"Accounts in use share an e-mail address: {', '.join(found)}. With the earlier release, have an "
            "administrator and a compliance officer correct all but one of each; then run migrate again."
        )


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0009_corrections"),
    ]

    operations = [
        migrations.RunPython(refuse_shared, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.UniqueConstraint(
                django.db.models.functions.text.Lower("email"),
                condition=models.Q(("is_active", True), models.Q(("email", ""), _negated=True)),
                name="email_unique_in_any_case",
            ),
        ),
    ]
