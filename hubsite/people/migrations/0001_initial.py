"""The table of this room, as the framework derived it from the models."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """A step."""

    initial = True

    dependencies = [("register", "0004_one_family")]

    operations = [
        migrations.CreateModel(
            name="ExternalId",
            fields=[
                (
                    "person",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="external",
                        serialize=False,
                        to="register.person",
                    ),
                ),
                ("value", models.CharField(max_length=120, unique=True)),
            ],
        ),
    ]
