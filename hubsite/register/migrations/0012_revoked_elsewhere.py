"""What a policy revoked that this database did not know, and from which an operator went on."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """A step."""

    dependencies = [("register", "0011_no_browsers")]
    operations = [
        migrations.AddField("engineplace", "gone_on_from", models.BigIntegerField(default=0)),
        migrations.CreateModel(
            name="RevokedElsewhere",
            fields=[
                ("name", models.CharField(max_length=255, primary_key=True, serialize=False)),
                ("is_grant", models.BooleanField(db_index=True)),
                ("until", models.BigIntegerField()),
            ],
        ),
    ]
