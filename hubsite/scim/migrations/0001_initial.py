"""The tables of this room, as the framework derived them from the models."""

from __future__ import annotations

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """A step."""

    initial = True

    dependencies = [
        ("register", "0006_ended_hubs"),
    ]

    operations = [
        migrations.CreateModel(
            name="ScimGroup",
            fields=[
                (
                    "group",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="scim",
                        serialize=False,
                        to="register.group",
                    ),
                ),
                (
                    "external_id",
                    models.CharField(blank=True, db_index=True, default="", max_length=120),
                ),
            ],
        ),
        migrations.CreateModel(
            name="ScimToken",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("revision", models.BigIntegerField(default=1, editable=False)),
                (
                    "changed_by",
                    models.CharField(blank=True, default="", editable=False, max_length=32),
                ),
                ("changed_at", models.DateTimeField(auto_now=True)),
                (
                    "name",
                    models.CharField(
                        max_length=24,
                        unique=True,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[a-z0-9](?:[a-z0-9-]{0,22}[a-z0-9])?\\Z",
                                "A name has 1 to 24 of a-z, 0-9 and '-', and begins and ends with a letter or digit.",
                            )
                        ],
                    ),
                ),
                ("digest", models.CharField(max_length=64, unique=True)),
                ("made_at", models.DateTimeField(auto_now_add=True)),
                ("revoked_at", models.DateTimeField(editable=False, null=True)),
            ],
            options={
                "ordering": ("name",),
            },
        ),
        migrations.CreateModel(
            name="ScimUser",
            fields=[
                (
                    "person",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="scim",
                        serialize=False,
                        to="register.person",
                    ),
                ),
                ("user_name", models.CharField(max_length=120)),
                ("folded", models.CharField(max_length=240, unique=True)),
                (
                    "external_id",
                    models.CharField(blank=True, db_index=True, default="", max_length=120),
                ),
                ("ended_here", models.BooleanField(default=False)),
            ],
        ),
    ]
