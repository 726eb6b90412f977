"""An account is an operator's or a person's: those that were there before are operators'."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """A step."""

    dependencies = [("accounts", "0001_initial")]
    operations = [
        migrations.AddField("account", "is_operator", models.BooleanField(default=True)),
        migrations.AlterField("account", "is_operator", models.BooleanField(default=False)),
    ]
