"""The table of this room."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    """A step."""

    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="KeptClock",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("believed", models.BigIntegerField()),
                ("doubted", models.BigIntegerField(null=True)),
                ("even", models.BigIntegerField(default=0)),
            ],
        ),
    ]
