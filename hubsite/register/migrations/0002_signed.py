"""Tables of this room, as the framework derived them from the models."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    """A step."""

    dependencies = [
        ("register", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="EnginePlace",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("place", models.BigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name="HubPolicy",
            fields=[
                ("hub", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("version", models.BigIntegerField(default=0)),
                ("refused", models.CharField(blank=True, default="", max_length=512)),
                ("said_at", models.DateTimeField(null=True)),
            ],
            options={
                "ordering": ("hub",),
            },
        ),
        migrations.CreateModel(
            name="SignedPolicy",
            fields=[
                ("version", models.BigIntegerField(primary_key=True, serialize=False)),
                ("issued_at", models.BigIntegerField()),
                ("act", models.BigIntegerField()),
                ("document", models.BinaryField()),
                ("is_put", models.BooleanField(default=False)),
            ],
        ),
        migrations.CreateModel(
            name="SignedGrant",
            fields=[
                ("grant_id", models.CharField(max_length=32, primary_key=True, serialize=False)),
                ("issued_at", models.BigIntegerField()),
                ("expires", models.BigIntegerField(db_index=True)),
                ("scope", models.BinaryField(max_length=4096)),
                ("document", models.BinaryField(max_length=4096)),
                (
                    "credential",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="signed",
                        to="register.credential",
                    ),
                ),
            ],
        ),
    ]
