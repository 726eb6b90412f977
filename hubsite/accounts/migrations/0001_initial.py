"""Tables of this room, as the framework derived them from the models."""

from __future__ import annotations

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    """A step."""

    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Account",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("password", models.CharField(max_length=128, verbose_name="password")),
                (
                    "last_login",
                    models.DateTimeField(blank=True, null=True, verbose_name="last login"),
                ),
                (
                    "name",
                    models.CharField(
                        max_length=32,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[a-z0-9](?:[a-z0-9._-]{0,30}[a-z0-9])?\\Z",
                                "A name has 1 to 32 of a-z, 0-9, '.', '_' and '-', and begins and ends with a letter or digit.",
                            )
                        ],
                    ),
                ),
                ("is_active", models.BooleanField(default=True)),
                ("factor", models.BinaryField(default=b"", max_length=128)),
                ("factor_step", models.BigIntegerField(default=0)),
                ("wrong_tries", models.BigIntegerField(default=0)),
                ("wrong_at", models.DateTimeField(null=True)),
                ("wrong_from", models.CharField(blank=True, default="", max_length=64)),
                ("made_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "abstract": False,
            },
        ),
    ]
